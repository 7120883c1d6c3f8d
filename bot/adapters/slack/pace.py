"""How is a message edited often enough to be alive, and no oftener than Slack likes?"""

import asyncio
from collections.abc import Awaitable, Callable

from bot.core.ask import Progress

EVERY = 2.5
"""Seconds between two edits of a message."""
Edit = Callable[[Progress], Awaitable[None]]
Sleep = Callable[[float], Awaitable[None]]


class Pace:
    """Keeps the newest progress and shows it at most once per `every` seconds; what came between is skipped."""

    def __init__(self, edit: Edit, *, every: float = EVERY, sleep: Sleep = asyncio.sleep) -> None:
        self._edit, self._every, self._sleep = edit, every, sleep
        self._latest: Progress | None = None
        self._news = asyncio.Event()
        self._editing = asyncio.Lock()
        self._over = False

    def tell(self, progress: Progress) -> None:
        """Note how far it is; returns at once."""
        self._latest = progress
        self._news.set()

    async def run(self) -> None:
        """Edit until cancelled or :meth:`end`. The message was just posted, so the first edit waits too."""
        while not self._over:
            await self._sleep(self._every)
            await self._news.wait()
            self._news.clear()
            async with self._editing:
                if self._latest is not None and not self._over:
                    await self._edit(self._latest)

    async def end(self) -> None:
        """No edit begins after this, and none is under way: the final one cannot be overtaken."""
        self._over = True
        async with self._editing:
            return
