"""The durable store of changes, the audit chain and what front ends must remember."""

from bot.adapters.store.journal import Store

__all__ = ["Store"]
