"""How is the truth told on a noisy machine? Medians with the least and the most, and ratios within one pair of runs.

Two things that are compared run in turns, so both see the same load; each ratio is taken between neighbours, and the
median of the ratios is told, not the ratio of two medians.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any

ROUND_FROM = 100
"""From here on a figure needs no digits after the point."""


@dataclass(frozen=True, slots=True)
class Table:
    """Figures to read: cells are text already."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Result:
    """What one benchmark found. `samples` has every single measurement; `skipped` what was left out, and why."""

    tables: tuple[Table, ...]
    samples: Mapping[str, Any] = field(default_factory=dict)
    skipped: tuple[str, ...] = ()

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)


def figure(value: float, digits: int = 1) -> str:
    """One number, as short as it is honest."""
    return f"{value:,.0f}" if abs(value) >= ROUND_FROM else f"{value:.{digits}f}"


def spread(values: Sequence[float], digits: int = 1) -> str:
    """`median (least-most)`."""
    return f"{figure(median(values), digits)} ({figure(min(values), digits)}-{figure(max(values), digits)})"


def ratios(theirs: Sequence[float], ours: Sequence[float]) -> list[float]:
    """How many times ours theirs is, pair by pair."""
    return [other / max(own, 1e-9) for other, own in zip(theirs, ours, strict=True)]


def times(theirs: Sequence[float], ours: Sequence[float]) -> str:
    """The same as text: the median ratio, and its spread over the pairs."""
    found = ratios(theirs, ours)
    return f"{figure(median(found))}x ({figure(min(found))}-{figure(max(found))})"


def plain(table: Table) -> str:
    """Aligned columns for a terminal."""
    rows = [table.head, *table.rows]
    widths = [max(len(row[column]) for row in rows) for column in range(len(table.head))]
    right = _numeric(table)
    lines = [table.title, ""]
    for row in (table.head, tuple("-" * width for width in widths), *table.rows):
        cells = (c.rjust(w) if r else c.ljust(w) for c, w, r in zip(row, widths, right, strict=True))
        lines.append("  ".join(cells).rstrip())
    return "\n".join([*lines, *(["", table.note] if table.note else [])])


def markdown(table: Table) -> str:
    """The same as a table of Markdown."""
    rule = tuple("--:" if right else "---" for right in _numeric(table))
    rows = ("| " + " | ".join(row) + " |" for row in (table.head, rule, *table.rows))
    return "\n".join([f"**{table.title}**", "", *rows, *(["", table.note] if table.note else [])])


def _numeric(table: Table) -> list[bool]:
    """Which columns hold figures (or nothing) only."""
    return [
        all(re.match(r"[\d.,-]+\b|-$", row[column]) for row in table.rows) and bool(table.rows)
        for column in range(len(table.head))
    ]


def into(page: str, name: str, tables: Iterable[Table], origin: str) -> str:
    """The page with these tables between the marks `<!-- figures: NAME -->` and `<!-- /figures -->`.

    Raises ValueError when the page has no such marks.
    """
    begin, end = f"<!-- figures: {name} -->", "<!-- /figures -->"
    before, found, rest = page.partition(begin)
    _, closed, after = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"there is no part between {begin} and {end}")
    body = "\n\n".join([*([origin] if origin else []), *map(markdown, tables)])
    return f"{before}{begin}\n\n{body}\n\n{end}{after}"
