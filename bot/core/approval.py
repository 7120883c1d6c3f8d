"""Who may let a change run, as one table of transitions (every decision is pure; the journal makes it durable).

A decision is a function of the record and of what holds now (`Ground`): it answers `Moved` or `Declined`, never
raises for what people do, and carries the audit events of both. Drivers pass it to `Journal.transact`:

    await journal.transact(change_id, lambda record: approval.approve(record, standing, ground))
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from pydantic import BaseModel, ConfigDict

from bot.core import policy as access
from bot.core.audit import Event
from bot.core.change import Change
from bot.core.host import Host
from bot.core.policy import Denied, Policy, Requirement, Standing

LEASE = 120
"""Seconds an owner may hold a claim before others may take it for dead."""


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


class Act(StrEnum):
    """What may be asked of a change."""

    PROPOSE = "propose"
    APPROVE = "approve"
    DENY = "deny"
    REVOKE = "revoke"
    EXPIRE = "expire"
    CLAIM = "claim"
    RELEASE = "release"
    INTENT = "intent"
    SETTLE = "settle"
    LAPSE = "lapse"
    RESOLVE = "resolve"
    NOTE = "note"
    REVERT = "revert"


SETTLED = frozenset({State.DONE, State.FAILED, State.STALE, State.REVERTED})
FINAL = SETTLED | {State.DENIED, State.EXPIRED}
IN_FLIGHT = frozenset({State.CLAIMED, State.INTENT})
"""At most one change per host is in one of these: the journal refuses a second claim."""

TRANSITIONS: Mapping[tuple[State | None, Act], frozenset[State]] = MappingProxyType(
    {
        (None, Act.PROPOSE): frozenset({State.PENDING}),
        (State.PENDING, Act.APPROVE): frozenset({State.PENDING, State.APPROVED, State.EXPIRED}),
        (State.PENDING, Act.DENY): frozenset({State.DENIED}),
        (State.APPROVED, Act.DENY): frozenset({State.DENIED}),
        (State.PENDING, Act.REVOKE): frozenset({State.PENDING}),
        (State.APPROVED, Act.REVOKE): frozenset({State.PENDING}),
        (State.PENDING, Act.EXPIRE): frozenset({State.EXPIRED}),
        (State.APPROVED, Act.EXPIRE): frozenset({State.EXPIRED}),
        (State.APPROVED, Act.CLAIM): frozenset({State.CLAIMED, State.PENDING, State.EXPIRED}),
        (State.CLAIMED, Act.RELEASE): frozenset({State.APPROVED}),
        (State.CLAIMED, Act.LAPSE): frozenset({State.APPROVED}),
        (State.CLAIMED, Act.INTENT): frozenset({State.INTENT}),
        (State.INTENT, Act.SETTLE): SETTLED | {State.UNKNOWN},
        (State.INTENT, Act.LAPSE): frozenset({State.UNKNOWN}),
        (State.UNKNOWN, Act.RESOLVE): SETTLED,
        (State.DONE, Act.NOTE): frozenset({State.DONE}),
        (State.DONE, Act.REVERT): frozenset({State.REVERTED}),
    }
)
"""(state, what is asked) to the states it may lead to. What is not here is declined, in `LATE`'s words."""

LATE: Mapping[State, str] = MappingProxyType(
    {
        State.PENDING: "not approved yet",
        State.APPROVED: "already approved by {voters}",
        State.DENIED: "already denied by {denied_by}",
        State.EXPIRED: "expired at {expires}: ask again for a fresh proposal",
        State.CLAIMED: "too late: applying (approved by {voters})",
        State.INTENT: "too late: applying (approved by {voters})",
        State.DONE: "too late: done (approved by {voters})",
        State.FAILED: "over: it failed ({reason})",
        State.STALE: "over: the host had changed, nothing was written",
        State.UNKNOWN: "too late: sent, and the outcome is not known yet; it is settled by reading the host",
        State.REVERTED: "over: done and reverted again",
    }
)


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
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def moment(text: str) -> datetime:
    """The aware time of a `stamp`."""
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


# --- before anybody may touch a host -------------------------------------------------------------------------------


def need(change: Change, ground: Ground) -> Requirement | Denied:
    """What approval the policy in force asks for this change, or why it allows none (freeze windows included)."""
    plan = change.plan
    asked = access.requirement(
        ground.policy, ground.host, plan.risk, reversible=bool(plan.inverse), action=change.action
    )
    why = access.frozen(ground.policy, ground.host, ground.now)
    return Denied(f"changes are frozen on {change.host}: {why}") if why and isinstance(asked, Requirement) else asked


def propose(change: Change, ground: Ground, *, asker: str, run: str = "") -> Decision:
    """A new change, PENDING, or Declined with the refusal's event to append. `asker` is the requester's `Actor.key`.

    Set `change.expires` from `need(...).ttl`. Store a Moved with `Journal.create(record, events)`.
    """
    asked = need(change, ground)
    record = Record(change=change, digest=change.digest, asker=asker, run=run)
    if isinstance(asked, Denied):
        return _declined(record, "ProposalRefused", asker, ground.now, asked.reason)
    record = record.model_copy(update={"people": asked.people, "groups": asked.groups, "approval": asked.words})
    data = {"change": change.model_dump(mode="json", by_alias=True), "approval": asked.words, "run": run}
    return Moved(record, (_event("ChangeProposed", asker, ground.now, record, data),))


def approve(record: Record, standing: Standing, ground: Ground) -> Decision:
    """Cast one vote. APPROVED with the last vote that is needed; EXPIRED when the time is over."""
    key = standing.actor.key
    refuse = _refuser("ApprovalRefused", record, key, ground.now)
    late = _late(record, Act.APPROVE)
    if late:
        return refuse(late)
    if _over(record, ground.now):
        return _expired(record, Act.APPROVE, key, ground.now)
    asked = _still_asked(record, ground)
    if isinstance(asked, Denied):
        return refuse(asked.reason)
    voter = _voter(record, standing, ground, asked)
    if isinstance(voter, Denied):
        return refuse(voter.reason)
    if any(vote.person == voter for vote in record.votes):
        return refuse(f"{voter} has approved already; {record.people - len(record.votes)} more needed")
    vote = Vote(
        person=voter, actor=key, at=stamp(ground.now), self_approval=voter in _requesters(record, ground.policy)
    )
    votes = (*record.votes, vote)
    enough = len(votes) >= max(asked.people, record.people)
    data = {"person": voter, "self_approval": vote.self_approval, "votes": len(votes), "needed": asked.people}
    if not _requester_known(record, ground.policy):
        data["requester_unknown"] = record.change.requester
    event = "ChangeApproved" if enough else "VoteCast"
    reason = f"approved by {voter}" if enough else f"{len(votes)} of {asked.people} approvals"
    return _move(
        record, Act.APPROVE, State.APPROVED if enough else State.PENDING, event, key, ground.now, data,
        votes=votes, people=max(asked.people, record.people), reason=reason,
    )  # fmt: skip


def deny(record: Record, standing: Standing, reason: str, ground: Ground) -> Decision:
    """Deny by one eligible approver, or withdrawal by the requester: final until the change is claimed."""
    key = standing.actor.key
    refuse = _refuser("DenialRefused", record, key, ground.now)
    late = _late(record, Act.DENY)
    if late:
        return refuse(late)
    name = access.eligible(ground.policy, record.groups, standing)
    who = access.person(ground.policy, standing.actor) or key
    if isinstance(name, Denied) and (standing.fault or who not in _requesters(record, ground.policy)):
        return refuse(name.reason)
    data = {"person": who, "reason": reason}
    return _move(
        record, Act.DENY, State.DENIED, "ChangeDenied", key, ground.now, data,
        denied_by=who, reason=f"denied by {who}" + (f": {reason}" if reason else ""),
    )  # fmt: skip


def revoke(record: Record, standing: Standing, ground: Ground) -> Decision:
    """Take one's own vote back, until the change is claimed. The state returns to PENDING."""
    key = standing.actor.key
    refuse = _refuser("RevocationRefused", record, key, ground.now)
    late = _late(record, Act.REVOKE)
    if late:
        return refuse(late)
    who = access.person(ground.policy, standing.actor)
    votes = tuple(vote for vote in record.votes if vote.person != who and vote.actor != key)
    if len(votes) == len(record.votes):
        return refuse(f"{who or key} has no vote here to take back")
    return _move(
        record, Act.REVOKE, State.PENDING, "VoteRevoked", key, ground.now, {"person": who},
        votes=votes, reason=f"{who or key} took the approval back",
    )  # fmt: skip


def expire(record: Record, now: datetime) -> Decision:
    """EXPIRED once `change.expires` has passed and nothing was claimed."""
    late = _late(record, Act.EXPIRE)
    if late or not _over(record, now):
        return Declined(record, late or f"not over before {record.change.expires}")
    return _expired(record, Act.EXPIRE, "system:clock", now)


# --- the owner's way to the host -----------------------------------------------------------------------------------


def claim(
    record: Record, standings: Mapping[str, Standing], ground: Ground, *, owner: str, lease: int = LEASE
) -> Decision:
    """Take an approved change to apply it: everything that was true at the clicks must be true now.

    `standings` holds the fresh standing of every `vote.actor`; a missing one counts as a failed look-up. Votes that
    no longer count are dropped, and too few left lead back to PENDING. Moved to CLAIMED carries fence + 1 and
    `lease` seconds; keep `record.fence` for `intent`, `settle` and `release`.
    """
    actor = f"system:{owner}"
    refuse = _refuser("ClaimRefused", record, actor, ground.now)
    late = _late(record, Act.CLAIM)
    if late:
        return refuse(late)
    if _over(record, ground.now):
        return _expired(record, Act.CLAIM, actor, ground.now)
    if ground.halted:
        return refuse(f"stopped by the kill switch: {ground.halted}")
    asked = _still_asked(record, ground)
    if isinstance(asked, Denied):
        return refuse(asked.reason)
    counted, void = _recount(record, standings, ground, asked)
    if len(counted) < max(asked.people, record.people):
        words = "; ".join(void) or f"the policy now asks for {asked.people} people"
        return _move(
            record, Act.CLAIM, State.PENDING, "VotesVoided", actor, ground.now, {"void": list(void)},
            votes=counted, people=max(asked.people, record.people), reason=f"approval no longer counts: {words}",
        )  # fmt: skip
    until = stamp(ground.now + timedelta(seconds=lease))
    return _move(
        record, Act.CLAIM, State.CLAIMED, "ChangeClaimed", actor, ground.now,
        {"fence": record.fence + 1, "lease": until},
        votes=counted, fence=record.fence + 1, owner=owner, lease=until, reason="claimed",
    )  # fmt: skip


def release(record: Record, now: datetime, *, fence: int, why: str) -> Decision:
    """The owner gives a claim back before any intent (host unreachable, kill switch seen): APPROVED again."""
    fault = _late(record, Act.RELEASE) or _fenced(record, fence)
    if fault:
        return _declined(record, "ReleaseRefused", f"system:{record.owner}", now, fault, fence=fence)
    return _move(
        record, Act.RELEASE, State.APPROVED, "ClaimReleased", f"system:{record.owner}", now, {"why": why},
        owner=None, lease=None, reason=why,
    )  # fmt: skip


def lapse(record: Record, now: datetime) -> Decision:
    """The lease is over, so the owner is dead or late: without intent APPROVED again, with intent UNKNOWN."""
    late = _late(record, Act.LAPSE)
    if late or not _lapsed(record, now):
        return Declined(record, late or f"{record.owner} holds it until {record.lease}")
    sent = record.state is State.INTENT
    reason = (
        "the owner went away after the intent: the host will be read"
        if sent
        else "the owner went away before the intent"
    )
    return _move(
        record, Act.LAPSE, State.UNKNOWN if sent else State.APPROVED, "OutcomeUnknown" if sent else "ClaimLapsed",
        "system:clock", now, {"fence": record.fence, "owner": record.owner},
        owner=record.owner if sent else None, lease=None, reason=reason,
    )  # fmt: skip


def intent(record: Record, ground: Ground, *, fence: int, deadline: datetime) -> Decision:
    """Write down that the change is about to be sent; send only after this was stored (I3).

    `deadline` is until when the host itself would start it (the program's `not_after`).
    """
    actor = f"system:{record.owner}"
    refuse = _refuser("IntentRefused", record, actor, ground.now)
    fault = _late(record, Act.INTENT) or _fenced(record, fence) or _broken(record)
    if not fault and _lapsed(record, ground.now):
        fault = f"the lease was over at {record.lease}"
    if not fault and _over(record, ground.now):
        fault = f"expired at {record.change.expires}"
    if not fault and ground.halted:
        fault = f"stopped by the kill switch: {ground.halted}"
    if fault:
        return refuse(fault)
    plan = record.change.plan
    data = {
        "digest": record.digest,
        "fence": fence,
        "deadline": stamp(deadline),
        "steps": [list(step) for step in plan.steps],
        "precondition": [check.model_dump(mode="json") for check in plan.precondition],
        "inverse": [list(step) for step in plan.inverse],
        "votes": [vote.model_dump(mode="json") for vote in record.votes],
    }
    return _move(
        record, Act.INTENT, State.INTENT, "IntentWritten", actor, ground.now, data,
        deadline=stamp(deadline), intent_at=stamp(ground.now), reason="applying",
    )  # fmt: skip


def settle(record: Record, result: Result, now: datetime, *, fence: int) -> Decision:
    """Store what became of a sent change: the owner with an unchanged fence only; others read the host and resolve."""
    fault = _late(record, Act.SETTLE) or _fenced(record, fence) or _unproven(record, result, Act.SETTLE)
    if fault:
        return _declined(record, "SettlementRefused", f"system:{record.owner}", now, fault, fence=fence)
    return _settled(record, Act.SETTLE, result, now)


def resolve_unknown(record: Record, result: Result, now: datetime) -> Decision:
    """Settle an UNKNOWN from what the host says, once the host's own deadline has passed (a late start is over)."""
    fault = _late(record, Act.RESOLVE) or _unproven(record, result, Act.RESOLVE)
    if not fault and record.deadline is not None and now <= moment(record.deadline):
        fault = f"the host may still start it until {record.deadline}"
    if fault:
        return _declined(record, "SettlementRefused", "system:reconcile", now, fault)
    return _settled(record, Act.RESOLVE, result, now)


def note_effect(record: Record, effect: Effect, note: str, now: datetime, *, follow_up: str | None = None) -> Decision:
    """Say what became of the symptom, and which change is proposed as the next step."""
    late = _late(record, Act.NOTE)
    if late:
        return Declined(record, late)
    data = {"effect": effect.value, "note": note, "follow_up": follow_up}
    return _move(
        record, Act.NOTE, State.DONE, "EffectObserved", f"system:{record.owner}", now, data,
        effect=effect, effect_note=note, follow_up=follow_up or record.follow_up,
    )  # fmt: skip


def mark_reverted(record: Record, by: str, now: datetime) -> Decision:
    """The inverse, a change of its own with id `by`, is done: this one is no longer in force."""
    late = _late(record, Act.REVERT)
    if late:
        return Declined(record, late)
    return _move(
        record, Act.REVERT, State.REVERTED, "ChangeReverted", f"system:{record.owner}", now, {"by": by},
        reverted_by=by, reason=f"reverted by change {by}",
    )  # fmt: skip


def busy(record: Record, other: str, now: datetime) -> Declined:
    """What the journal answers to a claim while change `other` is in flight on the same host (I7)."""
    words = f"{other} is being applied to {record.change.host} at the moment"
    return _declined(record, "ClaimRefused", "system:journal", now, words)


# --- the checks ----------------------------------------------------------------------------------------------------


def _late(record: Record, act: Act) -> str:
    """Why the table does not know this act in this state, in words for the one who is late; "" when it does."""
    if (record.state, act) in TRANSITIONS:
        return ""
    return LATE[record.state].format(
        voters=record.voters or "nobody",
        denied_by=record.denied_by or "somebody",
        expires=record.change.expires,
        reason=record.reason,
    )


def _over(record: Record, now: datetime) -> bool:
    return now >= moment(record.change.expires)


def _lapsed(record: Record, now: datetime) -> bool:
    return record.lease is None or now >= moment(record.lease)


def _fenced(record: Record, fence: int) -> str:
    return (
        "" if record.fence == fence else f"fence {fence} is not the current {record.fence}: somebody else owns it now"
    )


def _broken(record: Record) -> str:
    return "" if record.change.digest == record.digest else "the stored change is not the one that was approved"


def _still_asked(record: Record, ground: Ground) -> Requirement | Denied:
    broken = _broken(record)
    return Denied(broken) if broken else need(record.change, ground)


def _voter(record: Record, standing: Standing, ground: Ground, asked: Requirement) -> str | Denied:
    """The person whose vote counts under the rule of the proposal and under today's, or why none does."""
    name = access.eligible(ground.policy, record.groups, standing)
    if isinstance(name, str) and asked.groups != record.groups:
        name = access.eligible(ground.policy, asked.groups, standing)
    if isinstance(name, Denied):
        return name
    if not _requester_known(record, ground.policy) and not ground.policy.strangers_ask:
        who = record.change.requester
        return Denied(f"{who} asked for it and is nobody in the access policy: add them under `people`, then ask again")
    plan = record.change.plan
    risk = access.strictness(plan.risk, reversible=bool(plan.inverse))
    if name in _requesters(record, ground.policy) and not access.may_approve_own(ground.policy, risk):
        return Denied(f"{name} asked for this change, and somebody else must approve it ({record.approval})")
    return name


def _requesters(record: Record, policy: Policy) -> frozenset[str]:
    """Every name the requester goes by, under the policy of then and of now."""
    keys = (record.change.requester, record.asker)
    return frozenset((*keys, *(name for key in keys if (name := access.person(policy, key)) is not None)))


def _requester_known(record: Record, policy: Policy) -> bool:
    names = _requesters(record, policy)
    return bool(names & policy.people.keys()) or record.asker.startswith("schedule:")


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
        voter = _voter(record, standing, ground, asked)
        if isinstance(voter, Denied):
            void.append(voter.reason)
        else:
            counted.setdefault(voter, vote.model_copy(update={"person": voter}))
    return tuple(counted.values()), tuple(void)


def _unproven(record: Record, result: Result, act: Act) -> str:
    if result.state not in TRANSITIONS[record.state, act]:
        return f"{result.state} is no outcome of a change that is {record.state}"
    if result.state is State.DONE and not result.readback:
        return "done needs a read-back of the host"
    return ""


def _settled(record: Record, act: Act, result: Result, now: datetime) -> Decision:
    known = result.state is not State.UNKNOWN
    data = {"state": result.state.value, "reason": result.reason, "readback": [list(pair) for pair in result.readback]}
    return _move(
        record, act, result.state, "ChangeSettled" if known else "OutcomeUnknown", f"system:{record.owner}", now,
        {**data, **result.data},
        lease=None, settled_at=stamp(now) if known else None, reason=result.reason, readback=result.readback,
    )  # fmt: skip


# --- what every decision is made of --------------------------------------------------------------------------------


def _event(kind: str, actor: str, now: datetime, record: Record, data: Mapping[str, Any]) -> Event:
    facts = {"state": record.state.value, "digest": record.digest, "host": record.change.host, **data}
    return Event(kind, actor, stamp(now), record.change.id, facts)


def _move(  # noqa: PLR0917 - called on every line of the table: names would drown it
    record: Record, act: Act, to: State, kind: str, actor: str, now: datetime, data: Mapping[str, Any], **fields: Any
) -> Moved:
    """The one way a record changes: along the table."""
    if to not in TRANSITIONS[record.state, act]:
        raise AssertionError(f"{act} leads from {record.state} to {to}, which the table does not know")
    moved = record.model_copy(update={"state": to, **fields})
    return Moved(moved, (_event(kind, actor, now, moved, {"from": record.state.value, **data}),))


def _declined(record: Record, kind: str, actor: str, now: datetime, reason: str, **data: Any) -> Declined:
    return Declined(record, reason, (_event(kind, actor, now, record, {"reason": reason, **data}),))


@dataclass(frozen=True, slots=True)
class _Refuser:
    kind: str
    record: Record
    actor: str
    now: datetime

    def __call__(self, reason: str) -> Declined:
        return _declined(self.record, self.kind, self.actor, self.now, reason)


def _refuser(kind: str, record: Record, actor: str, now: datetime) -> _Refuser:
    return _Refuser(kind, record, actor, now)


def _expired(record: Record, act: Act, actor: str, now: datetime) -> Moved:
    return _move(
        record, act, State.EXPIRED, "ChangeExpired", actor, now, {"expires": record.change.expires},
        reason=f"expired at {record.change.expires}",
    )  # fmt: skip
