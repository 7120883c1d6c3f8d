"""How far is a sweep settled, over restarts, over a schedule that was changed and a clock that was put back?

The mark is the last due time of which it is known what became of it; it stays in the journal with the schedule that it
was settled by.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import structlog

from bot.core.approval import stamp
from bot.core.fire import Fire, Phase
from bot.core.outline import plural
from bot.core.policy import span
from bot.core.rota import BATCH, clock
from bot.core.schedule import dues_between, is_due, rewound, written
from bot.core.sweep import Sweep
from bot.engine.sweep_carry import SweepBench

MEMORY = "sweep"
"""Where the journal remembers how far each sweep is settled, and by which schedule."""
MANY = 1_000
"""Runs that are looked at at once, at most."""

log = structlog.get_logger()


async def mark_of(bench: SweepBench, sweep: Sweep, now: datetime) -> datetime:
    """How far a sweep is settled. A new one is from now on; one with another schedule, too, once the due times of
    the old one are noted. Raises JournalDown.
    """
    kept = await bench.journal.recall(MEMORY, sweep.name)
    mark = _time(kept)
    if kept is not None and mark is not None:
        if kept.get("schedule") == written(sweep):
            return mark
        before = rewound(sweep, str(kept.get("schedule")))
        while before is not None and (dues := dues_between(before, mark, now, BATCH)):
            why = "its schedule was changed while nobody ran it"
            await bench.history.note([Fire(sweep.name, due, Phase.MISSED, why=why) for due in dues])
            mark = dues[-1]
    await keep(bench, sweep, now)
    return now


async def keep(bench: SweepBench, sweep: Sweep, mark: datetime) -> None:
    """Remember how far a sweep is settled, and by which schedule. Raises JournalDown."""
    value = {"mark": mark.astimezone(UTC).isoformat(), "schedule": written(sweep)}
    await bench.journal.replace(MEMORY, sweep.name, value)


async def put_back(bench: SweepBench, sweep: Sweep, now: datetime, mark: datetime) -> None:
    """Tell that runs still ahead have happened already, by a clock that ran ahead: they are not done again.

    Raises JournalDown.
    """
    ahead = await bench.history.fires(sweep.name, since=now, limit=MANY)
    spent = [fire for fire in ahead if fire.phase is not Phase.MISSED and is_due(sweep, fire.due)]
    log.warning("sweep.clock.back", sweep=sweep.name, seconds=round((mark - now).total_seconds()), runs=len(spent))
    if spent and sweep.channel and bench.herald is not None:
        title = f"The bot's clock was put back by {span(round((mark - now).total_seconds()))}"
        until = clock(spent[0].due, sweep.zone)
        said = f"{plural(len(spent), 'run')} of {sweep.name} due until {until} happened already, by the clock before."
        await bench.herald.say(sweep.channel, f"clock-back:{sweep.name}:{stamp(mark)}", title, (said,))


def _time(kept: Mapping[str, Any] | None) -> datetime | None:
    """The mark in what was kept; None for what no version of this program wrote."""
    try:
        found = datetime.fromisoformat(str((kept or {})["mark"]))
    except (KeyError, ValueError):
        return None
    return found if found.tzinfo else None
