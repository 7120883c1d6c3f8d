"""How is a database that is being written copied, so that the copy is of one moment?"""

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from bot.adapters.store.place import create


def copy_database(source: Path, target: Path, mode: int | None = None) -> None:
    """Copy an SQLite database by its own backup interface, whoever writes meanwhile; the target appears whole.

    The copy is one file that needs none beside it, with `mode` or the source's own. Raises OSError when the disk does
    not take it, sqlite3.Error when the source is no database or damaged.
    """
    draft = target.with_name(f"{target.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    os.close(create(draft, os.O_RDWR, source.stat().st_mode & 0o777 if mode is None else mode))
    try:
        origin = f"file:{quote(str(source))}?mode=ro"
        with closing(sqlite3.connect(origin, uri=True)) as reading, closing(sqlite3.connect(draft)) as writing:
            # All in one step: a single reading transaction, which in WAL mode keeps no writer waiting.
            reading.backup(writing)
            writing.execute("PRAGMA journal_mode=DELETE")
        settle(draft)
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)
    settle(target.parent)


def settle(path: Path) -> None:
    """Wait until a file, or the names in a directory, are on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
