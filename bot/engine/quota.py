"""How many messages did a channel get within the last hour? Sweeps and alerts share one cap, over restarts too."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.core.approval import moment
from bot.engine.ports import Journal

POSTS = "posts"
"""Where a journal remembers the newest messages of a channel: the message's key to when it was posted."""
HOUR = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Quota:
    """Counts messages by their keys: one that is edited under its key counts once."""

    journal: Journal

    async def used(self, channel: str, now: datetime) -> int:
        """Messages of the last hour. Raises JournalDown."""
        return len(await self._recent(channel, now))

    async def spent(self, channel: str, key: str, now: datetime) -> bool:
        """Whether that message was posted, or about to be, within the last hour. Raises JournalDown."""
        return key in await self._recent(channel, now)

    async def spend(self, channel: str, key: str, now: datetime) -> None:
        """Note a message, before it is posted: too few are better than too many. Raises JournalDown."""
        recent = await self._recent(channel, now)
        if key not in recent:
            await self.journal.replace(POSTS, channel, {**recent, key: now.isoformat()})

    async def _recent(self, channel: str, now: datetime) -> dict[str, str]:
        kept = await self.journal.recall(POSTS, channel) or {}
        return {key: at for key, at in kept.items() if now - HOUR < moment(at) <= now + HOUR}
