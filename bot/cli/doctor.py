"""`netdiag doctor`: is everything in place, and if not, what is the remedy?"""

import json
import sys
from dataclasses import asdict
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from bot.cli import cli, terminal
from bot.cli.options import Format, FormatOption, InventoryOption, PlaybooksOption, StateOption, settings, wait
from bot.core.text import neutral

EXIT_FAULT = 1
EXIT_UNKNOWN = 3
LOOKS = {"ok": ("✔", "green"), "fault": ("✖", "bold red"), "skipped": ("-", "dim"), "unknown": ("?", "magenta")}


@cli.command(rich_help_panel="Operate")
def doctor(
    target: Annotated[
        str, typer.Argument(metavar="[TARGET]", help="Hosts to connect to; none: do not connect.")
    ] = "all",
    output: FormatOption = Format.TEXT,
    inventory: InventoryOption = None,
    playbooks: PlaybooksOption = None,
    state: StateOption = None,
) -> None:
    """Check settings, files, store, policy, Slack tokens, scopes and channels, SSH, sudo and clocks.

    Each fault comes with its remedy. Exit status: 0 all in place, 1 a fault, 3 something could not be checked.
    """
    from bot.cli.checkup import checkup  # noqa: PLC0415

    findings = wait(lambda: checkup(settings(inventory=inventory, playbooks=playbooks, state=state), target))
    if output is Format.JSON:
        json.dump([asdict(item) for item in findings], sys.stdout, indent=2)
        sys.stdout.write("\n")
    else:
        table = Table(box=None, pad_edge=False, show_header=False)
        table.add_column(no_wrap=True)
        table.add_column(style="bold", no_wrap=True)
        table.add_column(overflow="fold")
        for item in findings:
            mark, style = LOOKS[item.state]
            words = Text(neutral(item.detail, 600))
            if item.remedy:
                words.append(f"\n→ {neutral(item.remedy, 600)}", style="dim")
            table.add_row(Text(mark, style=style), item.about, words)
        terminal.stdout().print(table)
    states = {item.state for item in findings}
    raise typer.Exit(EXIT_FAULT if "fault" in states else EXIT_UNKNOWN if "unknown" in states else 0)
