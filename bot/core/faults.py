"""What does a look at a host change about the faults that are known of it?

A look sees a fault, sees that it is not there, or cannot tell. Who cannot tell changes nothing: no evidence never
resolves (law 1). What was seen, or not, for enough looks in a row moves along one table:

    nothing ─seen→ SEEN ─seen often enough→ OPEN ─not seen→ GOING ─not seen often enough→ RESOLVED ─seen→ SEEN …

The faults of a host that left the inventory are at no place of it: they are LEFT, and nothing when it comes back.
"""

import hashlib
import json
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from types import MappingProxyType

from bot.core.fault import CHECKS_UNKNOWN, HOST_UNREAD, OURS, OVER, Fault, Stage
from bot.core.outline import RANK, doubts, roots, symptoms
from bot.core.report import HostReport, Severity
from bot.core.sweep import Tuning
from bot.core.text import neutral

MOST_CHANGES = 64
UNKNOWN_AFTER = 2
"""Looks in a row after which checks that are unknown are a fault: a busy host leaves one out now and then."""


@dataclass(frozen=True, slots=True)
class Sight:
    """A fault as one look saw it. `severity` is the worst of it and of what it explains; the rest as in `Fault`."""

    fingerprint: str
    id: str
    playbook: str
    severity: Severity
    title: str = ""
    summary: str = ""
    under: str = ""
    params: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Look:
    """What one run saw of a host: the faults that are there, and of the known ones those that surely are not.

    A known fault in neither could not be told.
    """

    host: str
    sights: Mapping[str, Sight]
    gone: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Asked:
    """What a run looked for: playbooks, each with the parameters that were given to it (none: the usual ones).

    `fleet` are judgements over time and over other hosts, by the playbook that their findings name, each with what it
    hangs on: the run's `target` and its `playbooks`. Only a run over the same hosts that reads as much tells of their
    end.
    """

    playbooks: Mapping[str, Mapping[str, str]]
    fleet: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


# --- one look at one host ---------------------------------------------------------------------------------------------


def look(report: HostReport, asked: Asked, known: Iterable[Fault]) -> Look:
    """What a report says of the faults of its host; `known` are the host's."""
    if report.failure is not None:
        reason = neutral(report.failure.reason)
        where = unread(report.host)
        sight = Sight(where, HOST_UNREAD, OURS, Severity.WARNING, "Host could not be read", reason)
        return Look(report.host, {where: sight})
    sights = {sight.fingerprint: sight for sight in (*_findings(report, asked), *_unknown(report))}
    gone = (fault.fingerprint for fault in known if fault.fingerprint not in sights and _gone(fault, report, asked))
    return Look(report.host, sights, frozenset(gone))


def _findings(report: HostReport, asked: Asked) -> Iterable[Sight]:
    causes = {finding.fingerprint for finding in roots(report)}
    for finding in report.findings:
        cause = finding.fingerprint in causes
        folded = symptoms(report, finding) if cause else ()
        yield Sight(
            fingerprint=finding.fingerprint,
            id=finding.id,
            playbook=finding.playbook,
            severity=min((part.severity for part in (finding, *folded)), key=RANK.__getitem__),
            title=finding.title,
            summary=finding.summary,
            under="" if cause else finding.explained_by or "",
            params=asked.playbooks.get(finding.playbook) or asked.fleet.get(finding.playbook) or {},
        )


def _unknown(report: HostReport) -> Iterable[Sight]:
    """One for each reason for which checks are unknown; what it hangs on stands where others have their parameters."""
    books = {part.id: part.playbook for part in report.undecided}
    for doubt in doubts(report):
        reason = neutral(doubt.reason)
        hangs = {
            "probes": " ".join(doubt.probes),
            "playbooks": " ".join(dict.fromkeys(books[check] for check in doubt.checks)),
        }
        where = unsure(report.host, reason)
        yield Sight(where, CHECKS_UNKNOWN, OURS, Severity.WARNING, "Checks are unknown", reason, params=hangs)


def unread(host: str) -> str:
    """The fingerprint of the fault that a host could not be read."""
    return _print(HOST_UNREAD, host)


def unsure(host: str, reason: str) -> str:
    """The fingerprint of the fault that checks of a host are unknown for a reason; numbers in it make no other one."""
    return _print(CHECKS_UNKNOWN, host, re.sub(r"[0-9]+", "#", reason))


def _print(*place: str) -> str:
    canonical = json.dumps([OURS, *place], separators=(",", ":"))
    return hashlib.sha256(canonical.encode("utf-8", "backslashreplace")).hexdigest()[:16]


def _gone(fault: Fault, report: HostReport, asked: Asked) -> bool:
    """Whether a report that does not show a fault tells that it is not there."""
    if fault.id == HOST_UNREAD:
        return True
    if fault.id == CHECKS_UNKNOWN:
        probes = {part.probe for part in report.coverage}
        return _within(fault, "probes", probes) and _within(fault, "playbooks", asked.playbooks)
    if not _asked_for(fault, asked):
        return False
    if any((part.playbook, part.id) == (fault.playbook, fault.id) for part in report.undecided):
        return False
    return fault.id in report.healthy or any(
        (found.playbook, found.id) == (fault.playbook, fault.id) for found in report.findings
    )


def _asked_for(fault: Fault, asked: Asked) -> bool:
    """Whether a run would have seen the fault if it were there."""
    if fault.playbook in asked.fleet:
        same = fault.params.get("target") == asked.fleet[fault.playbook].get("target")
        return same and _within(fault, "playbooks", asked.playbooks)
    params = asked.playbooks.get(fault.playbook)
    return params is not None and (not params or dict(params) == dict(fault.params))


def _within(fault: Fault, what: str, read: Collection[str]) -> bool:
    """Whether everything that the fault hung on was read."""
    return set(fault.params.get(what, "").split()) <= set(read)


# --- one step of one fault --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Step:
    """Where a look leads: to `then` once there were enough in a row, to `meanwhile` before; `afresh` counts anew."""

    meanwhile: Stage
    then: Stage
    afresh: bool = False


TRANSITIONS: Mapping[tuple[Stage | None, bool], Step] = MappingProxyType(
    {
        (None, True): Step(Stage.SEEN, Stage.OPEN, afresh=True),
        (Stage.SEEN, True): Step(Stage.SEEN, Stage.OPEN),
        (Stage.OPEN, True): Step(Stage.OPEN, Stage.OPEN),
        (Stage.GOING, True): Step(Stage.OPEN, Stage.OPEN, afresh=True),
        (Stage.RESOLVED, True): Step(Stage.SEEN, Stage.OPEN, afresh=True),
        (Stage.SEEN, False): Step(Stage.RESOLVED, Stage.RESOLVED, afresh=True),
        (Stage.OPEN, False): Step(Stage.GOING, Stage.RESOLVED, afresh=True),
        (Stage.GOING, False): Step(Stage.GOING, Stage.RESOLVED),
        (Stage.RESOLVED, False): Step(Stage.RESOLVED, Stage.RESOLVED),
        (Stage.LEFT, True): Step(Stage.SEEN, Stage.OPEN, afresh=True),
        (Stage.LEFT, False): Step(Stage.RESOLVED, Stage.RESOLVED, afresh=True),
    }
)
"""(stage, whether it was seen) to what follows."""

HERE = frozenset({Stage.OPEN, Stage.GOING})
"""A fault in one of these counts as there."""


def seen(fault: Fault | None, host: str, sight: Sight, at: datetime, tuning: Tuning) -> Fault:
    """The fault after a look that saw it."""
    if fault is not None and fault.stage is Stage.LEFT:  # another machine may have the name by now
        return seen(None, host, sight, at, tuning).model_copy(update={"told": fault.told})
    step = TRANSITIONS[fault.stage if fault else None, True]
    streak = 1 if fault is None or step.afresh else fault.streak + 1
    stage = step.then if streak >= _confirm(sight, tuning) else step.meanwhile
    fresh: dict[str, object] = {
        "id": sight.id, "playbook": sight.playbook, "title": sight.title, "summary": sight.summary, "last": at,
        "under": sight.under, "params": dict(sight.params), "stage": stage, "streak": streak,
    }  # fmt: skip
    if fault is None:
        fault = Fault.model_validate(
            {
                "host": host, "fingerprint": sight.fingerprint, "severity": sight.severity, "first": at, "since": at,
                "times": 0, **fresh, "stage": Stage.SEEN,
            }
        )  # fmt: skip
    elif fault.stage is Stage.RESOLVED:
        fresh |= {"since": at, "severity": sight.severity, "shifting": 0}
    opened = stage in HERE and fault.stage not in HERE
    shifted = False
    if fault.stage is Stage.SEEN:
        fresh |= {"severity": sight.severity, "shifting": 0}
    elif fault.stage in HERE:
        shifting, shifted = _shift(fault, sight, tuning)
        fresh |= {"shifting": shifting, "severity": sight.severity if shifted else fault.severity}
    fault = fault.model_copy(update={**fresh, "times": fault.times + opened})
    return _counted(fault, at, tuning, changed=opened, shifted=shifted)


def unseen(fault: Fault, at: datetime, tuning: Tuning) -> Fault:
    """The fault after a look that saw that it is not there."""
    if fault.stage is Stage.LEFT:  # the host is back, and well
        return fault.model_copy(update={"stage": Stage.RESOLVED, "streak": 1, "changes": (at,)})
    step = TRANSITIONS[fault.stage, False]
    streak = 1 if step.afresh else fault.streak + 1
    stage = step.then if streak >= tuning.resolve_after else step.meanwhile
    closed = stage is Stage.RESOLVED and fault.stage in HERE
    return _counted(fault.model_copy(update={"stage": stage, "streak": streak}), at, tuning, changed=closed)


def left(fault: Fault, at: datetime) -> Fault:
    """The fault after its host left the inventory."""
    if fault.stage in OVER and not fault.flapping:
        return fault
    changes = (*fault.changes, at)[-MOST_CHANGES:] if fault.stage in HERE else fault.changes
    return fault.model_copy(update={"stage": Stage.LEFT, "streak": 1, "changes": changes, "flapping": False})


def _confirm(sight: Sight, tuning: Tuning) -> int:
    return max(tuning.open_after, UNKNOWN_AFTER) if sight.id == CHECKS_UNKNOWN else tuning.open_after


def _shift(fault: Fault, sight: Sight, tuning: Tuning) -> tuple[int, bool]:
    """How many looks in a row saw another severity, and whether that is enough for it to be so."""
    if sight.severity is fault.severity:
        return 0, False
    worse = RANK[sight.severity] < RANK[fault.severity]
    enough = fault.shifting + 1 >= (tuning.open_after if worse else tuning.resolve_after)
    return (0 if enough else fault.shifting + 1), enough


def _counted(fault: Fault, at: datetime, tuning: Tuning, *, changed: bool, shifted: bool = False) -> Fault:
    """Note a change, and whether the fault flaps: from many changes within the window until few are left in it."""
    changes = (*fault.changes, at)[-MOST_CHANGES:] if changed else fault.changes
    shifts = (*fault.shifts, at)[-MOST_CHANGES:] if shifted else fault.shifts
    recent = sum(change > at - timedelta(seconds=tuning.flap_window) for change in (*changes, *shifts))
    most = tuning.flap_changes
    flapping = most > 0 and (recent >= most or (fault.flapping and 2 * recent >= most))
    if (changes, shifts, flapping) == (fault.changes, fault.shifts, fault.flapping):
        return fault
    return fault.model_copy(update={"changes": changes, "shifts": shifts, "flapping": flapping})


# --- a whole run ------------------------------------------------------------------------------------------------------


def live(known: Iterable[Fault], looks: Iterable[Look], at: datetime, tuning: Tuning) -> tuple[Fault, ...]:
    """The known faults after these looks (what they cannot tell stays as it was), and the new ones."""
    by_host: dict[str, dict[str, Fault]] = {}
    for fault in known:
        by_host.setdefault(fault.host, {})[fault.fingerprint] = fault
    for look_ in looks:
        here = by_host.setdefault(look_.host, {})
        for fingerprint in look_.gone & here.keys():
            here[fingerprint] = unseen(here[fingerprint], at, tuning)
        for fingerprint, sight in look_.sights.items():
            known_as = here.get(fingerprint)
            here[fingerprint] = seen(known_as, look_.host, _below(known_as, sight, look_, here), at, tuning)
    return tuple(fault for here in by_host.values() for fault in here.values())


def _below(known_as: Fault | None, sight: Sight, seen_now: Look, here: Mapping[str, Fault]) -> Sight:
    """The sight; of a symptom whose cause nobody could tell this time, still as that cause's."""
    if known_as is None or sight.under or not known_as.under or known_as.under in seen_now.sights:
        return sight
    cause = here.get(known_as.under)
    return sight if cause is None or cause.stage in OVER else replace(sight, under=known_as.under)
