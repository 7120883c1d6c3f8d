"""Who may let a change run, as one table of transitions (every decision is pure; the journal makes it durable).

A decision is a function of the record and of what holds now (`Ground`): it answers `Moved` or `Declined`, never
raises for what people do, and carries the audit events of both. Drivers pass it to `Journal.transact`:

    await journal.transact(change_id, lambda record: approval.approve(record, standing, ground))
"""

from bot.core.approval.apply import (
    LEASE,
    busy,
    claim,
    intent,
    lapse,
    mark_reverted,
    note_effect,
    release,
    resolve_unknown,
    rest,
    resting,
    settle,
    still_unknown,
)
from bot.core.approval.record import (
    Decision,
    Declined,
    Effect,
    Ground,
    Moved,
    Record,
    Result,
    Vote,
    moment,
    stamp,
)
from bot.core.approval.table import FINAL, IN_FLIGHT, LATE, REFUSED, TRANSITIONS, Act, State, diagram
from bot.core.approval.votes import approve, deny, expire, need, propose, revoke

__all__ = [
    "FINAL",
    "IN_FLIGHT",
    "LATE",
    "LEASE",
    "REFUSED",
    "TRANSITIONS",
    "Act",
    "Decision",
    "Declined",
    "Effect",
    "Ground",
    "Moved",
    "Record",
    "Result",
    "State",
    "Vote",
    "approve",
    "busy",
    "claim",
    "deny",
    "diagram",
    "expire",
    "intent",
    "lapse",
    "mark_reverted",
    "moment",
    "need",
    "note_effect",
    "propose",
    "release",
    "resolve_unknown",
    "rest",
    "resting",
    "revoke",
    "settle",
    "stamp",
    "still_unknown",
]
