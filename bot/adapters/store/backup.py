"""How is a store backed up while the bot uses it?"""

import os
import shutil
import sqlite3
import tempfile
from dataclasses import dataclass
from pathlib import Path

from bot.adapters.store.bundle import About, about, pack
from bot.adapters.store.copying import copy_database
from bot.adapters.store.keys import KEY, PUBLIC
from bot.adapters.store.place import DATABASE, create
from bot.adapters.store.seal import HEADS
from bot.core.audit import anchors
from bot.core.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Backup:
    """What was written: the file, its size in bytes, and what the store in it says of itself."""

    file: Path
    size: int
    store: About
    key: bool


def back_up(state: Path, file: Path, *, key: bool, made: str) -> Backup:
    """Write the store of a state directory into one file, consistent whoever writes meanwhile.

    The key that signs the log comes along only when `key`. `made` is when, for its reader. Raises ConfigError when
    there is no store, the file is there already, or the disk does not take it.
    """
    database = state / DATABASE
    if not database.is_file() or not database.stat().st_size:
        raise ConfigError(f"{state}: no store there; give its directory with --state or NETDIAG_STATE")
    if file.exists():
        raise ConfigError(f"{file}: is there already, and a backup is never written over; give another name")
    try:
        work = Path(tempfile.mkdtemp(prefix=f".{file.name}.", dir=file.parent))
    except OSError as fault:
        raise ConfigError(f"{file}: cannot be written ({fault.strerror})") from fault
    try:
        copy_database(database, work / DATABASE, 0o600)
        found = about(work / DATABASE)
        shutil.copyfile(state / PUBLIC, work / PUBLIC)
        (work / HEADS).write_text(_heads(state / HEADS, found))
        if key:
            os.close(create(work / KEY, os.O_WRONLY, 0o600))
            shutil.copyfile(state / KEY, work / KEY)
        pack(work, file, made)
        return Backup(file, file.stat().st_size, found, key)
    except OSError as fault:
        raise ConfigError(f"{fault.filename or file}: the backup cannot be made ({fault.strerror or fault})") from fault
    except sqlite3.Error as fault:
        raise ConfigError(f"{database}: the backup cannot be made ({fault})") from fault
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _heads(file: Path, store: About) -> str:
    """The heads that the copy holds the entries of: later ones would say that its end was cut off."""
    heads = anchors(file.read_text(errors="replace")) if file.exists() else ()
    return "".join(f"{head.line()}\n" for head in heads if head.epoch == store.epoch and head.seq <= store.entries)
