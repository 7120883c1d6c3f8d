"""`netdiag halt`, `netdiag resume`: who stops every change at once, and who lets them go on?

Neither reads the inventory or the playbooks: what broke them must not keep anybody from stopping.
"""

import json
import sys
from typing import Annotated

import typer
from rich.text import Text

from bot.cli import cli, terminal
from bot.cli.options import (
    EXIT_NOT_DONE,
    Format,
    FormatOption,
    InventoryOption,
    StateOption,
    settings,
    wait,
)
from bot.core.halt import Switched
from bot.core.text import neutral


@cli.command(rich_help_panel="Change")
def halt(
    reason: Annotated[str, typer.Option("--reason", help="Why, for the log and for everybody whose change waits.")],
    output: FormatOption = Format.TEXT,
    inventory: InventoryOption = None,
    state: StateOption = None,
) -> None:
    """Set the kill switch: no change is sent any more, by any bot on this store. One approver is enough.

    Exit status: 0 set, 1 refused or not stored (then put a file named halt into the state directory).
    """
    from bot.app import switched  # noqa: PLC0415

    _tell(*wait(lambda: switched(settings(inventory=inventory, state=state), reason)), output)


@cli.command(rich_help_panel="Change")
def resume(output: FormatOption = Format.TEXT, inventory: InventoryOption = None, state: StateOption = None) -> None:
    """Ask to clear the kill switch. It takes as many approvers as the policy says (halt.people: two, unless set).

    Exit status: 0 cleared, or asked and more people are needed; 1 refused.
    """
    from bot.app import switched  # noqa: PLC0415

    _tell(*wait(lambda: switched(settings(inventory=inventory, state=state))), output)


def _tell(done: Switched, halted: str, output: Format) -> None:
    """Print what the switch is now; `halted` is why nothing is sent, the switch or the file."""
    if output is Format.JSON:
        clearing = list(done.halt.clearing) if done.halt else []
        answer = {"moved": done.moved, "say": done.say, "halted": halted or None, "clearing": clearing}
        sys.stdout.write(json.dumps(answer, indent=2) + "\n")
    else:
        out = terminal.stdout()
        out.print(Text(neutral(done.say, 600)))
        if done.halt is None and halted:
            out.print(Text(f"still nothing is sent: {neutral(halted, 600)}", style="bold"))
    raise typer.Exit(0 if done.moved else EXIT_NOT_DONE)
