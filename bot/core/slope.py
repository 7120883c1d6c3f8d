"""How fast does a series rise, and how sure is that? Theil and Sen's slope, which outliers do not move.

The slope is the median over all pairs of samples; its interval is Sen's, from the variance of Kendall's S, which asks
nothing of how the noise is distributed. Equal values only make the interval wider than it need be.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, pairwise
from statistics import median

Sample = tuple[float, float]
"""Seconds (now is 0, the past is negative) and value."""

LEAST = 3
"""Samples without which there is no slope at all."""
MOST = 60
"""Samples that are looked at pair by pair; more are put together in so many groups."""
_Z = 1.96
_SCALE = 1.4826
"""Median absolute deviation to standard deviation."""


@dataclass(frozen=True, slots=True)
class Slope:
    """A line through samples: value per second with its 95 % interval, and its value now.

    `sure` is Kendall's z: how far the order of the samples is from chance, in standard deviations, negative when they
    fall. `noise` is how far samples lie from the line as a rule; `span` is in seconds.
    """

    rate: float
    low: float
    high: float
    level: float
    sure: float
    noise: float
    span: float
    count: int


def slope(samples: Sequence[Sample]) -> Slope | None:
    """The line through the samples, oldest first; None for fewer than three, or all at one moment."""
    few = thinned(samples)
    pairs = sorted((y2 - y1) / (x2 - x1) for (x1, y1), (x2, y2) in combinations(few, 2) if x2 > x1)
    if len(few) < LEAST or not pairs:
        return None
    size = len(few)
    spread = math.sqrt(size * (size - 1) * (2 * size + 5) / 18)
    order = sum((pair > 0) - (pair < 0) for pair in pairs)
    outer = max(0, int((len(pairs) - _Z * spread) / 2))
    rate = median(pairs)
    level = median(y - rate * x for x, y in few)
    return Slope(
        rate=rate,
        low=pairs[outer],
        high=pairs[-1 - outer],
        level=level,
        sure=(order - (order > 0) + (order < 0)) / spread,
        noise=_SCALE * median(abs(y - level - rate * x) for x, y in few),
        span=samples[-1][0] - samples[0][0],
        count=len(samples),
    )


def thinned(samples: Sequence[Sample], most: int = MOST) -> Sequence[Sample]:
    """At most `most` samples, each the medians of neighbours."""
    if len(samples) <= most:
        return samples
    edges = [number * len(samples) // most for number in range(most + 1)]
    groups = [samples[start:end] for start, end in pairwise(edges)]
    return [(median(x for x, _ in group), median(y for _, y in group)) for group in groups]
