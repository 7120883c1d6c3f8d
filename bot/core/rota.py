"""What is to be done about a sweep now: begin a run, note one as missed or skipped, or wait?

`mark` is how far a sweep is settled: of every due time up to it is known what became of it. Whoever acts on a
`Settled` stores its notes and claims its run first, and moves the mark afterwards: ended in between, the same is
decided again, and a run that is stored already is neither begun nor noted twice.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from zoneinfo import ZoneInfo

from bot.core.fire import Fire, Phase, stale
from bot.core.schedule import begins, dues_between, is_due
from bot.core.sweep import Overlap, Pause, Sweep

LEASE = 60.0
"""Seconds after its last beat that the process which runs a sweep is taken for dead."""
ON_TIME = 60.0
"""Seconds by which a run may begin later than it should and still be on time, even where nothing is made up for."""
BATCH = 200
"""Due times that are settled in one go."""
ATTEMPTS = 3
"""A run whose process died so often is not begun again: it may be what kills it."""
OVER = frozenset({Phase.TOLD, Phase.MISSED, Phase.SKIPPED, Phase.FAILED})


@dataclass(frozen=True, slots=True)
class Settled:
    """What to do: store `notes`, claim and begin `due` where there is one, and then take `mark` as the mark.

    `more` tells that there is more to settle at once. `waits` says why a run whose time has come is not begun yet.
    """

    mark: datetime
    notes: tuple[Fire, ...] = ()
    due: datetime | None = None
    more: bool = False
    waits: str = ""


def settle(
    sweep: Sweep,
    now: datetime,
    mark: datetime,
    known: Iterable[Fire] = (),
    *,
    busy: Fire | None = None,
    pause: Pause | None = None,
    blame: str = "",
) -> Settled:
    """What to do about the due times after `mark` whose time has come.

    `known` are this sweep's stored runs that are due after `mark`, `busy` is its run that is under way, and `blame`
    says why nobody was there for a run that is missed. Of several runs that are due only the newest is made up for.
    One that somebody asked for puts off the run that is due meanwhile, and takes none away.
    A mark of the future is of a clock that ran ahead: it is taken back. What is stored as missed is open again
    when its time comes after all; every other stored run is never done again.
    """
    if not sweep.enabled:
        return Settled(now)
    if mark > now:
        return Settled(
            now - timedelta(seconds=ON_TIME), more=True
        )  # since the clock was put back nobody may have looked
    dues = dues_between(sweep, mark, now, BATCH + 1)
    ripe = tuple(takewhile(lambda due: begins(sweep, due) <= now, dues[:BATCH]))
    upto = ripe[-1] if ripe else mark
    done = {fire.due for fire in known if fire.phase is not Phase.MISSED}
    left = tuple(due for due in ripe if due not in done)
    more = len(dues) > BATCH
    if not left:
        return Settled(upto, more=more)
    still = "" if busy is None else f"the run of {clock(busy.due, sweep.zone)} was still under way"
    absent = Phase.MISSED, blame or "nobody was there to run it"
    fresh = (now - begins(sweep, left[-1])).total_seconds() <= max(sweep.catch_up, ON_TIME)
    if more:
        verdict: tuple[Phase, str] | None = absent
    elif pause is not None and pause.until > now:
        verdict = Phase.SKIPPED, f"paused by {pause.by}: {pause.why}"
    elif busy is not None and (not fresh or (sweep.overlap is Overlap.SKIP and is_due(sweep, busy.due))):
        verdict = Phase.SKIPPED, still
    else:
        verdict = None if fresh else absent
    if verdict is not None:
        return Settled(upto, _notes(sweep, verdict, left), more=more)
    if still:
        return Settled(left[-2] if left[1:] else mark, _notes(sweep, (Phase.SKIPPED, still), left[:-1]), waits=still)
    return Settled(upto, _notes(sweep, absent, left[:-1]), left[-1])


def _notes(sweep: Sweep, verdict: tuple[Phase, str], dues: Iterable[datetime]) -> tuple[Fire, ...]:
    return tuple(Fire(sweep.name, due, verdict[0], why=verdict[1]) for due in dues)


def under_way(fires: Iterable[Fire], now: datetime) -> Fire | None:
    """The run that somebody is carrying out, of these; the one begun first."""
    running = [fire for fire in fires if fire.phase is Phase.RUNNING and not stale(fire, now, LEASE)]
    return min(running, key=lambda fire: (fire.begun or fire.due, fire.due), default=None)


def given_up(sweep: Sweep | None, fire: Fire, now: datetime) -> str:
    """Why a run whose process is gone is not taken up again; "" when it is."""
    if sweep is None:
        return "the process that ran it ended, and the sweep is not in the plan any more"
    if fire.phase is Phase.JUDGED:
        return ""
    if not sweep.enabled:
        return "the process that ran it ended, and the sweep is switched off"
    if fire.attempt > ATTEMPTS:
        return f"it was begun {ATTEMPTS} times, and each time the process that ran it ended"
    if (now - fire.due).total_seconds() > max(sweep.catch_up, sweep.timeout) + sweep.jitter:
        return "the process that ran it ended, and it is too old to be made up for"
    return ""


def clock(moment: datetime, zone: str) -> str:
    """A time of the day for people, with its zone."""
    return f"{moment.astimezone(ZoneInfo(zone)):%H:%M} {zone}"


def floor(moment: datetime) -> datetime:
    """The whole second: the due time of a run that somebody asked for."""
    return moment.astimezone(UTC).replace(microsecond=0)
