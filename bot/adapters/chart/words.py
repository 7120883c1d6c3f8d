"""What does a picture show, in words, and how is a number written on it? Pure.

The words are for those who cannot see the picture: they say the same, not that there is one.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, tzinfo

from bot.adapters.chart.layout import Fleet, telling
from bot.core.digest import Digest, Moved
from bot.core.fault import OVER
from bot.core.outline import WORST_FIRST, few, plural
from bot.core.past import Curve, HostPast, Point
from bot.core.report import Status
from bot.core.text import neutral

ALT_MAX = 1_000
"""Characters; Slack takes no more for a file."""
_STEPS = (("", 1.0), ("k", 1e3), ("M", 1e6), ("G", 1e9), ("T", 1e12))
_BINARY = 1024.0
_MANY = 10_000
_HOUR = 3600


def quantity(value: float, unit: str = "") -> str:
    """`65,536 sockets`, `1.5 GiB`, `12.4 M packets`: three digits are enough to compare by eye."""
    if is_bytes(unit):
        power, text = 0, abs(value)
        while text >= _BINARY and power < 5:  # noqa: PLR2004 - up to PiB
            text, power = text / _BINARY, power + 1
        names = ("B", "KiB", "MiB", "GiB", "TiB", "PiB")
        return f"{'-' if value < 0 else ''}{_digits(text)} {names[power]}{'/s' if unit.endswith('/s') else ''}"
    number = _short(value)
    if unit.startswith(("1/", "%")):
        return f"{number}{unit.removeprefix('1')}"
    return f"{number} {unit}".strip()


def is_bytes(unit: str) -> bool:
    """Whether it is counted in powers of 1,024."""
    return unit in ("bytes", "bytes/s", "B", "B/s")


def _short(value: float) -> str:
    if abs(value) < _MANY * 10:
        return _digits(value)
    if abs(value) >= 1e15:  # noqa: PLR2004 - nobody has a word for it
        return f"{value:.1e}"
    sign, factor = next((step for step in reversed(_STEPS) if abs(value) >= step[1]), _STEPS[0])
    return f"{_digits(value / factor)}{sign}"


def _digits(value: float) -> str:
    if value == int(value) and abs(value) < _MANY * 10:
        return f"{int(value):,}"
    if abs(value) >= 100:  # noqa: PLR2004 - three digits
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2g}"  # noqa: PLR2004 - three digits


def span(seconds: float) -> str:
    """`40 min`, `5 h`, `3 d`: a length of time, rounded to what matters."""
    seconds = max(0.0, seconds)
    if seconds < _HOUR:
        return f"{max(1, round(seconds / 60))} min"
    return f"{round(seconds / _HOUR)} h" if seconds < 48 * _HOUR else f"{round(seconds / 86_400)} d"


def outlook(one: Moved, now: datetime) -> str:
    """When the limit is reached if nothing changes, or nothing where no trend says so."""
    ahead = one.outlook
    if ahead is None or one.limit is None or ahead.soonest is None:
        return ""
    first = span((ahead.soonest - now).total_seconds())
    if ahead.latest is None:
        return f"limit in {first} at the earliest"
    last = span((ahead.latest - now).total_seconds())
    return f"limit in {first}" if first == last else f"limit in {first} to {last}"


def hosts(count: int) -> str:
    """`1 host`, `3,000 hosts`."""
    return f"{count:,} host{'s' * (count != 1)}"


def moment(at: datetime, zone: tzinfo) -> str:
    """`Sat 21 Nov 2026 17:00 CET`."""
    return at.astimezone(zone).strftime("%a %d %b %Y %H:%M %Z")


def zoned(said: str, zone: tzinfo) -> str:
    """Times with the name of their zone, where its short form does not say it already."""
    return said if said.endswith(f" {zone}") else f"{said} ({zone})"


STEPS = tuple(
    timedelta(minutes=m) for m in (5, 15, 30, 60, 180, 360, 720, 1440, 2880, 4 * 1440, 7 * 1440, 14 * 1440, 30 * 1440)
)
"""Distances of marks on an axis of time."""


def ticks(since: datetime, until: datetime, zone: tzinfo, most: int = 6) -> list[tuple[datetime, str]]:
    """Round wall-clock times between two moments, and how each is written: days get their date, the rest the hour."""
    whole = until - since
    step = next((step for step in STEPS if whole / step <= most), max(STEPS[-1], whole / most))
    day = since.astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    if step >= timedelta(days=7):  # weeks and more begin on a Monday, so that a picture of tomorrow has the same marks
        day -= timedelta(days=day.weekday())
    day_form = "%d %b" if whole < timedelta(days=300) else "%b %Y"
    found, wall = [], day
    while (at := wall.replace(tzinfo=zone)).astimezone(UTC) <= until:
        if at.astimezone(UTC) >= since:
            found.append((at, wall.strftime(day_form if (wall.hour, wall.minute) == (0, 0) else "%H:%M")))
        wall += step
    return found


def fleet(shown: Fleet, digest: Digest) -> str:
    """The heat map in words."""
    counts = ", ".join(f"{shown.counts[status]} {status}" for status in WORST_FIRST if shown.counts.get(status))
    said = [f"Heat map of {plural(shown.total, 'host')} over the newest {plural(shown.sweeps, 'sweep')}: {counts}."]
    for status in (Status.CRITICAL, Status.WARNING, Status.UNKNOWN):
        hosts = [f"{row.host} ({row.cause})" if row.cause else row.host for row in shown.rows if row.past[-1] is status]
        if hosts:
            said.append(f"{status.capitalize()}: {few(hosts, 12)}.")
    was = [row.host for row in shown.rows if row.past[-1] is Status.OK and set(row.past) - {Status.OK, None}]
    if was:
        said.append(f"Ok now, but not at every sweep shown: {few(was, 12)}.")
    if digest.sighted:
        said.append(f"Readable again: {few(digest.sighted, 12)}.")
    return neutral(" ".join(said), ALT_MAX)


def moved(ones: Sequence[Moved]) -> str:
    """The measures that moved, in words."""
    told = []
    for one in ones[:8]:
        limit = f", limit {quantity(one.limit, one.unit)}" if one.limit is not None else ""
        ahead = outlook(one, one.points[-1][0]) if one.points else ""
        change = f"{quantity(one.before, one.unit)} to {quantity(one.now, one.unit)}"
        told.append(f"{one.host}, {one.title or one.key}: {change}{limit}{f', {ahead}' if ahead else ''}.")
    more = f" And {len(ones) - 8} more." if len(ones) > 8 else ""  # noqa: PLR2004 - the list above
    return neutral(f"Line charts of {plural(len(ones), 'measure')} that moved. " + " ".join(told) + more, ALT_MAX)


def history(past: HostPast, zone: tzinfo) -> str:
    """The past of a host, in words."""
    long = span((past.until - past.since).total_seconds())
    said = [f"History of {past.host} over {long} until {moment(past.until, zone)}."]
    for fault in past.faults[:8]:
        state = fault.stage.value if fault.stage in OVER else "still open"
        times = f", opened {fault.times} times" if fault.times > 1 else ""
        said.append(f"{fault.severity} {fault.title or fault.id}: {state}, since {moment(fault.since, zone)}{times}.")
    if not past.faults:
        said.append("No fault.")
    said += [_curve(curve) for curve in telling(past.curves)]
    return neutral(" ".join(said), ALT_MAX)


def _curve(curve: Curve) -> str:
    low, high = min(point.low for point in curve.points), max(point.high for point in curve.points)
    last: Point = curve.points[-1]
    limit = f", limit {quantity(last.limit, curve.unit)}" if last.limit is not None else ""
    where = f" ({curve.place})" if curve.place else ""
    between = f", between {quantity(low, curve.unit)} and {quantity(high, curve.unit)}" if low != high else ""
    return f"{curve.title or curve.key}{where}: {quantity(last.mean, curve.unit)} now{between}{limit}."
