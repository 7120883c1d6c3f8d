"""`netdiag playbooks`: what does the bot know, is it written right, and does it still find what it should?"""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from bot import actions, probes
from bot.adapters.files.cases import run_cases
from bot.adapters.files.finding_pages import finding_pages, write_pages
from bot.adapters.files.playbooks import lint as lint_directory
from bot.adapters.files.playbooks import load_playbooks
from bot.cli import cli, terminal
from bot.cli.options import Format, FormatOption, PlaybooksOption, settings
from bot.core.errors import AskError, nearest
from bot.core.playbook_schema import playbook_schema
from bot.core.text import neutral

playbooks = typer.Typer(no_args_is_help=True, help="What the bot knows, as YAML.")
cli.add_typer(playbooks, name="playbooks", rich_help_panel="Look")

EXIT_FAULT = 1
EXIT_USAGE = 2

DirectoryArgument = Annotated[Path | None, typer.Argument(metavar="[DIR]", help="Default: the configured playbooks.")]


@playbooks.command("list")
def list_playbooks(output: FormatOption = Format.TEXT, directory: PlaybooksOption = None) -> None:
    """List playbooks with the question each answers."""
    loaded = load_playbooks(settings(playbooks=directory).playbooks, probes.catalog(), actions.catalog())
    if output is Format.JSON:
        rows = [
            {"name": p.name, "title": p.title, "about": p.about, "params": sorted(p.params)} for p in loaded.values()
        ]
        sys.stdout.write(json.dumps(rows, indent=2) + "\n")
        return
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("playbook", "question", "findings", "params"):
        table.add_column(column, overflow="fold")
    for playbook in loaded.values():
        table.add_row(
            playbook.name, playbook.about, "\n".join(check.id for check in playbook.checks), " ".join(playbook.params)
        )
    terminal.stdout().print(table)


@playbooks.command()
def show(name: Annotated[str, typer.Argument(metavar="NAME")], directory: PlaybooksOption = None) -> None:
    """Show a playbook's file."""
    place = settings(playbooks=directory).playbooks
    loaded = load_playbooks(place, probes.catalog(), actions.catalog())
    if name not in loaded:
        raise AskError(f'no playbook "{name}"{nearest(name, loaded)}')
    sys.stdout.write((place / f"{name}.yaml").read_text(encoding="utf-8"))


@playbooks.command()
def lint(directory: DirectoryArgument = None) -> None:
    """Check every playbook: keys, probes, facts, types, conditions. Exit status: 0 fine, 2 faults (file:line each)."""
    place = directory or settings().playbooks
    faults = lint_directory(place, probes.catalog(), actions.catalog())
    for fault in faults:
        print(fault, file=sys.stderr)
    if faults:
        raise typer.Exit(EXIT_USAGE)
    count = len(load_playbooks(place, probes.catalog(), actions.catalog()))
    print(f"{place}: {count} playbooks, no faults")


@playbooks.command("test")
def check_cases(directory: DirectoryArgument = None) -> None:
    """Run every playbook against its recorded cases. Exit status: 0 all as expected, 1 not."""
    place = directory or settings().playbooks
    out = terminal.stdout()
    wrong = 0
    verdicts = run_cases(place, probes.catalog(), actions.catalog())
    for verdict in verdicts:
        wrong += bool(verdict.wrong)
        mark = Text("✖ ", "bold red") if verdict.wrong else Text("✔ ", "green")
        out.print(Text.assemble(mark, verdict.name))
        for fault in verdict.wrong:
            out.print(Text(f"    {neutral(fault, 600)}"))
    out.print(f"{len(verdicts)} cases, {wrong} not as expected")
    raise typer.Exit(EXIT_FAULT if wrong else 0)


@playbooks.command()
def schema() -> None:
    """Print the JSON Schema of a playbook, for editors: `# yaml-language-server: $schema=playbook.schema.json`."""
    sys.stdout.write(json.dumps(playbook_schema(probes.catalog(), actions.catalog()), indent=2) + "\n")


@playbooks.command()
def docs(
    to: Annotated[Path, typer.Argument(metavar="DIR", help="Where the pages go; made ones that are stale go away.")],
    directory: PlaybooksOption = None,
) -> None:
    """Write a page for each finding: what it means, how it is decided, what looks like it, what can be done."""
    place = settings(playbooks=directory).playbooks
    made = finding_pages(place, probes.catalog(), actions.catalog())
    written, removed = write_pages(to, made)
    print(f"{to}: {len(made)} pages, {written} written, {removed} removed")
