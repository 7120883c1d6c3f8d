"""`netdiag inventory`: which hosts are known, and can they be read?"""

import json
import sys
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.table import Table
from rich.text import Text

from bot.cli import cli, terminal
from bot.cli.options import Format, FormatOption, InventoryOption, StateOption, settings, wait
from bot.core.host import HostFailure
from bot.core.selector import select
from bot.core.text import neutral

inventory = typer.Typer(no_args_is_help=True, help="The hosts, and whether they can be read.")
cli.add_typer(inventory, name="inventory", rich_help_panel="Look")

TargetArgument = Annotated[
    str, typer.Argument(metavar="[TARGET]", help="Host, group, label=value, glob, comma list, or all.")
]
EXIT_UNREACHABLE = 3


@inventory.command("list")
def list_hosts(
    target: TargetArgument = "all", output: FormatOption = Format.TEXT, inventory_dir: InventoryOption = None
) -> None:
    """List hosts with their address, groups and labels."""
    from bot.adapters.files.inventory import load_inventory  # noqa: PLC0415

    hosts = select(load_inventory(settings(inventory=inventory_dir).inventory), target)
    if output is Format.JSON:
        rows = [{**host.model_dump(mode="json", exclude={"key", "certificate"})} for host in hosts]
        sys.stdout.write(json.dumps(rows, indent=2, default=str) + "\n")
        return
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("host", "address", "user", "through", "groups", "labels"):
        table.add_column(column, overflow="fold")
    for host in hosts:
        through = host.transport if host.jump is None else f"{host.transport} via {host.jump}"
        labels = " ".join(f"{key}={value}" for key, value in host.labels.items())
        table.add_row(host.name, f"{host.address}:{host.port}", host.user, through, " ".join(host.groups), labels)
    terminal.stdout().print(table)


@inventory.command()
def check(
    target: TargetArgument = "all",
    output: FormatOption = Format.TEXT,
    inventory_dir: InventoryOption = None,
    state: StateOption = None,
) -> None:
    """Connect to every host and report key, root rights, tools, clock skew and latency.

    Exit status: 0 all can be read as root, 3 some cannot.
    """
    from bot.app import checked  # noqa: PLC0415

    bar = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=32),
        MofNCompleteColumn(),
        console=terminal.stderr(),
        transient=True,
        disable=not sys.stderr.isatty(),
    )
    with bar:
        task = bar.add_task("connecting", total=None)

        def tell(done: int, total: int, host: str) -> None:
            bar.update(task, completed=done, total=total, description=host)

        results = wait(lambda: checked(settings(inventory=inventory_dir, state=state), target, tell))
    good = all(not isinstance(result, HostFailure) and result.root for _, result in results)
    if output is Format.JSON:
        rows = [{"host": name, **result.model_dump(mode="json")} for name, result in results]
        sys.stdout.write(json.dumps(rows, indent=2) + "\n")
        raise typer.Exit(0 if good else EXIT_UNREACHABLE)
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("host", "", "host key", "root", "missing tools", "clock", "cold", "warm"):
        table.add_column(column, overflow="fold")
    for name, result in results:
        if isinstance(result, HostFailure):
            words = Text(f"{result.reason}\n→ {result.remedy}")
            table.add_row(name, Text(f"✖ {result.cause}", style="red"), words)
            continue
        root = Text("yes", style="green") if result.root else Text(neutral(result.root_reason, 80), style="red")
        table.add_row(
            name, Text("✔ read", style="green"), result.host_key, root, " ".join(result.missing_tools) or "none",
            f"{result.clock_skew:+.2f} s", f"{result.cold * 1000:.0f} ms", f"{result.warm * 1000:.0f} ms",
        )  # fmt: skip
    terminal.stdout().print(table)
    raise typer.Exit(0 if good else EXIT_UNREACHABLE)
