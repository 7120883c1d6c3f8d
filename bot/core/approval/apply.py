"""May the owner of a claim touch the host, and what became of it?

`claim` asks everything again, `intent` is stored before anything is sent, and an outcome that is not known is settled
by reading the host, never by sending again.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

from bot.core.approval.record import Decision, Declined, Effect, Ground, Record, Result, Vote, moment, stamp
from bot.core.approval.table import TRANSITIONS, Act, State
from bot.core.approval.turn import Turn
from bot.core.approval.votes import still_asked, voter
from bot.core.policy import Denied, Requirement, Standing

LEASE = 75
"""Seconds that a claim holds beside what its plan says that it takes (`Plan.takes`). Longer than the way to the host
and back (hello, the time in which the host would still start, the confirmation), but not as long as a change may in
which everything hangs: an owner that is late finds its change UNKNOWN, and the inquiry, which waits for the host's
lock, tells the same outcome. So what a dead owner left is settled soon.
"""


def rest(record: Record, now: datetime) -> float:
    """Seconds until the change may be claimed, for what its plan wants to have stayed as it was seen; 0: now."""
    return max(0.0, record.change.plan.rests - (now - moment(record.change.created)).total_seconds())


def resting(record: Record, left: float) -> str:
    """Why it is not carried out yet, for people."""
    whole = record.change.plan.rests
    return f"what was seen must have stayed so for {whole} s before anything is written: {left:.0f} s to go"


def _not_now(record: Record, ground: Ground) -> str:
    if ground.halted:
        return f"stopped by the kill switch: {ground.halted}"
    left = rest(record, ground.now)
    return resting(record, left) if left else ""


def claim(
    record: Record, standings: Mapping[str, Standing], ground: Ground, *, owner: str, lease: int = LEASE
) -> Decision:
    """Take an approved change to apply it: everything that was true at the clicks must be true now.

    `standings` holds the fresh standing of every `vote.actor`; a missing one counts as a failed look-up. Votes that
    no longer count are dropped, and too few left lead back to PENDING. Moved to CLAIMED carries fence + 1 and
    `lease` seconds, with as many more as the plan takes; keep `record.fence` for `intent`, `settle` and `release`.
    """
    turn = Turn(record, Act.CLAIM, f"system:{owner}", ground.now)
    if late := turn.late:
        return turn.refuse(late)
    if turn.over:
        return turn.expire()
    if why := _not_now(record, ground):
        return turn.refuse(why)
    asked = still_asked(turn, ground)
    if isinstance(asked, Denied):
        return turn.refuse(asked.reason)
    votes, void = _recount(record, standings, ground, asked)
    people = max(asked.people, record.people)
    if len(votes) < people:
        words = "; ".join(void) or f"the policy now asks for {people} people"
        reason = f"the approval no longer counts: {words}"
        return turn.move(State.PENDING, {"void": list(void)}, reason=reason, votes=votes, people=people)
    until = stamp(ground.now + timedelta(seconds=lease + record.change.plan.takes))
    fence = record.fence + 1
    data = {"fence": fence, "lease": until}
    return turn.move(State.CLAIMED, data, reason="claimed", votes=votes, fence=fence, owner=owner, lease=until)


def release(record: Record, now: datetime, *, fence: int, why: str) -> Decision:
    """The owner gives a claim back before any intent (host unreachable, kill switch seen): APPROVED again."""
    turn = Turn(record, Act.RELEASE, f"system:{record.owner}", now)
    fault = turn.late or turn.fenced(fence)
    if fault:
        return turn.refuse(fault, {"fence": fence})
    return turn.move(State.APPROVED, {"fence": fence}, reason=why, owner=None, lease=None)


def lapse(record: Record, now: datetime) -> Decision:
    """The lease is over, so the owner is dead or late: without intent APPROVED again, with intent UNKNOWN."""
    turn = Turn(record, Act.LAPSE, "system:clock", now)
    if turn.late or not turn.lapsed:
        return turn.refuse(turn.late or f"{record.owner} holds it until {record.lease}")
    data = {"fence": record.fence, "owner": record.owner}
    if record.state is State.INTENT:
        reason = "the owner went away after the intent: the host will be read"
        return turn.move(State.UNKNOWN, data, reason=reason, lease=None)
    return turn.move(State.APPROVED, data, reason="the owner went away before the intent", owner=None, lease=None)


def intent(record: Record, ground: Ground, *, fence: int, deadline: datetime) -> Decision:
    """Write down that the change is about to be sent; send only after this was stored (I3).

    `deadline` is until when the host itself would start it (the program's `not_after`).
    """
    turn = Turn(record, Act.INTENT, f"system:{record.owner}", ground.now)
    fault = turn.late or turn.fenced(fence) or turn.broken or _too_late(turn)
    if not fault and ground.halted:
        fault = f"stopped by the kill switch: {ground.halted}"
    if fault:
        return turn.refuse(fault, {"fence": fence})
    plan, until = record.change.plan, stamp(deadline)
    data = {
        "fence": fence,
        "deadline": until,
        "steps": [list(step) for step in plan.steps],
        "precondition": [check.model_dump(mode="json") for check in plan.precondition],
        "inverse": [list(step) for step in plan.inverse],
        "votes": [vote.model_dump(mode="json") for vote in record.votes],
    }
    return turn.move(State.INTENT, data, reason="applying", deadline=until, intent_at=stamp(ground.now))


def settle(record: Record, result: Result, now: datetime, *, fence: int) -> Decision:
    """Store what became of a sent change: the owner with an unchanged fence only; others read the host and resolve."""
    turn = Turn(record, Act.SETTLE, f"system:{record.owner}", now)
    fault = turn.late or turn.fenced(fence) or _unproven(turn, result)
    return turn.refuse(fault, {"fence": fence}) if fault else _settled(turn, result)


def resolve_unknown(record: Record, result: Result, now: datetime) -> Decision:
    """Settle an UNKNOWN from what the host says, once the host's own deadline has passed (a late start is over)."""
    turn = Turn(record, Act.RESOLVE, "system:reconcile", now)
    fault = turn.late or _unproven(turn, result)
    if not fault and record.deadline is not None and now <= moment(record.deadline):
        fault = f"the host may still start it until {record.deadline}"
    return turn.refuse(fault) if fault else _settled(turn, result)


def still_unknown(record: Record, why: str, now: datetime) -> Decision:
    """The host was asked and its outcome is still not known: say why, for the human who may have to look."""
    turn = Turn(record, Act.WONDER, "system:reconcile", now)
    if late := turn.late:
        return turn.refuse(late)
    return turn.move(State.UNKNOWN, {}, reason=why)


def note_effect(record: Record, effect: Effect, note: str, now: datetime, *, follow_up: str | None = None) -> Decision:
    """Say what became of the symptom, and which change is proposed as the next step."""
    turn = Turn(record, Act.NOTE, f"system:{record.owner}", now)
    if late := turn.late:
        return turn.refuse(late)
    data = {"effect": effect.value, "note": note, "follow_up": follow_up}
    fields = {"effect": effect, "effect_note": note, "follow_up": follow_up or record.follow_up}
    return turn.move(State.DONE, data, reason=record.reason, **fields)


def mark_reverted(record: Record, by: str, now: datetime) -> Decision:
    """The inverse, a change of its own with id `by`, is done: this one is no longer in force."""
    turn = Turn(record, Act.REVERT, f"system:{record.owner}", now)
    if late := turn.late:
        return turn.refuse(late)
    return turn.move(State.REVERTED, {"by": by}, reason=f"reverted by change {by}", reverted_by=by)


def busy(record: Record, other: str, now: datetime) -> Declined:
    """What the journal answers to a claim while change `other` is in flight on the same host (I7)."""
    turn = Turn(record, Act.CLAIM, "system:journal", now)
    return turn.refuse(f"{other} is being applied to {record.change.host} at the moment")


def _recount(
    record: Record, standings: Mapping[str, Standing], ground: Ground, asked: Requirement
) -> tuple[tuple[Vote, ...], tuple[str, ...]]:
    """The votes that still count, one per person, and why the others do not."""
    counted: dict[str, Vote] = {}
    void: list[str] = []
    for vote in record.votes:
        standing = standings.get(vote.actor)
        if standing is None or standing.actor.key != vote.actor:
            void.append(f"{vote.person} could not be looked up")
            continue
        name = voter(record, standing, ground.policy, asked)
        if isinstance(name, Denied):
            void.append(name.reason)
        else:
            counted.setdefault(name, vote.model_copy(update={"person": name}))
    return tuple(counted.values()), tuple(void)


def _too_late(turn: Turn) -> str:
    if turn.lapsed:
        return f"the lease was over at {turn.record.lease}"
    return f"expired at {turn.record.change.expires}" if turn.over else ""


def _unproven(turn: Turn, result: Result) -> str:
    if result.state not in TRANSITIONS[turn.record.state, turn.act]:
        return f"{result.state} is no outcome of a change that is {turn.record.state}"
    if result.state is State.DONE and not result.readback:
        return "done needs a read-back of the host"
    return ""


def _settled(turn: Turn, result: Result) -> Decision:
    known = result.state is not State.UNKNOWN
    data = {**result.data, "readback": [list(pair) for pair in result.readback]}
    fields = {"lease": None, "settled_at": stamp(turn.now) if known else None, "readback": result.readback}
    return turn.move(result.state, data, reason=result.reason, **fields)
