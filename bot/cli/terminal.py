"""How does a report read on a terminal? Colours where there is one, plain text when piped, nothing from a host raw."""

import sys
from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from bot.core.report import Finding, HostReport, Proposal, Report, Severity, Status
from bot.core.text import neutral

WIDTH_WHEN_PIPED = 120

LOOK: Mapping[str, tuple[str, str]] = {
    Status.CRITICAL: ("✖", "bold red"),
    Status.WARNING: ("▲", "bold yellow"),
    Status.OK: ("✔", "bold green"),
    Status.UNKNOWN: ("?", "bold magenta"),
    Severity.INFO: ("i", "cyan"),
}
"""A mark and a style per word: the mark and the word carry the meaning, colour only helps."""


def stdout() -> Console:
    """Standard output: coloured on a terminal, plain and wide when piped."""
    return Console(width=None if sys.stdout.isatty() else WIDTH_WHEN_PIPED, highlight=False, soft_wrap=False)


def stderr() -> Console:
    """Standard error, for progress and faults."""
    return Console(stderr=True, width=None if sys.stderr.isatty() else WIDTH_WHEN_PIPED, highlight=False)


def marked(word: str, label: str | None = None) -> Text:
    """`✖ critical`: the mark and the word of a status or severity."""
    mark, style = LOOK[word]
    return Text(f"{mark} {label or word}", style=style)


def report(answer: Report) -> RenderableType:
    """The whole answer: hosts with something to say first, the healthy ones in one line each."""
    order = [Status.CRITICAL, Status.WARNING, Status.UNKNOWN, Status.OK]
    hosts = sorted(answer.hosts, key=lambda host: order.index(host.status))
    parts: list[RenderableType] = []
    for host in hosts:
        parts.extend(_host(host))
    counts = ", ".join(
        f"{sum(host.status is status for host in hosts)} {status}"
        for status in order
        if any(host.status is status for host in hosts)
    )
    parts.append(Text(f"\n{len(hosts)} host{'s' * (len(hosts) != 1)}: {counts}  ({answer.seconds:.1f} s)", style="dim"))
    return Group(*parts)


def _host(host: HostReport) -> Iterator[RenderableType]:
    head = Text.assemble((neutral(host.host), "bold"), "  ", marked(host.status))
    if host.seconds:
        head.append(f"  {host.seconds:.1f} s", style="dim")
    yield head
    if host.failure:
        yield _indent(Text.assemble((f"{host.failure.cause}: ", "magenta"), neutral(host.failure.reason, 400)))
        yield _indent(Text(f"→ {neutral(host.failure.remedy, 600)}", style="dim"))
        return
    roots = [finding for finding in host.findings if finding.explained_by is None]
    for finding in roots:
        yield from _finding(finding)
        for symptom in host.findings:
            if symptom.explained_by == finding.fingerprint:
                yield _indent(Text(f"└ explains {symptom.id}: {neutral(symptom.summary, 300)}", style="dim"), 2)
        for proposal in host.proposals:
            if proposal.fingerprint == finding.fingerprint:
                yield from _proposal(proposal)
    for doubt in host.undecided:
        yield _indent(Text.assemble(marked(Status.UNKNOWN, doubt.id), f"  {neutral(doubt.reason, 400)}"))
    decided = {doubt.reason for doubt in host.undecided}
    for item in host.coverage:
        if item.state != "ok" and item.reason not in decided:
            yield _indent(Text.assemble(marked(Status.UNKNOWN, item.probe), f"  {neutral(item.reason or '', 400)}"))
    if host.healthy:
        yield _indent(Text(f"checked and healthy: {', '.join(host.healthy)}", style="dim"))


def _finding(finding: Finding) -> Iterator[RenderableType]:
    yield _indent(Text.assemble(marked(finding.severity, finding.id), "  ", neutral(finding.summary, 600)))
    if finding.cause:
        yield _indent(Text(neutral(finding.cause, 1200)), 2)
    if finding.evidence:
        yield _indent(_pairs(finding.evidence), 2)


def _pairs(values: Mapping[str, Any]) -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    for key, value in values.items():
        if value not in (None, "", [], {}):
            grid.add_row(neutral(str(key)), Text(neutral(_words(value), 400)))
    return grid


def _words(value: Any) -> str:
    """A value of the evidence as people write it: lists with commas, rates with one decimal."""
    if isinstance(value, (list, tuple)):
        return ", ".join(_words(item) for item in value)
    return f"{value:.1f}" if isinstance(value, float) else str(value)


def _proposal(proposal: Proposal) -> Iterator[RenderableType]:
    undo = "reversible" if proposal.reversible else "no undo"
    if proposal.refused:
        line = Text.assemble(("no fix offered  ", "yellow"), f"{proposal.action}: {neutral(proposal.refused, 600)}")
        yield _indent(line, 2)
        return
    yield _indent(
        Text.assemble(
            ("fix  ", "bold cyan"), (proposal.change, "bold"), f"  {proposal.action}, {proposal.risk} risk, {undo}: ",
            neutral(proposal.summary, 400),
        ),
        2,
    )  # fmt: skip
    for argv in proposal.commands:
        yield _indent(Text("$ " + neutral(" ".join(argv), 1000)), 4)
    for label, words in (("impact", proposal.impact), ("does not fix", proposal.not_fixed)):
        if words:
            yield _indent(Text(f"{label}: {neutral(words, 600)}", style="dim"), 4)
    yield _indent(Text(f"needs {proposal.approval}; netdiag approve {proposal.change}", style="dim"), 4)


def _indent(item: RenderableType, level: int = 1) -> Padding:
    return Padding(item, (0, 0, 0, 2 * level))
