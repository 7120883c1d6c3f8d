"""Who may let a change run, as one table of transitions (every decision is pure; the journal makes it durable)."""

from dataclasses import dataclass
from enum import StrEnum

from pydantic import BaseModel, ConfigDict

from bot.core.audit import Event
from bot.core.change import Change


class State(StrEnum):
    """Where a change is in its life. DONE, FAILED, STALE, DENIED, EXPIRED and REVERTED are final."""

    PENDING = "pending"
    APPROVED = "approved"
    DENIED = "denied"
    EXPIRED = "expired"
    CLAIMED = "claimed"
    INTENT = "intent"
    DONE = "done"
    FAILED = "failed"
    STALE = "stale"
    UNKNOWN = "unknown"
    REVERTED = "reverted"


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Vote(_Value):
    """One approval: the person it counts for, the identity they acted through (`Actor.key`), and when (UTC)."""

    person: str
    actor: str
    at: str
    self_approval: bool = False


class Effect(StrEnum):
    """What became of the symptom after the change was in force (law 7: set is not took effect)."""

    NOT_CHECKED = "not-checked"
    RESOLVED = "resolved"
    NEEDS_FOLLOW_UP = "needs-follow-up"
    PERSISTS = "persists"
    UNKNOWN = "unknown"


class Record(_Value):
    """A change and everything that happened to it. `fence` rises with every claim: a late owner is refused by it."""

    change: Change
    digest: str
    state: State = State.PENDING
    people: int = 1
    groups: tuple[str, ...] = ()
    approval: str = ""
    votes: tuple[Vote, ...] = ()
    denied_by: str | None = None
    fence: int = 0
    owner: str | None = None
    lease: str | None = None
    """Until when (UTC) the owner's claim holds."""
    deadline: str | None = None
    """Until when (UTC) the host itself would start the change; settling an UNKNOWN waits for it."""
    intent_at: str | None = None
    settled_at: str | None = None
    reason: str = ""
    """Why the change is in this state, in one line for people."""
    readback: tuple[tuple[str, str], ...] = ()
    """(about, what the host printed) of each verify check at the end."""
    effect: Effect = Effect.NOT_CHECKED
    effect_note: str = ""
    """"needs re-listen: Send-Q is still 128", "no new overflows in 4 s"."""
    follow_up: str | None = None
    """The id of the change proposed as the next step."""
    reverted_by: str | None = None
    asker: str = ""
    """`Actor.key` of the requester, for messages."""
    run: str = ""
    """The run that proposed it: front ends find its thread by this."""


@dataclass(frozen=True, slots=True)
class Moved:
    """The decision changes the record; both the record and the events are stored in one transaction."""

    record: Record
    events: tuple[Event, ...]


@dataclass(frozen=True, slots=True)
class Declined:
    """The decision leaves the record as it is, for a reason the actor is told; refusals are audited too."""

    record: Record
    reason: str
    events: tuple[Event, ...] = ()


Decision = Moved | Declined

