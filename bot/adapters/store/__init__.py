"""The durable store of changes, the audit chain and what front ends must remember."""

from bot.adapters.store.journal import Store
from bot.adapters.store.keys import read_public

__all__ = ["Store", "read_public"]
