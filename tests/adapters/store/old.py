"""A store as an older netdiag made it: its dump, with the key and the signed heads of this run."""

import sqlite3
from contextlib import closing
from pathlib import Path

from bot.adapters.store.keys import load_keys
from bot.core.audit import Head

OLD = (1, 2)
DUMPS = {schema: Path(__file__).parent / f"schema_{schema}.sql" for schema in OLD}
"""`iterdump` of a store of each schema with a change that was approved; no heads: no repository has their key."""


def old_store(state: Path, schema: int = 1) -> None:
    state.mkdir(mode=0o700, exist_ok=True)
    keys = load_keys(state)
    with closing(sqlite3.connect(state / "netdiag.db")) as database:
        database.execute("PRAGMA journal_mode=WAL")
        database.executescript(DUMPS[schema].read_text())
        (epoch,) = database.execute("SELECT value FROM meta WHERE key = 'epoch'").fetchone()
        heads = [keys.sign(Head(epoch, *row)) for row in database.execute("SELECT seq, hash FROM audit ORDER BY seq")]
        database.executemany(
            "INSERT INTO heads VALUES (?, ?, ?)", [(one.seq, one.hash, one.signature) for one in heads]
        )
        database.commit()
    (state / "heads.log").write_text("".join(f"{head.line()}\n" for head in heads))


def dump(database: Path) -> list[str]:
    with closing(sqlite3.connect(database)) as opened:
        return list(opened.iterdump())
