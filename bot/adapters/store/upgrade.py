"""How does a store of an older schema become one of this program's, all of it or nothing?

The scripts in `migrations/versions` are run by Alembic inside the caller's writing transaction: SQLite and PostgreSQL
both take back tables and indices with it. Whoever comes second finds the work done. There is no way back but the copy
that is made beside an SQLite database first.
"""

import asyncio
import sqlite3
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.adapters.store import tables
from bot.adapters.store.connect import first_come
from bot.adapters.store.copying import copy_database
from bot.adapters.store.moments import micro
from bot.engine.ports import JournalDown

SCRIPTS = Path(__file__).parent / "migrations"


@dataclass(frozen=True, slots=True)
class Upgraded:
    """What was done: from which schema to which, and where the copy of what was before is ("" where there is none)."""

    before: int
    after: int
    copy: str


async def upgrade(connection: AsyncConnection, database: Path | None, now: datetime) -> Upgraded | None:
    """Upgrade the store of this writing transaction; None when another process was first.

    `database` is the SQLite file to copy first; from `now` on counts the age of what knows none. Raises JournalDown
    when the copy cannot be made.
    """
    await connection.run_sync(first_come)
    before = int((await connection.execute(select(tables.meta.c.value).where(_SCHEMA))).scalar_one())
    if before >= tables.SCHEMA:
        return None
    copy = ""
    if database is not None:
        copy = f"{database.name}.schema-{before}"
        try:
            await asyncio.to_thread(copy_database, database, database.with_name(copy))
        except (OSError, sqlite3.Error) as fault:
            raise JournalDown(f"no copy of it can be made first: {fault}") from fault
    await connection.run_sync(_run, micro(now))
    await connection.execute(update(tables.meta).where(_SCHEMA).values(value=str(tables.SCHEMA)))
    return Upgraded(before, tables.SCHEMA, copy)


_SCHEMA = tables.meta.c.key == "schema"


def _run(connection: Connection, now: int) -> None:
    # Only where a store is older: reading Alembic takes longer than everything else that a command does.
    from alembic.config import Config  # noqa: PLC0415
    from alembic.runtime.environment import EnvironmentContext  # noqa: PLC0415
    from alembic.script import ScriptDirectory  # noqa: PLC0415

    scripts = ScriptDirectory(str(SCRIPTS))
    target = str(tables.SCHEMA)
    config = Config(attributes={"now": now})
    environment = EnvironmentContext(config, scripts, fn=lambda now, _: scripts._upgrade_revs(target, now))
    with environment:
        environment.configure(connection=connection)
        environment.run_migrations()
