"""What is known of a change, and what does a decision answer?"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from pydantic import BaseModel, ConfigDict

from bot.core.approval.table import State
from bot.core.audit import Event
from bot.core.change import Change
from bot.core.host import Host
from bot.core.policy import Policy


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

    @property
    def voters(self) -> str:
        """Whose votes it has, for people: "alice, bob (own change)"."""
        return ", ".join(vote.person + (" (own change)" if vote.self_approval else "") for vote in self.votes)


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


@dataclass(frozen=True, slots=True)
class Ground:
    """What holds at the moment of a decision, each read fresh by the driver.

    `now` is aware; `policy` is the one in force; `host` is the inventory's host; `halted` says why the kill switch is
    set ("" when it is not).
    """

    now: datetime
    policy: Policy
    host: Host
    halted: str = ""


@dataclass(frozen=True, slots=True)
class Result:
    """What became of a change that was sent: `state` is DONE, FAILED, STALE, UNKNOWN or REVERTED, `reason` why.

    DONE needs the read-back that proves it (I6). `data` are further JSON facts for the log (exit status, output hash).
    """

    state: State
    reason: str
    readback: tuple[tuple[str, str], ...] = ()
    data: Mapping[str, Any] = field(default_factory=dict)


def stamp(moment: datetime) -> str:
    """UTC, RFC 3339, whole seconds: how records and events write a time."""
    return moment.astimezone(UTC).isoformat(timespec="seconds").removesuffix("+00:00") + "Z"


def moment(text: str) -> datetime:
    """The aware time of a `stamp`."""
    return datetime.fromisoformat(text.replace("Z", "+00:00"))
