"""Does a playbook say of a known visit what it should, no less and no more?

A case names what must be found, offered, undecided and unknown; everything else must be absent.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from bot.core.measure import Measure
from bot.core.probe import Reading
from bot.core.report import Finding, HostReport, Offer, Severity, Status


class _Spec(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class ExpectedOffer(_Spec):
    """An offer: its action, any of its parameters, words of what it says, and the next step."""

    action: str
    with_: dict[str, Any] = Field(default_factory=dict, alias="with")
    say: str = ""
    then: "ExpectedOffer | None" = None


class ExpectedFinding(_Spec):
    """A finding by id and as much of it as the case cares about; its offers exactly."""

    id: str
    severity: Severity | None = None
    scope: dict[str, Any] = Field(default_factory=dict)
    evidence: dict[str, Any] = Field(default_factory=dict)
    summary: str = ""
    """Words that the summary holds."""
    cause: str = ""
    """Words that the cause holds."""
    explained_by: str | None = None
    """The id of the finding that is its root cause."""
    offers: tuple[ExpectedOffer, ...] = ()


class ExpectedMeasure(_Spec):
    """A measure by id and as much of it as the case cares about, or that there is none such."""

    id: str
    scope: dict[str, Any] = Field(default_factory=dict)
    value: float | None = None
    limit: float | None = None
    absent: bool = False


class Expected(_Spec):
    """What a diagnosis must come to."""

    status: Status
    findings: tuple[ExpectedFinding, ...] = ()
    undecided: tuple[str, ...] = ()
    """Ids of the findings that could be neither called nor excluded."""
    unknown: tuple[str, ...] = ()
    """Probes that have no evidence."""
    measures: tuple[ExpectedMeasure, ...] = ()
    """Measures that must be there, among others, or must not."""


class OtherHost(_Spec):
    """Another host of the same run, for findings across hosts: its facts by probe, or why it has none."""

    host: str
    facts: dict[str, Any] = Field(default_factory=dict)
    unknown: str = ""


class Case(_Spec):
    """A visit and what a playbook must say of it.

    The visit is a `recording` (a file beside the case), of which `readings` replace single probes; `facts` replace
    what was parsed: one value, or one for each sample, or `{unknown: reason}`. Fields that facts do not give are empty.
    """

    about: str
    recording: str | None = None
    readings: dict[str, tuple[Reading, ...]] = Field(default_factory=dict)
    facts: dict[str, Any] = Field(default_factory=dict)
    others: tuple[OtherHost, ...] = ()
    asked: tuple[float, float] | None = None
    """Between which times the visit was, by netdiag's clock (Unix seconds), for what compares clocks with it."""
    root: bool | None = None
    """Whether the visit ran as root; the recording's own by default."""
    params: dict[str, str | int | float | bool] = Field(default_factory=dict)
    inventory: dict[str, Any] = Field(default_factory=dict)
    """What the inventory's `expect` says is meant to be."""
    expect: Expected


def differences(report: HostReport, expected: Expected) -> Sequence[str]:
    """How a report differs from what a case expects; nothing when it does not."""
    told = [*_findings(report, expected.findings)]
    if report.status is not expected.status:
        told.append(f"status is {report.status}, not {expected.status}")
    undecided = {one.id: one.reason for one in report.undecided}
    told += _names("undecided", undecided, expected.undecided)
    unknown = {one.probe: one.reason or "" for one in report.coverage if one.state != "ok"}
    told += _names("unknown", unknown, expected.unknown)
    told += [line for measure in expected.measures for line in _measure(report.measures, measure)]
    if report.proposals:
        told.append("a diagnosis proposed changes by itself")
    return told


def _names(what: str, found: Mapping[str, str], expected: Sequence[str]) -> Iterable[str]:
    for name in sorted(set(found) - set(expected)):
        yield f"{name} is {what}, but should not be: {found[name]}"
    for name in sorted(set(expected) - set(found)):
        yield f"{name} is not {what}, but should be"


def _measure(found: Sequence[Measure], wanted: ExpectedMeasure) -> Iterable[str]:
    """How the nearest of the measures at that place differs."""
    here = [
        measure
        for measure in found
        if measure.id == wanted.id and all(measure.scope.get(key) == value for key, value in wanted.scope.items())
    ]
    place = f"measure {wanted.id} {wanted.scope or ''}".rstrip()
    if wanted.absent and here:
        yield f"{place} is {here[0].value}, but should not be there"
    elif not wanted.absent and not here:
        yield f"{place} is not there"
    elif here and not any(_as_wanted(measure, wanted) for measure in here):
        yield f"{place} is {here[0].value} of {here[0].limit}, not {wanted.value} of {wanted.limit}"


def _as_wanted(measure: Measure, wanted: ExpectedMeasure) -> bool:
    pairs = ((measure.value, wanted.value), (measure.limit, wanted.limit))
    return all(is_ is not None and math.isclose(is_, to, rel_tol=1e-3) for is_, to in pairs if to is not None)


def _findings(report: HostReport, expected: Sequence[ExpectedFinding]) -> Iterable[str]:
    ids = {finding.fingerprint: finding.id for finding in report.findings}
    left = list(report.findings)
    for wanted in expected:
        nearest: Sequence[str] | None = None
        for finding in [finding for finding in left if finding.id == wanted.id]:
            wrong = list(_finding(finding, wanted, ids))
            if not wrong:
                left.remove(finding)
                nearest = ()
                break
            nearest = wrong if nearest is None or len(wrong) < len(nearest) else nearest
        if nearest is None:
            yield f"{wanted.id} was not found"
        for line in nearest or ():
            yield f"{wanted.id}: {line}"
        if nearest:  # the nearest one is told already
            left.remove(next(finding for finding in left if finding.id == wanted.id))
    for finding in left:
        yield f"{finding.id} was found, but should not be: {finding.summary}"


def _finding(finding: Finding, wanted: ExpectedFinding, ids: Mapping[str, str]) -> Iterable[str]:
    if wanted.severity is not None and finding.severity is not wanted.severity:
        yield f"severity is {finding.severity}, not {wanted.severity}"
    for part in ("scope", "evidence"):
        found: Mapping[str, Any] = getattr(finding, part)
        for key, value in getattr(wanted, part).items():
            if key not in found or found[key] != value:
                yield f"{part}.{key} is {found.get(key)!r}, not {value!r}"
    for part in ("summary", "cause"):
        if getattr(wanted, part) not in getattr(finding, part):
            yield f"{part} is {getattr(finding, part)!r}, without {getattr(wanted, part)!r}"
    cause = ids.get(finding.explained_by or "")
    if cause != wanted.explained_by:
        yield f"is explained by {cause or 'nothing'}, not by {wanted.explained_by or 'nothing'}"
    yield from _offers(finding.offers, wanted.offers)


def _offers(found: Sequence[Offer], wanted: Sequence[ExpectedOffer]) -> Iterable[str]:
    names, expected = [offer.action for offer in found], [offer.action for offer in wanted]
    if names != expected:
        yield f"offers {', '.join(names) or 'nothing'}, not {', '.join(expected) or 'nothing'}"
        return
    for offer, like in zip(found, wanted, strict=True):
        for key, value in like.with_.items():
            if key not in offer.params or offer.params[key] != value:
                yield f"offer {offer.action}: {key} is {offer.params.get(key)!r}, not {value!r}"
        if like.say not in offer.say:
            yield f"offer {offer.action} says {offer.say!r}, without {like.say!r}"
        yield from _offers([offer.then] if offer.then else [], [like.then] if like.then else [])
