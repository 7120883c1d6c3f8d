"""In which order is a report told? Root causes first, symptoms under them, then what is unknown, then what is well.

Every front end tells the same: these are the groups that they render.
"""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from bot.core.report import Doubt, Finding, HostReport, Lead, Proposal, Report, Severity, Status, Summary

WORST_FIRST = (Status.CRITICAL, Status.WARNING, Status.UNKNOWN, Status.OK)
"""Unknown before ok: nobody has looked there."""
RANK = {Severity.CRITICAL: 0, Severity.WARNING: 1, Severity.INFO: 2}


def by_badness(hosts: Iterable[HostReport]) -> tuple[HostReport, ...]:
    """The hosts, worst first; equals keep their order."""
    return tuple(sorted(hosts, key=lambda host: WORST_FIRST.index(host.status)))


def counts(report: Report) -> str:
    """`2 critical, 1 unknown, 9 ok`."""
    by = Counter(host.status for host in report.hosts)
    return ", ".join(f"{by[status]} {status}" for status in WORST_FIRST if by[status])


def roots(host: HostReport) -> tuple[Finding, ...]:
    """The findings that no other finding of this host explains, worst first."""
    known = {finding.fingerprint for finding in host.findings}
    found = [finding for finding in host.findings if finding.explained_by not in known]
    return tuple(sorted(found or host.findings, key=lambda finding: RANK[finding.severity]))


def symptoms(host: HostReport, root: Finding) -> tuple[Finding, ...]:
    """What this root cause explains, directly or through others; a circle ends where it began."""
    reached, before = {root.fingerprint}, 0
    while len(reached) != before:
        before = len(reached)
        reached |= {finding.fingerprint for finding in host.findings if finding.explained_by in reached}
    return tuple(finding for finding in host.findings if finding is not root and finding.fingerprint in reached)


def alike(found: Sequence[Finding]) -> tuple[tuple[Finding, ...], ...]:
    """The same fault in several places together, in the order of the first of each."""
    groups: dict[tuple[str, str], list[Finding]] = {}
    for finding in found:
        groups.setdefault((finding.playbook, finding.id), []).append(finding)
    return tuple(tuple(group) for group in groups.values())


def proposals(host: HostReport, finding: Finding) -> tuple[Proposal, ...]:
    """What could be done about a finding: changes to approve, and what was refused with its reason."""
    return tuple(proposal for proposal in host.proposals if proposal.fingerprint == finding.fingerprint)


def shared(host: HostReport, finding: Finding) -> tuple[Proposal, ...]:
    """Changes proposed for another finding that this one offers as well: one change, two cures."""
    offered = [(offer.action, dict(offer.params)) for offer in finding.offers]
    return tuple(
        proposal
        for proposal in host.proposals
        if proposal.fingerprint != finding.fingerprint
        and not proposal.refused
        and (proposal.action, dict(proposal.with_)) in offered
    )


def doubts(host: HostReport) -> tuple[Doubt, ...]:
    """What could not be told, by reason: each reason once, with every check and probe that it concerns."""
    if host.failure is not None:
        return ()
    lost = {part.probe: part.reason or "no reason" for part in host.coverage if part.state != "ok"}
    if not lost and not host.undecided:
        return ()
    found: dict[str, tuple[dict[str, None], dict[str, None]]] = {}
    for probe, reason in lost.items():
        found.setdefault(reason, ({}, {}))[1][probe] = None
    for part in host.undecided:
        found.setdefault(_without_probe(part.reason, lost), ({}, {}))[0][part.id] = None
    return tuple(
        Doubt(reason=reason, checks=tuple(checks), probes=tuple(names)) for reason, (checks, names) in found.items()
    )


def _without_probe(reason: str, lost: dict[str, str]) -> str:
    """`tcp_ext: needs root` of a check is the reason `needs root` of that probe."""
    probe, colon, rest = reason.partition(": ")
    return rest if colon and lost.get(probe) == rest else reason


def summary(report: Report) -> Summary:
    """What the whole run comes to: each cause once with its hosts, each reason for not knowing once with its."""
    leads: dict[tuple[str, str], list[tuple[HostReport, Finding]]] = {}
    reasons: dict[str, tuple[list[str], dict[str, None], dict[str, None]]] = {}
    for host in by_badness(report.hosts):
        for finding in roots(host):
            leads.setdefault((finding.playbook, finding.id), []).append((host, finding))
        for doubt in doubts(host):
            hosts, checks, probes = reasons.setdefault(doubt.reason, ([], {}, {}))
            hosts.append(host.host)
            checks.update(dict.fromkeys(doubt.checks))
            probes.update(dict.fromkeys(doubt.probes))
        if host.failure is not None:
            reasons.setdefault(f"could not be read: {host.failure.reason}", ([], {}, {}))[0].append(host.host)
    causes = [_lead(found) for found in leads.values()]
    return Summary(
        status=min((host.status for host in report.hosts), key=WORST_FIRST.index, default=Status.UNKNOWN),
        hosts={status: sum(host.status is status for host in report.hosts) for status in WORST_FIRST},
        causes=tuple(sorted(causes, key=lambda lead: (RANK[lead.severity], -len(lead.hosts)))),
        unknown=tuple(
            Doubt(reason=reason, checks=tuple(checks), probes=tuple(probes), hosts=tuple(dict.fromkeys(hosts)))
            for reason, (hosts, checks, probes) in reasons.items()
        ),
        checks=len({name for host in report.hosts for name in host.healthy}),
    )


def _lead(found: Sequence[tuple[HostReport, Finding]]) -> Lead:
    worst = min((finding for _, finding in found), key=lambda finding: RANK[finding.severity])
    return Lead(
        id=worst.id,
        playbook=worst.playbook,
        title=worst.title,
        severity=worst.severity,
        summary=worst.summary,
        hosts=tuple(dict.fromkeys(host.host for host, _ in found)),
        places=len(found),
        explains=tuple(dict.fromkeys(part.id for host, finding in found for part in symptoms(host, finding))),
    )


def calm(report: Report, host: HostReport) -> tuple[str, ...]:
    """The playbooks of the run that found nothing on this host, and had all their evidence."""
    if host.failure is not None or not host.healthy:
        return ()
    noisy = {finding.playbook for finding in host.findings} | {part.playbook for part in host.undecided}
    return tuple(name for name in report.playbooks if name not in noisy)


EMPTY: tuple[Any, ...] = (None, "", [], (), {})
"""Values of evidence that say nothing: no pod, no unit, nobody else."""
_TINY = 0.05


def spelled(value: Any) -> str:
    """A value of the evidence as people write it: lists with commas, fractions with one decimal, text as it is."""
    if isinstance(value, list | tuple):
        return ", ".join(spelled(item) for item in value)
    if isinstance(value, float):
        return f"{value:.2g}" if 0 < abs(value) < _TINY else f"{value:.1f}"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def few(names: Sequence[str], most: int = 6) -> str:
    """The first names, and how many more there are."""
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"


def plural(number: int, word: str) -> str:
    """`1 host`, `2 hosts`."""
    return f"{number} {word}{'s' * (number != 1)}"
