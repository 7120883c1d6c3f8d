"""What is usual for a whole role, without holding every value that its hosts ever had?

Values are thinned in layers: a full layer becomes `ROOM` of its own values, each for an equal share of its weight, and
two of those become one of the next layer. Each thinning moves a quantile by half of a share of what it thinned at most,
and a value is thinned once a layer: so the rank of whatever is read is off by no more than `doubt`, below one in a
hundred for a billion values. What fits into `FULL` values is not thinned at all.
"""

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from bot.core.past import Point

FULL = 4_096
"""Values of the first layer."""
ROOM = 2_048
"""Values of every other."""
TILT = 0.001
"""How far beside the middle of its share a value is taken, in shares."""

Part = tuple[float, float]
"""A value and its weight."""


@dataclass(slots=True)
class Pool:
    """The points of many hosts' one measure. `full` and `room` are the sizes of the layers."""

    full: int = FULL
    room: int = ROOM
    count: int = 0
    """Visits."""
    points: int = 0
    hosts: int = 0
    doubt: float = 0.0
    """How much weight the rank of what `quantile` gives may be off by, at most."""
    _first: datetime | None = None
    _until: datetime | None = None
    _values: "array[float]" = field(default_factory=lambda: array("d"))
    _weights: "array[float]" = field(default_factory=lambda: array("d"))
    _layers: "list[tuple[array[float], float] | None]" = field(default_factory=list)
    """Values in order, and the weight of each; None where a layer is empty."""
    _up: int = 0
    """A bit a layer: which way it was tilted last."""

    def take(self, points: Sequence[Point]) -> None:
        """One host's points."""
        self.hosts += 1
        self.points += len(points)
        for point in points:
            self.count += point.count
            until = point.at + timedelta(seconds=point.step)
            self._first = point.at if self._first is None else min(point.at, self._first)
            self._until = until if self._until is None else max(until, self._until)
            for value, weight in parts(point):
                self._values.append(value)
                self._weights.append(weight)
            if len(self._values) >= self.full:
                self._thin()

    @property
    def apart(self) -> timedelta:
        """From the first visit to the last."""
        return self._until - self._first if self._until and self._first else timedelta(0)

    def quantiles(self, shares: Sequence[float]) -> tuple[float, ...]:
        """The values below which these shares of the weight lie. There must be points."""
        return quantiles(sorted(self._parts()), shares)

    def _parts(self) -> Iterable[Part]:
        yield from zip(self._values, self._weights, strict=True)
        for layer in self._layers:
            if layer is not None:
                yield from ((value, layer[1]) for value in layer[0])

    def _thin(self) -> None:
        """The first layer goes up, and whatever is in its way with it."""
        made = self._thinned(0, sorted(zip(self._values, self._weights, strict=True)))
        self._values, self._weights = array("d"), array("d")
        for number, layer in enumerate(self._layers, 1):
            if layer is None:
                self._layers[number - 1] = made
                return
            both = [(value, one[1]) for one in (made, layer) for value in one[0]]
            self._layers[number - 1], made = None, self._thinned(number, sorted(both))
        self._layers.append(made)

    def _thinned(self, layer: int, ordered: Sequence[Part]) -> tuple["array[float]", float]:
        total = sum(weight for _, weight in ordered)
        # Of two values of one weight the middle is the lower one, and just above the middle the greater: by turns, or
        # everything would sink from layer to layer.
        self._up ^= 1 << layer
        tilt = TILT if self._up >> layer & 1 else -TILT
        self.doubt += total / self.room * (0.5 + TILT)
        middles = [(number + 0.5 + tilt) / self.room for number in range(self.room)]
        return array("d", quantiles(ordered, middles)), total / self.room


def parts(point: Point) -> Sequence[Part]:
    """Values and their weight: of a merged point its bounds count once each, its mean for all the others."""
    if point.count <= 1:
        return ((point.mean, 1.0),)
    bounds = ((point.low, 1.0), (point.high, 1.0))
    return bounds if point.count == len(bounds) else (*bounds, (point.mean, float(point.count - len(bounds))))


def quantiles(ordered: Sequence[Part], shares: Sequence[float]) -> tuple[float, ...]:
    """The values below which these shares of the weight lie; both in order."""
    total = sum(weight for _, weight in ordered)
    found: list[float] = []
    below, place = 0.0, iter(ordered)
    value = ordered[0][0]
    for share in shares:
        while below < share * total:
            following = next(place, None)
            if following is None:
                break
            value = following[0]
            below += following[1]
        found.append(value)
    return tuple(found)
