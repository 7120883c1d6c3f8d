"""Schema 2: the fleet's past. Nothing of schema 1 is touched."""

from alembic import op
from sqlalchemy import BigInteger, Boolean, Column, Double, Integer, LargeBinary, String, Text

revision = "2"
down_revision = None


def upgrade() -> None:
    """Make the tables of the past."""
    op.create_table(
        "fires",
        Column("sweep", String(255), primary_key=True),
        Column("due", BigInteger, primary_key=True, autoincrement=False),
        Column("phase", String(16), nullable=False),
        Column("owner", String(255), nullable=False),
        Column("beat", BigInteger),
        Column("attempt", Integer, nullable=False),
        Column("run", String(64), nullable=False),
        Column("begun", BigInteger),
        Column("ended", BigInteger),
        Column("why", Text, nullable=False),
        Column("told", Boolean, nullable=False),
        Column("digest", LargeBinary),
    )
    op.create_index("fires_due", "fires", ["due"])
    op.create_table(
        "visits",
        Column("sweep", String(255), primary_key=True),
        Column("at", BigInteger, primary_key=True, autoincrement=False),
        Column("run", String(64), primary_key=True),
        Column("host", String(253), primary_key=True),
        Column("status", String(16), nullable=False),
        Column("reason", Text, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "series",
        Column("id", Integer, primary_key=True),
        Column("host", String(253), nullable=False),
        Column("key", Text, nullable=False),
    )
    op.create_index("series_host", "series", ["host", "key"], unique=True)
    op.create_table(
        "points",
        Column("series", Integer, primary_key=True, autoincrement=False),
        Column("step", Integer, primary_key=True, autoincrement=False),
        Column("at", BigInteger, primary_key=True, autoincrement=False),
        Column("count", Integer, nullable=False),
        Column("mean", Double, nullable=False),
        Column("low", Double),
        Column("high", Double),
        Column("limit", Double),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "faults",
        Column("host", String(253), primary_key=True),
        Column("fingerprint", String(255), primary_key=True),
        Column("stage", String(16), nullable=False),
        Column("ended", BigInteger, nullable=False),
        Column("body", Text, nullable=False),
    )
    op.create_index("faults_stage", "faults", ["stage", "ended"])
    op.create_table(
        "settings",
        Column("host", String(253), primary_key=True),
        Column("seen", BigInteger, nullable=False),
        Column("body", Text, nullable=False),
    )
    op.create_table(
        "norms",
        Column("subject", String(512), primary_key=True),
        Column("key", String(1024), primary_key=True),
        Column("low", Double, nullable=False),
        Column("middle", Double, nullable=False),
        Column("high", Double, nullable=False),
        Column("count", Integer, nullable=False),
        Column("learnt", BigInteger, nullable=False),
    )
    op.create_table(
        "silences",
        Column("id", String(64), primary_key=True),
        Column("hosts", Text, nullable=False),
        Column("findings", Text, nullable=False),
        Column("owner", String(255), nullable=False),
        Column("why", Text, nullable=False),
        Column("begun", BigInteger, nullable=False),
        Column("until", BigInteger, nullable=False),
        Column("ended", BigInteger),
    )
    op.create_index("silences_until", "silences", ["until"])
    op.create_table(
        "pauses",
        Column("sweep", String(255), primary_key=True),
        Column("by", String(255), nullable=False),
        Column("why", Text, nullable=False),
        Column("until", BigInteger, nullable=False),
    )
