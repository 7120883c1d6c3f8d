"""How does a finding's offer become a change that can be approved?"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from pydantic import ValidationError

from bot.core import approval
from bot.core.action import Refused
from bot.core.approval import Moved, Record, need, stamp
from bot.core.change import Change, FollowUp, Plan
from bot.core.errors import ConfigError, nearest
from bot.core.host import Host
from bot.core.policy import Actor, Denied, Policy, requester
from bot.core.report import Finding, Offer, Proposal, Risk
from bot.core.snapshot import Snapshot
from bot.core.transaction import apply_program
from bot.engine.bench import Bench
from bot.engine.ports import JournalDown

FINDING = "finding"
"""Where the journal remembers what a change was proposed for: the evidence that its effect is held against."""

LIFE = 3600
"""Seconds a change is held for as long as nobody has said what approval it needs; the policy's own time follows."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be proposed: an offer of a finding, to be planned against what was seen, and for whom.

    `revision` is the playbook's; `run` the run that it came up in.
    """

    finding: Finding
    offer: Offer
    seen: Snapshot
    host: Host
    actor: Actor
    run: str
    revision: str


async def propose(bench: Bench, wish: Wish) -> Proposal:
    """Plan the offer against what was seen and store it as PENDING. A proposal that cannot be says why (`refused`)."""
    plan = _planned(bench, wish.offer, wish.seen)
    if isinstance(plan, Refused):
        return withheld(wish, plan.reason)
    if wish.host.transport == "replay":
        return withheld(wish, f"{wish.host.name} is a recorded visit: it can be read, not changed", plan)
    try:
        ground = await bench.ground(wish.host)
        draft = _change(bench, wish, plan, ground.policy)
        return await submit(bench, draft, wish.actor, run=wish.run, finding=wish.finding)
    except (ConfigError, JournalDown, ValueError) as fault:
        return withheld(wish, str(fault), plan)


async def submit(bench: Bench, draft: Change, actor: Actor, *, run: str, finding: Finding | None) -> Proposal:
    """Store a change as PENDING under the policy in force, with the policy's time to live.

    `finding` is what it shall cure, held against what is read afterwards; None for a revert. Raises ConfigError,
    JournalDown, and ValueError for what no program or no canonical JSON can carry.
    """
    ground = await bench.ground(bench.host(draft.host))
    asked = need(draft, ground)
    ttl = LIFE if isinstance(asked, Denied) else asked.ttl
    change = draft.model_copy(
        update={"created": stamp(ground.now), "expires": stamp(ground.now + timedelta(seconds=ttl))}
    )
    # What cannot be composed must not be offered: better refused now than after somebody approved it.
    apply_program(change, nonce="0", now=0, layout=bench.layout)
    decision = approval.propose(change, ground, asker=actor.key, run=run)
    if not isinstance(decision, Moved):
        await bench.journal.append(decision.events)
        return _proposal(change, refused=decision.reason)
    if finding is not None:
        await bench.journal.replace(FINDING, change.id, finding.model_dump(mode="json"))
    await bench.journal.create(decision.record, decision.events)
    return _proposal(change, approval=decision.record.approval)


def _planned(bench: Bench, offer: Offer, snapshot: Snapshot) -> Plan | Refused:
    action = bench.actions.get(offer.action)
    if action is None:
        return Refused(f'there is no action "{offer.action}"{nearest(offer.action, bench.actions)}')
    try:
        params = action.params.model_validate(dict(offer.params))
    except ValidationError as fault:
        first = fault.errors()[0]
        return Refused(f"{offer.action}: {'.'.join(map(str, first['loc']))}: {first['msg']}")
    return action.plan(params, snapshot)


def _change(bench: Bench, wish: Wish, plan: Plan, policy: Policy) -> Change:
    return Change(
        id=new_id(bench),
        nonce=bench.clock.token(),
        host=wish.host.name,
        host_key=wish.seen.host_key,
        action=wish.offer.action,
        with_=_plain(wish.offer.params),
        plan=plan,
        finding=wish.finding.id,
        fingerprint=wish.finding.fingerprint,
        playbook=wish.finding.playbook,
        playbook_revision=wish.revision,
        policy_version=policy.version,
        requester=requester(policy, wish.actor),
        created="",
        expires="",
        confirm_within=bench.confirm_within,
        then=_follow_up(wish.offer.then),
    )


def new_id(bench: Bench) -> str:
    """A change's id: short enough to type, too long to guess."""
    return f"c{bench.clock.token(48)[-12:]}"


def _follow_up(offer: Offer | None) -> FollowUp | None:
    if offer is None:
        return None
    return FollowUp(action=offer.action, params=_plain(offer.params), say=offer.say, then=_follow_up(offer.then))


def _plain(params: Any) -> dict[str, Any]:
    return {str(key): list(value) if isinstance(value, tuple) else value for key, value in dict(params).items()}


def withheld(wish: Wish, reason: str, plan: Plan | None = None) -> Proposal:
    """A proposal that is none: no change was stored. Without a plan the risk is not known, so the highest is told."""
    return Proposal(
        change="",
        action=wish.offer.action,
        for_=wish.finding.id,
        fingerprint=wish.finding.fingerprint,
        with_=_plain(wish.offer.params),
        risk=plan.risk if plan else Risk.HIGH,
        commands=plan.steps if plan else (),
        inverse=plan.inverse if plan else (),
        digest="",
        reversible=bool(plan and plan.inverse),
        summary=plan.summary if plan else "",
        refused=reason,
    )


def proposal_of(record: Record) -> Proposal:
    """The proposal that a stored change is."""
    return _proposal(record.change, approval=record.approval)


def _proposal(change: Change, *, approval: str = "", refused: str | None = None) -> Proposal:
    plan = change.plan
    return Proposal(
        change="" if refused else change.id,
        action=change.action,
        for_=change.finding,
        fingerprint=change.fingerprint,
        with_=dict(change.with_),
        risk=plan.risk,
        commands=plan.steps,
        inverse=plan.inverse,
        digest="" if refused else change.digest,
        reversible=bool(plan.inverse),
        summary=plan.summary,
        impact=plan.impact,
        not_fixed=plan.not_fixed,
        approval=approval,
        expires=None if refused else change.expires,
        refused=refused,
    )
