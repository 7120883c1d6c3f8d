"""What keeping sweeps needs: a plan that a test changes, runs that a test holds up, and a process that dies."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from bot.core.ask import Progress
from bot.core.digest import Digest
from bot.core.fire import Fire, Phase
from bot.core.policy import Policy
from bot.core.report import HostReport, Status
from bot.core.sweep import Plan, Sweep
from bot.engine.ports import Clock
from bot.engine.scheduler import Scheduler
from bot.engine.sweep_carry import SweepBench
from bot.engine.sweep_ports import Herald, History, Visited
from tests.fakes.approval import POLICY
from tests.fakes.clock import FakeClock
from tests.fakes.herald import FakeHerald
from tests.fakes.journal import MemoryJournal


@dataclass
class FakePlans:
    """`sweep_ports.PlanSource`, and the policy's source as well."""

    sweeps: Sequence[Sweep] = ()
    trouble: str = ""
    access: Policy = POLICY

    def plan(self) -> Plan:
        return Plan({sweep.name: sweep for sweep in self.sweeps}, version=str(hash(tuple(map(str, self.sweeps)))))

    def policy(self) -> Policy:
        return self.access


@dataclass
class FakeRuns:
    """`sweep_ports.Runs` that reads nothing: it stores a digest and says it, as the real one does. `gate` holds a run
    up, `fault` is raised instead, and a `deaf` chat takes no digest.
    """

    history: History
    clock: Clock
    messages: dict[tuple[str, datetime], list[str]] = field(default_factory=dict)
    """What stands in the chat, by run: one message each, with everything that it ever said."""
    begun: list[tuple[str, datetime, int]] = field(default_factory=list)
    """(sweep, due, attempt)"""
    gate: asyncio.Event | None = None
    fault: BaseException | None = None
    deaf: bool = False
    troubles: list[tuple[str, str]] = field(default_factory=list)
    """(sweep, why) of what was told of a store that is down."""

    async def trouble(self, sweep: Sweep, why: str) -> None:
        self.troubles.append((sweep.name, why))

    async def run(self, sweep: Sweep, fire: Fire, *, tell: Callable[[Progress], None] | None = None) -> Fire:
        self.begun.append((sweep.name, fire.due, fire.attempt))
        if tell is not None:
            tell(Progress("r1", 0, 1, "reading node-3"))
        if self.gate is not None:
            await self.gate.wait()
        if self.fault is not None:
            raise self.fault
        now = self.clock.now()
        said = Digest(sweep=sweep.name, due=fire.due, run="r1", begun=now, seconds=1.0, hosts={Status.OK: 1})
        judged = replace(fire, phase=Phase.JUDGED, digest=said)
        visited = Visited(now, f"r{now.timestamp()}", [HostReport(host="node-3", status=Status.OK)], (), sweep.name)
        if not await self.history.judged(judged, visited):
            return fire
        return await self.retell(sweep, judged)

    async def retell(self, sweep: Sweep, fire: Fire) -> Fire:
        if self.deaf:
            return fire
        assert fire.digest is not None
        self.messages.setdefault((sweep.name, fire.due), []).append(fire.digest.run)
        done = replace(fire, phase=Phase.TOLD, ended=self.clock.now())
        await self.history.move(done)
        return done


class Death(BaseException):
    """The process is gone."""


class Mortal:
    """A history, or a journal, whose process dies at its `at`th call that writes: before that is done, or after."""

    WRITES = frozenset(
        {"claim", "note", "beat", "judged", "move", "pause", "put_faults", "tell", "untell", "replace", "append"}
    )

    def __init__(self, real: Any, count: list[int], at: int, *, after: bool) -> None:
        self._real, self._count, self._at, self._after = real, count, at, after

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._real, name)
        if name not in self.WRITES:
            return real

        async def call(*args: Any, **named: Any) -> Any:
            self._count[0] += 1
            if self._count[0] > self._at or (self._count[0] == self._at and not self._after):
                raise Death(name)
            done = await real(*args, **named)
            if self._count[0] == self._at:
                raise Death(name)
            return done

        return call


@dataclass
class Keeping:
    """One process that keeps sweeps over a store that others share."""

    history: Any
    journal: Any
    clock: FakeClock
    plans: FakePlans
    runs: FakeRuns
    bench: SweepBench
    scheduler: Scheduler
    herald: FakeHerald

    async def look(self) -> None:
        """One look at everything, and the end of all that it began."""
        async with self.scheduler.hands():
            await self.scheduler.look()


OWNERS = iter(range(1_000_000))


def keeping(
    history: Any,
    clock: FakeClock,
    *sweeps: Sweep,
    journal: Any = None,
    runs: FakeRuns | None = None,
    herald: Herald | None = None,
) -> Keeping:
    """A process with its parts; give it another's journal and it comes after it."""
    journal = journal or MemoryJournal(clock)
    plans, ears = FakePlans(sweeps), herald or FakeHerald()
    work = runs or FakeRuns(history, clock)
    bench = SweepBench(plans, history, work, journal, plans, clock, f"bot-{next(OWNERS)}", ears)
    return Keeping(history, journal, clock, plans, work, bench, Scheduler(bench), ears)  # type: ignore[arg-type]
