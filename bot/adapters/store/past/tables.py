"""What does the store keep of the fleet's past? Times are microseconds since the epoch, UTC."""

from sqlalchemy import BigInteger, Boolean, Column, Double, Index, Integer, LargeBinary, String, Table, Text

from bot.adapters.store.tables import metadata as metadata  # noqa: PLC0414 - with these, it is the whole schema

fires = Table(
    "fires",
    metadata,
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
"""Runs of sweeps. `digest` is its JSON, deflated: a heat map repeats itself."""
Index("fires_due", fires.c.due)

visits = Table(
    "visits",
    metadata,
    Column("sweep", String(255), primary_key=True),
    Column("at", BigInteger, primary_key=True, autoincrement=False),
    Column("run", String(64), primary_key=True),
    Column("host", String(253), primary_key=True),
    Column("status", String(16), nullable=False),
    Column("reason", Text, nullable=False),
    sqlite_with_rowid=False,
)
"""A host's status at a run (`sweep` "" for an ask), kept in the order in which a heat map reads it."""

series = Table(
    "series",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("host", String(253), nullable=False),
    Column("key", Text, nullable=False),
)
"""Which measure of which host: points name it by number, so that they are small."""
Index("series_host", series.c.host, series.c.key, unique=True)

points = Table(
    "points",
    metadata,
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
"""Measures over time. `low` and `high` are null where they are the mean: nearly every row is one value."""

faults = Table(
    "faults",
    metadata,
    Column("host", String(253), primary_key=True),
    Column("fingerprint", String(255), primary_key=True),
    Column("stage", String(16), nullable=False),
    Column("ended", BigInteger, nullable=False),
    Column("body", Text, nullable=False),
)
"""Faults as JSON; `ended` is when one that is resolved was."""
Index("faults_stage", faults.c.stage, faults.c.ended)

settings = Table(
    "settings",
    metadata,
    Column("host", String(253), primary_key=True),
    Column("seen", BigInteger, nullable=False),
    Column("body", Text, nullable=False),
)
"""All kernel settings of a host as one JSON object, key to value, since when, and the value before."""

norms = Table(
    "norms",
    metadata,
    Column("subject", String(512), primary_key=True),
    Column("key", String(1024), primary_key=True),
    Column("low", Double, nullable=False),
    Column("middle", Double, nullable=False),
    Column("high", Double, nullable=False),
    Column("count", Integer, nullable=False),
    Column("learnt", BigInteger, nullable=False),
)

silences = Table(
    "silences",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("hosts", Text, nullable=False),
    Column("findings", Text, nullable=False),
    Column("owner", String(255), nullable=False),
    Column("why", Text, nullable=False),
    Column("begun", BigInteger, nullable=False),
    Column("until", BigInteger, nullable=False),
    Column("ended", BigInteger),
)
Index("silences_until", silences.c.until)

pauses = Table(
    "pauses",
    metadata,
    Column("sweep", String(255), primary_key=True),
    Column("by", String(255), nullable=False),
    Column("why", Text, nullable=False),
    Column("until", BigInteger, nullable=False),
)
