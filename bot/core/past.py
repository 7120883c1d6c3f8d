"""What is known of a host's past: measures over time, kernel settings since when, what is normal?"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from bot.core.fault import Fault


@dataclass(frozen=True, slots=True)
class Point:
    """A measure over a stretch of time: `step` seconds from `at` (0: a single visit), how many values, their least,
    greatest and mean, and the limit last seen.
    """

    at: datetime
    step: int
    count: int
    low: float
    high: float
    mean: float
    limit: float | None = None


@dataclass(frozen=True, slots=True)
class Setting:
    """A kernel setting of a host as last seen, since when it is so, and what it was before (None: first seen)."""

    host: str
    key: str
    value: str
    since: datetime
    before: str | None = None


@dataclass(frozen=True, slots=True)
class Norm:
    """What is normal for a measure of a host or role, learnt from the past: quantiles of its values, from how many
    visits, learnt when. `subject` is `host:NAME` or `role:VALUE`.
    """

    subject: str
    key: str
    low: float
    middle: float
    high: float
    count: int
    learnt: datetime


@dataclass(frozen=True, slots=True)
class Past:
    """Everything that `core.insight` compares a sweep with: series by (host, key), settings and norms."""

    series: Mapping[tuple[str, str], Sequence[Point]] = field(default_factory=dict)
    settings: Sequence[Setting] = ()
    norms: Sequence[Norm] = ()


def place_of(key: str) -> str:
    """Where on the host a measure is, from its key (`Measure.key`): `netns web/shop`, or "" for the whole host."""
    _, _, scope = key.partition(" ")
    try:
        found = json.loads(scope) if scope else {}
    except ValueError:
        return scope
    return ", ".join(f"{name} {value}" for name, value in found.items()) if isinstance(found, dict) else scope


@dataclass(frozen=True, slots=True)
class Curve:
    """One measure of one host over time, as people read it. `place` says where on the host ("" for all of it)."""

    key: str
    title: str
    unit: str
    points: Sequence[Point]
    place: str = ""


@dataclass(frozen=True, slots=True)
class HostPast:
    """What there is to show of one host between two moments: its measures, and the faults it had."""

    host: str
    since: datetime
    until: datetime
    curves: Sequence[Curve] = ()
    faults: Sequence[Fault] = ()
