"""What does one sweep come to, compared with what the channel was told before? The values that are rendered.

The same digest is stored, posted, printed (`netdiag sweep NAME --once`) and given as JSON (`netdiag.digest/1`).
"""

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

from bot.core.fault import Told
from bot.core.report import Severity, Status


class News(StrEnum):
    """What kind of change an item tells, in the order in which they are told."""

    NEW = "new"
    REOPENED = "reopened"
    WORSE = "worse"
    FLAPPING = "flapping"
    SETTLED = "settled"
    """No longer flapping, and still there (what is not there any more is RESOLVED)."""
    FORECAST = "forecast"
    REMIND = "remind"
    BETTER = "better"
    RESOLVED = "resolved"
    LEFT = "left"
    """Its host is not in the inventory any more."""


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, populate_by_name=True)


class Place(_Value):
    """One host of an item, with the fault's fingerprint there."""

    host: str
    fingerprint: str
    summary: str
    since: datetime
    severity: Severity
    run: str = ""


class Item(_Value):
    """One cause over all hosts that have it: "14 hosts: rp_filter strict" is one item."""

    news: News
    id: str
    playbook: str
    title: str
    severity: Severity
    places: tuple[Place, ...]
    explains: tuple[str, ...] = ()
    """Ids of the symptoms that it folds."""
    canaries: tuple[str, ...] = ()
    """Hosts for which changes are proposed first, where it is on more; empty: for all that can be cured."""


class Open(_Value):
    """A cause that was told before and is still there: how many hosts, and since when the oldest."""

    id: str
    playbook: str
    title: str
    severity: Severity
    hosts: tuple[str, ...]
    oldest: datetime
    flapping: bool = False


class Blind(_Value):
    """One reason for which hosts, or checks on them, are unknown. `news`: not so at the last sweep."""

    reason: str
    hosts: tuple[str, ...]
    whole: bool
    """The host could not be read at all; False: some of its checks."""
    news: bool = False


class Held(_Value):
    """What is so but was not told, and why: silenced, maintenance, quiet hours, rate cap."""

    why: str
    count: int
    worst: Severity


class Outlook(_Value):
    """Where a measure goes if nothing changes: its expected range at `until`, and when it reaches the limit."""

    until: datetime
    low: float
    high: float
    soonest: datetime | None = None
    """When the limit is reached at the earliest; None: not within what the trend can tell."""
    latest: datetime | None = None
    """And at the latest; None: perhaps never."""


class Moved(_Value):
    """A measure that moved: what it was and is, on which host, towards which limit. Values in `unit`."""

    host: str
    key: str
    title: str
    unit: str
    before: float
    now: float
    limit: float | None = None
    points: tuple[tuple[datetime, float], ...] = ()
    """Its recent past for the picture, oldest first."""
    outlook: Outlook | None = None
    """What the trend forecasts, where it says anything with confidence."""


class Heard(_Value):
    """What the channel knows of one fault once it was told this digest; also of faults that an item folds."""

    host: str
    fingerprint: str
    told: Told
    before: datetime | None = None
    """When the channel had been told of it last as the digest was made; None: never."""
    was: Told | None = None
    """What it had been told then: so again, when the chat does not take the digest."""


class Digest(_Value):
    """One sweep, told. `quiet` when there is no news."""

    schema_: str = Field(default="netdiag.digest/1", serialization_alias="schema", validation_alias="schema")
    sweep: str
    due: datetime
    run: str
    begun: datetime
    seconds: float
    hosts: Mapping[Status, int]
    before: Mapping[Status, int] | None = None
    """The same at the last sweep; None at the first."""
    items: tuple[Item, ...] = ()
    open: tuple[Open, ...] = ()
    blind: tuple[Blind, ...] = ()
    sighted: tuple[str, ...] = ()
    """Hosts that could not be read at the last sweep, and now can."""
    held: tuple[Held, ...] = ()
    moved: tuple[Moved, ...] = ()
    missed: tuple[str, ...] = ()
    """Runs that did not happen, in words: "2 runs missed (02:00, 03:00 UTC): the bot was down". Digests that the rate
    cap held back are told here too."""
    grid: Mapping[str, tuple[Status, ...]] = Field(default_factory=dict)
    """The heat map: host to its status at the newest sweeps, oldest first, this one last."""
    heard: tuple[Heard, ...] = ()
    """What is news to the channel, fault by fault: stored as told once the message stands."""
    quiet: bool = False

    def document(self) -> str:
        """One JSON object, UTF-8 text."""
        return self.model_dump_json(by_alias=True, indent=2)
