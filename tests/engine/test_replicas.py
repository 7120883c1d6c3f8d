"""Two processes sweep over one store at the same time: whoever is held up wherever, each change is told once."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from bot.adapters.store import Store
from bot.core.fire import Phase
from bot.engine.annals import Annals
from tests.fakes.fleet import SWEEP, UNREADABLE, Fleet, full

NEW = [("new", "queue-full", "node-1")]


@dataclass
class Gate:
    """Holds its process up before one of its calls of the store, and again before one after its digest was stored."""

    at: int
    named: str = ""
    """Only calls after the first of this name count; "": all do."""
    calls: int = 0
    counts: bool = False
    held: asyncio.Event = field(default_factory=asyncio.Event)
    go: asyncio.Event = field(default_factory=asyncio.Event)

    async def pass_(self, name: str) -> None:
        if self.counts or not self.named:
            self.calls += 1
            if self.calls == self.at:
                self.held.set()
                await self.go.wait()
        self.counts = self.counts or name == self.named


class Gated:
    """A history, or a journal, behind a gate."""

    def __init__(self, real: Any, gate: Gate) -> None:
        self._real, self._gate = real, gate

    def __getattr__(self, name: str) -> Any:
        real = getattr(self._real, name)
        if not asyncio.iscoroutinefunction(real):
            return real

        async def call(*args: Any, **named: Any) -> Any:
            await self._gate.pass_(name)
            return await real(*args, **named)

        return call


@pytest.fixture
async def stores(tmp_path: Path) -> AsyncIterator[Sequence[Store]]:
    """Two processes' ways to one store."""
    opened = [await Store.open(tmp_path, Fleet().clock) for _ in range(2)]
    yield opened
    for store in opened:
        await store.close()


async def swept(stores: Sequence[Store], channel: str, gates: Sequence[Gate]) -> Fleet:
    """Two processes with a sweep each, due at the same moment: the first is held up at its gate, then the second at
    its; the first goes on to its end, then the second. The channel is a new one, which was told nothing yet.
    """
    fleet = Fleet()
    fleet.eyes.hosts = {"node-1": full(80), "node-2": UNREADABLE}
    due = fleet.clock.tick(60)
    sweeps = [replace(SWEEP, name=f"{channel} {number}", channel=channel) for number in range(2)]
    runs = []
    async with asyncio.TaskGroup() as tasks:
        for sweep, store, gate in zip(sweeps, stores, gates, strict=True):
            fire = await store.history.claim(fleet.claimed(sweep, due), lease=60)
            assert fire is not None
            history: Any = Gated(store.history, gate)
            annals = Annals(history, fleet.clock, fleet.plans)
            process = fleet.process(journal=Gated(store, gate), annals=annals)
            run = tasks.create_task(process.run(sweep, fire))
            run.add_done_callback(lambda _, gate=gate: gate.held.set())  # type: ignore[misc]
            runs.append(run)
            await gate.held.wait()
        for gate, run in zip(gates, runs, strict=True):
            gate.go.set()
            await run
    stored = [fire for sweep in sweeps for fire in await stores[0].history.fires(sweep.name)]
    assert [fire.phase for fire in stored] == [Phase.TOLD] * 2
    return fleet


def check(fleet: Fleet, where: object) -> None:
    assert fleet.herald.news() == NEW, where
    assert [part.hosts for said in fleet.herald.told() for part in said.blind if part.news] == [("node-2",)], where


@pytest.mark.parametrize("first", [0, 1], ids=["the first is held up", "the second is held up"])
async def test_one_is_held_up_anywhere_and_the_other_tells_everything_meanwhile(
    stores: Sequence[Store], first: int
) -> None:
    at = 1
    while True:
        gates = [Gate(0), Gate(0)]
        gates[first] = Gate(at)
        check(await swept(stores, f"C{at}", gates), at)
        if gates[first].calls < at:
            break
        at += 1
    assert at > 15, "there is something to be held up at"


async def test_both_are_held_up_while_they_tell(stores: Sequence[Store]) -> None:
    """Every pair of places after both have stored their digests: each then holds the same news, and one tells it."""
    one = 1
    while True:
        other = 1
        while True:
            gates = [Gate(one, "judged"), Gate(other, "judged")]
            check(await swept(stores, f"C{one}-{other}", gates), (one, other))
            if gates[1].calls < other:
                break
            other += 1
        if gates[0].calls < one:
            break
        one += 1
    assert min(one, other) > 4, "there is something to be held up at"
