"""How is one claimed run of a sweep brought to an end, while its process says that it lives?

Whatever happens to a run is written down: told, judged, failed with the reason, or left to whoever takes it over.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import structlog

from bot.core.approval import stamp
from bot.core.ask import Progress
from bot.core.errors import AskError, NetdiagError
from bot.core.fire import Fire, Phase, key_of
from bot.core.policy import span
from bot.core.rota import LEASE, clock, floor, under_way
from bot.core.sweep import Sweep
from bot.engine.ports import Clock, Journal, JournalDown, PolicySource
from bot.engine.sweep_ports import Herald, History, PlanSource, Runs

BEAT = 15.0
"""Seconds between two beats: four go into a lease."""
GRACE = 300.0
"""Seconds beyond a sweep's own timeout that judging and telling may take, before the run is given up."""
GONE = datetime(1970, 1, 1, tzinfo=UTC)
"""The beat of a process that ends in order: whoever comes next need not wait for the lease."""

Heard = Callable[[Progress], None]
log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class SweepBench:
    """The ports that sweeps are kept with. `owner` names this process in claims; no `herald`: nobody is told here."""

    plans: PlanSource
    history: History
    runs: Runs
    journal: Journal
    policy: PolicySource
    clock: Clock
    owner: str
    herald: Herald | None = None


async def begun(bench: SweepBench, sweep: Sweep, due: datetime) -> Fire | None:
    """Claim a run; None when somebody else has it, or another run of the sweep is under way. Raises JournalDown."""
    now = bench.clock.now()
    wanted = Fire(sweep.name, due, Phase.RUNNING, owner=bench.owner, beat=now, begun=now)
    mine = await bench.history.claim(wanted, lease=LEASE)
    if mine is None:
        return None
    # Between the look before and the claim another process may have begun one: the one begun later steps back.
    running = await bench.history.fires(sweep.name, phases=(Phase.RUNNING,))
    first = under_way(running, now)
    if first is not None and first.due != mine.due:
        why = f"the run of {clock(first.due, sweep.zone)} was still under way"
        await bench.history.move(replace(mine, phase=Phase.SKIPPED, why=why, ended=now))
        return None
    return mine


async def begun_now(bench: SweepBench, sweep: Sweep) -> Fire:
    """Claim a run for this moment, because somebody wants it. Raises AskError when one is under way, JournalDown."""
    now = bench.clock.now()
    running = under_way(await bench.history.fires(sweep.name, phases=(Phase.RUNNING,)), now)
    if running is None:
        due = floor(now)
        known = await bench.history.fires(sweep.name, since=due)
        if any(run.due == due and run.phase is not Phase.MISSED for run in known):
            due += timedelta(seconds=1)  # the run of this second is over already: this is another one
        fire = await begun(bench, sweep, due)
        if fire is not None:
            return fire
    since = "just now" if running is None else f"since {clock(running.begun or running.due, sweep.zone)}"
    raise AskError(f"a run of {sweep.name} is under way ({since}): it will be told when it is done")


async def carry(bench: SweepBench, sweep: Sweep, fire: Fire, tell: Heard | None = None) -> Fire | None:
    """Bring a run that is ours to an end: as it is stored then; None when it is somebody else's by now, or when the
    store went away: then it is taken over.

    Ended from outside, it is left so that the next process takes it up at once.
    """
    try:
        async with asyncio.TaskGroup() as tasks:
            work = tasks.create_task(_work(bench, sweep, fire, tell))
            heart = tasks.create_task(_beat(bench, fire, work))
            work.add_done_callback(lambda _: heart.cancel())
    except asyncio.CancelledError:
        with suppress(JournalDown):
            await bench.history.beat(fire.sweep, fire.due, bench.owner, GONE)
        raise
    return None if work.cancelled() else work.result()


async def _work(bench: SweepBench, sweep: Sweep, fire: Fire, tell: Heard | None) -> Fire | None:
    told = fire.phase is Phase.JUDGED
    try:
        async with asyncio.timeout(sweep.timeout + GRACE):
            if told:
                return await bench.runs.retell(sweep, fire)
            return await bench.runs.run(sweep, fire, tell=tell)
    except TimeoutError:
        why = f"it did not come to an end within {span(int(sweep.timeout + GRACE))}"
    except NetdiagError as fault:
        why = str(fault)
    except JournalDown as fault:
        log.warning("sweep.store.down", sweep=sweep.name, due=stamp(fire.due), fault=str(fault))
        return None
    except Exception as fault:  # a bug in one run ends neither the others nor the bot
        log.exception("sweep.crashed", sweep=sweep.name, due=stamp(fire.due))
        why = f"an internal fault ({type(fault).__name__}); the bot's log has it"
    with suppress(JournalDown):
        return await failed(bench, sweep, fire, why)
    return None


async def _beat(bench: SweepBench, fire: Fire, work: "asyncio.Task[Fire | None]") -> None:
    """Say that the run's process lives; end the work when the run is somebody else's."""
    while True:
        await asyncio.sleep(BEAT)
        with suppress(JournalDown):  # then it is tried again; if that takes too long, whoever takes over says so
            now = bench.clock.now()
            if not await bench.history.beat(fire.sweep, fire.due, bench.owner, now) and not await _ended(bench, fire):
                log.warning("sweep.taken.over", sweep=fire.sweep, due=stamp(fire.due))
                work.cancel()
                return


async def stored(bench: SweepBench, fire: Fire) -> Fire | None:
    """The run as it is stored."""
    found = await bench.history.fires(fire.sweep, since=fire.due, limit=1_000)
    return next((known for known in found if known.due == fire.due), None)


async def _ended(bench: SweepBench, fire: Fire) -> bool:
    """Whether the run is still ours, and at its end: then its last steps are let go on."""
    now = await stored(bench, fire)
    return now is not None and (now.owner, now.attempt) == (fire.owner, fire.attempt)


async def failed(bench: SweepBench, sweep: Sweep | None, fire: Fire, why: str) -> Fire | None:
    """Write down that a run failed, and tell its channel, unless the same was told of the run before. A run that was
    judged meanwhile did not fail: its digest is told yet. Raises JournalDown.
    """
    now = await stored(bench, fire)
    if now is not None and now.phase is Phase.JUDGED and sweep is not None:
        return now
    log.error("sweep.failed", sweep=fire.sweep, due=stamp(fire.due), why=why)
    done = replace(fire, phase=Phase.FAILED, why=why, ended=bench.clock.now())
    before = await bench.history.fires(fire.sweep, phases=(Phase.FAILED, Phase.TOLD), limit=1)
    again = bool(before) and before[0].phase is Phase.FAILED and before[0].why == why and before[0].told
    if again or sweep is None or not sweep.channel or bench.herald is None:
        done = replace(done, told=again)
    else:
        title = f"The sweep {sweep.title or sweep.name} failed"
        said = await bench.herald.say(
            sweep.channel, key_of(fire), title, (why, "It is tried again when it is due next.")
        )
        done = replace(done, told=said is not None)
    return done if await bench.history.move(done) else None
