"""What is normal for a measure: between which values does it lie as a rule?"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from bot.core.outline import plural
from bot.core.past import Norm, Point
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
    weighed = sorted(part for point in points for part in _parts(point))
    low, middle, high = (_quantile(weighed, share) for share in (LOW, MIDDLE, HIGH))
    return Norm(subject, key, low, middle, high, sum(point.count for point in points), now)


def lacking(points: Sequence[Point]) -> str:
    """What is missing before anything can be learnt from these points; empty when nothing is."""
    visits = sum(point.count for point in points)
    if not points:
        return "no visit is kept"
    apart = max(point.at + timedelta(seconds=point.step) for point in points) - min(point.at for point in points)
    if visits >= VISITS and apart >= SPAN:
        return ""
    needed = f"{VISITS} visits over {span(SPAN.total_seconds())} are needed"
    return f"{plural(visits, 'visit')} within {span(apart.total_seconds())}; {needed}"


def _parts(point: Point) -> Iterable[tuple[float, float]]:
    """Values and their weight: of a merged point its bounds count once each, its mean for all the others."""
    if point.count <= 1:
        return ((point.mean, 1.0),)
    bounds = ((point.low, 1.0), (point.high, 1.0))
    return bounds if point.count == len(bounds) else (*bounds, (point.mean, float(point.count - len(bounds))))


def _quantile(weighed: Sequence[tuple[float, float]], share: float) -> float:
    """The value below which `share` of the weight lies."""
    left = share * sum(weight for _, weight in weighed)
    for value, weight in weighed:
        left -= weight
        if left <= 0:
            return value
    return weighed[-1][0]
