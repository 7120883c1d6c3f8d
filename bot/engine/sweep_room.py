"""May a channel have one more message of a sweep, and is this one worth it?"""

from dataclasses import dataclass
from datetime import datetime

from bot.core.digest import Digest
from bot.core.sweep import Quiet, Sweep
from bot.core.window import why_inside
from bot.engine.ports import Journal
from bot.engine.quota import Quota
from bot.engine.sweep_ports import PlanSource


@dataclass(frozen=True, slots=True)
class Room:
    """The cap on messages, as sweeps heed it. Every method raises JournalDown."""

    journal: Journal
    plans: PlanSource

    @property
    def quota(self) -> Quota:
        """The cap on messages."""
        return Quota(self.journal)

    async def begin(self, sweep: Sweep, key: str, now: datetime) -> bool:
        """Whether a run is told of before it has found anything."""
        if not sweep.channel or sweep.quiet is Quiet.SILENT or why_inside(sweep.quiet_hours, now):
            return False
        return await self.left(sweep, key, now, share=2)

    async def full(self, sweep: Sweep, key: str, now: datetime) -> str:
        """Why the channel may have no more messages; "" where it may."""
        if not sweep.channel or await self.left(sweep, key, now):
            return ""
        return f"{self.plans.plan().messages_per_hour} messages an hour in this channel"

    async def worth(self, sweep: Sweep, key: str, said: Digest, now: datetime) -> bool:
        """Whether a message is posted, or the one that was begun is finished."""
        if not sweep.channel:
            return False
        if not said.quiet or await self.quota.spent(sweep.channel, key, now):
            return True
        if sweep.quiet is Quiet.SILENT or why_inside(sweep.quiet_hours, now):
            return False
        return await self.left(sweep, key, now, share=2)

    async def left(self, sweep: Sweep, key: str, now: datetime, *, share: int = 1) -> bool:
        """Whether the channel may have one more message; messages that may turn out to say nothing get half of all."""
        used = await self.quota.used(sweep.channel, now)
        return used * share < self.plans.plan().messages_per_hour or await self.quota.spent(sweep.channel, key, now)
