"""How does one fault of one host live: opened, told, worse, better, flapping, resolved, opened again?

A fault is what the same finding at the same place is over time (its fingerprint). What is *so* and what was *told* are
kept apart: silences, quiet hours and rate caps only put off the telling, and nothing is told twice in one channel.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from bot.core.report import Severity


class Stage(StrEnum):
    """Where a fault stands. SEEN is not yet confirmed by enough sweeps; GOING is not yet gone for enough."""

    SEEN = "seen"
    OPEN = "open"
    GOING = "going"
    RESOLVED = "resolved"


class Told(BaseModel):
    """What one channel was last told of a fault: at which stage and severity it was, and when (UTC)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    stage: Stage
    severity: Severity
    at: datetime
    flapping: bool = False


class Fault(BaseModel):
    """One fault of one host over time. Times are UTC, aware; `changes` are the newest openings and resolutions."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    host: str
    fingerprint: str
    id: str
    """The finding's id."""
    playbook: str
    severity: Severity
    title: str = ""
    summary: str = ""
    """As last seen."""
    stage: Stage
    first: datetime
    """First ever seen."""
    since: datetime
    """When it was opened this time."""
    last: datetime
    """Last seen."""
    streak: int = 1
    """Looks in a row that agreed with each other: seen while SEEN or OPEN, not seen while GOING or RESOLVED."""
    times: int = 1
    """How often it was opened."""
    changes: tuple[datetime, ...] = ()
    """Newest last, at most 64."""
    flapping: bool = False
    told: Mapping[str, Told] = Field(default_factory=dict)
    """By channel; the key "" is for a sweep without one."""
