"""When does a line of crontab run, in its time zone, also on the nights on which the clocks change?

Five fields: minute hour day month weekday. Weekdays are names only. The arithmetic of the fields is APScheduler's, on
wall-clock time without a zone; what a wall-clock time is as an instant is decided here, by one of two rules:

- Where every hour of the day matches (`*`, `*/1`), a run follows elapsed time: it happens whenever a clock on the wall
  shows a time that matches. An hour that comes twice has its runs twice; an hour that is left out has none.
- Every other crontab means times of the day: each happens exactly once. A time that comes twice is the first of the
  two; a time that is left out is the first instant after the gap, and several such times become one run.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from apscheduler.triggers.cron import CronTrigger

from bot.core.errors import nearest

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
MINUTE = timedelta(minutes=1)
LONGEST_SHIFT = timedelta(days=2)
"""No clock was ever put back or forward by more: Samoa left out one whole day."""
_HOURS = 24
_FOREVER = timedelta(days=9 * 366)
"""29 February is never further away than this."""
_SOMEDAY = datetime(2030, 1, 1, tzinfo=UTC)
_TERM = re.compile(r"(?:(\*)|([a-z0-9]+)(?:-([a-z0-9]+))?)(?:/([0-9]+))?")


class _Field(NamedTuple):
    name: str
    first: int
    last: int
    names: tuple[str, ...] = ()


_FIELDS = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day", 1, 31),
    _Field("month", 1, 12, MONTHS),
    _Field("weekday", 0, 6, DAYS),
)
_MACROS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * sun",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 jan *",
    "@annually": "0 0 1 jan *",
}


@dataclass(frozen=True, slots=True)
class Crontab:
    """A checked crontab: the values of each field, and whether it follows elapsed time (every hour matches)."""

    text: str
    fields: Mapping[str, tuple[int, ...]]
    elapsed: bool
    trigger: CronTrigger

    def every(self, name: str) -> bool:
        """Whether a field leaves nothing out."""
        (field,) = (field for field in _FIELDS if field.name == name)
        return len(self.fields[name]) == field.last - field.first + 1

    def after(self, moment: datetime, zone: ZoneInfo) -> datetime | None:
        """The first run after `moment` (aware), in UTC; None when there is none within nine years."""
        find = _elapsed if self.elapsed else _wall
        return find(self.trigger, zone, moment)


@lru_cache(maxsize=512)
def parse(text: str) -> Crontab:
    """Read a crontab's five fields. Raises ValueError saying what is wrong, and what to write."""
    said = " ".join(text.lower().split())
    if said.startswith("@"):
        meant = _MACROS.get(said)
        raise ValueError(f'"{said}": write "{meant}"' if meant else f'"{said}" is no cron{nearest(said, _MACROS)}')
    parts = said.split(" ") if said else []
    if len(parts) != len(_FIELDS):
        raise ValueError(f'"{said}" has {len(parts)} fields; a cron has five: minute hour day month weekday')
    fields = {field.name: _values(field, part) for field, part in zip(_FIELDS, parts, strict=True)}
    minute, hour, day, month, weekday = (_list(field, fields[field.name]) for field in _FIELDS)
    trigger = CronTrigger(minute=minute, hour=hour, day=day, month=month, day_of_week=weekday, timezone=UTC)
    cron = Crontab(said, fields, len(fields["hour"]) == _HOURS, trigger)
    if not cron.every("day") and not cron.every("weekday"):
        raise ValueError(
            f'"{said}" gives both a day and a weekday, and programs differ on whether one or both must match; '
            "write two sweeps"
        )
    if _matching(trigger, _SOMEDAY) is None:
        raise ValueError(f'"{said}" never happens: no such day in that month')
    return cron


def _list(field: _Field, values: tuple[int, ...]) -> str:
    """A field's values as APScheduler reads them: its Monday is 0, as ours."""
    return "*" if len(values) == field.last - field.first + 1 else ",".join(map(str, values))


def _values(field: _Field, part: str) -> tuple[int, ...]:
    return tuple(sorted({value for term in part.split(",") for value in _term(field, term)}))


def _term(field: _Field, term: str) -> Iterator[int]:
    match = _TERM.fullmatch(term)
    if match is None:
        raise ValueError(f'{field.name} "{term[:40]}" cannot be read; write *, */5, 3, 1-5 or 1,3,5')
    star, begin, end, step = match.groups()
    size = field.last - field.first + 1
    if step is not None:
        _check_step(field, term, int(step[:9]), ranged=bool(star or end))
    first = field.first if star else _value(field, begin)
    last = field.last if star else _value(field, end) if end else first
    if last < first and field.name != "weekday":
        raise ValueError(f'{field.name} "{term}" runs backwards; write {first}-{field.last},{field.first}-{last}')
    values = range(first, (last if last >= first else last + size) + 1, int(step or 1))
    yield from ((value - field.first) % size + field.first for value in values)


def _check_step(field: _Field, term: str, step: int, *, ranged: bool) -> None:
    if field.name == "weekday":
        raise ValueError(f'weekday "{term}": list the days, such as mon,wed,fri')
    if not ranged:
        start = term.partition("/")[0]
        raise ValueError(f'{field.name} "{term}": a step needs a range; write {start}-{field.last}/{step}')
    if not 0 < step <= field.last - field.first:
        raise ValueError(f'{field.name} "{term}": a step is 1 to {field.last - field.first}')


def _value(field: _Field, word: str) -> int:
    if word.isascii() and word.isdigit():
        if field.name == "weekday":
            raise ValueError(
                f'weekday "{word}": programs number the days differently; write names ({", ".join(DAYS)}), '
                f"in a crontab {word} is {DAYS[(int(word[:9]) - 1) % 7]}"
            )
        number = int(word[:9])
        if not field.first <= number <= field.last:
            raise ValueError(f"{field.name} {word} is not within {field.first}-{field.last}")
        return number
    if word not in field.names:
        raise ValueError(f'{field.name} "{word}" is unknown{nearest(word, field.names) or "; write a number"}')
    return field.names.index(word) + field.first


# --- from wall-clock times to instants -----------------------------------------------------------------------------


def _matching(trigger: CronTrigger, wall: datetime) -> datetime | None:
    """The first wall-clock time that matches, not before `wall`. Wall-clock times carry UTC as their zone here."""
    found: datetime | None = trigger.get_next_fire_time(None, wall)
    return None if found is None or found - wall > _FOREVER else found


def _local(moment: datetime, zone: ZoneInfo) -> datetime:
    return moment.astimezone(zone).replace(tzinfo=UTC, fold=0)


def _wall(trigger: CronTrigger, zone: ZoneInfo, after: datetime) -> datetime | None:
    """Times of the day: each once, the first of two, or the first instant after a gap."""
    wall = _matching(trigger, _local(after, zone))
    while wall is not None:
        moment = _first(wall, zone)
        if moment > after:
            return moment
        wall = _matching(trigger, wall + MINUTE)
    return None


def _first(wall: datetime, zone: ZoneInfo) -> datetime:
    """The instant at which a wall-clock time is first shown, or else the first instant after the gap that it is in."""
    early, late = (wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    if _local(early, zone) == wall:
        return early
    return _change(zone, late, early)  # in a gap the later fold is the earlier instant


def _elapsed(trigger: CronTrigger, zone: ZoneInfo, after: datetime) -> datetime | None:
    """Every instant at which a clock on the wall shows a time that matches."""
    begin = after.astimezone(UTC) + timedelta(microseconds=1)
    while True:
        wall = _local(begin, zone)
        match = _matching(trigger, wall)
        if match is None:
            return None
        moment = begin + (match - wall)
        if moment - begin > 2 * LONGEST_SHIFT:
            begin = moment - LONGEST_SHIFT  # no wall before `match` matches, whatever the clocks did in between
        elif _offset(moment, zone) == _offset(begin, zone):
            return moment
        else:
            begin = _change(zone, begin, moment)


def _offset(moment: datetime, zone: ZoneInfo) -> timedelta | None:
    return moment.astimezone(zone).utcoffset()


def _change(zone: ZoneInfo, before: datetime, after: datetime) -> datetime:
    """The first instant after `before` with another offset, which `after` has."""
    start, low, high = _offset(before, zone), 0, int((after - before) / timedelta(microseconds=1))
    while high - low > 1:
        middle = (low + high) // 2
        if _offset(before + timedelta(microseconds=middle), zone) == start:
            low = middle
        else:
            high = middle
    return before + timedelta(microseconds=high)
