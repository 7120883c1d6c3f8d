"""`netdiag audit`: what happened, and has anybody edited the log?"""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from bot.cli import cli, terminal
from bot.cli.options import Format, FormatOption, InventoryOption, StateOption, settings, wait
from bot.core.audit import Entry, Verdict, Verification
from bot.core.errors import AskError
from bot.core.text import neutral

audit = typer.Typer(no_args_is_help=True, help="The audit log: append-only, hash-chained, with signed heads.")
cli.add_typer(audit, name="audit", rich_help_panel="Change")

OUTCOME = {Verdict.OK: ("green", 0), Verdict.TAMPERED: ("bold red", 1), Verdict.CANNOT_TELL: ("yellow", 2)}
"""Style and exit status of each verdict."""

FirstOption = Annotated[int, typer.Option("--from", metavar="SEQ", min=1, help="Start at this sequence number.")]


async def _entries(first: int, inventory: Path | None, state: Path | None, *, limit: int | None = None) -> list[Entry]:
    from bot.app import opened, terminal_actor  # noqa: PLC0415

    async with opened(settings(inventory=inventory, state=state)) as app:
        found = [entry async for entry in app.journal.entries(first=first)]
        _unlogged(await app.log_read(terminal_actor(), f"audit from {first}"))
        return found[-limit:] if limit else found


def _unlogged(why: str) -> None:
    if why:
        print(f"netdiag: this look is not in the log: {neutral(why, 400)}", file=sys.stderr)


@audit.command("list")
def list_entries(
    first: FirstOption = 1,
    last: Annotated[int, typer.Option("--last", metavar="N", min=1, help="Only the newest N.")] = 50,
    change: Annotated[str | None, typer.Option("--change", metavar="ID", help="Only this change's.")] = None,
    output: FormatOption = Format.TEXT,
    inventory: InventoryOption = None,
    state: StateOption = None,
) -> None:
    """List entries, oldest first."""
    entries = wait(lambda: _entries(first, inventory, state))
    rows = [(entry, body) for entry in entries if (body := json.loads(entry.body)) and _about(body, change)][-last:]
    if output is Format.JSON:
        json.dump([_row(entry, body) for entry, body in rows], sys.stdout, indent=2)
        sys.stdout.write("\n")
        return
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("seq", "at", "event", "actor", "change", "what"):
        table.add_column(column, overflow="fold")
    for entry, body in rows:
        words = ", ".join(
            f"{key} {value}" for key, value in body.get("data", {}).items() if isinstance(value, (str, int))
        )
        table.add_row(
            str(entry.seq), body.get("at", ""), body.get("kind", ""), neutral(body.get("actor", "")),
            body.get("change") or "", neutral(words, 160),
        )  # fmt: skip
    terminal.stdout().print(table if rows else "the log is empty")


def _about(body: dict[str, Any], change: str | None) -> bool:
    return change is None or str(body.get("change") or "").startswith(change)


def _row(entry: Entry, body: dict[str, Any]) -> dict[str, Any]:
    return {"seq": entry.seq, "prev": entry.prev, "hash": entry.hash, **body}


@audit.command()
def show(
    seq: Annotated[int, typer.Argument(metavar="SEQ", min=1, help="The entry's sequence number.")],
    inventory: InventoryOption = None,
    state: StateOption = None,
) -> None:
    """Show one entry whole, as JSON."""
    entries = wait(lambda: _entries(seq, inventory, state))
    if not entries or entries[0].seq != seq:
        raise AskError(f"no entry {seq}; `netdiag audit list` shows what there is")
    json.dump(_row(entries[0], json.loads(entries[0].body)), sys.stdout, indent=2)
    sys.stdout.write("\n")


@audit.command()
def export(
    to: Annotated[Path | None, typer.Option("--to", metavar="FILE", help="Default: standard output.")] = None,
    first: FirstOption = 1,
    inventory: InventoryOption = None,
    state: StateOption = None,
) -> None:
    """Export the chain as JSON lines, with the signed heads: `netdiag audit verify --file` checks it anywhere."""
    from bot.app import opened, terminal_actor  # noqa: PLC0415

    async def work() -> str:
        async with opened(settings(inventory=inventory, state=state)) as app:
            _unlogged(await app.log_read(terminal_actor(), f"audit export from {first}"))
            return await app.export_audit(first)

    text = wait(work)
    if to is None:
        sys.stdout.write(text)
    else:
        to.write_text(text, encoding="utf-8")


@audit.command()
def verify(
    file: Annotated[Path | None, typer.Option("--file", metavar="FILE", help="An export instead of the store.")] = None,
    anchors: Annotated[
        Path | None, typer.Option("--anchors", metavar="FILE", help="Heads kept elsewhere, one a line.")
    ] = None,
    key: Annotated[
        Path | None, typer.Option("--key", metavar="PUB", help="Public key that the heads are signed with.")
    ] = None,
    first: FirstOption = 1,
    output: FormatOption = Format.TEXT,
    inventory: InventoryOption = None,
    state: StateOption = None,
) -> None:
    """Check every link, every signed head and, if given, the anchors. Exit: 0 sound, 1 tampered, 2 cannot tell."""
    from bot.app import verification  # noqa: PLC0415

    found: Verification = wait(
        lambda: verification(
            settings(inventory=inventory, state=state), file=file, anchors=anchors, key=key, first=first
        )
    )
    style, status = OUTCOME[found.verdict]
    if output is Format.JSON:
        json.dump(asdict(found), sys.stdout, indent=2)
        sys.stdout.write("\n")
    else:
        where = "" if found.seq is None else f" at entry {found.seq}"
        words = found.reason or f"{found.checked} entries, signed up to {found.signed}, anchored up to {found.anchored}"
        terminal.stdout().print(Text.assemble((f"{found.verdict}{where}: ", style), neutral(words, 600)))
    raise typer.Exit(status)
