"""How do all parts of the store wait for their turn, and say alike when it cannot be had?

Every writer of every process stands in one line: in this process by a lock, in SQLite by BEGIN IMMEDIATE, in PostgreSQL
by the row of `tail`, which each writing transaction locks first. So what is read in a writing transaction is still so
when it ends, and no writer needs to think of another.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import select
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from bot.adapters.store import tables
from bot.adapters.store.connect import READ
from bot.engine.ports import JournalDown


class Line:
    """The line over one engine. `outdated` says why a store of an older schema is only read, or ""."""

    def __init__(self, engine: AsyncEngine) -> None:
        self.engine = engine
        self.outdated = ""
        self._turn = asyncio.Lock()

    @asynccontextmanager
    async def write(self, consequence: str = "") -> AsyncIterator[AsyncConnection]:
        """One writing transaction, serialised against every other. Raises JournalDown; `consequence` ends its words."""
        if self.outdated:
            raise JournalDown(f"{self.outdated}{consequence}")
        try:
            async with self._turn, self.engine.begin() as connection:
                yield connection
        except (SQLAlchemyError, OSError) as fault:
            raise JournalDown(f"the store cannot be written ({words(fault)}){consequence}") from fault

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[AsyncConnection]:
        """As `write`, holding the line's end against other processes, too."""
        async with self.write() as connection:
            await connection.execute(select(tables.tail.c.id).with_for_update())
            yield connection

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """One reading transaction: what it reads is of one moment. Raises JournalDown."""
        try:
            async with self.engine.execution_options(**READ).begin() as connection:
                yield connection
        except (SQLAlchemyError, OSError) as fault:  # a server that is away is an OSError of the driver
            raise JournalDown(f"the store cannot be read ({words(fault)})") from fault

    @asynccontextmanager
    async def read_past(self) -> AsyncIterator[AsyncConnection]:
        """As `read`, of tables that an older schema does not have."""
        if self.outdated:
            raise JournalDown(self.outdated)
        async with self.read() as connection:
            yield connection


def words(fault: BaseException) -> str:
    """What the database itself said, without SQLAlchemy's statement dump."""
    return str(fault.orig) if isinstance(fault, DBAPIError) and fault.orig is not None else str(fault)
