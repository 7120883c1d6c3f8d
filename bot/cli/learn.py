"""`netdiag learn [TARGET]`: what is normal on these hosts, and for their roles?"""

import json
import sys
from typing import Annotated

import typer
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from bot.cli import cli, terminal
from bot.cli.options import Format, FormatOption, InventoryOption, PlaybooksOption, StateOption, settings, wait
from bot.core.measure import parted, spoken
from bot.core.outline import plural
from bot.core.past import Norm
from bot.core.selector import ALL, select
from bot.core.spans import amount
from bot.core.text import neutral
from bot.engine.learn import Learnt
from bot.engine.learn import learn as learnt
from bot.engine.recall import roles

SHOWN = 60
"""Rows of the table; of more there is `--format json`."""


@cli.command(rich_help_panel="Look")
def learn(
    target: Annotated[
        str, typer.Argument(metavar="[TARGET]", help="Host, group, label=value, glob, comma list, or all.")
    ] = ALL,
    output: FormatOption = Format.TEXT,
    inventory: InventoryOption = None,
    playbooks: PlaybooksOption = None,
    state: StateOption = None,
) -> None:
    """Learn what is normal on hosts and for their roles from the visits of the last four weeks, and keep it.

    Sweeps then hold each host against what is usual for it, too. No host is read. It takes 30 visits over a day.

    Exit status: 0 something was learnt, 3 nothing could be, 2 a usage error.

    Examples: netdiag learn · netdiag learn role=ingress
    """
    from bot.app import opened  # noqa: PLC0415

    async def work() -> Learnt:
        async with opened(settings(inventory=inventory, playbooks=playbooks, state=state)) as app:
            hosts = [host.name for host in select(app.inventory, target)]
            known = roles(tuple(app.inventory.hosts.values()))
            return await learnt(app.annals.history, hosts, known, app.clock.now())

    found = wait(work)
    if output is Format.JSON:
        sys.stdout.write(json.dumps(_document(found), indent=2, ensure_ascii=False) + "\n")
    else:
        terminal.stdout().print(view(found))
    raise typer.Exit(0 if found.norms else 3)


def view(found: Learnt) -> RenderableType:
    """What was learnt as a table, roles first, and what is missing."""
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("of", "measure", "where"):
        table.add_column(column, overflow="fold")
    for column in ("usually from", "middle", "to", "visits"):
        table.add_column(column, justify="right")
    ordered = sorted(found.norms, key=lambda norm: (norm.subject.startswith("host:"), norm.subject, norm.key))
    for norm in ordered[:SHOWN]:
        table.add_row(*(neutral(word) for word in _row(norm)))
    parts: list[RenderableType] = [table] if ordered else [Text("Nothing was learnt.")]
    if len(ordered) > SHOWN:
        parts.append(Text(f"and {plural(len(ordered) - SHOWN, 'more row')}: --format json", style="dim"))
    parts += [
        Text(f"? {neutral(subject.replace(':', ' '))}: {neutral(why)}", style="magenta")
        for subject, why in list(found.missing.items())[:SHOWN]
    ]
    return Group(*parts)


def _row(norm: Norm) -> tuple[str, ...]:
    name, place = parted(norm.key)
    subject = norm.subject.replace(":", " ")
    return subject, name, spoken(place), amount(norm.low), amount(norm.middle), amount(norm.high), str(norm.count)


def _document(found: Learnt) -> object:
    return {
        "schema": "netdiag.norms/1",
        "norms": [
            {
                "subject": norm.subject,
                "measure": parted(norm.key)[0],
                "scope": dict(parted(norm.key)[1]),
                "low": norm.low,
                "middle": norm.middle,
                "high": norm.high,
                "visits": norm.count,
            }
            for norm in found.norms
        ],
        "missing": dict(found.missing),
    }
