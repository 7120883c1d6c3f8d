"""What does the store keep? One schema for SQLite and PostgreSQL."""

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    text,
)

SCHEMA = 3
"""The version this program writes and reads. A newer one is refused: an older program would not keep its promises.

Whoever raises it adds a script to `migrations/versions`; the tables here and in `past/tables.py` are what a new store
gets, and what the scripts lead to.
"""

metadata = MetaData()

meta = Table(
    "meta",
    metadata,
    Column("key", String(64), primary_key=True),
    Column("value", Text, nullable=False),
)
"""`schema`, and `epoch`: the UUID of this log."""

revision = Table(
    "alembic_version",
    metadata,
    Column("version_num", String(32)),
    PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)
"""Alembic's own note of the script that was run last: the schema's number. What counts is `meta`."""

tail = Table(
    "tail",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("seq", BigInteger, nullable=False),
    Column("hash", String(64), nullable=False),
    Column("serial", BigInteger, nullable=False),
)
"""One row: the end of the audit chain and the last serial. Every writer locks it first, so writers stand in a line."""

changes = Table(
    "changes",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("host", String(253), nullable=False),
    Column("state", String(16), nullable=False),
    Column("serial", BigInteger, nullable=False, unique=True),
    Column("born", BigInteger, nullable=False, unique=True),
    Column("record", Text, nullable=False),
    Column("entry", BigInteger, nullable=False),
)
"""`record` is the record's JSON; `entry` the audit entry that holds its hash; `born` orders changes by age."""

Index("changes_host", changes.c.host, changes.c.state)
Index(
    "one_mutation_per_host",
    changes.c.host,
    unique=True,
    sqlite_where=text("state IN ('claimed', 'intent')"),
    postgresql_where=text("state IN ('claimed', 'intent')"),
)

audit = Table(
    "audit",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("prev", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("change", String(64), index=True),
)
"""The chain; `change` only helps to find entries, the body alone is hashed."""

heads = Table(
    "heads",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("hash", String(64), nullable=False),
    Column("signature", String(128), nullable=False),
)

memory = Table(
    "memory",
    metadata,
    Column("kind", String(64), primary_key=True),
    Column("key", String(255), primary_key=True),
    Column("value", Text, nullable=False),
    Column("at", BigInteger),
)
"""Small values that must survive a restart: inbox ids, message receipts, runs, the kill switch. `at` is when one was
set last, in microseconds since the epoch; what has none, as an older netdiag leaves it, never goes with age.
"""
Index("memory_age", memory.c.kind, memory.c.at)
