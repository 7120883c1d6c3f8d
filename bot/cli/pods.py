"""`netdiag pods TARGET`: what does every network namespace and pod of these nodes hold, and which of them hurts?"""

import sys
from collections.abc import Iterator
from typing import Annotated

import typer
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from bot.cli import cli, terminal
from bot.cli.options import Format, FormatOption, InventoryOption, StateOption, settings, wait
from bot.cli.run import progress
from bot.core.ask import Ask
from bot.core.ask import Progress as Told
from bot.core.pods import HostPods, PodsReport, Row, exit_status
from bot.core.pods_words import HEADINGS, LEGEND, cells, doubts, mark, missing, people, summary, told
from bot.core.text import neutral


@cli.command(rich_help_panel="Look")
def pods(
    target: Annotated[
        str, typer.Argument(metavar="TARGET", help="Host, group, label=value, glob, comma list, or all.")
    ],
    window: Annotated[
        float | None,
        typer.Option("--window", metavar="SECONDS", help="Time between the first and last sample of a visit."),
    ] = None,
    output: FormatOption = Format.TEXT,
    inventory: InventoryOption = None,
    state: StateOption = None,
) -> None:
    """Show every network namespace and pod of a node: sockets, descriptors, accept queues, rates. What hurts is first.

    Names come from the node itself, with no Kubernetes API. Nothing is judged here: `netdiag run` finds causes.

    Exit status: 0 everything was read, 3 something unknown or unreachable, 2 a usage error.

    Examples: netdiag pods node-3 · netdiag pods role=worker --format json
    """
    from bot.app import opened, terminal_actor  # noqa: PLC0415

    chosen = settings(inventory=inventory, state=state, window=window)

    async def work() -> PodsReport:
        async with opened(chosen) as app:
            with progress() as bar:
                task = bar.add_task("planning", total=None)

                def tell(step: Told) -> None:
                    bar.update(task, completed=step.done, total=step.total, description=step.say)

                return await app.desk.pods(Ask(terminal_actor(), target), tell)

    report = wait(work)
    if output is Format.JSON:
        sys.stdout.write(report.document() + "\n")
    else:
        terminal.stdout().print(_whole(report))
    raise typer.Exit(exit_status(report))


def _whole(report: PodsReport) -> Group:
    parts = [part for host in report.hosts for part in _host(host)]
    return Group(*parts, *([Text(LEGEND, style="dim")] if any(host.rows for host in report.hosts) else []))


def _host(host: HostPods) -> list[RenderableType]:
    head = Text.assemble((neutral(host.host), "bold"), f"  {summary(host)}")
    if host.failure is not None:
        return [head, Text(f"  → {neutral(host.failure.remedy, 600)}", style="dim")]
    head.append(f"  {host.seconds:.1f} s", style="dim")
    parts: list[RenderableType] = [head, *(line for row in host.rows for line in _hurting(row))]
    if host.rows:
        parts.append(_table(host))
    parts += [Text.assemble(("  ? ", "bold magenta"), line) for line in (*host.unread, *missing(host))]
    parts += [Text.assemble(("  ? ", "bold magenta"), told(doubt)) for doubt in doubts(host)]
    return [*parts, Text("")]


def _hurting(row: Row) -> Iterator[Text]:
    for hurt in row.hurts:
        yield Text.assemble("  ", terminal.marked(hurt.severity, row.label), f": {hurt.say}")
    if row.hurts:
        yield Text(f"    {people(row)}", style="dim")


def _table(host: HostPods) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 1, 0, 0))
    for number, heading in enumerate(HEADINGS):
        table.add_column(heading, justify="right" if number else "left", overflow="fold", no_wrap=number > 0)
    for row in host.rows:
        label, *numbers = cells(row)
        style = terminal.LOOK[row.hurts[0].severity][1] if row.hurts else ""
        table.add_row(Text(f"{mark(row)} {label}", style=style), *numbers)
    return table
