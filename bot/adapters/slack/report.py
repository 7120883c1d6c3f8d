"""How is a report told in a channel? One parent message, and the evidence in its thread. Pure."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bot.adapters.slack.marks import SEVERITY, STATUS
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
    link,
    literal,
    packed,
    quote,
    rich,
    run,
    who,
)
from bot.core import outline
from bot.core.ask import Progress
from bot.core.outline import EMPTY, by_badness, counts, plural, roots, spelled, symptoms
from bot.core.report import Doubt, Finding, HostReport, Lead, Proposal, Report, Severity, Status
from bot.core.text import neutral

LEADS = 6
"""Root causes named in the parent message."""
EVIDENCE_LINES = 14
EVIDENCE_WIDTH = 160
FINDINGS = 10
"""Root causes of one host told in the thread; all of them are in the file."""
HOSTS = 12
"""Hosts with a message of their own; the others are in the file."""
PLACES = 3
"""Places of one fault on a host that are told with their evidence."""
FEW = 12
"""Healthy checks that are told by name."""
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
    """The answer in short: status, each root cause once with the hosts it is on, how many hosts are how."""
    short = outline.summary(report)
    head = f"{STATUS[short.status]}: {_subject(report)}"
    leads = [lead for lead in short.causes if lead.severity is not Severity.INFO]
    parts: list[Element] = []
    if leads:
        parts.append(bullets(_lead(lead, len(report.hosts) > 1) for lead in leads[:LEADS]))
    if len(leads) > LEADS:
        parts.append(line(f"and {len(leads) - LEADS} more causes in the thread"))
    parts += _unsure(report.hosts)
    if not parts:
        checked = f"Nothing found: all {plural(short.checks, 'check')} had their evidence."
        parts.append(line(checked if report.hosts else "No host was read."))
    offered = sum(proposal.refused is None for host in report.hosts for proposal in host.proposals)
    tail = f"{offered} proposed change{'s' * (offered != 1)}" if offered else "no change proposed"
    small = f"{report.target or _subject(report)} · {_playbooks(report)} · {report.seconds:.1f} s · {tail} · "
    text = fallback(head, *(lead.summary for lead in leads[:2]), tail)
    return Message(text, (header(head), rich(*parts), context(f"{small}run {report.run}"), _by(report.asker)))


def thread(report: Report, pages: str = "") -> Thread:
    """Findings with evidence, host by host; hosts with nothing to tell share one message.

    `pages` is the base address of the pages about findings.
    """
    hosts = by_badness(report.hosts)
    alone = len(hosts) == 1
    unreachable = [host for host in hosts if host.failure is not None]
    telling = [host for host in hosts if host.failure is None and (alone or _tells(host))]
    quiet = [host for host in hosts if host.failure is None and host not in telling]
    messages = [message for host in telling[:HOSTS] for message in host_messages(host, report, pages)]
    if unreachable:
        messages += packed(fallback(f"{len(unreachable)} hosts could not be read"), _unreachable(unreachable))
    if quiet:
        messages += _quiet(quiet, report)
    files: tuple[File, ...] = ()
    if len(telling) > HOSTS or any(cut(host) for host in telling):
        title = f"Everything found by run {report.run}"
        files = (File(f"netdiag-{neutral(report.run, 40)}.txt", title, full_text(report)),)
        left = len(telling) - HOSTS
        said = f"{left} more hosts are in the file." if left > 0 else "What was cut here is whole in the file."
        messages.append(Message(fallback(said), (context(said),)))
    return Thread(tuple(messages), files)


def grave(report: Report) -> Iterator[tuple[HostReport, Finding]]:
    """Every root cause that gives its host a bad status."""
    for host in by_badness(report.hosts):
        yield from ((host, finding) for finding in roots(host) if finding.severity is not Severity.INFO)


def host_messages(host: HostReport, report: Report, pages: str = "") -> tuple[Message, ...]:
    """One host in the thread: root causes with evidence, symptoms folded, then what is unknown and what is well."""
    head = f"{STATUS[host.status]}: {host.host}"
    blocks = [header(head)]
    shown = 0
    for group in outline.alike(roots(host)):
        told = group[: min(PLACES, FINDINGS - shown)]
        shown += len(told)
        blocks += [rich(*_finding(host, finding, pages)) for finding in told]
        if told and len(group) > len(told):
            blocks.append(rich(*_elsewhere(group[len(told) :])))
    if shown == FINDINGS and len(roots(host)) > shown:
        blocks.append(context("More root causes are in the file."))
    refused = [proposal for proposal in host.proposals if proposal.refused is not None]
    if refused:
        blocks.append(rich(line(run("Not proposed", bold=True)), bullets(map(_refused, refused))))
    unknown = outline.doubts(host)
    if unknown:
        blocks.append(rich(line(run("? Unknown, and why", bold=True)), bullets(map(_doubt, unknown[:NAMES]))))
    if host.healthy:
        blocks.append(context(_healthy(host, report)))
    if host.failure is not None:
        blocks += _unreachable([host])
    if len(blocks) == 1:
        blocks.append(context("No check applied to this host."))
    return packed(fallback(head, *(finding.summary for finding in roots(host)[:3])), blocks)


def cut(host: HostReport) -> bool:
    """Whether the thread shows less of this host than was found."""
    groups = outline.alike(roots(host))
    return (
        sum(min(len(group), PLACES) for group in groups) > FINDINGS
        or any(len(g) > PLACES for g in groups)
        or any(
            len(finding.evidence) > EVIDENCE_LINES
            or any(len(row) > EVIDENCE_WIDTH for row in rows(finding.evidence))
            or len(finding.cause) > LINE_MAX
            for finding in host.findings
        )
    )


def rows(evidence: Mapping[str, Any]) -> tuple[str, ...]:
    """`name: value` a line, of any length but safe to read."""
    return tuple(f"{neutral(str(key), 80)}: {neutral(spelled(part), 4_000)}" for key, part in evidence.items())


def full_text(report: Report) -> str:
    """The whole report as plain text, nothing cut, for the file."""
    lines = [f"netdiag run {neutral(report.run)} of {neutral(report.target)}: {counts(report)}", ""]
    for host in by_badness(report.hosts):
        lines.append(f"{host.host}: {STATUS[host.status]}")
        for finding in (part for root in roots(host) for part in (root, *symptoms(host, root))):
            lines.append(f"  {SEVERITY[finding.severity]} {finding.id}: {neutral(finding.summary, 4_000)}")
            lines += [f"    because: {neutral(finding.cause, 4_000)}"] if finding.cause else []
            lines += [f"    {name}: {neutral(spelled(part), 200)}" for name, part in finding.scope.items()]
            lines += [f"    {row}" for row in rows(finding.evidence)]
        lines += [f"  ? {row}" for row in _unknown(host, 10_000)]
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


def _playbooks(report: Report) -> str:
    names = report.playbooks
    return _names(names, 3) if 0 < len(names) <= 3 else plural(len(names), "playbook")  # noqa: PLR2004 - a line


def _lead(lead: Lead, named: bool) -> Element:
    """One cause in the parent: where it is on several hosts, they are named, and the worst is quoted."""
    tail = [run(f" (explains {len(lead.explains)} more)", italic=True)] if lead.explains else []
    if not named:
        places = [run(f" and in {plural(lead.places - 1, 'more place')}", italic=True)] if lead.places > 1 else []
        return line(run(f"{SEVERITY[lead.severity]} ", bold=True), run(lead.summary, most=300), *places, *tail)
    hosts = _names(lead.hosts, 8)
    if len(lead.hosts) == 1:
        return line(
            run(hosts, bold=True), run(f" {SEVERITY[lead.severity]} ", bold=True), run(lead.summary, most=300), *tail
        )
    title = lead.title or lead.id
    return line(
        run(f"{len(lead.hosts)} hosts {SEVERITY[lead.severity]} {title}: ", bold=True, most=200),
        run(hosts, most=400),
        run(f". Such as: {lead.summary}", most=260),
        *tail,
    )


def _unsure(hosts: Sequence[HostReport]) -> list[Element]:
    """In the parent: which hosts are not known to be well, in one line each kind."""
    dead = [host.host for host in hosts if host.failure is not None]
    unsure = [host for host in hosts if outline.doubts(host)]
    told: list[Element] = []
    if dead:
        told.append(line(run("? could not be read: ", bold=True), _names(dead)))
    if unsure and len(hosts) == 1:
        doubts = outline.doubts(unsure[0])
        checks, probes = sum(len(doubt.checks) for doubt in doubts), sum(len(doubt.probes) for doubt in doubts)
        what = f"? {plural(checks, 'check')} unknown" if checks else f"? {plural(probes, 'probe')} without evidence"
        why = f": {doubts[0].reason}" if len(doubts) == 1 else f", for {len(doubts)} reasons, in the thread"
        told.append(line(run(what, bold=True), run(why, most=300)))
    elif unsure:
        told.append(line(run("? with something unknown: ", bold=True), _names([host.host for host in unsure])))
    return told


def _finding(host: HostReport, finding: Finding, pages: str) -> Iterator[Element]:
    page = [run("  "), link(f"{pages.rstrip('/')}/{finding.id}.md", "what it means")] if pages else []
    yield line(
        run(f"{SEVERITY[finding.severity]} ", bold=True),
        run(finding.title or finding.id, bold=True, most=150),
        run("  "),
        run(finding.id, code=True, most=100),
        *page,
    )
    yield line(run(finding.summary))
    if finding.cause:
        yield quote(finding.cause)
    telling = rows({key: part for key, part in finding.evidence.items() if part not in EMPTY})
    shown = [neutral(row, EVIDENCE_WIDTH) for row in telling[:EVIDENCE_LINES]]
    more = len(telling) - len(shown)
    if more > 0:
        shown.append(f"… {more} more in the file")
    if shown:
        yield literal(shown)
    if finding.scope:
        pairs = [f"{key} {spelled(part)}" for key, part in list(finding.scope.items())[:8]]
        yield line(run("where: " + ", ".join(pairs), italic=True, most=300))
    folded = symptoms(host, finding)
    if folded:
        yield line(run(f"Explains {len(folded)} more", bold=True))
        yield bullets([f"{SEVERITY[part.severity]} {part.id}: {neutral(part.summary, 240)}" for part in folded[:8]])
    for proposal in outline.shared(host, finding):
        yield line(run(f"The change {proposal.change} proposed here is for this, too.", italic=True))


def _elsewhere(left: Sequence[Finding]) -> Iterator[Element]:
    """The same fault in more places: a line each, as far as they are few."""
    yield line(run(f"The same in {plural(len(left), 'more place')}", bold=True))
    yield bullets([neutral(finding.summary, 200) for finding in left[:8]])
    if len(left) > 8:  # noqa: PLR2004 - the list above
        yield line(run(f"and {len(left) - 8} more in the file", italic=True))


def _refused(proposal: Proposal) -> Element:
    return line(run(proposal.summary or proposal.action, most=200), f": {neutral(proposal.refused or '', 300)}")


def _doubt(doubt: Doubt) -> Element:
    """One reason, and everything that hangs on it."""
    what = [plural(len(doubt.checks), "check")] if doubt.checks else []
    what += [f"probe {_names(doubt.probes, 8)}"] if doubt.probes else []
    checks = [run(f" ({_names(doubt.checks, 8)})", italic=True, most=500)] if doubt.checks else []
    return line(run(f"{' and '.join(what)}: ", bold=True, most=400), run(doubt.reason, most=400), *checks)


def _unknown(host: HostReport, most: int) -> list[str]:
    """What could not be told, a line for each reason."""
    return [
        f"{neutral(doubt.reason, 400)}: {_names([*doubt.probes, *doubt.checks], most)}"
        for doubt in outline.doubts(host)
    ]


def _healthy(host: HostReport, report: Report) -> str:
    """What was checked and is well: by name while they are few, else by playbook."""
    count = plural(len(host.healthy), "check")
    if len(host.healthy) <= FEW:
        return f"✔ Checked and healthy: {_names(host.healthy)}"
    calm = outline.calm(report, host)
    return f"✔ {count} healthy" + (f": all of {_names(calm)}" if calm else "")


def _tells(host: HostReport) -> bool:
    return bool(host.findings or host.proposals or outline.doubts(host)) or host.status is not Status.OK


def _quiet(hosts: Sequence[HostReport], report: Report) -> tuple[Message, ...]:
    checks = sorted({name for host in hosts for name in host.healthy})
    title = f"✔ {plural(len(hosts), 'host')} with nothing to tell"
    blocks = [rich(line(run(title, bold=True)), line(_names([host.host for host in hosts])))]
    if checks:
        count, playbooks = plural(len(checks), "check"), plural(len(report.playbooks), "playbook")
        told = _names(checks) if len(checks) <= FEW else f"{count} of {playbooks}: {_names(report.playbooks)}"
        blocks.append(context(f"Checked and healthy: {told}"))
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
