"""How does one fault of one host live: opened, told, worse, better, flapping, resolved, opened again?

A fault is what the same finding at the same place is over time (its fingerprint). What is *so* and what was *told* are
kept apart: silences, quiet hours and rate caps only put off the telling, and nothing is told twice in one channel.
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from bot.core.report import Severity

HOST_UNREAD = "host-unread"
"""Id of the fault that a host could not be read."""
CHECKS_UNKNOWN = "checks-unknown"
"""Id of the fault that some checks of a host are unknown; one for each reason."""
OURS = "netdiag"
"""Stands for the playbook of both."""


class Stage(StrEnum):
    """Where a fault stands. SEEN is not yet confirmed by enough sweeps; GOING is not yet gone for enough."""

    SEEN = "seen"
    OPEN = "open"
    GOING = "going"
    RESOLVED = "resolved"
    LEFT = "left"
    """Its host is not in the inventory any more: nobody knows whether it is there, and nobody looks (law 1)."""


OVER = frozenset({Stage.RESOLVED, Stage.LEFT})
"""A fault in one of these is past."""


class Told(BaseModel):
    """What one channel was last told of a fault: at which stage and severity it was, and when (UTC)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    stage: Stage
    severity: Severity
    at: datetime
    flapping: bool = False
    by: str = ""
    """The run whose digest told it; "" for answers, and for what was told by a netdiag that did not keep it."""


class Fault(BaseModel):
    """One fault of one host over time. Times are UTC, aware.

    Hosts, or checks on them, that cannot be read are faults as well (`HOST_UNREAD`, `CHECKS_UNKNOWN`), so that they are
    confirmed, silenced, told and reminded of like any other.
    """

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
    """First seen this time, before it was confirmed."""
    last: datetime
    """Last seen."""
    streak: int = 1
    """Looks in a row that agreed with each other: seen while SEEN or OPEN, not seen while GOING or RESOLVED."""
    times: int = 1
    """How often it was opened."""
    shifting: int = 0
    """Looks in a row that saw another severity than `severity`: it becomes so when there were enough."""
    changes: tuple[datetime, ...] = ()
    """Openings and ends by turns; newest last, at most 64."""
    shifts: tuple[datetime, ...] = ()
    """Changes of severity while it was there; newest last, at most 64."""
    flapping: bool = False
    under: str = ""
    """The fingerprint of the cause that explained it when it was last seen; "": it is a cause itself."""
    params: Mapping[str, str] = Field(default_factory=dict)
    """The parameters it was looked for with: only a look with the same, or with none, tells that it is gone."""
    told: Mapping[str, Told] = Field(default_factory=dict)
    """By channel; the key "" is for a sweep without one."""


def ended(fault: Fault) -> datetime:
    """When a fault that is past came to its end."""
    return fault.changes[-1] if fault.changes else fault.last


def with_told(fault: Fault, told: Mapping[str, Told]) -> Fault:
    """The fault with what channels were told: of each channel the newest counts."""
    newest = dict(told)
    for channel, said in fault.told.items():
        if channel not in newest or newest[channel].at <= said.at:
            newest[channel] = said
    return fault.model_copy(update={"told": newest})
