"""`netdiag silence add|list|end`: what shall not be told for a while, by whom, and why?"""

import json
import sys
from collections.abc import Awaitable, Callable
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from bot.cli import cli, terminal
from bot.cli.options import Format, FormatOption, InventoryOption, PlaybooksOption, StateOption, settings, wait
from bot.core.approval import stamp
from bot.core.policy import Standing
from bot.core.silence import Wanted, seconds
from bot.core.sweep import Silence
from bot.core.text import neutral
from bot.engine.sweep_ports import SilenceDesk

silence = typer.Typer(no_args_is_help=True, help="What sweeps do not tell for a while.")
cli.add_typer(silence, name="silence", rich_help_panel="Look")


@silence.command()
def add(
    target: Annotated[
        str, typer.Argument(metavar="TARGET", help="Host, group, label=value, glob, comma list, or all.")
    ],
    span: Annotated[str, typer.Option("--for", metavar="SPAN", help="For how long: 30m, 2h, 3d; at most 30 days.")],
    reason: Annotated[str, typer.Option("--reason", help="Why, for everybody who wonders at the silence.")],
    finding: Annotated[
        str, typer.Argument(metavar="[FINDING]", help="A finding's id, or a glob over ids; all when left out.")
    ] = "*",
    output: FormatOption = Format.TEXT,
    inventory: InventoryOption = None,
    playbooks: PlaybooksOption = None,
    state: StateOption = None,
) -> None:
    """Let sweeps not tell findings on hosts for a while. They are looked for as ever, and told when it is over.

    Example: netdiag silence add node-3 rp-filter-drops --for 2h --reason "cables are moved"
    """
    wanted = Wanted(target, finding, seconds(span), reason)

    async def work(desk: SilenceDesk, standing: Standing) -> list[Silence]:
        return [await desk.add(wanted, standing)]

    _tell(_asked(work, inventory=inventory, playbooks=playbooks, state=state), output)


@silence.command("list")
def list_silences(
    output: FormatOption = Format.TEXT,
    inventory: InventoryOption = None,
    playbooks: PlaybooksOption = None,
    state: StateOption = None,
) -> None:
    """List the silences in force, the one that ends first before."""

    async def work(desk: SilenceDesk, _: Standing) -> list[Silence]:
        return list(await desk.list())

    _tell(_asked(work, inventory=inventory, playbooks=playbooks, state=state), output)


@silence.command()
def end(
    ident: Annotated[str, typer.Argument(metavar="ID", help="As `netdiag silence list` shows it.")],
    output: FormatOption = Format.TEXT,
    inventory: InventoryOption = None,
    playbooks: PlaybooksOption = None,
    state: StateOption = None,
) -> None:
    """Take a silence back before its time."""

    async def work(desk: SilenceDesk, standing: Standing) -> list[Silence]:
        return [await desk.end(ident, standing)]

    _tell(_asked(work, inventory=inventory, playbooks=playbooks, state=state), output)


Work = Callable[[SilenceDesk, Standing], Awaitable[list[Silence]]]


def _asked(work: Work, **places: object) -> list[Silence]:
    from bot.app import opened, terminal_actor  # noqa: PLC0415

    async def asked() -> list[Silence]:
        async with opened(settings(**places)) as app:
            return await work(app.silences(), await app.directory.standing(terminal_actor().key))

    return wait(asked)


def _tell(silences: list[Silence], output: Format) -> None:
    if output is Format.JSON:
        sys.stdout.write(json.dumps([_row(part) for part in silences], indent=2) + "\n")
        return
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("id", "hosts", "findings", "until", "by", "why"):
        table.add_column(column, overflow="fold")
    for part in silences:
        until = "ended" if part.ended is not None else stamp(part.until)
        words = (part.id, part.hosts, part.findings, until, part.owner, part.why)
        table.add_row(*(Text(neutral(word, 300)) for word in words))
    terminal.stdout().print(table if silences else "nothing is silenced")


def _row(part: Silence) -> dict[str, str | None]:
    return {
        "id": part.id,
        "hosts": part.hosts,
        "findings": part.findings,
        "owner": part.owner,
        "why": part.why,
        "begun": stamp(part.begun),
        "until": stamp(part.until),
        "ended": stamp(part.ended) if part.ended is not None else None,
    }
