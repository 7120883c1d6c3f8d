"""When does something hold off: a freeze of changes, quiet hours, maintenance?"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from bot.core.host import Host
from bot.core.selector import covers

DAY = 24 * 60
WEEK = 7 * DAY
"""Minutes in a week: the unit of weekly windows, counted from Monday 00:00."""


@dataclass(frozen=True, slots=True)
class Window:
    """A span of time with a reason: once (`start`, `end`, aware, end exclusive), or weekly in minutes from Monday
    00:00 of `zone`; `weekly[1] < weekly[0]` wraps over the week's end.

    A weekly window is wall-clock time in `zone`, so it keeps its hours through summer time.
    """

    why: str
    hosts: str = "all"
    """A selector as in the policy: terms with commas, `!term` takes away."""
    start: datetime | None = None
    end: datetime | None = None
    weekly: tuple[int, int] | None = None
    zone: str = "UTC"


def inside(window: Window, now: datetime, host: Host | None = None) -> bool:
    """Whether the window is open at `now` (aware); with `host`, whether it is so for that host."""
    return (host is None or covers(window.hosts, host)) and _open(window, now)


def why_inside(windows: Iterable[Window], now: datetime, host: Host | None = None) -> str:
    """The reason of the first window that is open, or ""."""
    return next((window.why for window in windows if inside(window, now, host)), "")


def _open(window: Window, now: datetime) -> bool:
    if window.weekly is None:
        return (window.start is None or window.start <= now) and (window.end is None or now < window.end)
    local = now.astimezone(ZoneInfo(window.zone))
    minute = local.weekday() * DAY + local.hour * 60 + local.minute
    first, last = window.weekly
    return first <= minute < last if first < last else minute >= first or minute < last
