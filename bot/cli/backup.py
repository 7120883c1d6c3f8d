"""`netdiag backup` and `restore`: is there a second copy of what the bot knows, and how does it come back?"""

import sys
from pathlib import Path
from typing import Annotated

import typer

from bot.cli import cli
from bot.cli.options import StateOption, settings, wait
from bot.core.errors import ConfigError
from bot.core.text import neutral
from bot.settings import Settings

MEGABYTE = 1e6


@cli.command(rich_help_panel="Operate")
def backup(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The backup to write: a tar; it must not be there yet.")],
    with_key: Annotated[
        bool, typer.Option("--with-key", help="Also the key that signs the log: whoever has it can forge the log.")
    ] = False,
    state: StateOption = None,
) -> None:
    """Back up the store into one file, while the bot runs.

    The backup is of one moment, whoever writes meanwhile. It holds the changes, the audit log, the fleet over time, the
    signed heads and the public key.
    """
    from bot.cli.copies import backed_up  # noqa: PLC0415

    chosen = _with_sqlite(settings(state=state))
    made, unlogged = wait(lambda: backed_up(chosen, file.absolute(), key=with_key))
    about = f"{made.size / MEGABYTE:.1f} MB, schema {made.store.schema}, {made.store.entries} entries of the log"
    key = (
        "with the key that signs the log: keep it as safe as the bot"
        if made.key
        else "without audit.key: keep it apart"
    )
    print(neutral(f"{made.file}: {about}, {key}", 600))
    _told_apart(unlogged)


@cli.command(rich_help_panel="Operate")
def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What `netdiag backup` wrote.")],
    force: Annotated[
        bool, typer.Option("--force", help="Also over a store that is newer, or that holds another log.")
    ] = False,
    state: StateOption = None,
) -> None:
    """Put a backup in the place of the store. Stop the bot first; what was there is kept beside it.

    The backup is checked before anything is moved: that it is whole, and that its log verifies.
    """
    from bot.cli.copies import restored  # noqa: PLC0415

    chosen = _with_sqlite(settings(state=state))
    done, unlogged = wait(lambda: restored(chosen, file.absolute(), force=force))
    kept = f"; what was there is in {done.replaced}" if done.replaced else ""
    print(neutral(f"{chosen.state}: restored, {done.checked.checked} entries of the log verified{kept}", 600))
    if done.halt:
        print(neutral(f"the kill switch was set and stays so: changes go on when {done.halt} is gone", 600))
    _told_apart(unlogged)


def _with_sqlite(chosen: Settings) -> Settings:
    if chosen.store:
        remedy = "use the database's own (pg_dump, pg_restore), and copy audit.key, audit.pub and heads.log"
        raise ConfigError(f"NETDIAG_STORE: netdiag backs up its own SQLite store only; {remedy} from {chosen.state}")
    return chosen


def _told_apart(why: str) -> None:
    if why:
        print(f"netdiag: this is not in the log: {neutral(why, 400)}", file=sys.stderr)
