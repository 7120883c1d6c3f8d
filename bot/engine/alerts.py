"""What becomes of an alert: told, diagnosed, and its diagnosis in the thread of its message?

One worker takes deliveries from the durable intake into their groups and carries each group to where nothing is left to
do. Every step is stored before the next, and telling has keys for ever: killed anywhere, the next process goes on.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import structlog

from bot.core.alert import Alert, Delivery
from bot.core.alert_group import Group, channels, fold, name_of
from bot.core.alert_route import Route, Routing
from bot.core.alert_words import mark, settled
from bot.core.errors import ConfigError
from bot.core.host import Inventory
from bot.engine.alert_looks import Looks, Shown, nobody
from bot.engine.alert_messages import Messages, hour_of
from bot.engine.alert_shelf import Routes, Shelf
from bot.engine.drive import Patience
from bot.engine.intake import Intake
from bot.engine.meter import Meter, NoMeter
from bot.engine.ports import Clock, Desk, Journal, JournalDown
from bot.engine.quota import Quota
from bot.engine.sweep_ports import Herald

AT_ONCE = 4
PAUSE = 5.0
"""Seconds between looks when nothing wakes the worker."""
OPEN = 1_000
"""Groups under way. Beyond that a new one is only counted: what nobody could read anyway must not fill the store."""

log = structlog.get_logger()


@dataclass
class Alerts:
    """Takes alerts and carries them on. `trouble` says why nothing goes on at the moment, or ""."""

    desk: Desk
    journal: Journal
    herald: Herald
    clock: Clock
    inventory: Inventory
    routes: Routes
    meter: Meter = field(default_factory=NoMeter)
    pause: float = PAUSE
    trouble: str = ""
    shown: Shown = nobody
    """Hears of each diagnosis that was told, and in which channel."""
    intake: Intake = field(init=False)
    wake: asyncio.Event = field(init=False, default_factory=asyncio.Event)
    _shelf: Shelf = field(init=False)
    _messages: Messages = field(init=False)
    _looks: Looks = field(init=False)

    def __post_init__(self) -> None:
        self.intake = Intake(self.journal)
        self._shelf, quota = Shelf(self.intake), Quota(self.journal)
        self._messages = Messages(self._shelf, quota, self.herald, self.clock, self.routes, self.meter)
        self._looks = Looks(
            self._shelf, self.desk, self.journal, self.herald, self.clock, self.routes, self.meter, self.shown
        )

    async def take(self, delivery: Delivery) -> None:
        """Keep a delivery for ever; acknowledge only after this. Raises Full, JournalDown, ConfigError."""
        routed = sum(len(told) for told in channels(delivery, self.routes.routing()).values())
        self.meter.count("alerts_received", routed, routed="yes")
        self.meter.count("alerts_received", len(delivery.alerts) - routed, routed="no")
        if routed:
            await self.intake.take(delivery)
            self.wake.set()
        log.info("alerts.taken", alerts=len(delivery.alerts), routed=routed, receiver=delivery.receiver)

    async def run(self) -> None:
        """Work for ever; a store that is down or a broken file is logged once, and no reason to end."""
        patience = Patience()
        async with asyncio.TaskGroup() as tasks:
            at_work: dict[str, asyncio.Task[None]] = {}
            while True:
                self.wake.clear()
                if await self.guarded(self._sort):
                    await self._start(tasks, at_work, patience)
                try:
                    async with asyncio.timeout(self.pause):
                        await self.wake.wait()
                except TimeoutError:
                    continue

    async def settle(self) -> None:
        """One pass over everything that waits, one after the other (tests, and whoever wants no loop)."""
        await self._sort()
        for name in (await self.intake.index()).groups:
            await self._carry(name)
        await self._messages.sum_up()

    async def guarded(self, work: Callable[[], Awaitable[object]]) -> bool:
        """Do it; whether it could be done."""
        try:
            await work()
        except (JournalDown, ConfigError) as fault:
            if self.trouble != str(fault):
                log.warning("alerts.paused", why=str(fault))
            self.trouble = str(fault)
            return False
        self.trouble = ""
        return True

    # --- deliveries into groups ----------------------------------------------------------------------------------

    async def _sort(self) -> None:
        """Take what waits into its groups, in the order in which it came."""
        while (waiting := await self.intake.first()) is not None:
            slot, delivery = waiting
            opened: list[str] = []
            if delivery is None:
                log.error("alerts.unreadable", slot=slot)
            else:
                routing = self.routes.routing()
                for channel, told in channels(delivery, routing).items():
                    opened += await self._fold(delivery, channel, told, routing)
            await self.intake.release(slot, opened)

    async def _fold(
        self, delivery: Delivery, channel: str, told: Sequence[tuple[Alert, Route]], routing: Routing
    ) -> Sequence[str]:
        """Take a delivery into one group; the names of what is under way by that."""
        name = name_of(delivery, channel)
        async with self._shelf.lock(name):
            known, now = await self.intake.group(name), self.clock.now()
            group = fold(known, delivery, channel, told, routing=routing, inventory=self.inventory, now=now)
            if group is None:
                return ()
            open_ = (await self.intake.index()).groups
            if len(open_) >= OPEN and name not in open_ and (known is None or known.episode != group.episode):
                names = [alert.name for alert in group.alerts]
                await self.intake.change(lambda at: at.gone(name, channel, hour_of(now), names))
                return ()
            before = f"{name}:{known.episode}" if known and known.episode != group.episode else ""
            if known and before and not settled(known):
                await self.intake.keep(before, known)  # its message still has to say how it ended
            await self.intake.keep(name, group)
            return (before, name) if known and before and not settled(known) else (name,)

    # --- groups to their end -------------------------------------------------------------------------------------

    async def _start(
        self, tasks: asyncio.TaskGroup, at_work: dict[str, asyncio.Task[None]], patience: Patience
    ) -> None:
        index = await self.intake.index()
        patience.forget(set(index.groups))
        now = asyncio.get_running_loop().time()
        for name in [name for name, task in at_work.items() if task.done()]:
            del at_work[name]
        for name in index.groups:
            if len(at_work) < AT_ONCE and name not in at_work and patience.ready(name, now):
                at_work[name] = tasks.create_task(self._one(name, patience))
        await self.guarded(self._messages.sum_up)

    async def _one(self, name: str, patience: Patience) -> None:
        async def work() -> None:
            if not await self._carry(name):
                patience.wait(name, asyncio.get_running_loop().time())

        if not await self.guarded(work):
            patience.wait(name, asyncio.get_running_loop().time())
        self.wake.set()

    async def _carry(self, name: str) -> bool:
        """Carry one group as far as it goes; whether it is settled."""
        group = await self.intake.group(name)
        if group is None:
            await self.intake.close(name)
            return True
        if not group.ts and not await self._posted(name, group):
            return False
        group = await self.intake.group(name) or group
        for look in group.due:
            await self._looks.carry(name, group, look)
        group = await self.intake.group(name) or group
        if group.ts and group.shown != mark(group):
            await self._messages.say(name, group)
        async with self._shelf.lock(name):
            group = await self.intake.group(name) or group
            if settled(group):
                await self.intake.close(name)
            return settled(group)

    async def _posted(self, name: str, group: Group) -> bool:
        """Post the message where there is room, or where what it means is critical; else it waits."""
        if await self._messages.post(name, group):
            return True
        critical = await self._looks.ahead(name, group)
        now = await self.intake.group(name) or group
        if critical and await self._messages.post(name, now, critical=True):
            return True
        await self._messages.hold(name, now)
        return False
