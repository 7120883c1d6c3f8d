"""How does one decision answer? The only way a record changes: along the table, with the event it leaves."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bot.core.approval.record import Declined, Moved, Record, moment, stamp
from bot.core.approval.table import LATE, REFUSED, TRANSITIONS, Act, State
from bot.core.audit import Event


@dataclass(frozen=True, slots=True)
class Turn:
    """One decision being made: what is asked of which record, by whom (`Actor.key` or `system:…`), and when."""

    record: Record
    act: Act
    actor: str
    now: datetime

    @property
    def late(self) -> str:
        """Why the table has no such act in this state, in words for the one who is late; "" when it has."""
        record = self.record
        if (record.state, self.act) in TRANSITIONS:
            return ""
        return LATE[record.state].format(
            voters=record.voters or "nobody",
            denied_by=record.denied_by or "somebody",
            expires=record.change.expires,
            reason=record.reason,
        )

    @property
    def over(self) -> bool:
        """Whether the proposal's time is over."""
        return self.now >= moment(self.record.change.expires)

    @property
    def lapsed(self) -> bool:
        """Whether the owner's lease is over."""
        return self.record.lease is None or self.now >= moment(self.record.lease)

    @property
    def broken(self) -> str:
        """Whether the stored change is another than the one whose digest was approved."""
        same = self.record.change.digest == self.record.digest
        return "" if same else "the stored change is not the one that was approved"

    def fenced(self, fence: int) -> str:
        """Why an owner with this fence may not act; "" when the claim is still theirs."""
        current = self.record.fence
        return "" if fence == current else f"fence {fence} is not the current {current}: somebody else owns it now"

    def move(self, to: State, data: Mapping[str, Any], *, reason: str, **fields: Any) -> Moved:
        """The record in its next state, and the event. A step that the table does not have is a bug, and raises."""
        kind = TRANSITIONS[self.record.state, self.act][to]
        moved = self.record.model_copy(update={"state": to, "reason": reason, **fields})
        return Moved(moved, (self._event(kind, moved, {"from": self.record.state.value, "reason": reason, **data}),))

    def expire(self) -> Moved:
        """EXPIRED, whatever was asked."""
        expires = self.record.change.expires
        return self.move(State.EXPIRED, {"expires": expires}, reason=f"expired at {expires}")

    def refuse(self, reason: str, data: Mapping[str, Any] | None = None) -> Declined:
        """The record as it was, with the refusal's event where the act has one."""
        kind = REFUSED.get(self.act)
        events = (self._event(kind, self.record, {"reason": reason, **(data or {})}),) if kind else ()
        return Declined(self.record, reason, events)

    def _event(self, kind: str, record: Record, data: Mapping[str, Any]) -> Event:
        facts = {"state": record.state.value, "digest": record.digest, "host": record.change.host, **data}
        return Event(kind, self.actor, stamp(self.now), record.change.id, facts)
