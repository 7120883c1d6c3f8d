"""Which databases do the store's promises hold on? SQLite; and PostgreSQL, where a test run is given one to empty.

    TEST_POSTGRESQL=postgresql+asyncpg://me@127.0.0.1/scratch python -m pytest tests/adapters/store

needs the driver (`pip install asyncpg`), which netdiag itself does not bring along.
"""

import os
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from bot.adapters.store import Store
from tests.fakes.clock import FakeClock

POSTGRESQL = os.environ.get("TEST_POSTGRESQL", "")
KINDS = ["sqlite", "postgresql"] if POSTGRESQL else ["sqlite"]


async def open_new(kind: str, state: Path) -> Store:
    """An empty store."""
    if kind == "sqlite":
        return await Store.open(state, FakeClock())
    engine = create_async_engine(POSTGRESQL)
    async with engine.begin() as connection:
        await connection.execute(text("DROP SCHEMA public CASCADE"))
        await connection.execute(text("CREATE SCHEMA public"))
    await engine.dispose()
    return await Store.open(state, FakeClock(), url=POSTGRESQL)
