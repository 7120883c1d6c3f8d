"""What may people ask about sweeps? The list, a run at once, a pause and its end; the same in chat and terminal."""

from collections.abc import Callable
from dataclasses import dataclass

from bot.core.errors import AskError
from bot.core.fire import Fire, Phase
from bot.core.pause import asked, named, paused, resumed
from bot.core.policy import Standing
from bot.core.rota import OVER, under_way
from bot.core.schedule import in_words, next_due
from bot.core.sweep import Sweep
from bot.engine.access import current_policy
from bot.engine.scheduler import Scheduler
from bot.engine.sweep_carry import SweepBench, begun_now
from bot.engine.sweep_ports import Board, Lined

ENDED = (*sorted(OVER), Phase.JUDGED)


@dataclass(frozen=True, slots=True)
class Rounds:
    """Serves `sweep_ports.SweepDesk`. Without a scheduler that runs (a terminal), `now` is refused."""

    bench: SweepBench
    scheduler: Callable[[], Scheduler | None] = lambda: None

    async def list(self) -> Board:
        """Every sweep in the plan's order. Raises JournalDown."""
        plan = self.bench.plans.plan()
        keeper = self.scheduler()
        trouble = "\n".join(filter(None, (self.bench.plans.trouble, keeper.trouble if keeper else "")))
        return Board([await self.lined(sweep) for sweep in plan.sweeps.values()], trouble)

    async def lined(self, sweep: Sweep) -> Lined:
        """One sweep as a line of the list. Raises JournalDown."""
        now, history = self.bench.clock.now(), self.bench.history
        ended = await history.fires(sweep.name, phases=ENDED, limit=1)
        running = await history.fires(sweep.name, phases=(Phase.RUNNING,))
        pauses = [pause for pause in await history.pauses(now=now) if pause.sweep == sweep.name]
        return Lined(
            sweep,
            in_words(sweep),
            next_due(sweep, now) if sweep.enabled else None,
            last=ended[0] if ended else None,
            running=under_way(running, now),
            pause=pauses[0] if pauses else None,
        )

    async def now(self, name: str, standing: Standing) -> Fire:
        """Begin a run at once; it goes on in the background and is told where the sweep is told.

        Raises AskError for an unknown sweep, whoever may not, and while a run is under way; ConfigError, JournalDown.
        """
        named(self.bench.plans.plan(), name)
        keeper = self.scheduler()
        if keeper is None or not keeper.running:
            raise AskError(f"no sweeps are kept here; `netdiag sweep {name} --once` runs one at the terminal")
        sweep, fire = await self.ask_now(name, standing)
        keeper.start(sweep, fire)
        return fire

    async def ask_now(self, name: str, standing: Standing) -> tuple[Sweep, Fire]:
        """Log and claim a run at once, for whoever carries it out. Raises as `now`."""
        sweep = named(self.bench.plans.plan(), name)
        policy = await current_policy(self.bench.policy, self.bench.journal, self.bench.clock)
        event = asked(sweep, standing, policy, self.bench.clock.now())
        fire = await begun_now(self.bench, sweep)
        await self.bench.journal.append([event])
        return sweep, fire

    async def pause(self, name: str, standing: Standing, *, seconds: int, why: str) -> Lined:
        """Stop a sweep for a while; a run that is under way goes on. Raises AskError, ConfigError, JournalDown."""
        sweep = named(self.bench.plans.plan(), name)
        policy = await current_policy(self.bench.policy, self.bench.journal, self.bench.clock)
        pause, event = paused(sweep, standing, policy, self.bench.clock.now(), seconds=seconds, why=why)
        await self.bench.journal.append([event])
        await self.bench.history.pause(pause)
        return await self.lined(sweep)

    async def resume(self, name: str, standing: Standing) -> Lined:
        """End a sweep's pause. Raises AskError when there is none, ConfigError, JournalDown."""
        sweep, now = named(self.bench.plans.plan(), name), self.bench.clock.now()
        policy = await current_policy(self.bench.policy, self.bench.journal, self.bench.clock)
        pause, event = resumed(sweep, standing, policy, now, await self.bench.history.pauses(now=now))
        await self.bench.journal.append([event])
        await self.bench.history.pause(pause)
        return await self.lined(sweep)
