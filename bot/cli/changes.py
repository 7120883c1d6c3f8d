"""`netdiag changes`, `approve`, `deny`, `revert`: what is proposed, and who lets it run?

The terminal acts as the operating-system user; there is no option to act as somebody else.
"""

import json
import sys
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from bot.cli import cli, terminal
from bot.cli.options import (
    EXIT_NOT_DONE,
    ChangeArgument,
    Format,
    FormatOption,
    InventoryOption,
    PlaybooksOption,
    StateOption,
    settings,
    wait,
)
from bot.core.approval import Declined, Record, State
from bot.core.errors import AskError
from bot.core.text import neutral
from bot.engine.ports import JournalDown

changes = typer.Typer(no_args_is_help=True, help="Changes proposed, approved, applied, refused.")
cli.add_typer(changes, name="changes", rich_help_panel="Change")

EXIT_UNKNOWN = 3

STYLES = {
    State.PENDING: "yellow",
    State.APPROVED: "cyan",
    State.CLAIMED: "cyan",
    State.INTENT: "cyan",
    State.DONE: "green",
    State.UNKNOWN: "magenta",
    State.FAILED: "red",
    State.STALE: "red",
}


@changes.command("list")
def list_changes(
    waiting: Annotated[bool, typer.Option("--pending", help="Only those that wait for approval.")] = False,
    host: Annotated[str | None, typer.Option("--host", help="Only this host's.")] = None,
    output: FormatOption = Format.TEXT,
    inventory: InventoryOption = None,
    state: StateOption = None,
) -> None:
    """List changes, newest first."""
    from bot.app import opened  # noqa: PLC0415

    async def work() -> list[Record]:
        async with opened(settings(inventory=inventory, state=state)) as app:
            states = [State.PENDING] if waiting else []
            return list(await app.journal.list(states=states, host=host))

    records = wait(work)
    if output is Format.JSON:
        _json([_row(record) for record in records])
        return
    table = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("change", "state", "host", "action", "what", "asked by", "created"):
        table.add_column(column, overflow="fold")
    for record in records:
        change = record.change
        table.add_row(
            change.id, Text(record.state, style=STYLES.get(record.state, "")), neutral(change.host), change.action,
            neutral(change.plan.summary), neutral(change.requester), change.created,
        )  # fmt: skip
    terminal.stdout().print(table if records else "no changes yet: `netdiag run TARGET` proposes them")


@changes.command()
def show(
    change: ChangeArgument,
    output: FormatOption = Format.TEXT,
    inventory: InventoryOption = None,
    state: StateOption = None,
) -> None:
    """Show one change whole: every command, its inverse, its checks, its votes and what became of it."""
    from bot.app import opened  # noqa: PLC0415

    async def work() -> Record | None:
        async with opened(settings(inventory=inventory, state=state)) as app:
            return await app.journal.get(change)

    record = wait(work)
    if record is None:
        raise AskError(f'no change "{change}"; `netdiag changes list` shows all')
    if output is Format.JSON:
        _json(json.loads(record.model_dump_json(by_alias=True)))
        return
    terminal.stdout().print(_whole(record))


def _whole(record: Record) -> Table:
    change, plan = record.change, record.change.plan
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")

    def row(label: str, *lines: str) -> None:
        grid.add_row(label, Text("\n".join(neutral(line, 2000) for line in lines)))

    row("change", f"{change.id}  (digest {record.digest})")
    row("state", f"{record.state}{': ' + record.reason if record.reason else ''}")
    row("what", plan.summary)
    row("host", f"{change.host}  (key {change.host_key})")
    row("for", f"{change.finding} ({change.playbook})")
    row("commands", *[" ".join(step) for step in plan.steps])
    row("undo", *([" ".join(step) for step in plan.inverse] or ["none: this cannot be undone"]))
    row("only if", *[f"{c.about} {c.compare} {c.expect!r}" for c in plan.precondition])
    row("then check", *[f"{c.about} {c.compare} {c.expect!r}" for c in plan.verify])
    row("risk", f"{plan.risk}: {plan.impact}")
    if plan.not_fixed:
        row("does not fix", plan.not_fixed)
    row("asked by", f"{change.requester} at {change.created}, expires {change.expires}")
    row("approval", record.approval, *[f"{vote.person} at {vote.at}" for vote in record.votes])
    if record.denied_by:
        row("denied by", record.denied_by)
    if record.readback:
        row("read back", *[f"{about}: {value}" for about, value in record.readback])
    if record.effect_note or record.settled_at:
        row("effect", f"{record.effect}{': ' + record.effect_note if record.effect_note else ''}")
    if record.follow_up:
        row("next step", f"{record.follow_up} (netdiag changes show {record.follow_up})")
    return grid


@cli.command(rich_help_panel="Change")
def approve(
    change: ChangeArgument,
    output: FormatOption = Format.TEXT,
    inventory: InventoryOption = None,
    playbooks: PlaybooksOption = None,
    state: StateOption = None,
) -> None:
    """Approve a change as the operating-system user, and wait for what becomes of it.

    A running bot executes it; where none runs, this command does.

    Exit status: 0 done, 1 refused or not done, 3 unknown.
    """
    from bot.app import opened, terminal_actor  # noqa: PLC0415

    async def work() -> tuple[Record, str]:
        async with opened(settings(inventory=inventory, playbooks=playbooks, state=state)) as app:
            standing = await app.directory.standing(terminal_actor().key)
            decision = await app.desk.approve(change, standing)
            if isinstance(decision, Declined):
                return decision.record, decision.reason
            if decision.record.state is State.PENDING:
                return decision.record, ""
            with terminal.stderr().status(f"applying {decision.record.change.id} on {decision.record.change.host}"):
                try:
                    return await app.remedy.finish(decision.record.change.id), ""
                except JournalDown as fault:
                    return decision.record, f"the approval is stored, but this process cannot apply it: {fault}"

    record, refused = wait(work)
    _tell(record, refused, output)


@cli.command(rich_help_panel="Change")
def deny(
    change: ChangeArgument,
    reason: Annotated[str, typer.Option("--reason", help="Why, for the log and the one who asked.")],
    output: FormatOption = Format.TEXT,
    inventory: InventoryOption = None,
    playbooks: PlaybooksOption = None,
    state: StateOption = None,
) -> None:
    """Deny a change: final, unless it is already being applied."""
    from bot.app import opened, terminal_actor  # noqa: PLC0415

    async def work() -> tuple[Record, str]:
        async with opened(settings(inventory=inventory, playbooks=playbooks, state=state)) as app:
            standing = await app.directory.standing(terminal_actor().key)
            decision = await app.desk.deny(change, standing, reason)
            return decision.record, decision.reason if isinstance(decision, Declined) else ""

    record, refused = wait(work)
    _tell(record, refused, output, done=State.DENIED)


@cli.command(rich_help_panel="Change")
def revert(
    change: ChangeArgument,
    output: FormatOption = Format.TEXT,
    inventory: InventoryOption = None,
    playbooks: PlaybooksOption = None,
    state: StateOption = None,
) -> None:
    """Propose the inverse of a change that is in force; it needs an approval of its own."""
    from bot.app import opened, terminal_actor  # noqa: PLC0415

    async def work() -> Record:
        async with opened(settings(inventory=inventory, playbooks=playbooks, state=state)) as app:
            standing = await app.directory.standing(terminal_actor().key)
            return await app.desk.revert(change, standing)

    _tell(wait(work), "", output, done=State.PENDING)


def _tell(record: Record, refused: str, output: Format, *, done: State = State.DONE) -> None:
    """Print what became of a change and exit with what it means."""
    if output is Format.JSON:
        _json({**_row(record), "refused": refused or None})
    else:
        out = terminal.stdout()
        line = Text.assemble((record.change.id, "bold"), " ", (str(record.state), STYLES.get(record.state, "")))
        reason = refused or record.reason
        line.append(f": {neutral(reason, 600)}" if reason else "")
        out.print(line)
        if record.effect_note:
            out.print(Text(f"  {record.effect}: {neutral(record.effect_note, 600)}"))
        if record.state is State.PENDING:
            out.print(Text(f"  needs {record.approval}; so far {len(record.votes)}", style="dim"))
        if record.follow_up:
            out.print(Text(f"  next step: netdiag approve {record.follow_up}"))
    if refused:
        raise typer.Exit(EXIT_NOT_DONE)
    if record.state in {done, State.PENDING}:
        raise typer.Exit(0)
    raise typer.Exit(EXIT_UNKNOWN if record.state is State.UNKNOWN else EXIT_NOT_DONE)


def _row(record: Record) -> dict[str, object]:
    """The JSON of a change in lists and answers."""
    change = record.change
    return {
        "change": change.id,
        "state": record.state,
        "reason": record.reason,
        "host": change.host,
        "action": change.action,
        "with": dict(change.with_),
        "summary": change.plan.summary,
        "risk": change.plan.risk,
        "digest": record.digest,
        "requester": change.requester,
        "votes": [vote.person for vote in record.votes],
        "approval": record.approval,
        "created": change.created,
        "expires": change.expires,
        "readback": dict(record.readback),
        "effect": record.effect,
        "effect_note": record.effect_note,
        "follow_up": record.follow_up,
        "reverts": change.reverts,
    }


def _json(value: object) -> None:
    sys.stdout.write(json.dumps(value, indent=2, default=str) + "\n")
