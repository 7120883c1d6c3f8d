"""How far is a run of a sweep, as the chat is told it while it goes on?"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from bot.core.ask import Progress
from bot.core.sweep import Sweep
from bot.engine.sweep_ports import Herald, Receipt


@dataclass
class Pulse:
    """Progress on its way to the chat: the newest, as fast as the chat takes it, and none when nobody listens."""

    herald: Herald
    sweep: Sweep
    receipt: Receipt | None
    tell: Callable[[Progress], None] | None
    newest: Progress | None = None
    wake: asyncio.Event = field(default_factory=asyncio.Event)

    def heard(self, progress: Progress) -> None:
        """Take in how far the run is."""
        self.newest = progress
        self.wake.set()
        if self.tell is not None:
            self.tell(progress)

    async def run(self) -> None:
        """Pass it on until cancelled."""
        while self.receipt is not None:
            await self.wake.wait()
            self.wake.clear()
            if self.newest is not None:
                await self.herald.progress(self.sweep, self.receipt, self.newest)
