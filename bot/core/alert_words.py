"""How is a group of alerts told: as one message that says what fires, where, and what was found there?"""

import hashlib
from collections import Counter
from collections.abc import Sequence

from bot.core.alert_group import Group, Look, Seen, Step
from bot.core.outline import plural
from bot.core.report import HostReport, Report, Status

SHOWN = 12
"""Lines of one kind in the message; the rest is counted."""
DIAGNOSED = 16
"""Lines of diagnoses, over all of them."""
NAMES = 5
CAUSES = 3
_WORST = (Status.CRITICAL, Status.WARNING, Status.UNKNOWN, Status.OK)


def words(group: Group) -> tuple[str, Sequence[str]]:
    """The message: its title and its lines."""
    alerts = sorted(group.alerts, key=lambda alert: (not alert.firing, alert.starts))
    names = list(dict.fromkeys(alert.name for alert in alerts))
    firing, gone = group.firing, len(alerts) - group.firing
    count = f"▲ {firing} alert{'s' if firing > 1 else ''} firing" if firing else "✔ resolved"
    shown = ", ".join(names[:NAMES]) + (f" and {len(names) - NAMES} more" if len(names) > NAMES else "")
    title = f"{count}{f', {gone} resolved' if firing and gone else ''}: {shown}"
    lines = [_line(alert) for alert in alerts[:SHOWN]]
    left = max(0, len(alerts) - SHOWN) + group.more
    lines += [f"and {left} more alerts"] if left else []
    troubles = Counter(alert.trouble for alert in alerts if alert.trouble)
    for trouble, times in troubles.most_common(SHOWN):
        lines.append(f"not diagnosed: {trouble}{f' ({times} alerts)' if times > 1 else ''}")
    if len(troubles) > SHOWN:
        lines.append(f"not diagnosed for {len(troubles) - SHOWN} more reasons")
    return title, (*lines, *_diagnoses(group.looks))


def _diagnoses(looks: Sequence[Look]) -> Sequence[str]:
    """The newest as far as a message holds them: all of them stand in its thread."""
    lines: list[str] = []
    for number, look in enumerate(reversed(looks)):
        told = _look(look)
        if lines and len(lines) + len(told) > DIAGNOSED:
            return (f"{plural(len(looks) - number, 'earlier look')}: in the thread", *lines)
        lines[:0] = told
    return lines


def mark(group: Group) -> str:
    """The print of the message, so that nothing is edited into itself."""
    title, lines = words(group)
    return hashlib.sha256("\n".join((title, *lines)).encode()).hexdigest()[:16]


def settled(group: Group) -> bool:
    """Whether nothing is left to do until Alertmanager speaks of it again."""
    return not group.due and group.shown == mark(group)


def outcome(report: Report) -> tuple[str, ...]:
    """A line for each host, the worst first: its status, and its root causes."""
    lines = []
    for host in sorted(report.hosts, key=lambda host: _WORST.index(host.status)):
        roots = [finding.summary for finding in host.findings if finding.explained_by is None]
        said = "; ".join(roots[:CAUSES]) or _without_findings(host)
        more = f"; and {len(roots) - CAUSES} more" if len(roots) > CAUSES else ""
        lines.append(f"{host.host}: {host.status}: {said}{more}")
    return tuple(lines)


def is_critical(report: Report) -> bool:
    """Whether something critical was found."""
    return any(host.status is Status.CRITICAL for host in report.hosts)


def _without_findings(host: HostReport) -> str:
    if host.failure is not None:
        return host.failure.reason
    if host.status is Status.UNKNOWN:
        return "nothing found, but some checks had no evidence"
    return "nothing found by these checks"


def _line(alert: Seen) -> str:
    where = ", ".join(alert.hosts[:NAMES]) or alert.where
    since = f"since {alert.starts:%Y-%m-%d %H:%M}" if alert.firing else f"from {alert.starts:%Y-%m-%d %H:%M}"
    until = f" to {alert.ends:%Y-%m-%d %H:%M}" if alert.ends and not alert.firing else ""
    name = f"{'firing' if alert.firing else 'resolved'}: {alert.name}{f' on {where}' if where else ''}"
    return f"{name}, {since}{until} UTC{f': {alert.summary}' if alert.summary else ''}"


def _look(look: Look) -> Sequence[str]:
    if look.step is Step.GIVEN_UP:
        return (f"not diagnosed ({', '.join(look.hosts)}): {look.why}",)
    if look.step is Step.WANTED:
        return (f"to be read: {', '.join(look.hosts)}",)
    return look.outcome[:SHOWN]
