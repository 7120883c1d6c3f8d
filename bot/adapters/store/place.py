"""Where is the state kept, and who may touch it?

A new directory is its owner's alone (0700). A directory that an administrator made group-writable with the setgid bit
(`install -d -m 2770 -g netdiag DIR`) is shared: the database is then the group's too, so that approvers at the
terminal and the bot, under different users, use one store. The signing key stays its owner's in both.
"""

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from bot.core.errors import ConfigError
from bot.core.text import neutral

DATABASE, HALT = "netdiag.db", "halt"


@dataclass(frozen=True, slots=True)
class Place:
    """A prepared state directory: `file` is the mode of what is shared in it."""

    path: Path
    file: int

    @property
    def database(self) -> Path:
        """The SQLite file."""
        return self.path / DATABASE

    @property
    def halt(self) -> str | None:
        """Why the file `halt` stops every change (its first line), or None. Works when nothing else does."""
        file = self.path / HALT
        try:
            said = file.read_text(errors="replace").strip()
        except FileNotFoundError:
            return None
        except OSError as fault:
            return f"{file} cannot be read ({fault.strerror})"
        return f"{neutral(said.partition(chr(10))[0]) or 'no reason given'} ({file})"


def prepare(state: Path) -> Place:
    """Make the state directory (0700) unless it is there. Raises ConfigError when it cannot be used.

    Of one that is shared this process makes files for its group from now on, whatever its umask said: SQLite gives its
    journal files their mode only after it made them, and another user who comes in between finds them closed.
    """
    try:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        mode = state.stat().st_mode
    except OSError as fault:
        raise ConfigError(f"{state}: no state directory can be had there ({fault.strerror})") from fault
    if mode & stat.S_IWOTH:
        raise ConfigError(f"{state}: everybody may write there; chmod o-w {state}")
    shared = mode & stat.S_ISGID and mode & stat.S_IWGRP
    if shared:
        os.umask(os.umask(0o077) & ~stat.S_IRWXG)
    return Place(state, 0o660 if shared else 0o600)


def make_database(place: Place) -> None:
    """Let the database file appear with its mode: SQLite gives its journal files the same mode and owner."""
    if not place.database.exists():
        try:
            os.close(create(place.database, os.O_RDWR, place.file))
        except OSError as fault:
            raise ConfigError(f"{place.database}: cannot be made ({fault.strerror})") from fault


def create(path: Path, flags: int, mode: int) -> int:
    """Open a file of the state directory, made with exactly this mode when it is new.

    What root makes in somebody's state directory is theirs: `sudo netdiag` must not lock the bot out.
    """
    try:
        return os.open(path, flags)
    except FileNotFoundError:
        handle = os.open(path, flags | os.O_CREAT, mode)
    if os.geteuid() == 0:
        owner = path.parent.stat()
        os.fchown(handle, owner.st_uid, owner.st_gid)
    os.fchmod(handle, mode)  # whatever the umask
    return handle
