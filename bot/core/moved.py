"""Which measures of the fleet moved since the day before, and where do they go?"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from operator import itemgetter
from statistics import median

from bot.core.ahead import series, worth
from bot.core.digest import Moved
from bot.core.measure import Measure
from bot.core.past import Past, Point
from bot.core.report import HostReport
from bot.core.trend import forecast

DAY = timedelta(days=1)
SHARE = 0.05
"""A measure moved when it took or gave back so much of its limit within a day."""
MOST = 4
"""Measures that are shown."""
POINTS = 96


def moved(hosts: Iterable[HostReport], past: Past, now: datetime, horizon: int) -> tuple[Moved, ...]:
    """The measures that moved most towards or away from their limits, those that moved furthest first."""
    found = [
        (abs(measure.value - before) / measure.limit, (host.host, measure, known, before))
        for host in hosts
        for measure in worth(host)
        if measure.limit is not None
        and (known := past.series.get((host.host, measure.key), ()))
        and (before := _before(known, now)) is not None
        and abs(measure.value - before) >= SHARE * measure.limit
    ]
    furthest = sorted(found, key=itemgetter(0), reverse=True)[:MOST]  # a forecast is made for these alone
    return tuple(_moved(*place, now, horizon) for _, place in furthest)


def _before(known: Sequence[Point], now: datetime) -> float | None:
    """What was usual within the last day; None when nobody looked then."""
    values = [point.mean for point in known if now - DAY <= point.at < now]
    return median(values) if values else None


def _moved(  # noqa: PLR0917 - one measure, then and now
    host: str, measure: Measure, known: Sequence[Point], before: float, now: datetime, horizon: int
) -> Moved:
    points = series(measure, known, now)
    until = now + timedelta(seconds=horizon)
    ahead = forecast(points, measure.limit, now).outlook(now, until) if measure.limit is not None else None
    return Moved(
        host=host,
        key=measure.key,
        title=measure.title or measure.id,
        unit=measure.unit,
        before=before,
        now=measure.value,
        limit=measure.limit,
        points=tuple((point.at, point.mean) for point in points[-POINTS:]),
        outlook=ahead,
    )
