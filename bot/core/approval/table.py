"""Where can a change go from where it is? One table; every decision walks along it, and docs are drawn from it."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


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
    LAPSE = "lapse"
    INTENT = "intent"
    SETTLE = "settle"
    RESOLVE = "resolve"
    WONDER = "wonder"
    NOTE = "note"
    REVERT = "revert"


_OUTCOMES = MappingProxyType(dict.fromkeys((State.DONE, State.FAILED, State.STALE, State.REVERTED), "ChangeSettled"))

FINAL = frozenset({*_OUTCOMES, State.DENIED, State.EXPIRED})
"""A change in one of these is never applied (again)."""

IN_FLIGHT = frozenset({State.CLAIMED, State.INTENT})
"""At most one change per host is in one of these: the journal refuses a second claim."""

TRANSITIONS: Mapping[tuple[State | None, Act], Mapping[State, str]] = MappingProxyType(
    {
        (None, Act.PROPOSE): {State.PENDING: "ChangeProposed"},
        (State.PENDING, Act.APPROVE): {
            State.PENDING: "VoteCast",
            State.APPROVED: "ChangeApproved",
            State.EXPIRED: "ChangeExpired",
        },
        (State.PENDING, Act.DENY): {State.DENIED: "ChangeDenied"},
        (State.APPROVED, Act.DENY): {State.DENIED: "ChangeDenied"},
        (State.PENDING, Act.REVOKE): {State.PENDING: "VoteRevoked"},
        (State.APPROVED, Act.REVOKE): {State.PENDING: "VoteRevoked"},
        (State.PENDING, Act.EXPIRE): {State.EXPIRED: "ChangeExpired"},
        (State.APPROVED, Act.EXPIRE): {State.EXPIRED: "ChangeExpired"},
        (State.APPROVED, Act.CLAIM): {
            State.CLAIMED: "ChangeClaimed",
            State.PENDING: "VotesVoided",
            State.EXPIRED: "ChangeExpired",
        },
        (State.CLAIMED, Act.RELEASE): {State.APPROVED: "ClaimReleased"},
        (State.CLAIMED, Act.LAPSE): {State.APPROVED: "ClaimLapsed"},
        (State.CLAIMED, Act.INTENT): {State.INTENT: "IntentWritten"},
        (State.INTENT, Act.SETTLE): {**_OUTCOMES, State.UNKNOWN: "OutcomeUnknown"},
        (State.INTENT, Act.LAPSE): {State.UNKNOWN: "OutcomeUnknown"},
        (State.UNKNOWN, Act.RESOLVE): _OUTCOMES,
        (State.UNKNOWN, Act.WONDER): {State.UNKNOWN: "OutcomeStillUnknown"},
        (State.DONE, Act.NOTE): {State.DONE: "EffectObserved"},
        (State.DONE, Act.REVERT): {State.REVERTED: "ChangeReverted"},
    }
)
"""(state, what is asked) to the states it may lead to, each with the audit event it leaves."""

REFUSED: Mapping[Act, str] = MappingProxyType(
    {
        Act.PROPOSE: "ProposalRefused",
        Act.APPROVE: "ApprovalRefused",
        Act.DENY: "DenialRefused",
        Act.REVOKE: "RevocationRefused",
        Act.CLAIM: "ClaimRefused",
        Act.RELEASE: "ReleaseRefused",
        Act.INTENT: "IntentRefused",
        Act.SETTLE: "SettlementRefused",
        Act.RESOLVE: "SettlementRefused",
    }
)
"""The audit event of a refusal. The other acts are asked by timers over and over: refusing them is not news."""

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
"""What somebody is told who asks for what the table does not have in this state."""


def diagram() -> str:
    """The table as a Mermaid state diagram, for the docs."""
    lines = ["stateDiagram-v2"]
    for (start, act), ends in TRANSITIONS.items():
        lines += [f"    {'[*]' if start is None else start} --> {end}: {act}" for end in ends]
    lines += [f"    {state} --> [*]" for state in State if state in FINAL]
    return "\n".join(lines) + "\n"
