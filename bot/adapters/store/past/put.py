"""How do moments, text and rows get into the tables and back?"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.core.retention import EPOCH

_MICRO = timedelta(microseconds=1)


def micro(at: datetime) -> int:
    """A moment as microseconds since the epoch; exact, as a float would not be."""
    return (at - EPOCH) // _MICRO


def micro_or_none(at: datetime | None) -> int | None:
    """As `micro`; None stays None."""
    return None if at is None else micro(at)


def moment(micros: int) -> datetime:
    """The moment again, UTC, aware."""
    return EPOCH + timedelta(microseconds=micros)


def moment_or_none(micros: int | None) -> datetime | None:
    """As `moment`; None stays None."""
    return None if micros is None else moment(micros)


def text(said: str) -> str:
    """Text that every database takes: no NUL, no half of a pair. What hosts say is hostile (law 9)."""
    return said.replace("\0", "\\x00").encode("utf-8", "backslashreplace").decode()


async def upsert(connection: AsyncConnection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows by primary key, or set every other column of those that are there already."""
    if not rows:
        return
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    added = insert(table)
    keys = [column.name for column in table.primary_key]
    rest = {column.name: added.excluded[column.name] for column in table.columns if column.name not in keys}
    await connection.execute(added.on_conflict_do_update(index_elements=keys, set_=rest), list(rows))
