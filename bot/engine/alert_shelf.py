"""Where do the groups of alerts stand while several hands work on them, and which routes are in force?"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol
from weakref import WeakValueDictionary

from bot.core.alert_group import Group
from bot.core.alert_route import Routing
from bot.engine.intake import Intake


class Routes(Protocol):
    """Where `alerts.yaml` is read, anew whenever it changed."""

    def routing(self) -> Routing:
        """The routes in force. Raises ConfigError when the file is broken (what was taken waits)."""
        ...


@dataclass(frozen=True, slots=True)
class Shelf:
    """The groups in the durable intake, each changed by one hand at a time."""

    intake: Intake
    _locks: WeakValueDictionary[str, asyncio.Lock] = field(default_factory=WeakValueDictionary)
    """Those that somebody has or waits for."""

    def lock(self, name: str) -> asyncio.Lock:
        """The turn of a group, or of whatever else has this name."""
        return self._locks.setdefault(name, asyncio.Lock())

    async def change(self, name: str, group: Group, to: Callable[[Group], Group]) -> Group | None:
        """Store what became of a group, unless a newer one has taken its place."""
        async with self.lock(name):
            now = await self.intake.group(name)
            if now is None or now.key != group.key:
                return None
            await self.intake.keep(name, to(now))
            return to(now)
