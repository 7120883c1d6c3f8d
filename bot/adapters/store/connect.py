"""How is the database opened so that two writers never lose each other's work?

SQLite's defaults lose updates: Python's driver begins a transaction only at the first write, so two may read the same
row and both write it. Here every writing transaction begins with BEGIN IMMEDIATE, waits for its turn, and is flushed
to disk before it counts (WAL with synchronous=FULL: NORMAL may lose the last commits at a power cut).
"""

import asyncio
import sqlite3
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlalchemy import Connection, event, func, make_url, select
from sqlalchemy.engine.interfaces import DBAPIConnection, DBAPICursor
from sqlalchemy.exc import ArgumentError, InvalidRequestError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import ConnectionPoolEntry
from sqlalchemy.util import await_only

from bot.adapters.store.place import group_s
from bot.core.errors import ConfigError

BUSY = 15_000
"""Milliseconds a writer waits for its turn before the store counts as not writable."""

_AGAIN = 20
"""Milliseconds until the switch to the write-ahead log is tried again."""

READ = {"netdiag_read": True}
"""Execution options of a transaction that only reads: it needs no writer's turn."""

_EXAMPLE = "for example postgresql+asyncpg://user@host/netdiag with the extra netdiag[postgresql]"

_TABLES = 0x6E657464
"""The number of PostgreSQL's advisory lock; any that nobody else would choose."""


def sqlite_url(path: Path) -> str:
    """The URL of an SQLite file."""
    return f"sqlite+aiosqlite:///{path}"


def immutable_url(path: Path) -> str:
    """The URL of an SQLite file on a disk that cannot be written, and that nobody writes meanwhile."""
    return f"sqlite+aiosqlite:///file:{quote(str(path))}?immutable=1&mode=ro&uri=true"


def connect(url: str) -> AsyncEngine:
    """An engine for the URL, with the dialect's own rules for durability and locking.

    Raises ConfigError for a URL that is none, or whose driver is not there or cannot wait (no asyncio).
    """
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() != "sqlite":
            return create_async_engine(parsed, pool_pre_ping=True)
        engine = create_async_engine(parsed)
    except ArgumentError as fault:  # without its words: they may hold a password
        raise ConfigError(f"NETDIAG_STORE: no database URL; {_EXAMPLE}") from fault
    except ModuleNotFoundError as fault:
        raise ConfigError(f"NETDIAG_STORE: there is no {fault.name} here; install it, or {_EXAMPLE}") from fault
    except InvalidRequestError as fault:
        raise ConfigError(f"NETDIAG_STORE: {parsed.drivername!r} cannot be used with asyncio; {_EXAMPLE}") from fault
    event.listen(engine.sync_engine, "connect", partial(_prepare, parsed.database))
    event.listen(engine.sync_engine, "begin", _begin)
    return engine


def _prepare(database: str | None, connection: DBAPIConnection, _: ConnectionPoolEntry) -> None:
    # Without this the driver begins transactions by itself, deferred: two of them may then read before either writes.
    connection.isolation_level = None
    cursor = connection.cursor()
    with group_s(database):
        cursor.execute(f"PRAGMA busy_timeout={BUSY}")
        _write_ahead(cursor)
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _write_ahead(cursor: DBAPICursor) -> None:
    """Switch to the write-ahead log. SQLite waits for nobody here, where several begin a store at once."""
    for _ in range(BUSY // _AGAIN):
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as fault:
            if fault.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                raise
            await_only(asyncio.sleep(_AGAIN / 1000))
        else:
            return
    cursor.execute("PRAGMA journal_mode=WAL")


def _begin(connection: Connection) -> None:
    options: Mapping[str, Any] = connection.get_execution_options()
    connection.exec_driver_sql("BEGIN" if options.get("netdiag_read") else "BEGIN IMMEDIATE")


def first_come(connection: Connection) -> None:
    """Let one process at a time make or change tables. SQLite's writing transactions do so by themselves."""
    if connection.dialect.name == "postgresql":
        connection.execute(select(func.pg_advisory_xact_lock(_TABLES)))
