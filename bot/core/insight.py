"""What do only time and the fleet tell of a host: limits ahead, outliers, settings that differ or changed?

Pure: a sweep's reports and what is known of the past in; findings out. What was not read gives none; `judged` says
which of them could not be told, so that nothing counts as gone that nobody saw.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from bot.core.ahead import limits
from bot.core.drift import Deed, Drift, drifts
from bot.core.insight_kinds import CHANGED, DIFFERS, LIMIT, OUTLIER, found
from bot.core.past import Past, Setting
from bot.core.peers import PEERS, differing, grouped, outliers
from bot.core.report import Finding, HostReport, Severity, Status, Undecided

SETTINGS = "sysctl_net"
"""The probe that reads them."""


def insights(
    hosts: Sequence[HostReport],
    past: Past,
    roles: Mapping[str, str],
    now: datetime,
    horizon: int,
    *,
    by_netdiag: Sequence[Deed] = (),
) -> Mapping[str, tuple[Finding, ...]]:
    """The findings by host; hosts without any are left out.

    `past` is what was known before this sweep (`engine.recall` reads what is needed), `roles` the role label of each
    host that has one, `horizon` how far ahead a limit is told, in seconds, `by_netdiag` what `drift.deeds` makes of the
    journal's changes.
    """
    alive = [host for host in hosts if host.failure is None]
    known: dict[str, list[Setting]] = {}
    for setting in past.settings:
        known.setdefault(setting.host, []).append(setting)
    told: dict[str, list[Finding]] = {
        host.host: [*limits(host, past, now, horizon), *_changed(host, known.get(host.host, ()), now, by_netdiag)]
        for host in alive
    }
    for role, group in grouped(alive, roles).items():
        for name, finding in (*outliers(role, group, past.norms), *differing(role, group, by_netdiag)):
            told[name].append(finding)
    return {name: tuple(findings) for name, findings in told.items() if findings}


def strayed(hosts: Sequence[HostReport], past: Past, roles: Mapping[str, str], now: datetime) -> Sequence[str]:
    """The hosts with a kernel setting that changed or differs: of these must be known what netdiag set."""
    alive = [host for host in hosts if host.failure is None]
    known: dict[str, list[Setting]] = {}
    for setting in past.settings:
        known.setdefault(setting.host, []).append(setting)
    found = {host.host for host in alive if drifts(host.host, host.settings, known.get(host.host, ()), (), now)}
    for role, group in grouped(alive, roles).items():
        found |= {name for name, _ in differing(role, group, ())}
    return sorted(found)


def judged(
    hosts: Sequence[HostReport],
    past: Past,
    roles: Mapping[str, str],
    now: datetime,
    horizon: int,
    *,
    by_netdiag: Sequence[Deed] = (),
) -> tuple[HostReport, ...]:
    """The reports with their insights: findings, what is healthy, what could not be told, and the status they make."""
    told = insights(hosts, past, roles, now, horizon, by_netdiag=by_netdiag)
    groups = grouped([host for host in hosts if host.failure is None], roles)
    compared = {host.host for group in groups.values() if len(group) > PEERS for host in group}
    return tuple(
        host if host.failure else _with(host, told.get(host.host, ()), compared=host.host in compared) for host in hosts
    )


def _with(host: HostReport, findings: Sequence[Finding], *, compared: bool) -> HostReport:
    """Healthy is what had its evidence: every probe for what is told of measures, the settings, enough peers."""
    lost = next((f"{part.probe}: {part.reason}" for part in host.coverage if part.state != "ok"), "")
    known = bool(host.settings)
    seen = {LIMIT: not lost, OUTLIER: not lost and compared, CHANGED: known, DIFFERS: known and compared}
    ids = {finding.id for finding in findings}
    healthy = [name for name, enough in seen.items() if enough and name not in ids]
    # what was found in one place may hide in another that was not read
    places = {(finding.id, finding.playbook): None for finding in findings if not seen[finding.id] and lost}
    undecided = [Undecided(id=name, playbook=playbook, reason=lost) for name, playbook in places]
    severities = {finding.severity for finding in findings}
    status = host.status
    if Severity.CRITICAL in severities:
        status = Status.CRITICAL
    elif Severity.WARNING in severities and status is not Status.CRITICAL:
        status = Status.WARNING
    return host.model_copy(
        update={
            "status": status,
            "findings": (*host.findings, *findings),
            "healthy": (*host.healthy, *healthy),
            "undecided": (*host.undecided, *undecided),
        }
    )


def _changed(host: HostReport, known: Sequence[Setting], now: datetime, deeds: Sequence[Deed]) -> Iterator[Finding]:
    for drift in drifts(host.host, host.settings, known, deeds, now):
        yield _drifted(host.host, drift)


def _drifted(host: str, drift: Drift) -> Finding:
    where, _, name = drift.key.rpartition(" ")
    by = drift.by
    who = f"netdiag's change {by.change}, asked for by {by.requester}" if by else "not by netdiag"
    if by and by.voters:
        who += f" and approved by {by.voters}"
    cause = (
        f"It was set by {who}. It lasts until the next boot unless it was made to last."
        if by
        else "Nobody changed it through netdiag: somebody did by hand, a configuration run did, or the host started "
        "anew and lost what had been set while it ran. If nobody knows of it, set it back, and write it to "
        "/etc/sysctl.d."
    )
    return found(
        CHANGED,
        host,
        title="Kernel setting changed",
        severity=Severity.INFO if by else Severity.WARNING,
        # each change is a fault of its own: the same one a month later is told again
        scope={"namespace": where, "setting": name, "since": drift.since.isoformat(timespec="seconds")},
        summary=f"{name} in {where} is {drift.value}, and was {drift.before} ({who})",
        cause=cause,
        evidence={
            "before": drift.before,
            "now": drift.value,
            "change": by.change if by else "",
            "requester": by.requester if by else "",
        },
    )
