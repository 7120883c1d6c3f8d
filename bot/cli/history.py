"""`netdiag history TARGET`: how did these hosts' numbers run, where do they go, and which faults were there?"""

import json
import sys
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from bot.cli import cli, terminal
from bot.cli.options import Format, FormatOption, InventoryOption, PlaybooksOption, StateOption, settings, wait
from bot.cli.terminal import marked
from bot.core.chronicle import Course, courses, document, spark, titles
from bot.core.errors import AskError, ConfigError
from bot.core.fault import OVER, Stage
from bot.core.measure import parted, spoken
from bot.core.outline import RANK, plural
from bot.core.past import HostPast
from bot.core.selector import select
from bot.core.silence import seconds
from bot.core.spans import amount, between, pace, span
from bot.core.text import neutral
from bot.core.trend import Confidence
from bot.engine.chronicle import past_of

SHOWN = 40
"""Rows of a host's table; of more there is `--format json`, or `--measure`."""


@cli.command(rich_help_panel="Look")
def history(
    target: Annotated[
        str, typer.Argument(metavar="TARGET", help="Host, group, label=value, glob, comma list, or all.")
    ],
    measure: Annotated[
        str, typer.Option("--measure", metavar="GLOB", help="Only measures whose id matches, such as 'tcp-*'.")
    ] = "*",
    since: Annotated[str, typer.Option("--since", metavar="SPAN", help="How far back: 12h, 7d.")] = "7d",
    picture: Annotated[
        Path | None, typer.Option("--picture", metavar="FILE", help="Write it as a PNG, too (one host).")
    ] = None,
    output: FormatOption = Format.TEXT,
    inventory: InventoryOption = None,
    playbooks: PlaybooksOption = None,
    state: StateOption = None,
) -> None:
    """Show what the store knows of hosts: each measure's course, its pace and when it reaches its limit; the faults.

    No host is read. Sweeps and runs leave what is shown here.

    Examples: netdiag history node-3 · netdiag history node-3 --measure 'tcp-*' --since 12h --picture node-3.png
    """
    from bot.app import drawn, opened  # noqa: PLC0415

    back = timedelta(seconds=seconds(since))

    async def work() -> list[HostPast]:
        async with opened(settings(inventory=inventory, playbooks=playbooks, state=state)) as app:
            hosts = select(app.inventory, target)
            if picture is not None and len(hosts) > 1:
                raise AskError(f"--picture draws one host, and {neutral(target)} is {len(hosts)}: name one")
            now, names = app.clock.now(), titles(app.desk.playbooks.values())
            found = [await past_of(app.annals.history, host.name, now - back, now, names) for host in hosts]
            if picture is not None:
                _write(picture, await drawn(found[0]))
            return found

    pasts = wait(work)
    if output is Format.JSON:
        hosts = [document(past, courses(past, measure)) for past in pasts]
        text = json.dumps({"schema": "netdiag.history/1", "hosts": hosts}, indent=2, ensure_ascii=False)
        sys.stdout.write(text + "\n")
    else:
        terminal.stdout().print(Group(*[part for past in pasts for part in view(past, courses(past, measure))]))


def _write(file: Path, png: bytes | None) -> None:
    if png is None:
        raise AskError(f"nothing is known of this host in that time: there is nothing to draw in {file}")
    try:
        file.write_bytes(png)
    except OSError as fault:
        raise ConfigError(f"{file}: cannot be written ({fault.strerror})") from None


def view(past: HostPast, found: Sequence[Course]) -> Iterator[RenderableType]:
    """One host: its measures as a table, nearest to their limit first, then its faults."""
    head = Text.assemble((neutral(past.host), "bold"), f"  the last {span((past.until - past.since).total_seconds())}")
    yield head.append(f"  {plural(len(found), 'measure')}, {plural(len(past.faults), 'fault')}", style="dim")
    if found:
        yield Padding(_table(past, found[:SHOWN]), (0, 0, 0, 2))
    else:
        yield Text("  nothing is kept of it: a sweep or `netdiag run` leaves measures", style="dim")
    if len(found) > SHOWN:
        yield Text(f"  and {plural(len(found) - SHOWN, 'more measure')}: --measure GLOB, or --format json", style="dim")
    ordered = sorted(past.faults, key=lambda fault: (fault.stage in OVER, RANK[fault.severity], fault.since))
    for fault in ordered:
        how = "left the inventory" if fault.stage is Stage.LEFT else "over"
        over = f"{fault.since:%m-%d %H:%M} to {fault.last:%m-%d %H:%M} UTC, {how}"
        lasts = over if fault.stage in OVER else f"since {fault.since:%m-%d %H:%M} UTC"
        again = f", {fault.times} times" if fault.times > 1 else ""
        line = Text.assemble("  ", marked(fault.severity, fault.id), f"  {lasts}{again}  ")
        yield line.append(neutral(fault.summary, 160), style="dim")
    yield Text("")


def _table(past: HostPast, found: Sequence[Course]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("measure", "where"):
        table.add_column(column, overflow="fold")
    table.add_column("course", no_wrap=True)
    for column in ("now", "limit", "pace", "limit reached in"):
        table.add_column(column, justify="right", overflow="fold")
    for course in found:
        curve = course.curve
        now = curve.points[-1].mean
        table.add_row(
            neutral(curve.title),
            spoken(parted(curve.key)[1]),
            spark(curve.points, past.since, past.until),
            f"{amount(now)} {neutral(curve.unit)}".strip(),
            "" if course.limit is None else amount(course.limit),
            pace(course.rate) if course.rate else "",
            _when(course),
        )
    return table


def _when(course: Course) -> Text:
    ahead = course.ahead
    if ahead is None:
        return Text("")
    if ahead.confidence is Confidence.NONE or ahead.soonest is None:
        return Text("")
    style = "yellow" if ahead.confidence is Confidence.LIKELY else "dim"
    return Text(f"{between(ahead.soonest, ahead.latest)} ({ahead.confidence})", style=style)
