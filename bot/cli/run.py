"""`netdiag run TARGET`: what is wrong with these hosts, now?"""

import sys
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from bot.cli import cli, terminal, verdict
from bot.cli.options import Format, FormatOption, InventoryOption, PlaybooksOption, StateOption, settings, wait
from bot.core.ask import Ask
from bot.core.ask import Progress as Told
from bot.core.errors import AskError
from bot.core.report import Report, exit_status


@cli.command(rich_help_panel="Look")
def run(
    target: Annotated[
        str, typer.Argument(metavar="TARGET", help="Host, group, label=value, glob, comma list, or all.")
    ],
    playbooks: Annotated[
        list[str] | None, typer.Argument(metavar="[PLAYBOOK]...", help="Default: every playbook.")
    ] = None,
    param: Annotated[list[str] | None, typer.Option("--param", metavar="K=V", help="A playbook parameter.")] = None,
    window: Annotated[
        float | None,
        typer.Option("--window", metavar="SECONDS", help="Time between the first and last sample of a visit."),
    ] = None,
    output: FormatOption = Format.TEXT,
    inventory: InventoryOption = None,
    playbooks_dir: PlaybooksOption = None,
    state: StateOption = None,
) -> None:
    """Read hosts and say what is wrong, with evidence and proposals.

    Exit status: 0 healthy, 1 a finding of warning or worse, 3 something unknown or unreachable, 2 a usage error.

    Examples: netdiag run node-3 · netdiag run role=ingress listen-queue · netdiag run all --format json
    """
    from bot.app import opened, terminal_actor  # noqa: PLC0415 - asyncssh and SQLAlchemy load only when needed

    chosen = settings(inventory=inventory, playbooks=playbooks_dir, state=state, window=window)
    ask = Ask(terminal_actor(), target, tuple(playbooks or ()), params(param or []))

    async def work() -> Report:
        async with opened(chosen) as app:
            with progress() as bar:
                task = bar.add_task("planning", total=None)

                def tell(told: Told) -> None:
                    bar.update(task, completed=told.done, total=told.total, description=told.say)

                return await app.desk.diagnose(ask, tell)

    report = wait(work)
    if output is Format.JSON:
        sys.stdout.write(report.document() + "\n")
    else:
        terminal.stdout().print(verdict.report(report, pages=chosen.findings_url))
    raise typer.Exit(exit_status(report))


def params(words: list[str]) -> dict[str, str]:
    """`k=v` words as a mapping. Raises AskError for a word without `=`."""
    found = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or not key:
            raise AskError(f'--param {word}: expected K=V, for example "--param port=443"')
        found[key] = value
    return found


def progress() -> Progress:
    """A live line on the terminal's standard error; nothing at all when it is piped."""
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    return Progress(*columns, console=terminal.stderr(), transient=True, disable=not sys.stderr.isatty())
