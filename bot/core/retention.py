"""How long is the past kept, and how fine? Merging points keeps what a slope and a picture need.

A day (UTC) is merged as a whole once all of it is old enough, so that everything is merged once; what comes in late for
a stretch that is merged already is merged into it.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from operator import attrgetter

from bot.core.past import Point
from bot.core.report import HostReport

HOUR, DAY = 3_600, 86_400
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Retention:
    """Ages in seconds at which things become coarser or go. `batch` bounds the rows of one call of `thin`."""

    raw: int = 7 * DAY
    """Every visit's measures; after that one point an hour."""
    hourly: int = 90 * DAY
    """After that one point a day."""
    daily: int = 730 * DAY
    """After that nothing."""
    visits: int = 90 * DAY
    """Statuses of hosts, and the digests of runs."""
    faults: int = 365 * DAY
    """Faults, from their resolution."""
    fires: int = 365 * DAY
    """Runs of sweeps and what messages about runs need (`core.passing`), silences that are over, and the settings of
    hosts that nobody has seen since.
    """
    batch: int = 100_000


def floor(at: datetime, step: int) -> datetime:
    """The begin of the stretch that a moment lies in; stretches are counted from the epoch, in UTC."""
    return EPOCH + timedelta(seconds=(at - EPOCH) // timedelta(seconds=1) // step * step)


def merge(points: Sequence[Point], at: datetime, step: int) -> Point:
    """Several points as one over `step` seconds from `at`. The limit is the last that was seen."""
    ordered = sorted(points, key=attrgetter("at", "step"))
    count = sum(point.count for point in ordered)
    low, high = min(point.low for point in ordered), max(point.high for point in ordered)
    # Weights before the sum, so that no value however great can overflow; rounding never leaves the bounds.
    mean = math.fsum(point.mean * (point.count / count) for point in ordered)
    limits = [point.limit for point in ordered if point.limit is not None]
    return Point(at, step, count, low, high, min(max(mean, low), high), limits[-1] if limits else None)


def coarser(points: Iterable[Point], step: int) -> list[Point]:
    """Points of one series, oldest first, merged into stretches of `step` seconds."""
    ordered = sorted(points, key=attrgetter("at"))
    return [merge(list(group), at, step) for at, group in groupby(ordered, key=lambda point: floor(point.at, step))]


def taken(host: HostReport, at: datetime) -> Mapping[str, Point]:
    """The measures of one visit by key. Places that differ only in what a restart changes are one point with several
    values; what is not a finite number is no value.
    """
    found: dict[str, list[Point]] = {}
    for measure in host.measures:
        if math.isfinite(measure.value):
            limit = measure.limit if measure.limit is not None and math.isfinite(measure.limit) else None
            value = measure.value
            found.setdefault(measure.key, []).append(Point(at, 0, 1, value, value, value, limit))
    return {key: points[0] if len(points) == 1 else merge(points, at, 0) for key, points in found.items()}
