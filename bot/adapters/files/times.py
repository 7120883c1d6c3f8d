"""How are spans of time, time zones and windows written in our files, and what is wrong with one?"""

import re
from collections.abc import Iterator
from datetime import datetime
from zoneinfo import ZoneInfo, available_timezones

from pydantic import BaseModel, ConfigDict, Field

from bot.core.errors import nearest
from bot.core.window import WEEK, Window

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_SPAN = re.compile(r"([0-9]{1,6})(s|m|h|d)")
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_WEEKLY = re.compile(r"(\w{3}) ([01]?\d|2[0-3]):([0-5]\d) ?- ?(\w{3}) ([01]?\d|2[0-3]):([0-5]\d)")
_HOURS = re.compile(r"(daily|(\w{3})(?: ?- ?(\w{3}))?) ([01]?\d|2[0-3]):([0-5]\d) ?- ?([01]?\d|2[0-3]):([0-5]\d)")


class WindowEntry(BaseModel):
    """A window as it is written: `weekly`, or `from` and `until`; for which hosts, and why."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=False)

    why: str = Field(min_length=1)
    hosts: str = "all"
    from_: str | None = Field(default=None, alias="from")
    until: str | None = None
    weekly: str | None = None
    zone: str = "UTC"


def seconds(text: str, *, zero: bool = False) -> int | None:
    """`90s`, `30m`, `2h`, `7d` in seconds; None for what is no span of time, and (without `zero`) for none at all."""
    match = _SPAN.fullmatch(text)
    found = int(match[1]) * _UNITS[match[2]] if match else None
    return found or (0 if zero and found is not None else None)


def zone(name: str) -> ZoneInfo:
    """A time zone by its name. Raises ValueError with the nearest name."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):  # ZoneInfo answers an unknown name in all three ways
        near = nearest(name, available_timezones())
        raise ValueError(f'no time zone "{name[:60]}"{near or "; write one like Europe/Berlin"}') from None


def window(entry: WindowEntry) -> Window:
    """A written window as a value. Raises ValueError saying what is wrong."""
    here = zone(entry.zone)
    if (entry.weekly is None) == (entry.from_ is None and entry.until is None):
        raise ValueError("give either `weekly`, or `from` and `until`")
    start, end = _instant(entry.from_, here), _instant(entry.until, here)
    if start is not None and end is not None and end <= start:
        raise ValueError(f'ends ("{entry.until}") before it begins ("{entry.from_}")')
    weekly = None if entry.weekly is None else _weekly(entry.weekly)
    return Window(entry.why, entry.hosts, start, end, weekly, entry.zone)


def hours(text: str, why: str, zone_name: str) -> Iterator[Window]:
    """`daily 22:00 - 07:00`, `mon-fri 22:00 - 07:00`, `fri 18:00 - mon 07:00` as weekly windows of a zone.

    Where the end is not after the beginning, the window ends the next day. Raises ValueError.
    """
    said = " ".join(text.lower().split())
    match = _HOURS.fullmatch(said)
    if match is None:
        yield Window(
            why, weekly=_weekly(text, more=', "daily 22:00 - 07:00" or "mon-fri 22:00 - 07:00"'), zone=zone_name
        )
        return
    first = _day(match[2] or "mon", text)
    last = _day(match[3] or match[2] or "sun", text)
    begin, end = (int(match[at]) * 60 + int(match[at + 1]) for at in (4, 6))
    for day in range(first, (last if last >= first else last + 7) + 1):
        start = day * 24 * 60 + begin
        stop = start + ((end - begin) % (24 * 60) or 24 * 60)
        yield Window(why, weekly=(start % WEEK, stop % WEEK), zone=zone_name)


def _day(word: str, text: str) -> int:
    if word not in DAYS:
        raise ValueError(f'"{text}": no day "{word}"{nearest(word, DAYS)}')
    return DAYS.index(word)


def _instant(text: str | None, here: ZoneInfo) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f'"{text}" is no time; write 2030-12-20T18:00') from None
    return moment if moment.tzinfo else moment.replace(tzinfo=here)


def _weekly(text: str, more: str = "") -> tuple[int, int]:
    match = _WEEKLY.fullmatch(text.strip().lower())
    if match is None or match[1] not in DAYS or match[4] not in DAYS:
        raise ValueError(f'"{text}" is no weekly window; write "fri 16:00 - mon 07:00"{more}')
    first, last = ((DAYS.index(match[at]) * 24 + int(match[at + 1])) * 60 + int(match[at + 2]) for at in (1, 4))
    if first == last:
        raise ValueError(f'"{text}" begins when it ends; write "mon 00:00 - sun 23:59" for always')
    return first % WEEK, last % WEEK
