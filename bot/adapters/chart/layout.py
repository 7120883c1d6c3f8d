"""Which hosts does the heat map name, which measures does a history show? Pure; the drawing only follows.

Two hundred rows cannot be read. The worst hosts get a row each with their newest sweeps and what is wrong; every
other host is one small square with its status now.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bot.core.digest import Digest
from bot.core.outline import RANK, WORST_FIRST
from bot.core.past import Curve
from bot.core.report import Severity, Status

ROWS = 12
"""Hosts with a row of their own."""
SWEEPS = 14
"""Newest sweeps shown."""
CURVES = 5
"""Measures in the history of a host."""
PACKED = 5_000
"""Squares at most; what is over is told as a number."""


@dataclass(frozen=True, slots=True)
class Row:
    """A named host: its status at the newest sweeps (None: it was not read then), and what is wrong now."""

    host: str
    past: tuple[Status | None, ...]
    cause: str = ""


@dataclass(frozen=True, slots=True)
class Fleet:
    """The heat map before it is drawn. `left` hosts are neither named nor packed."""

    rows: tuple[Row, ...]
    packed: tuple[Status, ...]
    sweeps: int
    counts: Mapping[Status, int]
    left: int = 0

    @property
    def total(self) -> int:
        """Hosts of the sweep."""
        return len(self.rows) + len(self.packed) + self.left


def fleet(digest: Digest) -> Fleet:
    """Worst first: by what a host is now, then by how often it was not well, then as the grid has them."""
    grid = {host: past[-SWEEPS:] for host, past in digest.grid.items() if past}
    sweeps = max(map(len, grid.values()), default=0)
    ordered = sorted(grid, key=lambda host: (WORST_FIRST.index(grid[host][-1]), -_troubled(grid[host])))
    named = [host for host in ordered[:ROWS] if len(grid) <= ROWS or _troubled(grid[host])]
    others = [grid[host][-1] for host in ordered[len(named) :]]
    causes = _causes(digest)
    rows = tuple(
        Row(host, (None,) * (sweeps - len(grid[host])) + tuple(grid[host]), causes.get(host, "")) for host in named
    )
    counts = Counter(past[-1] for past in grid.values())
    return Fleet(rows, tuple(others[:PACKED]), sweeps, counts, max(0, len(others) - PACKED))


def _troubled(past: Sequence[Status]) -> int:
    return sum(status is not Status.OK for status in past)


def _causes(digest: Digest) -> Mapping[str, str]:
    """The gravest thing told of each host; for those that could not be read, why."""
    found: dict[str, tuple[int, str]] = {}

    def note(host: str, severity: Severity, title: str) -> None:
        if host not in found or RANK[severity] < found[host][0]:
            found[host] = (RANK[severity], title)

    for item in digest.items:
        if item.news in GONE:
            continue
        for place in item.places:
            note(place.host, item.severity, item.title or item.id)
    for still in digest.open:
        for host in still.hosts:
            note(host, still.severity, still.title or still.id)
    told = {host: title for host, (_, title) in found.items()}
    return {host: blind.reason for blind in digest.blind if blind.whole for host in blind.hosts} | told


GONE = frozenset({"better", "resolved", "left"})
"""News of what is no longer so."""


def telling(curves: Sequence[Curve]) -> Sequence[Curve]:
    """The curves that say most: nearest to their limit first, then those that moved most; of each measure the place
    that says most, before any measure is shown of a second place. What is nothing but zero stands back.
    """

    def weight(curve: Curve) -> tuple[float, float]:
        high = max(point.high for point in curve.points)
        low = min(point.low for point in curve.points)
        limit = curve.points[-1].limit
        return (-(high / limit) if limit else 0.0, -(high - low) / (abs(high) or 1.0))

    alive = [curve for curve in curves if any(point.low or point.high for point in curve.points)]
    ordered = sorted(alive or [curve for curve in curves if curve.points], key=weight)
    first: dict[str, Curve] = {}
    for curve in ordered:
        first.setdefault(curve.title or curve.key, curve)
    others = [curve for curve in ordered if curve not in first.values()]
    return [*first.values(), *others][:CURVES]
