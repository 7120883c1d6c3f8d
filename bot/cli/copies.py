"""What do a backup and a restore leave in the log?"""

from collections.abc import Mapping
from pathlib import Path

from bot.adapters.store import Backup, Restored, Store, back_up, restore
from bot.adapters.store.tables import SCHEMA
from bot.app import SystemClock, terminal_actor
from bot.core.approval import stamp
from bot.core.audit import Event
from bot.core.errors import NetdiagError
from bot.engine.ports import JournalDown
from bot.settings import Settings

LAST = ("backup", "last")
"""Where the store remembers its last backup (kind, key)."""


async def backed_up(settings: Settings, file: Path, *, key: bool) -> tuple[Backup, str]:
    """Back the store up; the backup, and why it is not in the log. Raises ConfigError when there is none to be had."""
    now = stamp(SystemClock().now())
    made = back_up(settings.state, file, key=key, made=now)
    if made.store.schema != SCHEMA:
        # Opening it would upgrade it, and somebody who backs up before an upgrade has not decided on it yet.
        return made, f"the store is of schema {made.store.schema}, which only `netdiag serve` and the like upgrade"
    data = {"file": str(file), "entries": made.store.entries, "key": key}
    return made, await _logged(settings, Event("StoreBackedUp", _who(), now, data=data), {"at": now, **data})


async def restored(settings: Settings, file: Path, *, force: bool) -> tuple[Restored, str]:
    """Put a backup in the store's place; what was done, and why it is not in the log. Raises ConfigError."""
    now = SystemClock().now()
    done = restore(file, settings.state, force=force, name=f"replaced-{now:%Y%m%dT%H%M%SZ}")
    replaced = str(done.replaced) if done.replaced else ""
    data = {"file": str(file), "entries": done.store.entries, "replaced": replaced}
    return done, await _logged(settings, Event("StoreRestored", _who(), stamp(now), data=data))


async def _logged(settings: Settings, event: Event, last: Mapping[str, object] | None = None) -> str:
    try:
        store = await Store.open(settings.state, SystemClock())
        try:
            await store.append([event])
            if last is not None:
                await store.replace(*LAST, last)
        finally:
            await store.close()
    except (JournalDown, NetdiagError) as fault:
        return str(fault)
    return ""


def _who() -> str:
    return terminal_actor().key
