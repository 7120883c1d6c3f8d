"""What is wrong with this host, and what could not be told?

Pure: a snapshot and playbooks in, a report out. A host is OK only when every probe answered and every check was
decided (law 1); root causes stand before their symptoms.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bot.core.across import Aside, judge_across
from bot.core.judge import Judgement, Row, Seen, evidence, judge, matching, rows
from bot.core.kernel_settings import settings_of
from bot.core.measure import Measure
from bot.core.measuring import measured
from bot.core.params import bind
from bot.core.playbook import Check, OfferRule, Playbook, probes_of
from bot.core.probe import Unknown
from bot.core.report import Coverage, Finding, HostReport, Offer, Severity, Status, Undecided
from bot.core.snapshot import Snapshot
from bot.core.template import Template
from bot.core.text import neutral
from bot.core.volatile import VOLATILE

MAX_REASONS = 3
"""Reasons told for one undecided check; more are counted."""

_PLACE, _ANYWHERE = "netns", "*"
"""Causes are looked up by the namespace of their scope; a symptom without one may have its cause anywhere."""

_ORDER = {Severity.CRITICAL: 0, Severity.WARNING: 1, Severity.INFO: 2}


def diagnose(playbooks: Iterable[Playbook], snapshot: Snapshot, params: Mapping[str, Any]) -> HostReport:
    """Judge a snapshot by playbooks. `params` may be text as typed. Raises AskError for a parameter that is missing.

    The report has no proposals: `Finding.offers` says what could be planned.
    """
    chosen = tuple(playbooks)
    seen = Seen.of(snapshot)
    told = _Told()
    taken: list[tuple[str, Sequence[Measure], int]] = []
    for playbook in chosen:
        bound = bind(playbook, params)
        for check in playbook.checks:
            if not check.across:
                told.add(playbook, check, judge(check, seen, bound))
        taken += [(rule.id, *measured(rule, seen.world(bound))) for rule in playbook.measures]
    coverage = _coverage(chosen, snapshot)
    ordered = _ordered(_explained(told.findings, chosen))
    return HostReport(
        host=snapshot.host,
        status=_status(ordered, coverage, told.undecided),
        findings=tuple(ordered),
        coverage=coverage,
        undecided=tuple(told.undecided),
        healthy=tuple(told.healthy),
        measures=tuple(measure for _, measures, _ in taken for measure in measures),
        unkept={name: more for name, _, more in taken if more},
        settings=_settings(seen),
        seconds=snapshot.seconds,
    )


def complete(
    playbooks: Iterable[Playbook], report: HostReport, here: Aside, run: Sequence[Aside], params: Mapping[str, Any]
) -> HostReport:
    """The report with what only all hosts of the run together tell. One of a host that was not read stays as it is."""
    chosen = tuple(playbooks)
    if report.failure is not None:
        return report
    told = _Told()
    for playbook in chosen:
        bound = bind(playbook, params)
        for check in playbook.checks:
            if check.across:
                told.add(playbook, check, judge_across(check, here, run, bound))
    findings = [finding.model_copy(update={"explained_by": None}) for finding in report.findings]
    ordered = _ordered(_explained([*findings, *told.findings], chosen))
    undecided = (*report.undecided, *told.undecided)
    return report.model_copy(
        update={
            "status": _status(ordered, report.coverage, undecided),
            "findings": tuple(ordered),
            "undecided": undecided,
            "healthy": (*report.healthy, *told.healthy),
        }
    )


def _settings(seen: Seen) -> Mapping[str, str]:
    """The kernel settings that are worth comparing; none where they were not read."""
    netns, tuned = seen.plain.get("netns"), seen.plain.get("sysctl_net")
    return settings_of(netns[-1], tuned[-1]) if isinstance(netns, tuple) and isinstance(tuned, tuple) else {}


@dataclass(slots=True)
class _Told:
    """What checks came to, in their order."""

    findings: list[Finding] = field(default_factory=list)
    undecided: list[Undecided] = field(default_factory=list)
    healthy: list[str] = field(default_factory=list)

    def add(self, playbook: Playbook, check: Check, judgement: Judgement) -> None:
        """Take in one judged check."""
        made = [_finding(check, playbook, row, judgement) for row in judgement.found.values()]
        self.findings.extend(made)
        self.undecided.extend(_undecided(check, playbook, judgement))
        if not made and not judgement.unknown:
            self.healthy.append(check.id)


def measure(
    playbook: Playbook, finding_id: str, fingerprint: str, snapshot: Snapshot, params: Mapping[str, Any]
) -> Mapping[str, Any] | None:
    """The evidence of a finding for the same scope, also when it no longer holds: the proof of a cure.

    None when its scope is not there any more, or cannot be told (then `diagnose` says the finding is undecided).
    """
    check = next((check for check in playbook.checks if check.id == finding_id), None)
    if check is None:
        return None
    seen = Seen.of(snapshot)
    world = seen.world(bind(playbook, params))
    row = matching(list(rows(check, world, holding=False)), fingerprint)
    return None if row is None else evidence(check, row.world)


def _finding(check: Check, playbook: Playbook, row: Row, judgement: Judgement) -> Finding:
    return Finding(
        id=check.id,
        playbook=playbook.name,
        severity=_severity(check, row, judgement),
        title=check.title,
        scope=row.scope,
        summary=check.say.render(row.world),
        cause=check.because.render(row.world),
        evidence=evidence(check, row.world),
        fingerprint=row.fingerprint,
        offers=tuple(offer for rule in check.offers if (offer := _offer(rule, row, judgement)) is not None),
    )


def _severity(check: Check, row: Row, judgement: Judgement) -> Severity:
    for severity, condition in check.rungs:
        truth = condition.truth(row.world)
        if truth is True:
            return severity
        if isinstance(truth, Unknown):
            judgement.doubt(f"whether it is {severity}: {truth.reason}")
    return check.otherwise


def _offer(rule: OfferRule, row: Row, judgement: Judgement) -> Offer | None:
    applies = rule.when.truth(row.world) if rule.when else True
    params = {key: _param(value, row) for key, value in rule.params.items()} if applies is True else {}
    unknown = next((value for value in (applies, *params.values()) if isinstance(value, Unknown)), None)
    if unknown is not None:
        judgement.doubt(f"whether {rule.action} helps: {unknown.reason}")
        return None
    if applies is not True:
        return None
    then = _offer(rule.then, row, judgement) if rule.then else None
    return Offer(action=rule.action, params=params, say=rule.say.render(row.world), then=then)


def _param(value: object, row: Row) -> Any:
    if isinstance(value, Template):
        return value.value(row.world)
    if isinstance(value, list):
        items = [_param(item, row) for item in value]
        return next((item for item in items if isinstance(item, Unknown)), items)
    return value


def _undecided(check: Check, playbook: Playbook, judgement: Judgement) -> Iterable[Undecided]:
    reasons = judgement.unknown
    for reason in reasons[:MAX_REASONS]:
        yield Undecided(id=check.id, playbook=playbook.name, reason=neutral(reason, 300))
    if len(reasons) > MAX_REASONS:
        more = f"{len(reasons) - MAX_REASONS} more reasons"
        yield Undecided(id=check.id, playbook=playbook.name, reason=more)


def _coverage(playbooks: Sequence[Playbook], snapshot: Snapshot) -> tuple[Coverage, ...]:
    found = []
    for probe in probes_of(playbooks):
        outcome = snapshot.facts(probe) if snapshot.outcomes.get(probe) != () else Unknown("no sample was taken")
        reason = neutral(outcome.reason, 300) if isinstance(outcome, Unknown) else None
        found.append(Coverage(probe=probe, state="ok" if reason is None else "unknown", reason=reason))
    return tuple(found)


def _status(findings: Iterable[Finding], coverage: Iterable[Coverage], undecided: Sequence[Undecided]) -> Status:
    severities = {finding.severity for finding in findings}
    for severity, status in ((Severity.CRITICAL, Status.CRITICAL), (Severity.WARNING, Status.WARNING)):
        if severity in severities:
            return status
    if undecided or any(probe.state != "ok" for probe in coverage):
        return Status.UNKNOWN
    return Status.OK


def _explained(findings: Sequence[Finding], playbooks: Sequence[Playbook]) -> Sequence[Finding]:
    """Every symptom gets the fingerprint of its root cause: the cause that nothing explains in turn."""
    causes = {(book.name, check.id): check.explains for book in playbooks for check in book.checks}
    by_place: dict[tuple[str, str | None], list[Finding]] = {}
    for cause in sorted(findings, key=lambda cause: _ORDER[cause.severity]):
        for symptom in causes[cause.playbook, cause.id]:
            by_place.setdefault((symptom, _place(cause)), []).append(cause)
            by_place.setdefault((symptom, _ANYWHERE), []).append(cause)
    direct: dict[str, str] = {}
    for finding in findings:
        place = _place(finding)
        places = (_ANYWHERE,) if place is None else (place, None)
        near = (cause for where in places for cause in by_place.get((finding.id, where), ()))
        worst = next((cause for cause in near if _same_place(cause, finding)), None)
        if worst is not None:
            direct[finding.fingerprint] = worst.fingerprint

    def root(fingerprint: str) -> str:
        passed = {fingerprint}
        while fingerprint in direct and direct[fingerprint] not in passed:
            fingerprint = direct[fingerprint]
            passed.add(fingerprint)
        return fingerprint

    return [
        finding.model_copy(update={"explained_by": root(finding.fingerprint)})
        if finding.fingerprint in direct
        else finding
        for finding in findings
    ]


def _place(finding: Finding) -> str | None:
    return str(finding.scope[_PLACE]) if _PLACE in finding.scope else None


def _same_place(cause: Finding, symptom: Finding) -> bool:
    """Whether two scopes agree wherever both speak: a listener's overflow explains its namespace's drops."""
    shared = (set(cause.scope) & set(symptom.scope)) - VOLATILE
    return all(cause.scope[key] == symptom.scope[key] for key in shared)


def _ordered(findings: Sequence[Finding]) -> Sequence[Finding]:
    return sorted(findings, key=lambda finding: (finding.explained_by is not None, _ORDER[finding.severity]))
