"""When is a sweep due?

A due time is nominal: it holds no jitter, and every process computes the same. It is an instant in UTC; what a crontab
means on the nights on which the clocks change is `core.crontab`'s to say. Nothing here knows what time it is.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import islice
from zoneinfo import ZoneInfo

from bot.core.crontab import DAYS, Crontab, parse
from bot.core.policy import span
from bot.core.sweep import Cron, Every, Sweep

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
OFF = "off"
TIMES_NAMED = 4
"""More times of the day than this are told as the crontab that they are."""


def next_due(sweep: Sweep, after: datetime) -> datetime | None:
    """The first due time after `after` (aware), in UTC; None when it is never due again."""
    if isinstance(sweep.when, Every):
        size = timedelta(seconds=sweep.when.seconds)
        return EPOCH + ((after - EPOCH) // size + 1) * size
    return parse(sweep.when.text).after(after, ZoneInfo(sweep.zone))


def dues_between(sweep: Sweep, after: datetime, upto: datetime, most: int) -> tuple[datetime, ...]:
    """Its due times after `after` and not after `upto`, oldest first, no more than the first `most` of them."""
    return tuple(islice(_dues(sweep, after, upto), most))


def _dues(sweep: Sweep, after: datetime, upto: datetime) -> Iterator[datetime]:
    due = next_due(sweep, after)
    while due is not None and due <= upto:
        yield due
        due = next_due(sweep, due)


def is_due(sweep: Sweep, moment: datetime) -> bool:
    """Whether that is one of its due times, and not that of a run that somebody asked for."""
    return next_due(sweep, moment - timedelta(microseconds=1)) == moment


def begins(sweep: Sweep, due: datetime) -> datetime:
    """When the run that is due then shall begin: its jitter later, the same for every process that asks."""
    said = sha256(f"{sweep.name} {int(due.timestamp())}".encode()).digest()
    return due + timedelta(seconds=int.from_bytes(said[:8], "big") % (sweep.jitter + 1))


def next_begin(sweep: Sweep, now: datetime) -> datetime | None:
    """When a run shall begin next, after `now`; None when none ever does."""
    due = next_due(sweep, now - timedelta(seconds=sweep.jitter + 1))
    while due is not None and begins(sweep, due) <= now:
        due = next_due(sweep, due)
    return None if due is None else begins(sweep, due)


def written(sweep: Sweep) -> str:
    """Its schedule as text: "off", "every 900", "Europe/Berlin 0 7 * * *". `rewound` reads it back."""
    if not sweep.enabled:
        return OFF
    return f"every {sweep.when.seconds}" if isinstance(sweep.when, Every) else f"{sweep.zone} {sweep.when.text}"


def rewound(sweep: Sweep, text: str) -> Sweep | None:
    """The sweep with the schedule that it once had; None when it was off, or when that cannot be read any more."""
    head, _, tail = text.partition(" ")
    try:
        if head == "every":
            return replace(sweep, when=Every(max(1, int(tail))), enabled=True)
        return replace(sweep, when=Cron(parse(tail).text), zone=ZoneInfo(head).key, enabled=True)
    except (ValueError, KeyError, OSError):
        return None


def in_words(sweep: Sweep) -> str:
    """Its schedule for people: "every 15 min", "mon-fri 07:00 Europe/Berlin", "hourly at :05 UTC"."""
    if isinstance(sweep.when, Every):
        return f"every {span(sweep.when.seconds)}"
    return f"{_said(parse(sweep.when.text))} {sweep.zone}"


def _said(cron: Crontab) -> str:
    minutes, hours = cron.fields["minute"], cron.fields["hour"]
    if not (cron.every("day") and cron.every("month")) or (
        len(hours) * len(minutes) > TIMES_NAMED and not cron.elapsed
    ):
        return f'cron "{cron.text}"'
    days = "" if cron.every("weekday") else f"{_days(cron.fields['weekday'])} "
    if not cron.elapsed:
        times = ", ".join(f"{hour:02}:{minute:02}" for hour in hours for minute in minutes)
        return f"{days or 'daily '}{times}"
    steps = {after - before for before, after in zip(minutes, (*minutes[1:], minutes[0] + 60), strict=True)}
    if len(minutes) > 1 and len(steps) == 1 and minutes[0] == 0:
        return f"{days}every {span(60 * steps.pop())}"
    return f"{days}hourly at {', '.join(f':{minute:02}' for minute in minutes)}"


def _days(days: tuple[int, ...]) -> str:
    if days[-1] - days[0] == len(days) - 1 > 1:
        return f"{DAYS[days[0]]}-{DAYS[days[-1]]}"
    return ",".join(DAYS[day] for day in days)
