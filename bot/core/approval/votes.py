"""May this change be proposed, and whose vote counts?

The same check of a voter serves the click and the claim: what was true at the click must be true when the host is
about to be touched.
"""

from datetime import datetime, timedelta

from bot.core import policy as access
from bot.core.approval.record import Decision, Ground, Moved, Record, Vote, moment, stamp
from bot.core.approval.table import TRANSITIONS, Act, State
from bot.core.approval.turn import Turn
from bot.core.audit import Event
from bot.core.change import Change
from bot.core.policy import Denied, Policy, Requirement, Standing


def need(change: Change, ground: Ground) -> Requirement | Denied:
    """What approval the policy in force asks for this change, or why it allows none (freeze windows included)."""
    if ground.host.name != change.host:
        return Denied(f"the change is for {change.host}, not for {ground.host.name}")
    plan = change.plan
    reversible = bool(plan.inverse)
    asked = access.requirement(ground.policy, ground.host, plan.risk, reversible=reversible, action=change.action)
    if isinstance(asked, Denied):
        return asked
    why = access.frozen(ground.policy, ground.host, ground.now)
    return Denied(f"changes are frozen on {change.host}: {why}") if why else asked


def propose(change: Change, ground: Ground, *, asker: str, run: str = "") -> Decision:
    """A new change, PENDING, or Declined with the refusal's event to append. `asker` is the requester's `Actor.key`.

    Set `change.expires` from `need(...).ttl`. Store a Moved with `Journal.create(record, events)`.
    """
    record = Record(change=change, digest=change.digest, asker=asker, run=run)
    turn = Turn(record, Act.PROPOSE, asker, ground.now)
    asked = need(change, ground)
    if isinstance(asked, Denied):
        return turn.refuse(asked.reason)
    if moment(change.expires) > moment(change.created) + timedelta(seconds=asked.ttl):
        return turn.refuse(f"it would be open for longer than the policy's {access.span(asked.ttl)}")
    fields = {"people": asked.people, "groups": asked.groups, "approval": asked.words}
    record = record.model_copy(update=fields)
    document = change.model_dump(mode="json", by_alias=True)
    data = {"digest": record.digest, "state": State.PENDING.value, "host": change.host, "approval": asked.words}
    kind = TRANSITIONS[None, Act.PROPOSE][State.PENDING]
    event = Event(kind, asker, stamp(ground.now), change.id, {**data, "run": run, "change": document})
    return Moved(record, (event,))


def approve(record: Record, standing: Standing, ground: Ground) -> Decision:
    """Cast one vote. APPROVED with the last vote that is needed; EXPIRED when the time is over."""
    turn = Turn(record, Act.APPROVE, standing.actor.key, ground.now)
    if late := turn.late:
        return turn.refuse(late)
    if turn.over:
        return turn.expire()
    asked = still_asked(turn, ground)
    if isinstance(asked, Denied):
        return turn.refuse(asked.reason)
    name = voter(record, standing, ground.policy, asked)
    if isinstance(name, Denied):
        return turn.refuse(name.reason)
    people = max(asked.people, record.people)
    if any(vote.person == name for vote in record.votes):
        return turn.refuse(f"{name} has approved already; {people - len(record.votes)} more needed")
    own = name in requesters(record, ground.policy)
    votes = (*record.votes, Vote(person=name, actor=turn.actor, at=stamp(ground.now), self_approval=own))
    enough = len(votes) >= people
    data = {"person": name, "votes": len(votes), "needed": people, "self_approval": own}
    if not _known(record, ground.policy):
        data["unknown_requester"] = record.change.requester
    reason = (
        f"approved by {', '.join(vote.person for vote in votes)}" if enough else f"{len(votes)} of {people} approvals"
    )
    return turn.move(State.APPROVED if enough else State.PENDING, data, reason=reason, votes=votes, people=people)


def deny(record: Record, standing: Standing, reason: str, ground: Ground) -> Decision:
    """Deny by one eligible approver, or withdrawal by the requester: final until the change is claimed."""
    turn = Turn(record, Act.DENY, standing.actor.key, ground.now)
    if late := turn.late:
        return turn.refuse(late)
    allowed = access.eligible(ground.policy, record.groups, standing)
    who = access.person(ground.policy, standing.actor) or turn.actor
    if isinstance(allowed, Denied) and (standing.fault or who not in requesters(record, ground.policy)):
        return turn.refuse(allowed.reason)
    words = f"denied by {who}" + (f": {reason}" if reason else "")
    return turn.move(State.DENIED, {"person": who}, reason=words, denied_by=who)


def revoke(record: Record, standing: Standing, ground: Ground) -> Decision:
    """Take one's own vote back, until the change is claimed. The state returns to PENDING."""
    turn = Turn(record, Act.REVOKE, standing.actor.key, ground.now)
    if late := turn.late:
        return turn.refuse(late)
    who = access.person(ground.policy, standing.actor) or turn.actor
    votes = tuple(vote for vote in record.votes if vote.person != who and vote.actor != turn.actor)
    if len(votes) == len(record.votes):
        return turn.refuse(f"{who} has no vote here to take back")
    return turn.move(State.PENDING, {"person": who}, reason=f"{who} took the approval back", votes=votes)


def expire(record: Record, now: datetime) -> Decision:
    """EXPIRED once `change.expires` has passed and nothing was claimed."""
    turn = Turn(record, Act.EXPIRE, "system:clock", now)
    if turn.late or not turn.over:
        return turn.refuse(turn.late or f"not over before {record.change.expires}")
    return turn.expire()


def still_asked(turn: Turn, ground: Ground) -> Requirement | Denied:
    """What the policy in force asks for the very change that was proposed; a policy tightened since then counts."""
    change = turn.record.change
    asked = Denied(turn.broken) if turn.broken else need(change, ground)
    if isinstance(asked, Requirement) and ground.now > moment(change.created) + timedelta(seconds=asked.ttl):
        return Denied(f"the policy now gives {access.span(asked.ttl)}, and it was asked for at {change.created}")
    return asked


def voter(record: Record, standing: Standing, policy: Policy, asked: Requirement) -> str | Denied:
    """The person whose vote counts under the rule of the proposal and under today's, or why none does."""
    name = access.eligible(policy, record.groups, standing)
    if isinstance(name, str) and asked.groups != record.groups:
        name = access.eligible(policy, asked.groups, standing)
    if isinstance(name, Denied):
        return name
    if not policy.strangers_ask and not _known(record, policy):
        who = record.change.requester
        return Denied(f"{who} asked for it and is nobody in the access policy: add them under `people`, then ask again")
    plan = record.change.plan
    risk = access.strictness(plan.risk, reversible=bool(plan.inverse))
    if name in requesters(record, policy) and not access.may_approve_own(policy, risk):
        others = access.approvers(policy, asked.groups, without=requesters(record, policy))
        return Denied(f"{name} asked for this change, so somebody else must approve it: {others} ({record.approval})")
    return name


def requesters(record: Record, policy: Policy) -> frozenset[str]:
    """Every name the requester goes by, under the policy of then and of now."""
    keys = (record.change.requester, record.asker)
    return frozenset((*keys, *(name for key in keys if (name := access.person(policy, key)) is not None)))


def _known(record: Record, policy: Policy) -> bool:
    """Whether the requester is a person of the policy, or no person at all (a schedule)."""
    return record.asker.startswith("schedule:") or bool(requesters(record, policy) & policy.people.keys())
