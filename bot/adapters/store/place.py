"""Where is the state kept, and who may touch it?

A new directory is its owner's alone (0700). A directory that an administrator made group-writable with the setgid bit
(`install -d -m 2770 -g netdiag DIR`) is shared: the database is then the group's too, so that approvers at the
terminal and the bot, under different users, use one store. The signing key stays its owner's in both.
"""

import contextlib
import os
import stat
import threading
from collections.abc import Iterator
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
    """Make the state directory (0700) unless it is there. Raises ConfigError when it cannot be used."""
    try:
        state.mkdir(mode=0o700, parents=True, exist_ok=True)
        mode = state.stat().st_mode
    except OSError as fault:
        raise ConfigError(f"{state}: no state directory can be had there ({fault.strerror})") from fault
    if mode & stat.S_IWOTH:
        raise ConfigError(f"{state}: everybody may write there; chmod o-w {state}")
    shared = mode & stat.S_ISGID and mode & stat.S_IWGRP
    return Place(state, 0o660 if shared else 0o600)


_lock = threading.Lock()
_lifted: list[int] = []  # the umask before the first who lifted it, once for each who did


@contextlib.contextmanager
def group_s(database: str | None) -> Iterator[None]:
    """While a database opens that its group may write, what this process makes is the group's from its first moment.

    SQLite gives its journal files their mode only after it made them: another user who comes in between finds them
    closed, and the store read-only for as long as it is open. The umask is the whole process's, so it is lifted for no
    longer than that, and is what it was when the last is done.
    """
    try:
        shared = bool(database) and os.stat(str(database)).st_mode & stat.S_IWGRP
    except OSError:
        shared = False
    if not shared:
        yield
        return
    with _lock:
        mask = os.umask(0o077)
        os.umask(mask & ~stat.S_IRWXG)
        _lifted.append(_lifted[0] if _lifted else mask)
    try:
        yield
    finally:
        with _lock:
            mask = _lifted.pop()
            if not _lifted:
                os.umask(mask)


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
