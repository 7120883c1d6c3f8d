"""Is there room for a message about alerts, and how is told what found none?"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from bot.core.alert_group import Group
from bot.core.alert_words import mark, words
from bot.engine.alert_shelf import Routes, Shelf
from bot.engine.meter import Meter
from bot.engine.ports import Clock
from bot.engine.quota import Quota
from bot.engine.sweep_ports import Herald

HELD = 12
"""Lines of the summary of what was held back."""
SUMMED = 500
"""Summaries, one a channel and hour, of which it is known what they say."""
OVER = 2
"""So many times the hour's messages there may be, all those over it about something critical: the guard in a storm."""


@dataclass(frozen=True, slots=True)
class Messages:
    """Posts and edits the messages of groups. Every method raises JournalDown, and ConfigError for broken routes."""

    shelf: Shelf
    quota: Quota
    herald: Herald
    clock: Clock
    routes: Routes
    meter: Meter
    _summed: dict[str, tuple[str, ...]] = field(default_factory=dict)

    async def post(self, name: str, group: Group, *, critical: bool = False) -> bool:
        """Post the message; False when there is no room for it in this hour. Reading does not wait for the chat."""
        async with self.shelf.lock(f"say:{group.channel}"):
            now = self.clock.now()
            spent = await self.quota.spent(group.channel, group.key, now)
            if spent or not await self._full(group.channel, OVER if critical else 1):
                await self.quota.spend(group.channel, group.key, now)
                await self.say(name, group)
                return True
        return False

    async def hold(self, name: str, group: Group) -> None:
        """Count a message that has no room; one that has nothing left to wait for is summed up and over."""
        self.meter.count("alerts_held")
        if not group.firing:
            names, hour = [alert.name for alert in group.alerts], hour_of(self.clock.now())
            await self.shelf.intake.change(lambda at: at.gone(name, group.channel, hour, names))

    async def say(self, name: str, group: Group) -> None:
        """Post or edit the message; what the chat does not take is tried again."""
        title, lines = words(group)
        receipt = await self.herald.say(group.channel, group.key, title, lines)
        if receipt is None:
            return
        shown = {"ts": receipt.ts, "posted_in": receipt.channel, "shown": mark(group)}
        await self.shelf.change(name, group, lambda now: now.model_copy(update=shown))

    async def sum_up(self) -> None:
        """One message an hour and channel about what waits for room, or went without having been told."""
        index, now = await self.shelf.intake.index(), self.clock.now()
        held: dict[tuple[str, str], list[str]] = {}
        for name in index.groups:
            group = await self.shelf.intake.group(name)
            if group is not None and not group.ts and await self._full(group.channel):
                held.setdefault((group.channel, hour_of(now)), []).append(f"waiting: {words(group)[0]}")
        for key, untold in index.untold.items():
            channel = key.partition(" ")[0]
            said = f"never told: {untold.count} ({', '.join(untold.names)})"
            held.setdefault((channel, untold.hour), []).append(said)
        for (channel, hour), lines in held.items():
            told = await self._tell_held(channel, hour, lines)
            if told and hour != hour_of(now):
                await self.shelf.intake.change(lambda at, key=f"{channel} {hour}": at.without(key))  # type: ignore[misc]

    async def _tell_held(self, channel: str, hour: str, lines: Sequence[str]) -> bool:
        key = f"alerts-held:{channel}:{hour}"
        shown = [*lines[-1:], *lines[:-1]][:HELD] if len(lines) > HELD else list(lines)
        shown += [f"and {len(lines) - HELD} more"] if len(lines) > HELD else []
        if self._summed.get(key) == tuple(shown):
            return True
        title = "Alerts held back: more than this channel is told in an hour"
        if await self.herald.say(channel, key, title, shown) is None:
            return False
        self._summed.pop(key, None)
        self._summed[key] = tuple(shown)
        if len(self._summed) > SUMMED:
            del self._summed[next(iter(self._summed))]  # the longest unsaid: Slack is told once more, if ever
        return True

    async def _full(self, channel: str, times: int = 1) -> bool:
        """Whether the channel was told as much as it may be told in an hour, by sweeps and alerts together."""
        used = await self.quota.used(channel, self.clock.now())
        return used >= times * self.routes.routing().messages_per_hour


def hour_of(now: datetime) -> str:
    """The hour that is summed up in one message."""
    return f"{now:%Y%m%d%H}"
