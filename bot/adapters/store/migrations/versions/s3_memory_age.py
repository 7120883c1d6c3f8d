"""Schema 3: small values know when they were set. Those that are there count from the upgrade on."""

from alembic import op
from sqlalchemy import BigInteger, Column, column, table

revision = "3"
down_revision = "2"


def upgrade() -> None:
    """Add the time, set it to the upgrade's, and make the index that ageing reads."""
    op.add_column("memory", Column("at", BigInteger))
    now = op.get_context().config.attributes["now"]  # type: ignore[union-attr]  # see `store.upgrade`
    op.execute(table("memory", column("at", BigInteger)).update().values(at=now))
    op.create_index("memory_age", "memory", ["kind", "at"])
