"""`netdiag record HOST`: keep a visit as a recording, for a playbook's case or a colleague."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from bot.cli import cli, terminal
from bot.cli.options import InventoryOption, PlaybooksOption, StateOption, settings, wait
from bot.core.errors import AskError
from bot.core.host import HostFailure
from bot.core.recording import Recording, dump, redact
from bot.core.selector import select

EXIT_UNREACHABLE = 3


@cli.command(rich_help_panel="Look")
def record(
    host: Annotated[str, typer.Argument(metavar="HOST", help="One host of the inventory.")],
    playbooks: Annotated[
        list[str] | None, typer.Argument(metavar="[PLAYBOOK]...", help="Default: every playbook.")
    ] = None,
    to: Annotated[Path | None, typer.Option("--to", metavar="FILE", help="Default: standard output.")] = None,
    name: Annotated[str | None, typer.Option("--as", metavar="NAME", help="What the host is called in it.")] = None,
    raw: Annotated[bool, typer.Option("--raw", help="Take nothing out: addresses and names stay.")] = False,
    inventory: InventoryOption = None,
    playbooks_dir: PlaybooksOption = None,
    state: StateOption = None,
) -> None:
    """Visit a host once and keep what it printed, before any parser; addresses and names are replaced.

    Read it before you share it: process names stay, they are what a diagnosis is about.
    """
    from bot.app import opened  # noqa: PLC0415
    from bot.engine.reading import chosen  # noqa: PLC0415
    from bot.engine.record import record_visit  # noqa: PLC0415

    async def work() -> Recording | HostFailure:
        async with opened(settings(inventory=inventory, playbooks=playbooks_dir, state=state)) as app:
            found = select(app.inventory, host)
            if len(found) != 1:
                raise AskError(f"record takes one host; {host} means {len(found)}")
            with terminal.stderr().status(f"visiting {found[0].name}"):
                return await record_visit(app.desk.observer, found[0], chosen(app.desk.playbooks, playbooks or ()))

    kept = wait(work)
    if isinstance(kept, HostFailure):
        sys.stderr.write(f"netdiag: {host}: {kept.reason}\n{kept.remedy}\n")
        raise typer.Exit(EXIT_UNREACHABLE)
    text = dump(kept if raw else redact(kept, name=name or "host"))
    if to is None:
        sys.stdout.write(text)
    else:
        to.write_text(text, encoding="utf-8")
        sys.stderr.write(f"{to}: {len(kept.probes)} probes; add what is expected of it, see docs/playbooks.md\n")
