"""What is to be looked at on a schedule, and who hears of it? The values of `inventory/sweeps.yaml`.

Times are in seconds; weekly windows are wall-clock time in their zone (`core.window`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from bot.core.window import Window

DAY = 86_400


@dataclass(frozen=True, slots=True)
class Every:
    """At a fixed distance, counted from the epoch, so that a restart changes no phase."""

    seconds: int


@dataclass(frozen=True, slots=True)
class Cron:
    """At wall-clock times of the sweep's zone: minute hour day month weekday; weekdays by name only (`mon-fri`),
    because crontab and APScheduler number them differently.
    """

    text: str


class Overlap(StrEnum):
    """What becomes of a run that is due while the one before is still under way."""

    SKIP = "skip"
    WAIT = "wait"


class Quiet(StrEnum):
    """How a sweep with nothing new is told: the whole digest, one line, or nothing."""

    DIGEST = "digest"
    LINE = "line"
    SILENT = "silent"


@dataclass(frozen=True, slots=True)
class Tuning:
    """When a fault counts as there, as gone, as flapping, and how far ahead a limit is told."""

    open_after: int = 1
    """Sweeps in a row that must see a fault before it is told."""
    resolve_after: int = 1
    """Sweeps in a row that must not see it before it is told as resolved; a host that could not be read counts for
    neither."""
    flap_changes: int = 4
    """So many openings and resolutions within `flap_window` are one flapping fault, told once."""
    flap_window: int = DAY
    remind_after: int = DAY
    """Age at which a fault still open is told again, and each such time after."""
    horizon: int = 2 * DAY
    """Limits reached sooner than this are told."""
    least: str = "warning"
    """The lowest severity that is told: info, warning or critical."""


@dataclass(frozen=True, slots=True)
class Sweep:
    """One line of the plan. `owner` is a person of the policy: the requester of every change that comes up in it."""

    name: str
    when: Every | Cron
    target: str
    channel: str = ""
    """Channel id; empty: no chat, only the store and the log."""
    title: str = ""
    zone: str = "UTC"
    jitter: int = 0
    """Each run is put off by up to this long, the same for every replica."""
    playbooks: tuple[str, ...] = ()
    params: Mapping[str, str] = field(default_factory=dict)
    owner: str = ""
    catch_up: int = 3_600
    """A run missed by no more than this is made up for, once, late; older ones are told as missed."""
    overlap: Overlap = Overlap.SKIP
    timeout: int = 1_800
    """A run is given up after so long: hosts that have not answered are unknown."""
    quiet: Quiet = Quiet.LINE
    quiet_hours: tuple[Window, ...] = ()
    """Then only what is critical is told; the rest waits for the first sweep after."""
    tuning: Tuning = Tuning()
    enabled: bool = True
    place: str = ""
    """`file:line`, for messages."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The whole of `sweeps.yaml`. `version` is the SHA-256 of its bytes, "none" when there is no file."""

    sweeps: Mapping[str, Sweep] = field(default_factory=dict)
    maintenance: tuple[Window, ...] = ()
    """Hosts under maintenance are read, but nothing about them is told, nor counted as resolved."""
    messages_per_hour: int = 20
    """Messages of sweeps and alerts per channel and hour; what is over is held back and summed up."""
    version: str = "none"


@dataclass(frozen=True, slots=True)
class Pause:
    """A sweep that somebody stopped for a while: who, why, until when (aware)."""

    sweep: str
    by: str
    why: str
    until: datetime


@dataclass(frozen=True, slots=True)
class Silence:
    """What shall not be told for a while: hosts by selector, findings by glob; with owner, reason and end (aware)."""

    id: str
    hosts: str
    findings: str
    owner: str
    """The actor's key."""
    why: str
    begun: datetime
    until: datetime
    ended: datetime | None = None
    """When somebody took it back, before `until`."""
