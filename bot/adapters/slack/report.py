"""How is a report told in a channel? One parent message, and the evidence in its thread. Pure."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bot.adapters.slack.marks import ORDER, RANK, SEVERITY, STATUS
from bot.adapters.slack.pieces import (
    LINE_MAX,
    Block,
    Element,
    File,
    Message,
    bullets,
    context,
    fallback,
    header,
    line,
    literal,
    packed,
    quote,
    rich,
    run,
    who,
)
from bot.core.ask import Progress
from bot.core.report import Finding, HostReport, Proposal, Report, Status
from bot.core.text import neutral

LEADS = 6
"""Root causes named in the parent message."""
EVIDENCE_LINES = 14
EVIDENCE_WIDTH = 160
FINDINGS = 10
"""Root causes of one host told in the thread; all of them are in the file."""
HOSTS = 12
"""Hosts with a message of their own; the others are in the file."""
NAMES = 40


@dataclass(frozen=True, slots=True)
class Thread:
    """What goes under the parent message, in this order."""

    messages: tuple[Message, ...]
    files: tuple[File, ...] = ()


def progress(command: str, asker: str, step: Progress | None) -> Message:
    """The parent message while the hosts are read."""
    said = step.say if step else "asked"
    count = f"{step.done} of {step.total} hosts answered" if step else "starting"
    blocks = (header(f"… {command}"), rich(line(run(count, bold=True), f": {said}")), _by(asker))
    return Message(fallback(f"Working on {command}", count, said), blocks)


def failed(command: str, asker: str, reason: str) -> Message:
    """The parent message of a run that came to nothing, and why."""
    blocks = (header(f"? {command}: no answer"), rich(line(reason)), _by(asker))
    return Message(fallback(f"{command}: no answer", reason), blocks)


def parent(report: Report) -> Message:
    """The answer in short: status, the root causes first, how many hosts are how."""
    hosts = sorted(report.hosts, key=lambda host: ORDER.index(host.status))
    head = f"{STATUS[worst(report)]}: {_subject(report)}"
    leads = [
        (host, finding) for host in hosts for finding in roots(host) if finding.severity in ("critical", "warning")
    ]
    leads.sort(key=lambda pair: RANK[pair[1].severity])
    parts: list[Element] = []
    if len(hosts) > 1:
        parts.append(line(run(counts(report), bold=True)))
    if leads:
        parts.append(bullets(_lead(host, finding, len(hosts) > 1) for host, finding in leads[:LEADS]))
    if len(leads) > LEADS:
        parts.append(line(f"and {len(leads) - LEADS} more in the thread"))
    parts += _unsure(hosts)
    if not parts:
        checked = len(hosts[0].healthy) if hosts else 0
        parts.append(line(f"Nothing found: all {checked} checks had their evidence." if hosts else "No host was read."))
    offered = sum(proposal.refused is None for host in hosts for proposal in host.proposals)
    tail = f"{offered} proposed change{'s' * (offered != 1)}" if offered else "no change proposed"
    playbooks = ", ".join(report.playbooks) or "all playbooks"
    small = f"{report.target or _subject(report)} · {playbooks} · {report.seconds:.1f} s · {tail} · run {report.run}"
    text = fallback(head, *(finding.summary for _, finding in leads[:2]), tail)
    return Message(text, (header(head), rich(*parts), context(small), _by(report.asker)))


def thread(report: Report) -> Thread:
    """Findings with evidence, host by host; hosts with nothing to tell share one message."""
    hosts = sorted(report.hosts, key=lambda host: ORDER.index(host.status))
    alone = len(hosts) == 1
    unreachable = [host for host in hosts if host.failure is not None]
    telling = [host for host in hosts if host.failure is None and (alone or _tells(host))]
    quiet = [host for host in hosts if host.failure is None and host not in telling]
    messages = [message for host in telling[:HOSTS] for message in host_messages(host)]
    if unreachable:
        messages += packed(fallback(f"{len(unreachable)} hosts could not be read"), _unreachable(unreachable))
    if quiet:
        messages += _quiet(quiet)
    files: tuple[File, ...] = ()
    if len(telling) > HOSTS or any(cut(host) for host in telling):
        title = f"Everything found by run {report.run}"
        files = (File(f"netdiag-{neutral(report.run, 40)}.txt", title, full_text(report)),)
        left = len(telling) - HOSTS
        said = f"{left} more hosts are in the file." if left > 0 else "What was cut here is whole in the file."
        messages.append(Message(fallback(said), (context(said),)))
    return Thread(tuple(messages), files)


def worst(report: Report) -> Status:
    """The status of the whole: the worst of its hosts, unknown when there is none."""
    return min((host.status for host in report.hosts), key=ORDER.index, default=Status.UNKNOWN)


def counts(report: Report) -> str:
    """`2 critical, 1 unknown, 9 ok`."""
    by = Counter(host.status for host in report.hosts)
    return ", ".join(f"{by[status]} {status}" for status in ORDER if by[status])


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


def host_messages(host: HostReport) -> tuple[Message, ...]:
    """One host in the thread: root causes with evidence, symptoms folded, then what was healthy and what is unknown."""
    head = f"{STATUS[host.status]}: {host.host}"
    blocks = [header(head)]
    blocks += [rich(*_finding(host, finding)) for finding in roots(host)[:FINDINGS]]
    refused = [proposal for proposal in host.proposals if proposal.refused is not None]
    if refused:
        blocks.append(rich(line(run("Not proposed", bold=True)), bullets(map(_refused, refused))))
    unknown = _unknown(host)
    if unknown:
        blocks.append(rich(line(run("? Unknown, and why", bold=True)), bullets(unknown)))
    if host.healthy:
        blocks.append(context(f"✔ Checked and healthy: {_names(host.healthy)}"))
    if host.failure is not None:
        blocks += _unreachable([host])
    if len(blocks) == 1:
        blocks.append(context("No check applied to this host."))
    return packed(fallback(head, *(finding.summary for finding in roots(host)[:3])), blocks)


def cut(host: HostReport) -> bool:
    """Whether the thread shows less of this host than was found."""
    return len(roots(host)) > FINDINGS or any(
        len(finding.evidence) > EVIDENCE_LINES
        or any(len(row) > EVIDENCE_WIDTH for row in rows(finding.evidence))
        or len(finding.cause) > LINE_MAX
        for finding in host.findings
    )


def rows(evidence: Mapping[str, Any]) -> tuple[str, ...]:
    """`name: value` a line, of any length but safe to read."""
    return tuple(f"{neutral(str(key), 80)}: {neutral(value(part), 4_000)}" for key, part in evidence.items())


def value(part: object) -> str:
    """A value as people read it: text as it is, the rest as JSON."""
    return part if isinstance(part, str) else json.dumps(part, ensure_ascii=False, default=str)


def full_text(report: Report) -> str:
    """The whole report as plain text, nothing cut, for the file."""
    lines = [f"netdiag run {neutral(report.run)} of {neutral(report.target)}: {counts(report)}", ""]
    for host in sorted(report.hosts, key=lambda host: ORDER.index(host.status)):
        lines.append(f"{host.host}: {STATUS[host.status]}")
        for finding in (part for root in roots(host) for part in (root, *symptoms(host, root))):
            lines.append(f"  {SEVERITY[finding.severity]} {finding.id}: {neutral(finding.summary, 4_000)}")
            lines += [f"    because: {neutral(finding.cause, 4_000)}"] if finding.cause else []
            lines += [f"    {name}: {neutral(value(part), 200)}" for name, part in finding.scope.items()]
            lines += [f"    {row}" for row in rows(finding.evidence)]
        lines += [f"  ? {row}" for row in _unknown(host)]
        lines += [f"  ✔ {neutral(name)}" for name in host.healthy]
        lines += [f"  could not be read: {neutral(host.failure.reason, 400)}"] if host.failure else []
        lines.append("")
    return "\n".join(lines)


def _by(asker: str) -> Block:
    return rich(line(run("Asked by ", italic=True), who(asker)))


def _subject(report: Report) -> str:
    if len(report.hosts) == 1:
        return report.hosts[0].host
    return f"{len(report.hosts)} hosts: {counts(report)}" if report.hosts else f"no host for {report.target}"


def _lead(host: HostReport, finding: Finding, named: bool) -> Element:
    place = [run(host.host, bold=True), run(" ")] if named else []
    explained = len(symptoms(host, finding))
    tail = [run(f" (explains {explained} more)", italic=True)] if explained else []
    return line(*place, run(f"{SEVERITY[finding.severity]} ", bold=True), run(finding.summary, most=300), *tail)


def _unsure(hosts: Sequence[HostReport]) -> list[Element]:
    """In the parent: which hosts are not known to be well, in one line each kind."""
    dead = [host.host for host in hosts if host.failure is not None]
    unsure = [host for host in hosts if host.failure is None and _unknown(host)]
    told: list[Element] = []
    if dead:
        told.append(line(run("? could not be read: ", bold=True), _names(dead)))
    if unsure and len(hosts) == 1:
        told.append(line(run(f"? {len(_unknown(unsure[0]))} things unknown", bold=True), ", reasons in the thread"))
    elif unsure:
        told.append(line(run("? with something unknown: ", bold=True), _names([host.host for host in unsure])))
    return told


def _finding(host: HostReport, finding: Finding) -> Iterator[Element]:
    yield line(
        run(f"{SEVERITY[finding.severity]} ", bold=True),
        run(finding.title or finding.id, bold=True, most=150),
        run(f"  {finding.id}", code=True, most=100),
    )
    yield line(run(finding.summary))
    if finding.cause:
        yield quote(finding.cause)
    shown = [neutral(row, EVIDENCE_WIDTH) for row in rows(finding.evidence)[:EVIDENCE_LINES]]
    more = len(finding.evidence) - len(shown)
    if more > 0:
        shown.append(f"… {more} more in the file")
    if shown:
        yield literal(shown)
    if finding.scope:
        pairs = [f"{key} {value(part)}" for key, part in list(finding.scope.items())[:8]]
        yield line(run("where: " + ", ".join(pairs), italic=True, most=300))
    folded = symptoms(host, finding)
    if folded:
        yield line(run(f"Explains {len(folded)} more", bold=True))
        yield bullets([f"{SEVERITY[part.severity]} {part.id}: {neutral(part.summary, 240)}" for part in folded[:8]])


def _refused(proposal: Proposal) -> Element:
    return line(run(proposal.summary or proposal.action, most=200), f": {neutral(proposal.refused or '', 300)}")


def _unknown(host: HostReport) -> list[str]:
    """What could not be decided, each with its reason; a probe's reason is told once."""
    told = [f"{neutral(part.id, 100)}: {neutral(part.reason, 300)}" for part in host.undecided]
    if host.failure is None:
        missing = (part for part in host.coverage if part.state != "ok")
        told += [f"probe {neutral(part.probe, 100)}: {neutral(part.reason or 'no reason', 300)}" for part in missing]
    return told if len(told) <= NAMES else [*told[:NAMES], f"and {len(told) - NAMES} more"]


def _tells(host: HostReport) -> bool:
    return bool(host.findings or host.proposals or _unknown(host)) or host.status is not Status.OK


def _quiet(hosts: Sequence[HostReport]) -> tuple[Message, ...]:
    checks = sorted({name for host in hosts for name in host.healthy})
    title = f"✔ {len(hosts)} host{'s' * (len(hosts) != 1)} with nothing to tell"
    blocks = [rich(line(run(title, bold=True)), line(_names([host.host for host in hosts])))]
    if checks:
        blocks.append(context(f"Checked and healthy: {_names(checks)}"))
    return packed(fallback(title), blocks)


def _unreachable(hosts: Sequence[HostReport]) -> list[Block]:
    told: list[Element] = []
    for host in hosts[:NAMES]:
        assert host.failure is not None
        told.append(
            line(
                run(host.host, bold=True),
                run(f" could not be read ({host.failure.cause}): {neutral(host.failure.reason, 200)}"),
                run(f". {neutral(host.failure.remedy, 200)}" if host.failure.remedy else " ", italic=True),
            )
        )
    if len(hosts) > NAMES:
        told.append(line(f"and {len(hosts) - NAMES} more"))
    return [rich(bullets(told[start : start + 15])) for start in range(0, len(told), 15)]


def _names(names: Iterable[str], most: int = NAMES) -> str:
    listed = [neutral(name, 80) for name in names]
    shown = ", ".join(listed[:most])
    return shown if len(listed) <= most else f"{shown} and {len(listed) - most} more"
