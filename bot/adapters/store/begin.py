"""Is there a store that this program may use, and which log is in it?"""

import uuid
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, insert, inspect, select
from sqlalchemy.exc import OperationalError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from bot.adapters.store import tables
from bot.adapters.store.connect import READ, connect, first_come, immutable_url, sqlite_url
from bot.adapters.store.line import words
from bot.adapters.store.past import tables as past
from bot.adapters.store.place import Place, make_database
from bot.core.audit import genesis
from bot.core.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Begun:
    """An open store: its engine, the log's epoch, and the schema it is of, which may be older than this program's."""

    engine: AsyncEngine
    epoch: str
    schema: int


async def begin(place: Place, url: str | None) -> Begun:
    """Open the store; the tables are made when there are none.

    A database on a disk that cannot be written is opened for reading. Raises ConfigError when it is not ours, newer
    than this program, or damaged.
    """
    if url is None:
        make_database(place)
    engine = connect(url or sqlite_url(place.database))
    where = engine.url.render_as_string(hide_password=True) if url else str(place.database)
    try:
        return await _begun(engine)
    except (OperationalError, OSError) as fault:
        await engine.dispose()
        if url is None and _settled(place.database):
            return await _for_reading(place.database)
        raise ConfigError(f"{where}: the store cannot be opened ({words(fault)})") from fault
    except (SQLAlchemyError, ValueError) as fault:
        await engine.dispose()
        mine = "it is damaged or not netdiag's; restore a backup, or move it away to begin anew"
        remedy = "check NETDIAG_STORE, and what its user may do there" if url else mine
        raise ConfigError(f"{where}: the store cannot be used ({words(fault)}): {remedy}") from fault
    except ConfigError:
        await engine.dispose()
        raise


async def _for_reading(database: Path) -> Begun:
    engine = connect(immutable_url(database))
    try:
        return await _begun(engine)
    except SQLAlchemyError as fault:
        await engine.dispose()
        raise ConfigError(f"{database}: the store cannot be opened ({words(fault)})") from fault


def _settled(database: Path) -> bool:
    """Whether the file alone is the whole database: no write-ahead log with commits of its own beside it."""
    ahead = database.with_name(f"{database.name}-wal")
    return database.exists() and database.stat().st_size > 0 and not (ahead.exists() and ahead.stat().st_size > 0)


async def _begun(engine: AsyncEngine) -> Begun:
    async with engine.execution_options(**READ).begin() as connection:
        known = await connection.run_sync(_known)
    if not known:
        async with engine.begin() as connection:
            known = await connection.run_sync(_make)
    if "schema" not in known or "epoch" not in known:
        raise ConfigError(f"{engine.url}: not netdiag's store; give another place to --state or NETDIAG_STORE")
    if int(known["schema"]) > tables.SCHEMA:
        newer = f"{engine.url}: the store is of schema {known['schema']}, this program knows {tables.SCHEMA}"
        raise ConfigError(f"{newer}: install the newer netdiag")
    return Begun(engine, known["epoch"], int(known["schema"]))


def _known(connection: Connection) -> dict[str, str]:
    names = inspect(connection).get_table_names()
    if tables.meta.name not in names:
        return {"foreign": ""} if names else {}
    columns = {column["name"] for column in inspect(connection).get_columns(tables.meta.name)}
    if columns != {"key", "value"}:
        return {"foreign": ""}
    return {row.key: row.value for row in connection.execute(select(tables.meta))}


def _make(connection: Connection) -> dict[str, str]:
    """Make the tables of an empty log, unless another process was first."""
    first_come(connection)
    known = _known(connection)
    if known:
        return known
    past.metadata.create_all(connection)
    known = {"schema": str(tables.SCHEMA), "epoch": str(uuid.uuid4())}
    connection.execute(insert(tables.meta), [{"key": key, "value": value} for key, value in known.items()])
    connection.execute(insert(tables.revision).values(version_num=str(tables.SCHEMA)))
    connection.execute(insert(tables.tail).values(id=1, seq=0, hash=genesis(known["epoch"]), serial=0))
    return known
