"""How does a report read on a terminal in ten seconds? The verdict, each cause with what it explains, then the rest.

Nothing from a host reaches the terminal raw.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.text import Text

from bot.cli.terminal import LOOK, marked
from bot.core import outline
from bot.core.outline import few, plural
from bot.core.report import Doubt, Finding, HostReport, Lead, Proposal, Report, Severity, Status
from bot.core.text import neutral

DETAILED = 4
"""Hosts with findings that are told in detail; of more, each is told in short."""
PLACES = 3
"""Places of one fault on a host that are told in detail."""
NAMED = 12


def report(answer: Report, pages: str | None = None) -> RenderableType:
    """The whole answer. `pages` is the base address of the pages about findings."""
    hosts = outline.by_badness(answer.hosts)
    telling = [host for host in hosts if host.status is not Status.OK or host.findings]
    quiet = [host for host in hosts if host not in telling]
    parts: list[RenderableType] = [*_fleet(answer)] if len(hosts) > 1 else []
    detailed = len([host for host in telling if host.findings]) <= DETAILED
    for host in telling:
        parts.extend(_host(answer, host, pages if detailed else None, detailed=detailed))
        parts.append(Text(""))
    if not detailed:
        parts.append(Text("In detail: netdiag run HOST, or --format json", style="dim"))
    parts += _quiet(answer, quiet)
    return Group(*parts)


def _fleet(answer: Report) -> Iterator[RenderableType]:
    """All hosts in a few lines: each cause once, with the hosts that it is on."""
    short = outline.summary(answer)
    head = Text.assemble((plural(len(answer.hosts), "host"), "bold"), f": {outline.counts(answer)}")
    yield head.append(f"  {answer.seconds:.1f} s", style="dim")
    for lead in short.causes:
        if lead.severity is not Severity.INFO:
            yield _indent(_lead(lead))
    for doubt in short.unknown:
        yield _indent(_doubt(doubt, f"on {_hosts(doubt.hosts)}: "))
    yield Text("")


def _lead(lead: Lead) -> Text:
    where = _hosts(lead.hosts) + (f" ({lead.places} places)" if lead.places > len(lead.hosts) else "")
    said = f": {neutral(lead.summary, 300)}" if len(lead.hosts) == 1 else f", such as {neutral(lead.summary, 200)}"
    return Text.assemble(marked(lead.severity, lead.id), "  on ", (where, "bold"), said)


def _hosts(names: Sequence[str]) -> str:
    listed = few([neutral(name) for name in names], 8)
    return listed if len(names) == 1 else f"{plural(len(names), 'host')} ({listed})"


def _host(answer: Report, host: HostReport, pages: str | None, *, detailed: bool) -> Iterator[RenderableType]:
    roots = outline.roots(host)
    yield _head(host, roots)
    if host.failure:
        yield _indent(Text.assemble((f"{host.failure.cause}: ", "magenta"), neutral(host.failure.reason, 400)))
        yield _indent(Text(f"→ {neutral(host.failure.remedy, 600)}", style="dim"))
        return
    grave = [finding for finding in roots if finding.severity is not Severity.INFO]
    groups = outline.alike(grave)
    listed = not detailed or (len(groups) > 1 and len(answer.hosts) == 1)  # of several hosts all causes are told above
    yield from (_indent(_line(group)) for group in groups if listed)
    if detailed:
        for number, group in enumerate(groups):
            yield from _cause(host, group, pages, apart=listed or number > 0)
    else:
        yield from (_indent(_short_fix(proposal), 2) for proposal in host.proposals if not proposal.refused)
    minor = [finding for finding in roots if finding.severity is Severity.INFO]
    yield from (_indent(_line(group)) for group in outline.alike(minor))
    yield from (_indent(_doubt(doubt)) for doubt in outline.doubts(host))
    yield from _healthy(answer, host)


def _head(host: HostReport, roots: Sequence[Finding]) -> Text:
    head = Text.assemble((neutral(host.host), "bold"), "  ", marked(host.status))
    folded = sum(len(outline.symptoms(host, root)) for root in roots)
    fixes = sum(not proposal.refused for proposal in host.proposals)
    grave = len(outline.alike([root for root in roots if root.severity is not Severity.INFO]))
    said = [plural(grave, "cause")] if grave > 1 else []
    said += [f"{plural(folded, 'symptom')} explained"] if folded else []
    said += [f"{fixes} fix{'es' * (fixes != 1)} proposed"] if fixes else []
    said += [f"{host.seconds:.1f} s"] if host.seconds else []
    return head.append(f"  {', '.join(said)}", style="dim") if said else head


def _line(group: Sequence[Finding]) -> Text:
    first = group[0]
    more = f"  (and in {plural(len(group) - 1, 'more place')})" if len(group) > 1 else ""
    return Text.assemble(marked(first.severity, first.id), "  ", neutral(first.summary, 300), (more, "dim"))


def _cause(host: HostReport, group: Sequence[Finding], pages: str | None, *, apart: bool) -> Iterator[RenderableType]:
    """One cause in detail; where it is in many places, the first few are."""
    if apart:
        yield Text("")
    for number, finding in enumerate(group[:PLACES]):
        name = marked(finding.severity, finding.id)
        if pages:
            name.stylize(f"link {pages.rstrip('/')}/{finding.id}.md")
        yield _indent(Text.assemble(name, "  ", (neutral(finding.summary, 600), "bold")))
        if finding.cause and (not number or finding.cause != group[0].cause):
            yield _indent(Text(neutral(finding.cause, 1200)), 2)
        if finding.evidence:
            yield _indent(_pairs(finding.evidence), 2)
        folded = outline.symptoms(host, finding)
        if folded:
            names = few(list(dict.fromkeys(part.id for part in folded)), NAMED)
            yield _indent(Text(f"└ explains {plural(len(folded), 'more finding')}: {names}", style="dim"), 2)
        for proposal in outline.proposals(host, finding):
            yield from _proposal(proposal)
        for proposal in outline.shared(host, finding):
            yield _indent(Text.assemble(("fix  ", "bold cyan"), f"{proposal.change}, above, is for this too"), 2)
    if len(group) > PLACES:
        left = [neutral(finding.summary, 160) for finding in group[PLACES:]]
        yield _indent(Text(f"the same in {plural(len(left), 'more place')}:", style="dim"), 2)
        yield from (_indent(Text(f"· {said}", style="dim"), 3) for said in left[:NAMED])
        if len(left) > NAMED:
            yield _indent(Text(f"· and {len(left) - NAMED} more: --format json", style="dim"), 3)


def _pairs(values: Mapping[str, Any]) -> Text:
    """The evidence in running text: `recv_q 129 · send_q 128`; what is empty says nothing."""
    line = Text()
    for key, value in values.items():
        if value not in outline.EMPTY:
            line.append(" · " if line else "", style="dim")
            line.append(f"{neutral(str(key))} ", style="dim").append(neutral(outline.spelled(value), 400))
    return line


def _short_fix(proposal: Proposal) -> Text:
    return Text.assemble(("fix  ", "bold cyan"), (proposal.change, "bold"), f"  {neutral(proposal.summary, 300)}")


def _proposal(proposal: Proposal) -> Iterator[RenderableType]:
    undo = "reversible" if proposal.reversible else "no undo"
    if proposal.refused:
        line = Text.assemble(("no fix offered  ", "yellow"), f"{proposal.action}: {neutral(proposal.refused, 600)}")
        yield _indent(line, 2)
        return
    head = f"  {proposal.action}, {proposal.risk} risk, {undo}: {neutral(proposal.summary, 400)}"
    yield _indent(Text.assemble(("fix  ", "bold cyan"), (proposal.change, "bold"), head), 2)
    for label, words in (("impact", proposal.impact), ("does not fix", proposal.not_fixed)):
        if words:
            yield _indent(Text(f"{label}: {neutral(words, 600)}", style="dim"), 4)
    for argv in proposal.commands:
        yield _indent(Text("$ " + neutral(" ".join(argv), 1000)), 4)
    yield _indent(Text(f"needs {proposal.approval}; netdiag approve {proposal.change}", style="dim"), 4)


def _doubt(doubt: Doubt, where: str = "") -> Text:
    """`? 9 checks unknown: needs root: a, b, c and 6 more`."""
    what = [plural(len(doubt.checks), "check")] if doubt.checks else []
    what += [f"probe {few(doubt.probes, 4)}"] if doubt.probes else []
    line = Text.assemble(marked(Status.UNKNOWN, " and ".join(what) or "unknown"), f"  {where}")
    line.append(neutral(doubt.reason, 400))
    return line.append(f"  ({few(doubt.checks)})", style="dim") if doubt.checks else line


def _healthy(answer: Report, host: HostReport) -> Iterator[RenderableType]:
    if host.healthy:
        names = few(host.healthy, NAMED) if len(host.healthy) <= NAMED else _playbooks(outline.calm(answer, host))
        yield _indent(Text(f"✔ {plural(len(host.healthy), 'check')} healthy{names and ': '}{names}", style="dim"))


def _playbooks(names: Sequence[str]) -> str:
    return f"all of {few(names, 30)}" if names else ""


def _quiet(answer: Report, hosts: Sequence[HostReport]) -> Iterator[RenderableType]:
    """Healthy hosts: one short line, and a fold of what was checked."""
    if not hosts:
        return
    mark, style = LOOK[Status.OK]
    names = few([neutral(host.host) for host in hosts], 40)
    label = "" if len(hosts) == 1 else f"{len(hosts)} hosts: "
    seconds = f", {answer.seconds:.1f} s" if len(answer.hosts) == 1 else ""
    checks = max(len(host.healthy) for host in hosts)
    yield Text.assemble((f"{mark} ok", style), f"  {label}", (names, "bold"), (f"  {_all_of(checks)}{seconds}", "dim"))
    if checks:
        yield _indent(Text(f"checked: {few(answer.playbooks, 40)}", style="dim"))


def _all_of(checks: int) -> str:
    return f"{plural(checks, 'check')}, all healthy" if checks else "no check applied"


def _indent(item: RenderableType, level: int = 1) -> Padding:
    return Padding(item, (0, 0, 0, 2 * level))
