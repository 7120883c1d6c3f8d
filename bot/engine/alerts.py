"""What becomes of an alert: told, diagnosed, and its diagnosis in the thread of its message?

One worker takes deliveries from the durable intake into their groups and carries each group to where nothing is left to
do. Every step is stored before the next, and telling has keys for ever: killed anywhere, the next process goes on.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

import structlog

from bot.core.alert import Alert, Delivery
from bot.core.alert_group import TRIES, Group, Look, Step, channels, fold, name_of
from bot.core.alert_route import Route, Routing
from bot.core.alert_words import mark, outcome, settled, words
from bot.core.ask import Ask
from bot.core.errors import AskError, ConfigError
from bot.core.host import Inventory
from bot.core.policy import Actor
from bot.core.report import Report
from bot.engine.drive import Patience
from bot.engine.intake import Intake
from bot.engine.meter import Meter, NoMeter
from bot.engine.ports import Clock, Desk, Journal, JournalDown
from bot.engine.quota import Quota
from bot.engine.sweep_ports import Herald, Receipt

REPORT = "alert-report"
AT_ONCE = 4
PAUSE = 5.0
"""Seconds between looks when nothing wakes the worker."""
LONGEST = 900.0
"""Seconds that one diagnosis may take."""
OPEN = 1_000
"""Groups under way. Beyond that a new one is only counted: what nobody could read anyway must not fill the store."""
HELD = 12
"""Lines of the summary of what was held back."""

log = structlog.get_logger()


class Routes(Protocol):
    """Where `alerts.yaml` is read, anew whenever it changed."""

    def routing(self) -> Routing:
        """The routes in force. Raises ConfigError when the file is broken (what was taken waits)."""
        ...


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
    intake: Intake = field(init=False)
    quota: Quota = field(init=False)
    wake: asyncio.Event = field(init=False, default_factory=asyncio.Event)
    _locks: dict[str, asyncio.Lock] = field(init=False, default_factory=dict)
    _summed: dict[str, tuple[str, ...]] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.intake, self.quota = Intake(self.journal), Quota(self.journal)

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
        await self._sum_up()

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
        async with self._lock(name):
            known, now = await self.intake.group(name), self.clock.now()
            group = fold(known, delivery, channel, told, routing=routing, inventory=self.inventory, now=now)
            if group is None:
                return ()
            open_ = (await self.intake.index()).groups
            if len(open_) >= OPEN and name not in open_ and (known is None or known.episode != group.episode):
                names = [alert.name for alert in group.alerts]
                await self.intake.change(lambda at: at.gone(name, channel, _hour(now), names))
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
        await self.guarded(self._sum_up)

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
        if not group.ts and not await self._post(name, group):
            return False
        for look in group.due:
            await self._look(name, group, look)
        group = await self.intake.group(name) or group
        if group.ts and group.shown != mark(group):
            await self._say(name, group)
        async with self._lock(name):
            group = await self.intake.group(name) or group
            if settled(group):
                await self.intake.close(name)
            return settled(group)

    async def _post(self, name: str, group: Group) -> bool:
        """Post the message; False when there is no room for it in this hour. Reading does not wait for the chat."""
        async with self._lock(f"say:{group.channel}"):
            now = self.clock.now()
            if await self.quota.spent(group.channel, group.key, now) or not await self._full(group.channel):
                await self.quota.spend(group.channel, group.key, now)
                await self._say(name, group)
                return True
        self.meter.count("alerts_held")
        if not group.firing:
            names, hour = [alert.name for alert in group.alerts], _hour(self.clock.now())
            await self.intake.change(lambda at: at.gone(name, group.channel, hour, names))
        return False

    async def _say(self, name: str, group: Group) -> None:
        title, lines = words(group)
        receipt = await self.herald.say(group.channel, group.key, title, lines)
        if receipt is None:
            return  # it is tried again
        shown = {"ts": receipt.ts, "posted_in": receipt.channel, "shown": mark(group)}
        await self._change(name, group, lambda now: now.model_copy(update=shown))

    async def _change(self, name: str, group: Group, to: Callable[[Group], Group]) -> Group | None:
        """Store what became of a group, unless a newer one has taken its place."""
        async with self._lock(name):
            now = await self.intake.group(name)
            if now is None or now.key != group.key:
                return None
            await self.intake.keep(name, to(now))
            return to(now)

    # --- diagnoses -----------------------------------------------------------------------------------------------

    async def _look(self, name: str, group: Group, look: Look) -> None:
        """Make one diagnosis, or tell one that was made."""
        place = f"{group.key}:{look.number}"
        report = await self._kept(place)
        if report is None and look.step is Step.READ:
            why = "its report is not in the store any more"
            await self._move(name, group, look, {"step": Step.GIVEN_UP, "why": why})
            return
        if report is None:
            report = await self._read(name, group, look, place)
        if report is None:
            return
        found = {"step": Step.READ, "run": report.run, "outcome": outcome(report)}
        now = await self._move(name, group, look, found) or group
        if now.ts and await self.herald.diagnosed(Receipt(now.posted_in, now.ts), report):
            await self._move(name, group, look, {"step": Step.TOLD})
            await self.journal.replace(REPORT, place, {})

    async def _read(self, name: str, group: Group, look: Look, place: str) -> Report | None:
        """Read the hosts. What cannot be asked is given up with its reason; a bug is tried again, a few times."""
        why = await self._fault(look)
        if not why:
            await self.intake.change(lambda at: at.spend(self.clock.now()))
            await self._move(name, group, look, {"attempt": look.attempt + 1})  # before it is made
            report = await self._asked(look, group.channel)
            if isinstance(report, Report):
                kept = {"report": report.model_dump(mode="json", by_alias=True)}
                await self.journal.replace(REPORT, place, kept)
                self.meter.count("alert_diagnoses", outcome="done")
                log.info("alerts.diagnosed", group=name, route=look.route, run=report.run, hosts=len(report.hosts))
                return report
            why = report
        if why:
            self.meter.count("alert_diagnoses", outcome="refused")
            await self._move(name, group, look, {"step": Step.GIVEN_UP, "why": why})
        else:
            self.meter.count("alert_diagnoses", outcome="failed")
        return None

    async def _fault(self, look: Look) -> str:
        """Why a diagnosis may not be made (any more), or ""."""
        if look.attempt >= TRIES:
            return f"it was begun {TRIES} times and never ended; the bot's log says why"
        index, most = await self.intake.index(), self.routes.routing().diagnoses_per_hour
        if index.left(most, self.clock.now()) <= 0:
            return f"more than {most} diagnoses in an hour; ask for {', '.join(look.hosts)}"
        return ""

    async def _asked(self, look: Look, channel: str) -> Report | str:
        """The report; why it cannot be had; or "" where something broke, which may go better the next time."""
        actor = Actor("alert", look.route, f"alert route {look.route}", owner=look.owner)
        ask = Ask(actor, ",".join(look.hosts), look.playbooks, look.params, channel)
        try:
            async with asyncio.timeout(LONGEST):
                return await self.desk.diagnose(ask, lambda _progress: None)
        except AskError as fault:
            return str(fault)
        except TimeoutError:
            return f"no answer within {LONGEST:.0f} s"
        except JournalDown:
            raise
        except Exception:
            log.exception("alerts.diagnosis.failed", route=look.route)
            return ""

    async def _kept(self, place: str) -> Report | None:
        kept = await self.journal.recall(REPORT, place)
        return Report.model_validate(kept["report"]) if kept else None

    async def _move(self, name: str, group: Group, look: Look, update: Mapping[str, object]) -> Group | None:
        """Store what became of a diagnosis."""

        def moved(now: Group) -> Group:
            known = next(one for one in now.looks if one.number == look.number)
            return now.having(known.model_copy(update=dict(update)))

        return await self._change(name, group, moved)

    # --- what was held back --------------------------------------------------------------------------------------

    async def _sum_up(self) -> None:
        """One message an hour and channel about what waits for room, or went without having been told."""
        index, now = await self.intake.index(), self.clock.now()
        held: dict[tuple[str, str], list[str]] = {}
        for name in index.groups:
            group = await self.intake.group(name)
            if group is not None and not group.ts and await self._full(group.channel):
                held.setdefault((group.channel, _hour(now)), []).append(f"waiting: {words(group)[0]}")
        for key, untold in index.untold.items():
            channel = key.partition(" ")[0]
            said = f"never told: {untold.count} ({', '.join(untold.names)})"
            held.setdefault((channel, untold.hour), []).append(said)
        for (channel, hour), lines in held.items():
            told = await self._tell_held(channel, hour, lines)
            if told and hour != _hour(now):
                await self.intake.change(lambda at, key=f"{channel} {hour}": at.without(key))  # type: ignore[misc]

    async def _tell_held(self, channel: str, hour: str, lines: Sequence[str]) -> bool:
        key = f"alerts-held:{channel}:{hour}"
        shown = [*lines[-1:], *lines[:-1]][:HELD] if len(lines) > HELD else list(lines)
        shown += [f"and {len(lines) - HELD} more"] if len(lines) > HELD else []
        if self._summed.get(key) == tuple(shown):
            return True
        title = "Alerts held back: more than this channel is told in an hour"
        if await self.herald.say(channel, key, title, shown) is None:
            return False
        self._summed[key] = tuple(shown)
        return True

    async def _full(self, channel: str) -> bool:
        """Whether the channel was told as much as it may be told in an hour, by sweeps and alerts together."""
        return await self.quota.used(channel, self.clock.now()) >= self.routes.routing().messages_per_hour

    def _lock(self, name: str) -> asyncio.Lock:
        return self._locks.setdefault(name, asyncio.Lock())


def _hour(now: datetime) -> str:
    return f"{now:%Y%m%d%H}"
