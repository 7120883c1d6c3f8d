"""Is work neither lost nor doubled, and a message not edited too often?"""

import asyncio
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest

from bot.adapters.slack.inbox import Full, Inbox, Job
from bot.adapters.slack.pace import Pace
from bot.core.ask import Progress
from bot.engine.ports import JournalDown
from tests.fakes.clock import START, FakeClock
from tests.fakes.journal import MemoryJournal


def job(key: str = "k1", kind: str = "click") -> Job:
    return Job(kind, key, {"n": 1})


def inbox(journal: MemoryJournal, done: list[str], room: int = 100) -> Inbox:
    async def handle(job: Job) -> None:
        if job.body.get("n") == "bad":
            raise ValueError("broken handler")
        done.append(job.key)

    return Inbox(journal, {"click": handle, "run": handle}, frozenset({"run"}), room)


@pytest.fixture
def journal() -> MemoryJournal:
    return MemoryJournal(FakeClock())


async def worked(box: Inbox, until: Any, *, slow: bool = False) -> None:
    """Let a worker run until the predicate holds."""
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        worker = tasks.create_task(box.work(slow=slow))
        while not until():
            await asyncio.sleep(0)
        worker.cancel()


async def test_a_job_is_taken_once_however_often_it_is_delivered(journal: MemoryJournal) -> None:
    box = inbox(journal, [])
    assert [await box.take(job()) for _ in range(3)] == [True, False, False]


async def test_simultaneous_deliveries_are_taken_once(journal: MemoryJournal) -> None:
    box = inbox(journal, [])
    taken = await asyncio.gather(*(box.take(job()) for _ in range(20)))
    assert sum(taken) == 1


async def test_a_job_is_durable_before_take_returns(journal: MemoryJournal) -> None:
    assert await inbox(journal, []).take(job())
    done: list[str] = []
    after = inbox(journal, done)
    for kept in await after.recover():
        after.go(kept)
    await worked(after, lambda: not after.waiting)
    assert done == ["k1"]


async def test_a_finished_job_is_not_recovered(journal: MemoryJournal) -> None:
    done: list[str] = []
    box = inbox(journal, done)
    await box.take(job())
    box.go(job())
    await worked(box, lambda: not box.waiting)
    assert done == ["k1"]
    assert await inbox(journal, []).recover() == []


async def test_a_job_that_is_not_kept_any_more_is_not_waited_for(journal: MemoryJournal) -> None:
    await inbox(journal, []).take(job())
    await inbox(journal, []).take(job("k2"))
    await journal.replace("slack-inbox-open", "keys", {"keys": ["k1", "k2"]})
    journal.age(START + timedelta(days=365))
    await journal.replace("slack-inbox", "k2", {"kind": "click", "body": {}})
    after = inbox(journal, [])
    assert [kept.key for kept in await after.recover()] == ["k2"]
    assert after.waiting == 1


async def test_one_broken_job_takes_no_other_with_it(journal: MemoryJournal) -> None:
    done: list[str] = []
    box = inbox(journal, done)
    for each in (Job("click", "bad", {"n": "bad"}), job("good")):
        await box.take(each)
        box.go(each)
    await worked(box, lambda: not box.waiting)
    assert done == ["good"]


async def test_a_full_lane_refuses_before_anything_is_kept_and_the_other_lane_does_not_mind(
    journal: MemoryJournal,
) -> None:
    box = inbox(journal, [], room=2)
    assert await box.take(job("a", "run"))
    assert await box.take(job("b", "run"))
    with pytest.raises(Full):
        await box.take(job("c", "run"))
    assert await box.take(job("d", "click"))
    assert ("slack-inbox", "c") not in journal.memory


async def test_a_duplicate_takes_no_room(journal: MemoryJournal) -> None:
    box = inbox(journal, [], room=2)
    for _ in range(5):
        await box.take(job("a"))
    assert await box.take(job("b"))


async def test_a_job_that_cannot_be_written_down_is_not_taken(journal: MemoryJournal) -> None:
    box = inbox(journal, [], room=1)
    journal.down = "disk full"
    with pytest.raises(JournalDown):
        await box.take(job())
    journal.down = ""
    assert await box.take(job())


class Ticks:
    """Time that passes only when the test says so: `sleep` waits for as many ticks as it was asked seconds."""

    def __init__(self) -> None:
        self.now = 0.0
        self._moved = asyncio.Condition()

    async def sleep(self, seconds: float) -> None:
        end = self.now + seconds
        async with self._moved:
            await self._moved.wait_for(lambda: self.now >= end)

    async def pass_(self, seconds: float) -> None:
        async with self._moved:
            self.now += seconds
            self._moved.notify_all()
        for _ in range(10):
            await asyncio.sleep(0)


async def test_progress_is_shown_at_most_once_per_interval_and_the_newest_wins() -> None:
    ticks, shown = Ticks(), []

    async def edit(progress: Progress) -> None:
        shown.append((ticks.now, progress.done))

    pace = Pace(edit, every=2.5, sleep=ticks.sleep)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(pace.run())
        await ticks.pass_(0)
        for step in range(1, 85):
            pace.tell(Progress("r", step, 84, ""))
            await ticks.pass_(0.125)
        running.cancel()
    assert len(shown) == 4
    assert [done for _, done in shown] == sorted(done for _, done in shown)
    times = [when for when, _ in shown]
    assert all(later - earlier >= 2.5 for earlier, later in pairwise(times))


async def test_nothing_is_edited_when_there_is_no_news() -> None:
    ticks, shown = Ticks(), []

    async def edit(progress: Progress) -> None:
        shown.append(progress)

    pace = Pace(edit, every=1, sleep=ticks.sleep)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(pace.run())
        pace.tell(Progress("r", 1, 2, ""))
        for _ in range(20):
            await ticks.pass_(1)
        running.cancel()
    assert len(shown) == 1


async def test_no_edit_is_under_way_and_none_begins_after_the_end() -> None:
    ticks, gate, shown = Ticks(), asyncio.Event(), []

    async def edit(progress: Progress) -> None:
        await gate.wait()
        shown.append(progress.done)

    pace = Pace(edit, every=1, sleep=ticks.sleep)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(pace.run())
        await ticks.pass_(0)
        pace.tell(Progress("r", 1, 2, ""))
        await ticks.pass_(1)
        ending = tasks.create_task(pace.end())
        await ticks.pass_(0)
        assert not ending.done()
        gate.set()
        await ending
        pace.tell(Progress("r", 2, 2, ""))
        await ticks.pass_(5)
        running.cancel()
    assert shown == [1]
