"""What can be said only when several hosts were read: does another one claim what this one has?

A check that names `across` probes is judged after the last host of a run has answered. It sees its own host's facts
as ever, and `others`: for each other host its name and its facts of those probes. A host that could not be read, not
fully, or not at the same time has no facts there: whatever hangs on them is unknown, with that host's reason (law 1).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from pydantic import BaseModel, ConfigDict, create_model

from bot.core.host import Host, HostFailure
from bot.core.judge import Judgement, Seen, judge
from bot.core.playbook import Check, Playbook
from bot.core.probe import Facts, Unknown
from bot.core.snapshot import Visit

OTHERS = "others"
"""The name of the other hosts in expressions."""

_EVERYBODY = frozenset({"all", "ungrouped"})
MAX_UNREAD = 3
"""Hosts without evidence that a reason names; more are counted."""


def others_type(facts: Mapping[str, type[Facts]]) -> type[BaseModel]:
    """The shape of one of `others`: `host`, and the facts of each probe under its name."""
    fields: dict[str, Any] = {name: (kind, ...) for name, kind in facts.items()}
    return create_model("Other", __config__=ConfigDict(frozen=True), host=(str, ...), **fields)


@dataclass(frozen=True, slots=True)
class Aside:
    """What is kept of one host's visit until every host of the run has been read."""

    host: str
    groups: frozenset[str]
    began: datetime
    ended: datetime
    seen: Seen | Unknown
    """Its facts of the probes that findings across hosts look at, or why there are none."""

    def near(self, other: "Aside") -> bool:
        """Whether the other may have to do with this one: a common group, where this one is in any."""
        return not self.groups or not self.groups.isdisjoint(other.groups)

    def meets(self, other: "Aside") -> bool:
        """Whether both were read at the same time: what moves from host to host must not be seen on both."""
        return self.began <= other.ended and other.began <= self.ended


def probes_across(playbooks: Iterable[Playbook]) -> frozenset[str]:
    """The probes whose facts must be kept until the run's end: those that findings across hosts speak of, no more."""
    return frozenset(name for book in playbooks for check in book.checks if check.across for name in _named_in(check))


def _named_in(check: Check) -> Iterable[str]:
    conditions = [check.where, check.when, *(condition for _, condition in check.rungs)]
    expressions = [
        check.each,
        *(condition.expression for condition in conditions if condition),
        *check.lets.values(), *check.late.values(), *check.scope.values(), *check.evidence.values(),
        *check.say.expressions, *check.because.expressions,
    ]  # fmt: skip
    for expression in expressions:
        if expression:
            yield from expression.names
            yield from expression.reads
    yield from check.across


def aside(host: Host, visit: Visit, probes: frozenset[str], now: datetime) -> Aside:
    """Put by what findings across hosts need of a visit; `now` is when it was over."""
    groups = frozenset(host.groups) - _EVERYBODY
    if isinstance(visit, HostFailure):
        return Aside(host.name, groups, now, now, Unknown(f"{host.name} could not be read: {visit.reason}"))
    kept = replace(visit, outcomes={name: found for name, found in visit.outcomes.items() if name in probes})
    return Aside(host.name, groups, visit.taken, visit.taken + timedelta(seconds=visit.seconds), Seen.of(kept))


def judge_across(check: Check, here: Aside, run: Sequence[Aside], params: Mapping[str, Any]) -> Judgement:
    """Decide a check that looks at other hosts. The run may hold the host itself too."""
    judgement = Judgement()
    if isinstance(here.seen, Unknown):
        judgement.doubt(here.seen)
        return judgement
    if check.each is not None and check.each.path and check.each.looked_up(here.seen.world(params)) in ([], {}):
        return judgement
    told: list[dict[str, Any]] = []
    unread: list[str] = []
    for other in run:
        if other.host != here.host and here.near(other):
            facts, reasons = _facts(check, here, other)
            told.append({"host": other.host, **facts})
            unread += reasons
    found = judge(check, replace(here.seen, plain={**here.seen.plain, OTHERS: (told,)}), params)
    judgement.found = found.found
    own = {value.reason for value in here.seen.plain.values() if isinstance(value, Unknown)}
    for reason in found.unknown:
        # the other hosts' facts are absent from the expression, so their reason is told instead of the absence
        judgement.doubt(_unread(unread) if unread and reason not in own else reason)
    return judgement


def _facts(check: Check, here: Aside, other: Aside) -> tuple[dict[str, Any], list[str]]:
    if isinstance(other.seen, Unknown):
        return {}, [other.seen.reason]
    if not here.meets(other):
        return {}, [f"{other.host} was not read at the same time"]
    found: dict[str, Any] = {}
    reasons = []
    for probe in check.across:
        outcome = other.seen.plain.get(probe, Unknown(f"{probe} was not asked"))
        if isinstance(outcome, Unknown):
            reasons.append(f"{other.host}: {outcome.reason}")
        else:
            found[probe] = outcome[-1]
    return found, reasons


def _unread(reasons: Sequence[str]) -> str:
    shown = "; ".join(reasons[:MAX_UNREAD])
    return shown if len(reasons) <= MAX_UNREAD else f"{shown}; and {len(reasons) - MAX_UNREAD} more"
