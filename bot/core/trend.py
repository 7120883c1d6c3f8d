"""When does a measure reach its limit, and how far may that be believed?

A forecast is a range of time with a word: LIKELY, POSSIBLE, or no statement and why. What speaks against a straight
line is looked for first: falls (restarts, garbage collection), a rise that slows down, and the same rise a day or a
week ago. A line is carried on at most `REACH` times as far as it was seen.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import pairwise
from statistics import median, quantiles

from bot.core.digest import Outlook
from bot.core.past import Point
from bot.core.slope import Sample, Slope, slope

MIN_POINTS = 6
"""Visits without which nothing is said."""
REACH = 3.0
"""A rise is carried on so many times as far as it was seen; on its first day half as far, and an hour at most."""
SURE = 2.6
"""Kendall's z from which on a rise is not taken for chance: one in a hundred."""
CLEAR = 3.0
"""A rise is so many times what samples lie off its line: a curve that is no line is not carried on as one."""
CLEAREST = 100.0
"""And beyond so many times, less noise is no reason to look at a shorter stretch."""
CLEARER = 1.1
"""A shorter stretch is taken for the line only where it is so much clearer."""
BENT = 2.5
LEVEL = 0.05
"""Where its end lies so many times that below the line, and this share of the whole rise, it levels off."""
FALL = 6.0
"""A fall of so many times the usual step, and of a quarter of the whole range, is a reset and no noise."""
STEADY = (0.4, 2.5)
"""So much slower or faster than the whole of a rise its last third may be, as far as that is known."""
ALIKE = 0.5
"""A rise of so much of this one at the same time of another day is of its kind."""
DAY, WEEK, HOUR = 86_400.0, 604_800.0, 3_600.0
LOOK_BACK = timedelta(days=9)
"""How much of the past is worth reading: a week ago at the same time, and what followed then."""


_BEND = 1.65
"""The median of a second difference of noise, in its standard deviations."""


class Confidence(StrEnum):
    """How far a forecast may be believed."""

    LIKELY = "likely"
    POSSIBLE = "possible"
    NONE = "no statement"


@dataclass(frozen=True, slots=True)
class Forecast:
    """When the limit is reached, in seconds from now; `latest` None: perhaps never. `why` is what it rests on, or what
    speaks against saying anything.
    """

    confidence: Confidence
    why: str
    slope: Slope | None = None
    soonest: float | None = None
    latest: float | None = None

    def outlook(self, now: datetime, until: datetime) -> Outlook | None:
        """What is expected at `until`, for a picture; None where nothing is said."""
        if self.slope is None or self.soonest is None:
            return None
        ahead = (until - now).total_seconds()
        return Outlook(
            until=until,
            low=self.slope.level + self.slope.low * ahead,
            high=self.slope.level + self.slope.high * ahead,
            soonest=now + timedelta(seconds=self.soonest),
            latest=None if self.latest is None else now + timedelta(seconds=self.latest),
        )


def forecast(points: Sequence[Point], limit: float, now: datetime) -> Forecast:
    """When these points, oldest first, reach the limit."""
    samples = [sample for point in points if (sample := _sample(point, now))[0] <= 0]
    if len(samples) < MIN_POINTS:
        return _silent(f"{len(samples)} visits so far, {MIN_POINTS} are needed")
    values = [value for _, value in samples]
    starts = _resets(values)
    against = _out_of_reach(values, limit) or _came_down(values, starts, limit)
    if against:
        return _silent(against)
    here = samples[starts[-1] :]
    rise, slowing = _rise(here)
    if rise is None:
        return _silent("it rises no more" if slowing else "it does not rise")
    lag, share = _season(here, rise)
    if ALIKE <= share <= 1 / ALIKE:
        return _repeated(here, rise, limit, lag)
    doubt = slowing or len(starts) > 1 or share > 1
    return _straight(rise, limit, doubt=doubt, first_day=-here[0][0] < DAY + rise.span)


def _silent(why: str) -> Forecast:
    return Forecast(Confidence.NONE, why)


def _sample(point: Point, now: datetime) -> Sample:
    return (point.at - now).total_seconds() + point.step / 2, point.mean


def _out_of_reach(values: Sequence[float], limit: float) -> str:
    gap = limit - values[-1]
    if gap <= 0:
        return "it is at the limit"
    return "it is far from the limit" if gap > 2 * REACH * (max(values) - min(values)) else ""


def _resets(values: Sequence[float]) -> Sequence[int]:
    """Where each regime begins: the first at 0, others after a fall that is no noise. A single spike is none."""
    calm = [median(values[max(0, at - 1) : at + 2]) for at in range(len(values))]
    steps = [after - before for before, after in pairwise(calm)]
    usual = median(steps)
    spread = median(abs(step - usual) for step in steps)
    least = max(FALL * spread, 0.25 * (max(calm) - min(calm)))
    return [0, *(at + 1 for at, step in enumerate(steps) if step < 0 and -step >= least)]


def _came_down(values: Sequence[float], starts: Sequence[int], limit: float) -> str:
    """Why a rise is not carried on: it has come down twice or more by itself, and has not passed its peaks."""
    falls = len(starts) - 1
    if falls <= 1:
        return ""
    earlier = values[: starts[-1]]
    peak, floor = max(earlier), min(values)
    room = 0.1 * (peak - floor)
    if limit - peak <= room or values[-1] > peak + room:
        return ""
    return f"it has come down {falls} times by itself"


def _rise(samples: Sequence[Sample]) -> tuple[Slope | None, bool]:
    """The stretch up to now that is most clearly a line that rises; and whether a longer one slows down.

    A leak that began an hour ago is no line over the week; one that began a week ago is, and most clearly as a whole.
    """
    slowing, jitter = False, _jitter(samples)
    best: tuple[float, Slope] | None = None
    size = len(samples)
    while size >= MIN_POINTS:
        recent = samples[-size:]
        whole, late = slope(recent), slope(recent[-max(MIN_POINTS - 2, size // 3) :])
        shortest = size * 3 // 4 < MIN_POINTS
        size = size * 3 // 4
        if whole is None or late is None or whole.low <= 0 or whole.sure < SURE:
            continue
        rises = whole.rate * whole.span
        if late.high < STEADY[0] * whole.rate or late.level < whole.level - max(BENT * whole.noise, LEVEL * rises):
            slowing = True
        elif rises >= CLEAR * whole.noise and (shortest or late.low <= STEADY[1] * whole.rate):
            clear = rises / max(whole.noise, jitter, rises / CLEAREST)
            if best is None or clear > CLEARER * best[0]:
                best = clear, _widened(whole, late)
    return best and best[1], slowing


def _jitter(samples: Sequence[Sample]) -> float:
    """The noise from one sample to the next, whatever curve they follow: six samples may lie on a line by chance."""
    values = [value for _, value in samples]
    bends = [abs(a - 2 * b + c) for a, b, c in zip(values, values[1:], values[2:], strict=False)]
    return median(bends) / _BEND


def _widened(whole: Slope, late: Slope) -> Slope:
    """The whole's slope, its interval widened to what it was of late where that is known to rise."""
    if late.low <= 0:
        return whole
    return replace(whole, low=min(whole.low, late.rate), high=max(whole.high, late.rate))


def _straight(rise: Slope, limit: float, *, doubt: bool, first_day: bool) -> Forecast:
    """The line carried on. On its first day nobody knows what a series does on others."""
    soonest = max(0.0, (limit - rise.level - rise.noise) / rise.high)
    latest = (limit - rise.level + rise.noise) / rise.low
    if soonest > REACH * rise.span:
        return _silent("what was seen reaches not so far")
    far = min(HOUR, rise.span / 2 * REACH) if first_day else REACH * rise.span
    if doubt or latest > far:
        why = "it rises, but slows down or began anew" if doubt else "it rises, seen for a short time"
        return Forecast(Confidence.POSSIBLE, why, rise, soonest, latest if latest <= 2 * REACH * rise.span else None)
    return Forecast(Confidence.LIKELY, "it rises steadily", rise, soonest, latest)


def _season(samples: Sequence[Sample], rise: Slope) -> tuple[float, float]:
    """How much it rose a week, or a day, before: that time, and the share of what it rose now; 0 where not known."""
    for lag in (WEEK, DAY):
        begun = max(-rise.span, samples[0][0] + lag)  # as much of the rise as has its like in what is known
        if begun <= -0.3 * min(rise.span, lag):
            rose, rises = (_about(samples, at) - _about(samples, at + begun) for at in (-lag, 0.0))
            if rose >= ALIKE * rises > 0:
                return lag, rose / rises
    return DAY, 0.0


def _about(samples: Sequence[Sample], at: float) -> float:
    """The value at a moment: the median of the samples around it."""
    place = bisect_left(samples, (at,))
    return median(value for _, value in samples[max(0, place - 2) : place + 3])


def _repeated(samples: Sequence[Sample], rise: Slope, limit: float, lag: float) -> Forecast:
    """What followed then, raised by what it is more than then: the limit is reached where that path meets it."""
    recent = [(x, y) for x, y in samples if x >= -min(rise.span, lag / 4)]
    more = [y - _about(samples, x - lag) for x, y in recent if x - lag >= samples[0][0]]
    name = "a week" if lag == WEEK else "a day"
    path = [(x + lag, y) for x, y in samples if x > -lag]
    if len(more) < MIN_POINTS // 2 or not path:
        return _silent(f"it rose as much {name} ago")
    low, usual, high = quantiles(more, n=4)
    times = 1 if lag == WEEK else 3
    soonest, latest = (_meets(path, lag, usual, limit - spread, times) for spread in (high - usual, low - usual))
    if soonest is None:
        return _silent(f"it rose as much {name} ago, and came down")
    word = Confidence.POSSIBLE if latest is None else Confidence.LIKELY
    return Forecast(word, f"it is higher each time than {name} before", rise, soonest, latest)


def _meets(path: Sequence[Sample], lag: float, more: float, limit: float, times: int) -> float | None:
    """When the path, repeated and each time raised by `more`, meets the limit."""
    for again in range(times):
        for ahead, value in path:
            if value + (again + 1) * more >= limit:
                return max(0.0, ahead + again * lag)
    return None
