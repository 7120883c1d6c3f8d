"""Sweeps are kept: each run once, told once, whatever the process, the store and the clock do."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from bot.adapters.store import Store
from bot.core.errors import AskError
from bot.core.fire import Fire, Phase
from bot.core.rota import LEASE
from bot.core.schedule import dues_between
from bot.core.sweep import Cron, Every, Overlap, Pause, Sweep
from bot.engine import sweep_carry
from tests.fakes.clock import START, FakeClock
from tests.fakes.history import MemoryHistory
from tests.fakes.journal import MemoryJournal
from tests.fakes.sweeping import Death, FakeRuns, Keeping, Mortal, keeping

SWEEP = Sweep("fleet", Every(900), "all", channel="C0NETOPS")
QUARTER = timedelta(minutes=15)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@dataclass(frozen=True)
class Place:
    """Where runs and marks are kept."""

    history: Any
    journal: Any


@pytest.fixture(params=["memory", "sqlite"])
async def place(request: pytest.FixtureRequest, tmp_path: Path, clock: FakeClock) -> AsyncIterator[Place]:
    if request.param == "memory":
        yield Place(MemoryHistory(), MemoryJournal(clock))
        return
    store = await Store.open(tmp_path / "state", clock)
    yield Place(store.history, store)
    await store.close()


@pytest.fixture
def history(place: Place) -> Any:
    return place.history


async def states(history: Any, sweep: str = "fleet") -> dict[str, str]:
    """`09:15` to the run's phase, oldest first."""
    found = await history.fires(sweep, limit=1000)
    return {f"{fire.due:%H:%M}": str(fire.phase) for fire in reversed(found)}


async def test_a_sweep_that_is_new_begins_with_its_next_run(history: Any, clock: FakeClock) -> None:
    bot = keeping(history, clock, SWEEP)
    await bot.look()
    assert await states(history) == {}
    clock.tick(900)
    await bot.look()
    assert await states(history) == {"09:15": "told"}
    assert list(bot.runs.messages.values()) == [["r1"]]
    await bot.look()
    assert bot.runs.begun == [("fleet", START + QUARTER, 1)]


class Cluttered(MemoryHistory):
    """A past of which so much is to be made coarser that it takes hours."""

    def __init__(self, clock: FakeClock, calls: int) -> None:
        super().__init__()
        self.clock, self.left = clock, calls

    async def thin(self, now: datetime) -> Mapping[str, int]:
        self.clock.tick(900)
        self.left = max(0, self.left - 1)
        return {"measures": self.left}


async def test_what_is_due_does_not_wait_until_all_of_the_past_is_coarser(clock: FakeClock) -> None:
    history = Cluttered(clock, 5)
    bot = keeping(history, clock, SWEEP)
    for _ in range(5):
        await bot.look()
    assert await states(history) == {"09:15": "told", "09:30": "told", "09:45": "told", "10:00": "told"}
    assert not history.left


async def test_the_past_is_made_coarser_without_a_pause_between(clock: FakeClock) -> None:
    history = Cluttered(clock, 5)
    bot = keeping(history, clock)
    async with asyncio.TaskGroup() as tasks:
        keeper = tasks.create_task(bot.scheduler.run())
        while history.left:
            await asyncio.sleep(0.01)
        keeper.cancel()


async def test_a_run_waits_for_its_jitter(history: Any, clock: FakeClock) -> None:
    sweep = replace(SWEEP, jitter=300)
    bot = keeping(history, clock, sweep)
    await bot.look()
    clock.tick(900)
    begins = None
    for _ in range(301):
        await bot.look()
        if bot.runs.begun:
            begins = clock.time
            break
        clock.tick(1)
    assert bot.runs.begun == [("fleet", START + QUARTER, 1)], "its due time holds no jitter"
    assert begins is not None
    assert begins > START + QUARTER


async def test_what_was_missed_is_noted_and_the_newest_is_made_up_for(history: Any, clock: FakeClock) -> None:
    bot = keeping(history, clock, SWEEP)
    await bot.look()
    clock.tick(3600 + 60)
    await keeping(history, clock, SWEEP, journal=bot.journal).look()
    assert await states(history) == {"09:15": "missed", "09:30": "missed", "09:45": "missed", "10:00": "told"}
    (first, *_) = await history.fires("fleet", phases=[Phase.MISSED])
    assert first.why == "the bot was not running"


async def test_a_bot_that_was_away_for_a_month_notes_every_run(history: Any, clock: FakeClock) -> None:
    bot = keeping(history, clock, SWEEP)
    await bot.look()
    clock.tick(30 * 86_400)
    await keeping(history, clock, SWEEP, journal=bot.journal).look()
    found = await history.fires("fleet", limit=10_000)
    assert len(found) == 30 * 96
    assert sorted({str(fire.phase) for fire in found}) == ["missed", "told"]


@pytest.mark.parametrize(
    ("step", "why"),
    [
        (4 * 3600, "the clock was put forward by 4 h, or this machine slept"),
        (3600, "the clock was put forward by 1 h, or this machine slept"),
    ],
)
async def test_a_clock_that_is_put_forward_is_blamed(history: Any, clock: FakeClock, step: int, why: str) -> None:
    bot = keeping(history, clock, SWEEP)
    await bot.look()
    clock.tick(step)
    await bot.look()
    missed = await history.fires("fleet", phases=[Phase.MISSED])
    assert {fire.why for fire in missed} == {why}
    assert len(missed) == step // 900 - 1


async def test_a_clock_that_ran_ahead_and_is_put_back_silences_nothing(history: Any, clock: FakeClock) -> None:
    bot = keeping(history, clock, SWEEP)
    await bot.look()
    clock.tick(6 * 3600)
    await bot.look()  # five and three quarter hours of runs are noted as missed, and one is made up for
    clock.tick(-6 * 3600)
    await bot.look()
    (message,) = bot.herald.messages.values()
    assert message.title == "The bot's clock was put back by 6 h"
    assert message.lines == ("1 run of fleet due until 15:00 UTC happened already, by the clock before.",)
    ran = len(bot.runs.begun)
    for _ in range(6 * 4):
        clock.tick(900)
        await bot.look()
    assert len(bot.runs.begun) == ran + 6 * 4 - 1, "all but the one that was run ahead of its time"
    assert len(set(bot.runs.begun)) == len(bot.runs.begun)
    assert set((await states(history)).values()) == {"told"}


@pytest.mark.parametrize("night", [datetime(2030, 3, 30, 21, tzinfo=UTC), datetime(2030, 10, 26, 21, tzinfo=UTC)])
@pytest.mark.parametrize("text", ["30 2 * * *", "*/15 * * * *", "0 */2 * * *", "5,35 1-3 * * *"])
async def test_on_the_night_of_the_change_each_run_happens_once_through_restarts_and_steps(
    night: datetime, text: str
) -> None:
    clock, history = FakeClock(night), MemoryHistory()
    sweep = replace(SWEEP, when=Cron(text), zone="Europe/Berlin", catch_up=7200)
    bot = keeping(history, clock, sweep)
    runs = bot.runs
    for minute in range(9 * 60):
        clock.tick(60)
        if minute in (200, 300):
            clock.tick(-40 * 60 if minute == 200 else 25 * 60)
        if minute % 97 == 0:
            bot = keeping(history, clock, sweep, journal=bot.journal, runs=runs)
        await bot.look()
    due = dues_between(sweep, night + timedelta(minutes=1), clock.time, 1000)
    found = {fire.due: fire.phase for fire in await history.fires("fleet", limit=1000)}
    assert set(found) == set(due)
    assert len(runs.begun) == len(set(runs.begun))
    assert all(len(said) == 1 for said in runs.messages.values())
    passed_over = [phase for phase in found.values() if phase is not Phase.TOLD]
    assert len(passed_over) <= 2, "only the clock that was put forward passes runs over"


async def test_two_processes_share_the_runs(place: Place, clock: FakeClock) -> None:
    history = place.history
    one, two = (keeping(history, clock, SWEEP, journal=place.journal) for _ in range(2))
    for _ in range(8):
        await asyncio.gather(one.look(), two.look())
        clock.tick(900)
    begun = [*one.runs.begun, *two.runs.begun]
    assert len(begun) == len(set(begun)) == 7
    assert set((await states(history)).values()) == {"told"}


# --- one at a time ---------------------------------------------------------------------------------------------------


async def held(bot: Keeping, minutes: int) -> None:
    """A run that is due goes on for so long, with a look each minute."""
    bot.runs.gate = asyncio.Event()
    async with bot.scheduler.hands():
        for _ in range(minutes):
            bot.clock.tick(60)
            await bot.scheduler.look()
            for fire in await bot.history.fires(phases=[Phase.RUNNING]):
                await bot.history.beat(fire.sweep, fire.due, fire.owner, bot.clock.now())
            await asyncio.sleep(0)
        bot.runs.gate.set()
    await bot.look()


@pytest.mark.parametrize(
    ("overlap", "wanted"),
    [
        (Overlap.SKIP, {"09:15": "told", "09:30": "skipped", "09:45": "skipped"}),
        (Overlap.WAIT, {"09:15": "told", "09:30": "skipped", "09:45": "told"}),
    ],
)
async def test_a_run_that_is_due_while_one_goes_on_is_skipped_or_waits(
    history: Any, clock: FakeClock, overlap: Overlap, wanted: dict[str, str]
) -> None:
    bot = keeping(history, clock, replace(SWEEP, overlap=overlap))
    await bot.look()
    await held(bot, 46)
    assert await states(history) == wanted
    (skipped,) = [fire for fire in await history.fires(phases=[Phase.SKIPPED]) if fire.due == START + 2 * QUARTER]
    assert skipped.why == "the run of 09:15 UTC was still under way"


async def test_another_process_that_is_busy_counts_as_well(history: Any, clock: FakeClock) -> None:
    await history.claim(
        Fire("fleet", START, Phase.RUNNING, owner="other", beat=START + QUARTER, begun=START), lease=LEASE
    )
    bot = keeping(history, clock, SWEEP)
    await bot.look()
    clock.tick(900)
    await bot.look()
    assert await states(history) == {"09:00": "running", "09:15": "skipped"}


async def test_of_two_that_begin_at_once_the_later_one_steps_back(history: Any, clock: FakeClock) -> None:
    bot = keeping(history, clock, SWEEP)
    first = await sweep_carry.begun(bot.bench, SWEEP, START)
    clock.tick(1)
    assert first is not None
    assert await sweep_carry.begun(bot.bench, SWEEP, START + QUARTER) is None
    assert await states(history) == {"09:00": "running", "09:15": "skipped"}


async def test_a_run_that_somebody_asked_for_takes_no_due_one_away(history: Any, clock: FakeClock) -> None:
    bot = keeping(history, clock, SWEEP)
    await bot.look()
    clock.tick(880)
    fire = await sweep_carry.begun_now(bot.bench, SWEEP)
    bot.runs.gate = asyncio.Event()
    async with bot.scheduler.hands():
        bot.scheduler.start(SWEEP, fire)
        clock.tick(40)
        await bot.scheduler.look()
        assert len(await states(history)) == 1, "the run that is due waits"
        bot.runs.gate.set()
    await bot.look()
    assert await states(history) == {"09:14": "told", "09:15": "told"}


async def test_a_second_run_at_once_is_refused_while_one_is_under_way(history: Any, clock: FakeClock) -> None:
    bot = keeping(history, clock, SWEEP)
    await sweep_carry.begun_now(bot.bench, SWEEP)
    with pytest.raises(AskError, match="a run of fleet is under way"):
        await sweep_carry.begun_now(bot.bench, SWEEP)


# --- a process that dies ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("write", range(1, 9))
async def test_a_process_that_dies_at_any_moment_of_a_run_leaves_it_to_the_next(
    place: Place, clock: FakeClock, write: int, after: bool
) -> None:
    history = place.history
    first = keeping(history, clock, SWEEP, journal=place.journal)
    await first.look()
    clock.tick(900 + 1900)  # two runs were missed, one is made up for: notes, claim, judged, told, mark
    count = [0]
    mortal, journal = (Mortal(real, count, write, after=after) for real in (history, first.journal))
    dying = keeping(mortal, clock, SWEEP, journal=journal)
    died = False
    try:
        await dying.look()
    except (Death, BaseExceptionGroup):
        died = True
    clock.tick(LEASE + 1)
    for _ in range(3):
        alive = keeping(history, clock, SWEEP, journal=first.journal, runs=FakeRuns(history, clock))
        alive.runs.messages = dying.runs.messages
        await alive.look()
    assert await states(history) == {"09:15": "missed", "09:30": "missed", "09:45": "told"}
    (said,) = dying.runs.messages.values()
    assert set(said) == {"r1"}, "one message, whatever edited it"
    attempts = [attempt for _, _, attempt in (*dying.runs.begun, *alive.runs.begun)]
    assert len(attempts) <= 2
    assert died or write > 5


async def test_a_run_whose_process_is_gone_is_taken_over_once_its_lease_is_over(history: Any, clock: FakeClock) -> None:
    await history.claim(Fire("fleet", START, Phase.RUNNING, owner="gone", beat=START, begun=START), lease=LEASE)
    bot = keeping(history, clock, SWEEP)
    clock.tick(LEASE - 1)
    await bot.look()
    assert bot.runs.begun == []
    clock.tick(2)
    await bot.look()
    assert bot.runs.begun == [("fleet", START, 2)]
    assert await states(history) == {"09:00": "told"}


async def test_a_process_that_ends_in_order_leaves_its_run_to_be_taken_up_at_once(
    history: Any, clock: FakeClock
) -> None:
    bot = keeping(history, clock, SWEEP)
    await bot.look()
    clock.tick(900)
    bot.runs.gate = asyncio.Event()
    running = asyncio.Event()
    bot.scheduler.progress = lambda _sweep, _step: running.set()
    keeper = asyncio.get_running_loop().create_task(bot.scheduler.run())
    await asyncio.wait_for(running.wait(), 20)
    keeper.cancel()
    await asyncio.wait({keeper})
    assert await states(history) == {"09:15": "running"}
    after = keeping(history, clock, SWEEP, journal=bot.journal)
    await after.look()
    assert after.runs.begun == [("fleet", START + QUARTER, 2)]


async def test_a_run_that_kills_its_process_each_time_is_given_up_and_told(history: Any, clock: FakeClock) -> None:
    await history.claim(Fire("fleet", START, Phase.RUNNING, owner="a", beat=START, begun=START), lease=LEASE)
    for owner in ("b", "c"):
        clock.tick(LEASE + 1)
        taken = Fire("fleet", START, Phase.RUNNING, owner=owner, beat=clock.now())
        assert await history.claim(taken, lease=LEASE) is not None
    clock.tick(LEASE + 1)
    bot = keeping(history, clock, SWEEP)
    await bot.look()
    (fire,) = await history.fires("fleet")
    assert (fire.phase, fire.told) == (Phase.FAILED, True)
    assert "begun 3 times" in fire.why
    (message,) = bot.herald.messages.values()
    assert message.title == "The sweep fleet failed"


async def test_a_run_of_a_sweep_that_left_the_plan_is_written_down_as_failed(history: Any, clock: FakeClock) -> None:
    await history.claim(Fire("old", START, Phase.RUNNING, owner="gone", beat=START), lease=LEASE)
    clock.tick(LEASE + 1)
    await keeping(history, clock, SWEEP).look()
    (fire,) = await history.fires("old")
    assert "not in the plan any more" in fire.why


async def test_a_digest_that_the_chat_did_not_take_is_told_later_and_holds_up_no_run(
    history: Any, clock: FakeClock
) -> None:
    bot = keeping(history, clock, SWEEP)
    bot.runs.deaf = True
    await bot.look()
    for _ in range(31):
        clock.tick(60)
        await bot.look()
    assert await states(history) == {"09:15": "judged", "09:30": "judged"}
    bot.runs.deaf = False
    for _ in range(11):
        clock.tick(60)
        await bot.look()
    assert await states(history) == {"09:15": "told", "09:30": "told"}
    assert all(len(said) == 1 for said in bot.runs.messages.values())


async def test_a_run_that_was_taken_over_ends_here(
    history: Any, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep_carry, "BEAT", 0.001)
    bot = keeping(history, clock, SWEEP)
    fire = await sweep_carry.begun(bot.bench, SWEEP, START)
    assert fire is not None
    bot.runs.gate = asyncio.Event()
    other = replace(fire, owner="other", beat=clock.tick(LEASE + 1))
    assert await history.claim(other, lease=LEASE) is not None
    assert await asyncio.wait_for(sweep_carry.carry(bot.bench, SWEEP, fire), 20) is None
    (stored,) = await history.fires("fleet")
    assert (stored.owner, stored.phase) == ("other", Phase.RUNNING)


# --- faults ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        (AskError('no host or group "ingres"'), 'no host or group "ingres"'),
        (KeyError("oops"), "an internal fault (KeyError); the bot's log has it"),
        (TimeoutError(), "it did not come to an end within "),
    ],
)
async def test_a_run_that_fails_is_told_once_and_takes_no_other_with_it(
    history: Any, clock: FakeClock, fault: Exception, why: str
) -> None:
    well = replace(SWEEP, name="well")
    bot = keeping(history, clock, SWEEP, well)
    real = bot.runs.run

    async def run(sweep: Sweep, fire: Fire, **named: Any) -> Fire:
        bot.runs.fault = fault if sweep.name == "fleet" else None
        return await real(sweep, fire, **named)

    bot.runs.run = run  # type: ignore[method-assign]
    with capture_logs() as logs:
        await bot.look()
        for _ in range(3):
            clock.tick(900)
            await bot.look()
    assert [line["event"] for line in logs].count("sweep.failed") == 3
    assert set((await states(history)).values()) == {"failed"}
    assert set((await states(history, "well")).values()) == {"told"}
    assert all(fire.why.startswith(why) and fire.told for fire in await history.fires("fleet"))
    assert [message.title for message in bot.herald.messages.values()] == ["The sweep fleet failed"]


async def test_a_run_that_hangs_is_given_up(history: Any, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep_carry, "GRACE", 0.01)
    bot = keeping(history, clock, replace(SWEEP, timeout=0))
    bot.runs.gate = asyncio.Event()
    await bot.look()
    clock.tick(900)
    await bot.look()
    (fire,) = await history.fires("fleet")
    assert fire.phase is Phase.FAILED


async def test_a_store_that_is_down_pauses_everything_and_is_blamed_for_what_was_missed(clock: FakeClock) -> None:
    history = MemoryHistory()
    bot = keeping(history, clock, SWEEP)
    await bot.look()
    history.down = "the disk is full"
    clock.tick(1800)
    await bot.look()
    assert bot.scheduler.trouble == "the disk is full"
    assert not bot.runs.troubles, "it may be over in a moment"
    await bot.look()
    assert bot.runs.troubles == [("fleet", "the disk is full")]
    history.down = ""
    await bot.look()
    assert bot.scheduler.trouble == ""
    assert await states(history) == {"09:15": "missed", "09:30": "told"}
    (missed,) = await history.fires(phases=[Phase.MISSED])
    assert missed.why == "the store could not be reached"


async def test_a_store_that_goes_away_during_a_run_has_it_run_again(clock: FakeClock) -> None:
    history = MemoryHistory()
    bot = keeping(history, clock, SWEEP)
    await bot.look()
    clock.tick(900)
    bot.runs.gate = asyncio.Event()
    async with bot.scheduler.hands():
        await bot.scheduler.look()
        await asyncio.sleep(0)
        history.down = "the disk is full"
        bot.runs.gate.set()
    history.down = ""
    clock.tick(LEASE + 1)
    await bot.look()
    assert await states(history) == {"09:15": "told"}
    assert [attempt for _, _, attempt in bot.runs.begun] == [1, 2]


# --- pauses and changes of the plan ----------------------------------------------------------------------------------


async def test_a_pause_passes_runs_over_until_it_ends(history: Any, clock: FakeClock) -> None:
    bot = keeping(history, clock, SWEEP)
    await bot.look()
    await history.pause(Pause("fleet", "alice", "switches", START + timedelta(minutes=40)))
    for _ in range(4):
        clock.tick(900)
        await bot.look()
    assert await states(history) == {"09:15": "skipped", "09:30": "skipped", "09:45": "told", "10:00": "told"}
    assert {fire.why for fire in await history.fires(phases=[Phase.SKIPPED])} == {"paused by alice: switches"}


async def test_a_schedule_that_changes_counts_from_now_and_what_the_old_one_left_is_noted(
    history: Any, clock: FakeClock
) -> None:
    bot = keeping(history, clock, SWEEP)
    await bot.look()
    clock.tick(1800 + 60)
    other = replace(SWEEP, when=Cron("0 * * * *"))
    after = keeping(history, clock, other, journal=bot.journal)
    await after.look()
    assert await states(history) == {"09:15": "missed", "09:30": "missed"}
    clock.tick(1800)
    await after.look()
    assert (await states(history))["10:00"] == "told"


async def test_a_sweep_that_is_switched_off_misses_nothing(history: Any, clock: FakeClock) -> None:
    bot = keeping(history, clock, SWEEP)
    await bot.look()
    bot.plans.sweeps = [replace(SWEEP, enabled=False)]
    clock.tick(5)
    await bot.look()
    clock.tick(86_400)
    await bot.look()
    bot.plans.sweeps = [SWEEP]
    await bot.look()
    clock.tick(900)
    await bot.look()
    assert list((await states(history)).values()) == ["told"]


async def test_a_mark_that_cannot_be_read_is_begun_anew(history: Any, clock: FakeClock) -> None:
    bot = keeping(history, clock, SWEEP)
    await bot.journal.replace("sweep", "fleet", {"mark": "yesterday"})
    await bot.look()
    clock.tick(900)
    await bot.look()
    assert await states(history) == {"09:15": "told"}


# --- the loop itself -------------------------------------------------------------------------------------------------


class RealClock(FakeClock):
    def now(self) -> datetime:
        return datetime.now(UTC)


async def test_the_loop_wakes_when_a_run_is_due_and_takes_a_new_plan(
    history: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    bot = keeping(history, RealClock(), replace(SWEEP, when=Every(1)))
    done = asyncio.Queue[Fire]()
    bot.scheduler.told = lambda _sweep, fire: done.put_nowait(fire)
    async with asyncio.TaskGroup() as tasks:
        keeper = tasks.create_task(bot.scheduler.run())
        first, second = [await asyncio.wait_for(done.get(), 20) for _ in range(2)]
        assert first.due < second.due
        bot.plans.sweeps = [replace(SWEEP, name="other", when=Every(1))]
        while (await asyncio.wait_for(done.get(), 20)).sweep != "other":
            pass
        keeper.cancel()
    assert not bot.scheduler.running


async def test_a_terminal_keeps_only_its_own_sweep(history: Any, clock: FakeClock) -> None:
    bot = keeping(history, clock, SWEEP, replace(SWEEP, name="other"))
    bot.scheduler.only = "other"
    await bot.look()
    clock.tick(900)
    await bot.look()
    assert [sweep for sweep, _, _ in bot.runs.begun] == ["other"]
