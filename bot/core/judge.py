"""Does one check of a playbook hold on this snapshot: for which items, how often, and what could not be decided?

A row is one item of a check in one sample. A row that is unknown is never counted as "no": it makes the check
undecided unless the others decide it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bot.core.condition import Expression, Truth, World
from bot.core.fingerprint import fingerprint
from bot.core.playbook import Check, Confirm, MeasureRule
from bot.core.probe import Unknown
from bot.core.snapshot import Outcome, Snapshot
from bot.core.text import neutral

_EACH_WEIGHT = 5_000_000
"""Items that the list of a check may hold: facts are bounded by their probes already."""


@dataclass(frozen=True, slots=True)
class Row:
    """One item in one sample: whether `when` held, and its identity (None when its scope is unknown)."""

    world: World
    truth: Truth
    scope: Mapping[str, Any]
    fingerprint: str


@dataclass(slots=True)
class Judgement:
    """The rows that are findings, one for each fingerprint, and the reasons why others are undecided."""

    found: dict[str, Row] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)

    def doubt(self, reason: Unknown | str) -> None:
        """Note a reason once."""
        text = reason.reason if isinstance(reason, Unknown) else reason
        if text not in self.unknown:
            self.unknown.append(text)


@dataclass(frozen=True, slots=True)
class Seen:
    """A snapshot as worlds: the newest, and one for every sample of the momentary probes."""

    host: str
    plain: Mapping[str, tuple[Any, ...] | Unknown]
    expect: Mapping[str, Any] = field(default_factory=dict)

    @staticmethod
    def of(snapshot: Snapshot) -> "Seen":
        """Facts as plain values, once for the whole diagnosis; reasons begin with their probe's name."""
        plain = {probe: _dumped(probe, outcome) for probe, outcome in snapshot.outcomes.items()}
        return Seen(snapshot.host, plain, snapshot.expect)

    def world(self, params: Mapping[str, Any], momentary: frozenset[str] = frozenset(), sample: int = -1) -> World:
        """The facts at one sample of the momentary probes; of every other probe the newest."""
        values = {
            probe: outcome if isinstance(outcome, Unknown) else outcome[sample if probe in momentary else -1]
            for probe, outcome in self.plain.items()
        }
        return World(host=self.host).bind({**values, "params": dict(params), "expect": dict(self.expect)})

    def worlds(self, params: Mapping[str, Any], momentary: frozenset[str]) -> Sequence[World]:
        """One world for every sample that all of these probes have, oldest first."""
        sizes = [len(outcome) for name in momentary if isinstance(outcome := self.plain.get(name), tuple)]
        return [self.world(params, momentary, sample) for sample in range(-min(sizes, default=0), 0)]

    def missing(self, probes: frozenset[str]) -> Sequence[Unknown]:
        """Why some of these probes have no facts."""
        outcomes = [self.plain.get(name, Unknown(f"{name} was not asked")) for name in sorted(probes)]
        return [outcome for outcome in outcomes if isinstance(outcome, Unknown)]


def _dumped(probe: str, outcome: Outcome) -> tuple[Any, ...] | Unknown:
    if isinstance(outcome, Unknown):
        return Unknown(f"{probe}: {outcome.reason}")
    return tuple(facts.model_dump(mode="json") for facts in outcome) or Unknown(f"{probe}: no sample was taken")


def judge(check: Check, seen: Seen, params: Mapping[str, Any]) -> Judgement:
    """Decide a check on a snapshot."""
    judgement = Judgement()
    if check.confirm:
        missing = seen.missing(check.momentary)
        for reason in missing:
            judgement.doubt(reason)
        if not missing:
            _confirm(judgement, check, check.confirm, seen.worlds(params, check.momentary))
        return judgement
    for row in rows(check, seen.world(params)):
        if isinstance(row, Unknown):
            judgement.doubt(row)
        elif isinstance(row.truth, Unknown):
            judgement.doubt(row.truth)
        else:
            judgement.found.setdefault(row.fingerprint, row)
    return judgement


def _confirm(judgement: Judgement, check: Check, confirm: Confirm, worlds: Sequence[World]) -> None:
    """Count, for every scope, the samples that agree. What too few samples or Unknown rows leave open is a doubt."""
    votes: dict[str, list[Row]] = {}
    for world in worlds[-confirm.of :]:
        cast: dict[str, Row] = {}
        for row in rows(check, world):
            if isinstance(row, Unknown):
                judgement.doubt(row)
            elif row.fingerprint not in cast or row.truth is True:
                cast[row.fingerprint] = row
        for known, row in cast.items():
            votes.setdefault(known, []).append(row)
    for known, ballot in votes.items():
        agreed = [row for row in ballot if row.truth is True]
        if len(agreed) >= confirm.needed:
            judgement.found[known] = agreed[-1]
        elif len(ballot) >= confirm.needed:
            for row in ballot:
                if isinstance(row.truth, Unknown):
                    judgement.doubt(row.truth)
    if len(worlds) < confirm.of:
        judgement.doubt(f"{len(worlds)} of {confirm.of} samples were taken")


def rows(check: Check, world: World, *, holding: bool = True) -> Iterator[Row | Unknown]:
    """Every item that `where` does not exclude; with `holding` only those where `when` is true or unknown.

    An Unknown stands for items that could not be listed or told apart.
    """
    for item in items(check, world):
        if isinstance(item, Unknown):
            yield item
            continue
        here = named(check.lets, world.bind(item))
        applies = check.where.truth(here) if check.where else True
        if applies is False:
            continue
        truth = check.when.truth(here)
        if isinstance(applies, Unknown) and truth is not False:
            truth = applies
        if holding and truth is False:
            continue
        here = named(check.late, here)
        scope = {key: expression.value(here) for key, expression in check.scope.items()}
        unknown = next((value for value in scope.values() if isinstance(value, Unknown)), None)
        if unknown is not None:
            yield unknown
        else:
            yield Row(here, truth, clean(scope), fingerprint(check.playbook, check.id, world.host, scope))


def items(check: Check | MeasureRule, world: World) -> Iterator[Mapping[str, Any] | Unknown]:
    """The names that each item binds; one empty binding for a check of the host."""
    if check.each is None:
        yield {}
        return
    listed = check.each.looked_up(world) if check.each.path else check.each.value(world, weight=_EACH_WEIGHT)
    if isinstance(listed, Unknown):
        yield listed
    elif isinstance(listed, dict) and len(check.names) == 2:  # noqa: PLR2004 - key and value
        yield from (dict(zip(check.names, pair, strict=True)) for pair in listed.items())
    elif isinstance(listed, list) and len(check.names) == 1:
        yield from ({check.names[0]: item} for item in listed)
    else:
        yield Unknown(f"{check.each.source} is nothing to look through")


def named(lets: Mapping[str, Expression], world: World) -> World:
    """The world with these names, in their order."""
    for name, expression in lets.items():
        world = world.bind({name: expression.value(world)})
    return world


def clean(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """Values for people and JSON: host text neutralised, fractions to three places, no evidence said in words."""
    return {key: _clean(value) for key, value in values.items()}


def _clean(value: Any) -> Any:
    if isinstance(value, Unknown):
        return f"unknown: {neutral(value.reason)}"
    if isinstance(value, str):
        return neutral(value)
    if isinstance(value, float):
        return round(value, 3)
    if isinstance(value, list):
        return [_clean(item) for item in value]
    if isinstance(value, dict):
        return {neutral(str(key)): _clean(item) for key, item in value.items()}
    return value


def evidence(check: Check, world: World) -> Mapping[str, Any]:
    """What proves the finding, and measures its cure."""
    return clean({key: expression.value(world) for key, expression in check.evidence.items()})


def matching(found: Sequence[Row | Unknown], fingerprint: str) -> Row | None:
    """The row of a scope: one where the condition holds, before one where it does not."""
    same = [row for row in found if isinstance(row, Row) and row.fingerprint == fingerprint]
    return next((row for row in same if row.truth is True), same[0] if same else None)
