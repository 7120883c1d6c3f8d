"""How does a backup take the place of a store, so that nothing is lost and nobody writes on meanwhile?

Everything is checked before anything is moved. What was there is kept: the new files take the old ones' names one by
one, the database first. Were it interrupted, the heads left beside it would be newer than the log, and the store would
refuse to be written until the restore is done again.
"""

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from bot.adapters.store.bundle import About, about, look, unpack
from bot.adapters.store.copying import settle
from bot.adapters.store.keys import KEY, PUBLIC, public_of, read_public
from bot.adapters.store.place import DATABASE, Place, create, prepare
from bot.adapters.store.place import HALT as HALT_FILE
from bot.adapters.store.seal import HEADS
from bot.core.audit import Entry, Head, Verdict, Verification, Verifier, anchors
from bot.core.errors import ConfigError
from bot.core.halt import HALT, Halt

BESIDE = (f"{DATABASE}-wal", f"{DATABASE}-shm", f"{DATABASE}-journal")
"""What SQLite may have left beside a database: beside another one it would be replayed into it."""


@dataclass(frozen=True, slots=True)
class Restored:
    """What is there now, how its log verified, and where the store that it replaced is kept (None: there was none).

    `halt` is the file that keeps changes stopped where the kill switch of the replaced store was set; None: it was not.
    """

    store: About
    checked: Verification
    replaced: Path | None
    halt: Path | None


def restore(file: Path, state: Path, *, force: bool, name: str) -> Restored:
    """Put a backup in the place of the store of a state directory.

    `force` puts it over a store that is newer, or that holds another log. `name` is that of the directory, in `state`,
    that keeps what was replaced. Raises ConfigError, and changes nothing, when the backup is not whole or does not
    verify, when the store is in use, or when the key that signs the log would be missing.
    """
    place = prepare(state)
    work = state / f"{name}.restoring"
    try:
        work.mkdir(0o700)
        owner = state.stat()
        if os.geteuid() == 0:
            os.chown(work, owner.st_uid, owner.st_gid)  # what root unpacks is the store's owner's
    except OSError as fault:
        raise ConfigError(f"{work}: cannot be made ({fault.strerror})") from fault
    try:
        there = unpack(file, work, {DATABASE: place.file, PUBLIC: 0o644, HEADS: 0o644, KEY: 0o600})
        new = about(work / DATABASE)
        checked = _verify(work, new, file)
        with _unused(place) as held:
            _comparable(place, held, new, force)
            names = _with_keys(place, work, there, force)
            halt = _still_halted(place, held)
            replaced = _swap(place, work, names, state / name)
        return Restored(new, checked, replaced, halt)
    except sqlite3.Error as fault:
        raise ConfigError(f"{file}: the store in it cannot be read ({fault}); take another backup") from fault
    except OSError as fault:
        raise ConfigError(f"{fault.filename or state}: cannot be replaced ({fault.strerror or fault})") from fault
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _verify(work: Path, new: About, file: Path) -> Verification:
    with closing(sqlite3.connect(f"file:{quote(str(work / DATABASE))}?mode=ro", uri=True)) as opened:
        heads = [Head(new.epoch, *row) for row in opened.execute("SELECT seq, hash, signature FROM heads ORDER BY seq")]
        outside = anchors((work / HEADS).read_text(errors="replace"))
        verifier = Verifier(heads, read_public(work / PUBLIC), outside)
        for seq, prev, body, digest in opened.execute("SELECT seq, prev, body, hash FROM audit ORDER BY seq"):
            content = body if isinstance(body, bytes) else str(body).encode()
            if not verifier.take(Entry(seq, prev, content, digest, new.epoch)):
                break
    checked = verifier.result()
    if checked.verdict is not Verdict.OK:
        where = "" if checked.seq is None else f" at entry {checked.seq}"
        raise ConfigError(f"{file}: the log in it is {checked.verdict}{where}: {checked.reason}; take another backup")
    return checked


@contextmanager
def _unused(place: Place) -> Iterator[sqlite3.Connection]:
    """Hold the store alone. Raises ConfigError when anybody else has it open."""
    where = place.database if place.database.exists() else ":memory:"
    with closing(sqlite3.connect(where, timeout=0, isolation_level=None)) as held:
        try:
            # A database is not taken out of WAL mode while anybody else has it open, even idle.
            held.execute("PRAGMA journal_mode=DELETE")
            held.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as fault:
            if "locked" in str(fault) or "busy" in str(fault):
                raise ConfigError(f"{place.database}: the store is in use; stop netdiag, then restore") from fault
        except sqlite3.DatabaseError:
            pass  # damaged: that is why it is replaced
        yield held
        with suppress(sqlite3.Error):
            held.execute("ROLLBACK")


def _comparable(place: Place, held: sqlite3.Connection, new: About, force: bool) -> None:
    """Whether the backup may take the place of what is there."""
    if force or not place.database.exists() or not place.database.stat().st_size:
        return
    try:
        old = look(held, place.database)
    except ConfigError:
        return  # damaged: that is why it is replaced
    if old.epoch != new.epoch:
        raise ConfigError(f"{place.path}: holds another log, of {old.entries} entries; --force replaces it")
    if old.entries > new.entries or old.schema > new.schema:
        newer = f"the store there is newer: {old.entries} entries of schema {old.schema}"
        raise ConfigError(
            f"{place.path}: {newer}, the backup has {new.entries} of schema {new.schema}; --force replaces it"
        )


def _with_keys(place: Place, work: Path, there: frozenset[str], force: bool) -> list[str]:
    """The files to be replaced: the key, too, where the one that is there is not the one that signed this log."""
    wanted = read_public(work / PUBLIC)
    kept = place.path / KEY
    if kept.exists() and public_of(kept) == wanted:
        return [DATABASE, HEADS, PUBLIC]
    if KEY in there and public_of(work / KEY) == wanted:
        if kept.exists() and not force:
            raise ConfigError(f"{kept}: signs another log than the backup's; --force replaces it")
        return [DATABASE, HEADS, PUBLIC, KEY]
    if kept.exists():
        raise ConfigError(
            f"{kept}: not the key that signed this log, and the backup has none; put that key there first"
        )
    raise ConfigError(f"{kept}: the backup has no signing key; put the one that signed this log there first, mode 0600")


def _still_halted(place: Place, held: sqlite3.Connection) -> Path | None:
    """Keep what was stopped stopped: a backup from before somebody set the kill switch must not let changes go on."""
    file = place.path / HALT_FILE
    try:
        rows = held.execute("SELECT value FROM memory WHERE kind = ? AND key = ?", HALT).fetchall()
        switches = [Halt.model_validate_json(value) for (value,) in rows if value != "{}"]
    except (sqlite3.Error, ValueError):
        return None  # damaged, or none yet: what it said is not known
    if not switches:
        return None
    if not file.exists():
        with os.fdopen(create(file, os.O_WRONLY, place.file), "w") as out:
            out.write(f"the kill switch was set when the store was restored: {switches[0].words}\n")
    return file


def _swap(place: Place, work: Path, names: list[str], aside: Path) -> Path | None:
    old = [name for name in (*names, *BESIDE) if (place.path / name).exists()]
    if old:
        aside.mkdir(0o700)
        for name in old:
            os.link(place.path / name, aside / name)
        settle(aside)
        for name in BESIDE:
            (place.path / name).unlink(missing_ok=True)
    for name in names:
        (work / name).replace(place.path / name)
    settle(place.path)
    return aside if old else None
