"""What is normal for a measure: between which values does it lie as a rule?"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from bot.core.outline import plural
from bot.core.past import Norm, Point
from bot.core.pool import Pool, parts, quantiles
from bot.core.spans import span

VISITS = 30
"""Visits without which nothing is normal yet."""
SPAN = timedelta(days=1)
"""And the time that they must lie apart: a host's night is not its day."""
HOSTS = 3
"""Hosts that must be known before a role is."""
LOW, MIDDLE, HIGH = 0.05, 0.5, 0.95


def norm(subject: str, key: str, points: Sequence[Point], now: datetime) -> Norm | None:
    """The quantiles of these points' values; None for too few, or within too short a time (`lacking` says which)."""
    if lacking(points):
        return None
    weighed = sorted(part for point in points for part in parts(point))
    low, middle, high = quantiles(weighed, (LOW, MIDDLE, HIGH))
    return Norm(subject, key, low, middle, high, sum(point.count for point in points), now)


def norm_of(subject: str, key: str, pool: Pool, now: datetime) -> Norm | None:
    """As `norm`, of many hosts' points."""
    if lacking_in(pool):
        return None
    low, middle, high = pool.quantiles((LOW, MIDDLE, HIGH))
    return Norm(subject, key, low, middle, high, pool.count, now)


def lacking(points: Sequence[Point]) -> str:
    """What is missing before anything can be learnt from these points; empty when nothing is."""
    if not points:
        return "no visit is kept"
    apart = max(point.at + timedelta(seconds=point.step) for point in points) - min(point.at for point in points)
    return _lacking(sum(point.count for point in points), apart)


def lacking_in(pool: Pool) -> str:
    """As `lacking`, of many hosts' points."""
    return _lacking(pool.count, pool.apart) if pool.points else "no visit is kept"


def _lacking(visits: int, apart: timedelta) -> str:
    if visits >= VISITS and apart >= SPAN:
        return ""
    needed = f"{VISITS} visits over {span(SPAN.total_seconds())} are needed"
    return f"{plural(visits, 'visit')} within {span(apart.total_seconds())}; {needed}"
