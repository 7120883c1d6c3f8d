"""Who runs the sweeps when they are due, and sees to it that each run happens once, and is told?

Any number of processes may keep the same plan over one store: a run is whoever's claims it first. APScheduler wakes
this loop when a run shall begin; a look every half minute besides, by a clock that nobody can set, sees what a wall
clock that was put forward or back would hide. What is to be done is `core.rota`'s to say; how far a sweep is settled is
remembered in the journal, so that a restart, also after weeks, knows which runs were missed.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import structlog

from bot.core.approval import stamp
from bot.core.ask import Progress
from bot.core.errors import NetdiagError
from bot.core.fire import Fire, Phase, stale
from bot.core.policy import span
from bot.core.rota import LEASE, Settled, given_up, settle, under_way
from bot.core.sweep import Pause, Plan, Sweep
from bot.engine.ports import JournalDown
from bot.engine.sweep_carry import SweepBench, begun, carry, failed
from bot.engine.sweep_mark import MANY, keep, mark_of, put_back
from bot.engine.sweep_retries import Key, Retries
from bot.engine.sweep_wakes import wakes

WATCH = 30.0
"""Seconds between two looks when nothing else wakes the loop."""
THIN = timedelta(hours=1)
STEP = 60.0
"""Seconds by which the wall clock may differ from the time that went by, before it is taken to have been set."""
UNSETTLED = (Phase.RUNNING, Phase.JUDGED)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Look:
    """When the last look was, by the wall clock and by the loop's own."""

    wall: datetime
    loop: float


@dataclass
class Scheduler:
    """Keeps the plan's sweeps: `await run()` until cancelled.

    `only` names the one sweep that is kept here (a terminal's), "" is all of them. `told` hears of every run that came
    to an end here, `progress` how far one is. `trouble` says why sweeps are not kept at the moment.
    """

    bench: SweepBench
    only: str = ""
    told: Callable[[Sweep, Fire], None] = lambda _sweep, _fire: None
    progress: Callable[[Sweep, Progress], None] = lambda _sweep, _progress: None
    trouble: str = field(init=False, default="")
    _wake: asyncio.Event = field(init=False, default_factory=asyncio.Event)
    _tasks: asyncio.TaskGroup | None = field(init=False, default=None)
    _mine: dict[Key, Fire] = field(init=False, default_factory=dict)
    """The runs that are carried out here."""
    _retries: Retries = field(init=False, default_factory=Retries)
    _last: _Look | None = field(init=False, default=None)
    _thinned: datetime | None = field(init=False, default=None)

    @property
    def running(self) -> bool:
        """Whether the loop runs."""
        return self._tasks is not None

    async def run(self) -> None:
        """Keep the sweeps until cancelled. A store that is down pauses everything, and is logged."""
        with wakes(self._wake.set) as arrange:
            async with self.hands():
                version = ""
                while True:
                    self._wake.clear()
                    plan = await self.look()
                    if plan.version != version:
                        version = plan.version
                        arrange(self._kept(plan))
                    with suppress(TimeoutError):
                        async with asyncio.timeout(WATCH):
                            await self._wake.wait()

    @asynccontextmanager
    async def hands(self) -> AsyncIterator[None]:
        """While this is open, runs can be begun; it closes when they have ended."""
        try:
            async with asyncio.TaskGroup() as self._tasks:
                yield
        finally:
            self._tasks = None

    def start(self, sweep: Sweep, fire: Fire) -> None:
        """Carry out a run that was claimed by this process, in the background. The loop must be running."""
        assert self._tasks is not None, "nobody would wait for it"
        self._mine[fire.sweep, fire.due] = fire
        self._tasks.create_task(self._carry(sweep, fire))

    def _kept(self, plan: Plan) -> Sequence[Sweep]:
        return [sweep for name, sweep in plan.sweeps.items() if self.only in ("", name)]

    # --- a look at everything --------------------------------------------------------------------------------------

    async def look(self) -> Plan:
        """Take up what was left behind, begin what is due, note what was missed. A store that is down is `trouble`."""
        plan = self.bench.plans.plan()
        now, loop = self.bench.clock.now(), asyncio.get_running_loop().time()
        try:
            await self._look(plan, now, self._blame(now, loop))
        except (JournalDown, NetdiagError) as fault:
            if self.trouble != str(fault):
                log.warning("sweeps.paused", why=str(fault))
            elif isinstance(fault, JournalDown):  # it lasts
                for sweep in self._kept(plan):
                    await self.bench.runs.trouble(sweep, str(fault))
            self.trouble = str(fault)
        else:
            self.trouble, self._last = "", _Look(now, loop)
        return plan

    def _blame(self, now: datetime, loop: float) -> str:
        """Why a run that turns out to be missed now was not begun when it was due."""
        if self._last is None:
            return "the bot was not running"
        if self.trouble:
            return "the store could not be reached"
        jumped = (now - self._last.wall).total_seconds() - (loop - self._last.loop)
        if jumped > STEP:
            return f"the clock was put forward by {span(round(jumped))}, or this machine slept"
        return "the bot was held up"

    async def _look(self, plan: Plan, now: datetime, blame: str) -> None:
        history = self.bench.history
        pauses = {pause.sweep: pause for pause in await history.pauses(now=now)}
        await self._take_up(plan, now)
        running = await history.fires(phases=(Phase.RUNNING,), limit=MANY)
        for sweep in self._kept(plan):
            if any(fire.phase is Phase.JUDGED for fire in self._of(sweep)):
                continue  # first the older digest is told, that the next may know what was news
            busy = next(iter(self._of(sweep)), None)
            busy = busy or under_way([fire for fire in running if fire.sweep == sweep.name], now)
            await self._settle(sweep, now, busy, pauses.get(sweep.name), blame)
        if not self.only and (self._thinned is None or abs(now - self._thinned) > THIN):
            if any((await history.thin(now)).values()):
                self._wake.set()  # the work of one call is bounded: what is due meanwhile goes before the rest
            else:
                self._thinned = now

    def _of(self, sweep: Sweep) -> list[Fire]:
        return [fire for (name, _), fire in self._mine.items() if name == sweep.name]

    # --- what was left behind --------------------------------------------------------------------------------------

    async def _take_up(self, plan: Plan, now: datetime) -> None:
        """Runs whose process is gone are carried on; digests that were not told are told."""
        left = await self.bench.history.fires(phases=UNSETTLED, limit=MANY)
        self._retries.keep(left)
        for fire in reversed(left):  # the oldest first
            mine = fire.owner == self.bench.owner and fire.phase is Phase.JUDGED
            if (fire.sweep, fire.due) in self._mine or self.only not in ("", fire.sweep):
                continue
            if (mine and self._retries.again(fire, now)) or (not mine and stale(fire, now, LEASE)):
                await self._take(plan.sweeps.get(fire.sweep), fire, now, mine=mine)

    async def _take(self, sweep: Sweep | None, fire: Fire, now: datetime, *, mine: bool) -> None:
        taken: Fire | None = fire
        if not mine:
            taken = await self.bench.history.claim(replace(fire, owner=self.bench.owner, beat=now), lease=LEASE)
        if taken is None:
            return
        why = given_up(sweep, taken, now)
        if why or sweep is None:
            await failed(self.bench, sweep, taken, why)
            return
        log.info("sweep.taken.up", sweep=fire.sweep, due=stamp(fire.due), phase=taken.phase, attempt=taken.attempt)
        self.start(sweep, taken)

    async def _carry(self, sweep: Sweep, fire: Fire) -> None:
        try:
            done = await carry(self.bench, sweep, fire, lambda step: self.progress(sweep, step))
        finally:
            self._mine.pop((fire.sweep, fire.due), None)
            self._wake.set()
        if done is not None and done.phase is not Phase.RUNNING:
            self.told(sweep, done)

    # --- what is due -----------------------------------------------------------------------------------------------

    async def _settle(self, sweep: Sweep, now: datetime, busy: Fire | None, pause: Pause | None, blame: str) -> None:
        mark = await mark_of(self.bench, sweep, now)
        if sweep.enabled and (mark - now).total_seconds() > STEP:
            await put_back(self.bench, sweep, now, mark)
        while sweep.enabled:
            if settle(sweep, now, mark) == Settled(mark):
                return  # nothing is due
            known = await self.bench.history.fires(sweep.name, since=mark, limit=MANY)
            found = settle(sweep, now, mark, known, busy=busy, pause=pause, blame=blame)
            noted = await self.bench.history.note(found.notes)
            if noted:
                first, last = noted[0], noted[-1]
                log.warning(
                    "sweep.not.run", sweep=sweep.name, runs=len(noted), first=stamp(first.due), last=stamp(last.due),
                    phase=last.phase, why=last.why,
                )  # fmt: skip
            if found.due is not None:
                ours = await begun(self.bench, sweep, found.due)
                if ours is not None:
                    self.start(sweep, ours)
            if found.mark != mark:
                await keep(self.bench, sweep, found.mark)
                mark = found.mark
            if not found.more:
                return
