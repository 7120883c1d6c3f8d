"""When is the loop that keeps sweeps woken? APScheduler says so, for each sweep of the plan."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.base import BaseTrigger

from bot.core.schedule import next_begin
from bot.core.sweep import Sweep


class DueTrigger(BaseTrigger):
    """Wakes the loop when the sweep's next run shall begin."""

    def __init__(self, sweep: Sweep) -> None:
        self.sweep = sweep

    def get_next_fire_time(self, _previous: datetime | None, now: datetime) -> datetime | None:
        """The next one after now: what was slept through is for the loop to find, not to be woken for again."""
        return next_begin(self.sweep, now)


@contextmanager
def wakes(wake: Callable[[], None]) -> Iterator[Callable[[Iterable[Sweep]], None]]:
    """While this is open, `wake` is called when a run of the sweeps that it was last given shall begin."""

    async def woken() -> None:
        wake()

    def arrange(sweeps: Iterable[Sweep]) -> None:
        scheduler.remove_all_jobs()
        for sweep in sweeps:
            # Late, or several at once: one wake-up is as good as any, for the loop looks at everything.
            scheduler.add_job(
                woken, DueTrigger(sweep), id=sweep.name, coalesce=True, misfire_grace_time=None, max_instances=1
            )

    scheduler = AsyncIOScheduler(timezone=UTC)
    scheduler.start()
    try:
        yield arrange
    finally:
        scheduler.shutdown(wait=False)
