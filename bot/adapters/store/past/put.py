"""How do text and rows get into the tables?"""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection


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
