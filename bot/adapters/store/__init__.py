"""The durable store of changes, the audit chain, the fleet's past, and what front ends must remember."""

from bot.adapters.store.backup import Backup, back_up
from bot.adapters.store.bundle import about
from bot.adapters.store.journal import Store
from bot.adapters.store.keys import read_public
from bot.adapters.store.restore import Restored, restore

__all__ = ["Backup", "Restored", "Store", "about", "back_up", "read_public", "restore"]
