"""What does a host's past come to, for those who read it: each measure's course, pace and outlook, and its faults?"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any

from bot.core.fault import OVER, Fault
from bot.core.measure import parted
from bot.core.past import Curve, HostPast, Point
from bot.core.playbook import Playbook
from bot.core.slope import Slope, slope
from bot.core.trend import Forecast, forecast

BARS = "▁▂▃▄▅▆▇█"
GAP = " "


@dataclass(frozen=True, slots=True)
class Course:
    """One measure over time: its curve, the line through all of it, and what is forecast from it."""

    curve: Curve
    line: Slope | None
    ahead: Forecast | None
    """None where there is no limit."""

    @property
    def limit(self) -> float | None:
        """The limit as last seen."""
        return self.curve.points[-1].limit

    @property
    def rate(self) -> float:
        """How fast it rises now, per second: what a forecast goes by, else all of it."""
        rise = self.ahead.slope if self.ahead else None
        return rise.rate if rise else self.line.rate if self.line else 0.0


def titles(playbooks: Iterable[Playbook]) -> Mapping[str, tuple[str, str]]:
    """Title and unit of every measure that these playbooks keep."""
    return {rule.id: (rule.title, rule.unit) for book in playbooks for rule in book.measures}


def courses(past: HostPast, pattern: str = "*") -> Sequence[Course]:
    """The measures whose id or key matches, those nearest to their limit first, then by name."""
    found = [
        Course(curve, _line(curve.points, past.until), _ahead(curve.points, past.until))
        for curve in past.curves
        if curve.points and (fnmatchcase(curve.key, pattern) or fnmatchcase(parted(curve.key)[0], pattern))
    ]
    return sorted(found, key=lambda course: (-_filled(course), course.curve.key))


def _filled(course: Course) -> float:
    return course.curve.points[-1].mean / course.limit if course.limit else 0.0


def _line(points: Sequence[Point], now: datetime) -> Slope | None:
    return slope([((point.at - now).total_seconds() + point.step / 2, point.mean) for point in points])


def _ahead(points: Sequence[Point], now: datetime) -> Forecast | None:
    limit = points[-1].limit
    return None if limit is None else forecast(points, limit, now)


def spark(points: Sequence[Point], since: datetime, until: datetime, width: int = 24) -> str:
    """The course in one line of blocks, lowest to highest of its own; a stretch without a visit is a gap."""
    stretch = (until - since).total_seconds() / width
    cells: list[list[float]] = [[] for _ in range(width)]
    for point in points:
        at = int(((point.at - since).total_seconds() + point.step / 2) / stretch) if stretch > 0 else 0
        if 0 <= at <= width:
            cells[min(at, width - 1)].append(point.mean)
    values = [sum(cell) / len(cell) if cell else None for cell in cells]
    known = [value for value in values if value is not None]
    low, high = min(known, default=0.0), max(known, default=0.0)
    steps = (high - low) or 1.0
    return "".join(
        GAP if value is None else BARS[min(len(BARS) - 1, int((value - low) / steps * len(BARS)))] for value in values
    )


def document(past: HostPast, found: Sequence[Course]) -> Mapping[str, Any]:
    """One host of `netdiag.history/1`."""
    return {
        "host": past.host,
        "since": past.since.isoformat(timespec="seconds"),
        "until": past.until.isoformat(timespec="seconds"),
        "measures": [_measure(course) for course in found],
        "faults": [_fault(fault) for fault in past.faults],
    }


def _measure(course: Course) -> Mapping[str, Any]:
    curve, ahead = course.curve, course.ahead
    name, place = parted(curve.key)
    return {
        "id": name,
        "scope": dict(place),
        "title": curve.title,
        "unit": curve.unit,
        "limit": course.limit,
        "per_hour": course.rate * 3600,
        "forecast": None
        if ahead is None
        else {
            "confidence": ahead.confidence.value,
            "why": ahead.why,
            "soonest_seconds": ahead.soonest,
            "latest_seconds": ahead.latest,
        },
        "points": [
            [point.at.isoformat(timespec="seconds"), point.step, point.low, point.mean, point.high]
            for point in curve.points
        ],
    }


def _fault(fault: Fault) -> Mapping[str, Any]:
    return {
        "id": fault.id,
        "playbook": fault.playbook,
        "severity": fault.severity.value,
        "fingerprint": fault.fingerprint,
        "summary": fault.summary,
        "open": fault.stage not in OVER,
        "first": fault.first.isoformat(timespec="seconds"),
        "since": fault.since.isoformat(timespec="seconds"),
        "last": fault.last.isoformat(timespec="seconds"),
        "times": fault.times,
    }
