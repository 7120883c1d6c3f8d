"""How are rows read, and records written as text?"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import RowMapping, Select, select
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.adapters.store import tables
from bot.core.approval import Record


async def one(connection: AsyncConnection, query: Select[Any]) -> RowMapping | None:
    """The first row, by column name."""
    found: RowMapping | None = (await connection.execute(query)).mappings().first()
    return found


async def every(connection: AsyncConnection, query: Select[Any]) -> Sequence[RowMapping]:
    """All rows, by column name."""
    found: Sequence[RowMapping] = (await connection.execute(query)).mappings().all()
    return found


async def memory(connection: AsyncConnection, kind: str, key: str) -> Mapping[str, Any] | None:
    """A remembered value."""
    here = (tables.memory.c.kind == kind) & (tables.memory.c.key == key)
    row = await one(connection, select(tables.memory.c.value).where(here))
    return None if row is None else dict(json.loads(row["value"]))


def record(row: RowMapping) -> Record:
    """The record of a row of `changes`."""
    return Record.model_validate_json(row["record"])


def compact(value: Mapping[str, Any]) -> str:
    """A small value as JSON text."""
    return json.dumps(dict(value), ensure_ascii=False, separators=(",", ":"))


def fingerprint(text: str) -> str:
    """SHA-256 of a record's text: what the log holds of it."""
    return hashlib.sha256(text.encode()).hexdigest()
