"""How do people write a stretch of time, a pace and a large number?"""

from collections.abc import Sequence

_UNITS: Sequence[tuple[float, str, float]] = (
    (1.0, "s", 90.0),
    (60.0, "min", 5_400.0),
    (3_600.0, "h", 129_600.0),
    (86_400.0, "days", float("inf")),
)
"""Seconds, name, and up to where it is used."""
_PER = ((1.0, "s"), (60.0, "min"), (3_600.0, "h"), (86_400.0, "day"))
_FEW = 10


def span(seconds: float) -> str:
    """`40 s`, `25 min`, `3 h`, `2 days`."""
    size, name = _unit(seconds)
    return f"{_round(seconds / size)} {name}"


def between(soonest: float, latest: float | None) -> str:
    """`25 to 40 min`, `50 min to 3 h`, `about 2 h`, `2 h or more`."""
    if latest is None:
        return f"{span(soonest)} or more"
    first, last = span(soonest), span(latest)
    if first == last:
        return f"about {last}"
    same = first.rpartition(" ")[2] == last.rpartition(" ")[2]
    return f"{first.rpartition(' ')[0] if same else first} to {last}"


def pace(rate: float) -> str:
    """A rate per second in the unit in which it is a number: `3.1 a minute` is `3.1/min`."""
    size, name = next(((size, name) for size, name in _PER if abs(rate) * size >= 1), _PER[-1])
    return f"{amount(rate * size)}/{name}"


def amount(value: float) -> str:
    """`48210`, `3.4`, `0.02`: whole numbers plainly, small ones with two digits that count."""
    if abs(value) >= _FEW or value == int(value):
        return str(round(value))
    return f"{value:.2g}"


def _unit(seconds: float) -> tuple[float, str]:
    return next((size, name) for size, name, most in _UNITS if seconds < most)


def _round(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0") if value < _FEW / 2 else str(round(value))
