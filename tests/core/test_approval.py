"""Who may let a change run: every transition, every refusal, and what the one who is late is told."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import product

import pytest

from bot.core import approval
from bot.core.approval import (
    FINAL,
    LATE,
    REFUSED,
    TRANSITIONS,
    Act,
    Decision,
    Declined,
    Effect,
    Moved,
    Record,
    Result,
    State,
)
from bot.core.change import Change
from bot.core.host import Host
from bot.core.policy import Approve, Group, Policy, Rule, Standing
from bot.core.report import Risk
from bot.core.window import Window
from tests.fakes.approval import ALICE, BOB, CAROL, DAVE, HOST, POLICY, change, ground, proposed, slack, terminal
from tests.fakes.clock import START

LATER = START + timedelta(seconds=10)
DEADLINE = START + timedelta(seconds=60)
OVER = START + timedelta(hours=1)
READ = (("net.core.somaxconn", "4096"),)
DONE = Result(State.DONE, "net.core.somaxconn is 4096", READ)
FRESH = {standing.actor.key: standing for standing in map(slack, (ALICE, BOB, CAROL, DAVE))}


def moved(decision: Decision) -> Record:
    assert isinstance(decision, Moved), decision.reason
    return decision.record


def declined(decision: Decision) -> str:
    assert isinstance(decision, Declined), decision.record.state
    return decision.reason


def high(**fields: object) -> Record:
    return proposed(change(Risk.HIGH, expires=approval.stamp(START + timedelta(seconds=900)), **fields))


def approved(record: Record | None = None, *people: Standing) -> Record:
    record = record or proposed()
    for standing in people or (slack(ALICE),):
        record = moved(approval.approve(record, standing, ground()))
    assert record.state is State.APPROVED
    return record


def claimed(record: Record | None = None) -> Record:
    return moved(approval.claim(record or approved(), FRESH, ground(), owner="one"))


def sent(record: Record | None = None) -> Record:
    record = record or claimed()
    return moved(approval.intent(record, ground(), fence=record.fence, deadline=DEADLINE))


def settled(state: State) -> Record:
    return moved(approval.settle(sent(), Result(state, "so it came", READ), LATER, fence=1))


IN: dict[State, Callable[[], Record]] = {
    State.PENDING: proposed,
    State.APPROVED: approved,
    State.DENIED: lambda: moved(approval.deny(proposed(), slack(BOB), "no", ground())),
    State.EXPIRED: lambda: moved(approval.expire(proposed(), OVER)),
    State.CLAIMED: claimed,
    State.INTENT: sent,
    State.UNKNOWN: lambda: moved(approval.lapse(sent(), OVER)),
    **{state: lambda state=state: settled(state) for state in (State.DONE, State.FAILED, State.STALE, State.REVERTED)},
}
DO: dict[Act, Callable[[Record], Decision]] = {
    Act.APPROVE: lambda record: approval.approve(record, slack(CAROL), ground()),
    Act.DENY: lambda record: approval.deny(record, slack(CAROL), "no", ground()),
    Act.REVOKE: lambda record: approval.revoke(record, slack(ALICE), ground()),
    Act.EXPIRE: lambda record: approval.expire(record, OVER),
    Act.CLAIM: lambda record: approval.claim(record, FRESH, ground(), owner="two"),
    Act.RELEASE: lambda record: approval.release(record, LATER, fence=record.fence, why="unreachable"),
    Act.LAPSE: lambda record: approval.lapse(record, OVER),
    Act.INTENT: lambda record: approval.intent(record, ground(), fence=record.fence, deadline=DEADLINE),
    Act.SETTLE: lambda record: approval.settle(record, DONE, LATER, fence=record.fence),
    Act.RESOLVE: lambda record: approval.resolve_unknown(record, DONE, OVER),
    Act.WONDER: lambda record: approval.still_unknown(record, "the host does not answer", LATER),
    Act.NOTE: lambda record: approval.note_effect(record, Effect.RESOLVED, "no new overflows", LATER),
    Act.REVERT: lambda record: approval.mark_reverted(record, "f00d", LATER),
}


# --- the table -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("state", "act"), list(product(State, DO)))
def test_what_the_table_does_not_have_is_declined_and_leaves_the_record_as_it_was(state: State, act: Act) -> None:
    record = IN[state]()
    decision = DO[act](record)
    if (state, act) in TRANSITIONS and (state, act) != (State.PENDING, Act.REVOKE):
        assert isinstance(decision, Moved), decision.reason
        assert decision.record.state in TRANSITIONS[state, act]
        assert [event.kind for event in decision.events] == [TRANSITIONS[state, act][decision.record.state]]
    else:
        assert isinstance(decision, Declined)
        assert decision.record == record
        assert decision.reason
        assert [event.kind for event in decision.events] == ([REFUSED[act]] if act in REFUSED else [])


def test_a_final_state_leads_nowhere_but_from_done_back() -> None:
    ways = {(state, act) for (state, act), ends in TRANSITIONS.items() if state in FINAL and set(ends) - {state}}
    assert ways == {(State.DONE, Act.REVERT)}


def test_every_state_that_is_not_final_has_a_way_to_a_final_one() -> None:
    """I10: nothing hangs for ever by the table."""
    finishing = set(FINAL)
    for _ in State:
        finishing |= {start for (start, _), ends in TRANSITIONS.items() if start and finishing & set(ends)}
    assert finishing == set(State)


def test_every_state_has_words_for_the_one_who_is_late() -> None:
    assert set(LATE) == set(State)
    assert {act for _, act in TRANSITIONS} == {Act.PROPOSE, *DO}


@pytest.mark.parametrize(
    ("state", "told"),
    [
        (State.APPROVED, "already approved by alice"),
        (State.DENIED, "already denied by bob"),
        (State.EXPIRED, "expired at 2030-05-13T09:30:00Z: ask again for a fresh proposal"),
        (State.CLAIMED, "too late: applying (approved by alice)"),
        (State.INTENT, "too late: applying (approved by alice)"),
        (State.DONE, "too late: done (approved by alice)"),
        (State.FAILED, "over: it failed (so it came)"),
        (State.STALE, "over: the host had changed, nothing was written"),
        (State.REVERTED, "over: done and reverted again"),
    ],
)
def test_a_late_click_is_told_what_became_of_the_change(state: State, told: str) -> None:
    assert declined(DO[Act.APPROVE](IN[state]())) == told
    if state is not State.APPROVED:
        assert declined(DO[Act.DENY](IN[state]())) == told


# --- proposing -----------------------------------------------------------------------------------------------------


def test_a_proposal_says_who_must_approve_it() -> None:
    decision = approval.propose(change(), ground(), asker=f"slack:{DAVE}", run="run-1")
    record = moved(decision)
    assert (record.approval, record.people, record.groups) == ("1 of net-oncall within 30 min", 1, ("net-oncall",))
    assert decision.events[0].data["change"]["plan"]["steps"] == [["sysctl", "-w", "net.core.somaxconn=4096"]]
    assert record.digest == record.change.digest


@pytest.mark.parametrize(
    ("at", "made", "told"),
    [
        (ground(policy=Policy()), change(), "no access policy"),
        (ground(policy=replace(POLICY, freezes=(Window("year end"),))), change(), "frozen on node-3: year end"),
        (ground(), change(expires="2030-05-13T09:30:01Z"), "longer than the policy's 30 min"),
        (ground(), change(reversible=False), "longer than the policy's 15 min"),
        (ground(host=Host(name="node-4", address="192.0.2.14")), change(), "is for node-3, not for node-4"),
    ],
)
def test_what_the_policy_refuses_is_not_proposed_and_says_why(at: approval.Ground, made: Change, told: str) -> None:
    decision = approval.propose(made, at, asker=f"slack:{DAVE}")
    assert told in declined(decision)
    assert decision.events[0].kind == "ProposalRefused"


# --- voting --------------------------------------------------------------------------------------------------------


def test_a_high_risk_needs_two_people() -> None:
    first = moved(approval.approve(high(), slack(ALICE), ground()))
    assert (first.state, first.reason) == (State.PENDING, "1 of 2 approvals")
    second = moved(approval.approve(first, slack(BOB), ground()))
    assert (second.state, second.reason) == (State.APPROVED, "approved by alice, bob")


def test_an_irreversible_change_of_low_risk_needs_two_people_as_well() -> None:
    made = change(reversible=False, expires=approval.stamp(START + timedelta(seconds=900)))
    assert moved(approval.approve(proposed(made), slack(ALICE), ground())).state is State.PENDING


def test_a_double_click_counts_once() -> None:
    once = moved(approval.approve(high(), slack(ALICE), ground()))
    assert declined(approval.approve(once, slack(ALICE), ground())) == "alice has approved already; 1 more needed"


def test_two_accounts_of_one_person_count_once() -> None:
    once = moved(approval.approve(high(), slack(ALICE), ground()))
    assert declined(approval.approve(once, terminal("alice"), ground())) == "alice has approved already; 1 more needed"


@pytest.mark.parametrize(
    ("requester", "asker"),
    [
        ("alice", f"slack:{ALICE}"),
        ("alice", "terminal:alice"),
        (f"slack:{ALICE}", f"slack:{ALICE}"),
        ("terminal:alice", "terminal:alice"),
        ("alice", "terminal:root"),
        ("terminal:root", f"slack:{ALICE}"),
        ("slack:T0TEAM:U0ALICE", "schedule:nightly"),
    ],
)
@pytest.mark.parametrize("voter", [slack(ALICE), terminal("alice")])
def test_nobody_approves_their_own_change_whichever_account_they_asked_from(
    requester: str, asker: str, voter: Standing
) -> None:
    record = proposed(change(requester=requester), asker=asker)
    said = declined(approval.approve(record, voter, ground()))
    assert "alice asked for this change, so somebody else must approve it: " in said
    who = said.split(": ", 1)[1].split(" (", maxsplit=1)[0].split(", ")
    assert "bob" in who
    assert "alice" not in who
    assert len(who) == len(set(who))


@pytest.mark.parametrize(
    ("limit", "risk", "reversible", "allowed"),
    [
        (None, Risk.LOW, True, False),
        (Risk.LOW, Risk.LOW, True, True),
        (Risk.LOW, Risk.MEDIUM, True, False),
        (Risk.MEDIUM, Risk.MEDIUM, True, True),
        (Risk.MEDIUM, Risk.HIGH, True, False),
        (Risk.MEDIUM, Risk.LOW, False, False),
        (Risk.HIGH, Risk.LOW, False, True),
        (Risk.HIGH, Risk.HIGH, True, True),
    ],
)
def test_self_approval_reaches_as_far_as_the_policy_says_and_is_marked(
    limit: Risk | None, risk: Risk, reversible: bool, allowed: bool
) -> None:
    policy = replace(POLICY, self_approval=limit)
    expires = approval.stamp(START + timedelta(seconds=900))
    made = change(risk, reversible=reversible, requester="alice", expires=expires)
    decision = approval.approve(proposed(made, asker=f"slack:{ALICE}"), slack(ALICE), ground(policy=policy))
    assert isinstance(decision, Moved) is allowed
    if allowed:
        assert [vote.self_approval for vote in moved(decision).votes] == [True]
        assert decision.events[0].data["self_approval"] is True
        assert moved(decision).voters == "alice (own change)"


def test_one_own_vote_is_one_vote_and_not_two() -> None:
    policy = replace(POLICY, self_approval=Risk.HIGH)
    record = proposed(
        change(Risk.HIGH, requester="alice", expires=approval.stamp(START + timedelta(seconds=900))),
        asker=f"slack:{ALICE}",
    )
    assert moved(approval.approve(record, slack(ALICE), ground(policy=policy))).state is State.PENDING


FAULTS = ["deactivated", "a guest of one channel", "a guest", "of another workspace", "a bot", "the look-up failed"]


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("act", [approval.approve, lambda record, who, at: approval.deny(record, who, "no", at)])
def test_who_is_not_a_full_member_decides_nothing(
    fault: str, act: Callable[[Record, Standing, approval.Ground], Decision]
) -> None:
    decision = act(proposed(), slack(ALICE, fault=fault), ground())
    assert fault in declined(decision)
    assert decision.events[0].data["reason"] == decision.reason  # type: ignore[union-attr]


@pytest.mark.parametrize("who", [slack(DAVE), slack("T0TEAM:U0EVE"), terminal("carol"), slack("U0ALICE2")])
def test_who_is_no_approver_decides_nothing(who: Standing) -> None:
    record = proposed(asker="schedule:nightly")
    assert declined(approval.approve(record, who, ground()))
    made = proposed(change(requester="schedule:nightly"), asker="schedule:nightly")
    assert declined(approval.deny(made, who, "no", ground()))


def test_without_any_approver_nothing_is_ever_claimed() -> None:
    """Every way to empty the approvers' list: nobody's vote counts, at the click or at the claim."""
    low = frozenset({Risk.LOW})
    empties = [
        Policy(),
        replace(POLICY, rules=()),
        replace(POLICY, people={}),
        replace(POLICY, groups={}),
        replace(POLICY, groups={"net-oncall": Group()}),
        replace(POLICY, rules=(Rule("all", low, None),)),
        replace(POLICY, rules=(Rule("all", low, Approve(0, ("net-oncall",), 60)),)),
        replace(POLICY, rules=(Rule("all", low, Approve(1, (), 60)),)),
        replace(POLICY, rules=(Rule("node-4", low, Approve(1, ("net-oncall",), 1800)),)),
    ]
    for policy in empties:
        for who in FRESH.values():
            assert isinstance(approval.approve(proposed(), who, ground(policy=policy)), Declined)
        decision = approval.claim(approved(), FRESH, ground(policy=policy), owner="one")
        assert decision.record.state is not State.CLAIMED


def test_a_stranger_may_ask_unless_the_policy_says_only_people() -> None:
    record = proposed(change(requester="terminal:root"), asker="terminal:root")
    decision = approval.approve(record, slack(ALICE), ground())
    assert decision.events[0].data["unknown_requester"] == "terminal:root"
    strict = replace(POLICY, strangers_ask=False)
    assert "terminal:root asked for it and is nobody" in declined(
        approval.approve(record, slack(ALICE), ground(policy=strict))
    )
    scheduled = proposed(change(requester="schedule:nightly"), asker="schedule:nightly")
    assert moved(approval.approve(scheduled, slack(ALICE), ground(policy=strict))).state is State.APPROVED


def test_a_vote_after_the_time_is_over_expires_the_change() -> None:
    ends = approval.moment(proposed().change.expires)
    last = ends - timedelta(seconds=1)
    assert moved(approval.approve(proposed(), slack(ALICE), ground(now=last))).state is State.APPROVED
    decision = approval.approve(proposed(), slack(ALICE), ground(now=ends))
    assert moved(decision).state is State.EXPIRED
    assert decision.events[0].actor == f"slack:{ALICE}"


def test_a_stored_change_that_is_not_the_approved_one_is_refused() -> None:
    record = proposed()
    other = record.model_copy(update={"change": change(nonce="other")})
    assert "not the one that was approved" in declined(approval.approve(other, slack(ALICE), ground()))
    swapped = approved().model_copy(update={"change": change(nonce="other")})
    assert "not the one that was approved" in declined(approval.claim(swapped, FRESH, ground(), owner="one"))
    late = claimed().model_copy(update={"change": change(nonce="other")})
    assert "not the one that was approved" in declined(approval.intent(late, ground(), fence=1, deadline=DEADLINE))


# --- denying, revoking, expiring -----------------------------------------------------------------------------------


def test_one_denial_ends_an_approved_change() -> None:
    record = moved(approval.deny(approved(), slack(BOB), "not during the release", ground()))
    assert (record.state, record.reason) == (State.DENIED, "denied by bob: not during the release")


def test_the_requester_may_withdraw_though_no_approver() -> None:
    record = moved(approval.deny(proposed(), slack(DAVE), "", ground()))
    assert (record.denied_by, record.reason) == ("dave", "denied by dave")


def test_a_vote_can_be_taken_back_from_any_account_until_the_claim() -> None:
    record = moved(approval.revoke(approved(), terminal("alice"), ground()))
    assert (record.state, record.votes) == (State.PENDING, ())
    assert declined(approval.revoke(approved(), slack(BOB), ground())) == "bob has no vote here to take back"
    assert "too late" in declined(approval.revoke(claimed(), slack(ALICE), ground()))


def test_a_change_expires_no_earlier_than_it_says() -> None:
    ends = approval.moment(proposed().change.expires)
    assert declined(approval.expire(proposed(), ends - timedelta(seconds=1)))
    assert moved(approval.expire(approved(), ends)).state is State.EXPIRED


# --- claiming: everything is asked again ---------------------------------------------------------------------------


def test_a_claim_carries_a_new_fence_an_owner_and_a_lease() -> None:
    record = claimed()
    assert (record.state, record.fence, record.owner, record.lease) == (
        State.CLAIMED,
        1,
        "one",
        "2030-05-13T09:01:15Z",
    )


@pytest.mark.parametrize(("takes", "until"), [(0, "09:01:15"), (67, "09:02:22"), (600, "09:11:15")])
def test_a_claim_holds_as_long_as_the_plan_takes_and_the_way_there_and_back(takes: int, until: str) -> None:
    ready = approved()
    slow = ready.change.model_copy(update={"plan": ready.change.plan.model_copy(update={"takes": takes})})
    kept = ready.model_copy(update={"change": slow, "digest": slow.digest})
    record = moved(approval.claim(kept, FRESH, ground(), owner="one"))
    assert record.lease == f"2030-05-13T{until}Z"


@pytest.mark.parametrize(("rests", "seconds"), [(0, 0), (60, 59), (60, 60), (60, 61), (600, 0)])
def test_no_claim_before_what_was_seen_has_rested(rests: int, seconds: int) -> None:
    ready = approved()
    calm = ready.change.model_copy(update={"plan": ready.change.plan.model_copy(update={"rests": rests})})
    kept = ready.model_copy(update={"change": calm, "digest": calm.digest})
    now = approval.moment(calm.created) + timedelta(seconds=seconds)
    decision = approval.claim(kept, FRESH, replace(ground(), now=now), owner="one")
    if seconds >= rests:
        assert moved(decision).state is State.CLAIMED
    else:
        assert isinstance(decision, Declined)
        assert f"{rests - seconds} s to go" in decision.reason


def test_a_change_without_rest_has_the_digest_that_it_had_before_there_was_one() -> None:
    change = approved().change
    assert b"rests" not in change.canonical()
    rested = change.model_copy(update={"plan": change.plan.model_copy(update={"rests": 60})})
    assert b'"rests":60' in rested.canonical()


@pytest.mark.parametrize(
    ("standings", "told"),
    [
        ({}, "alice could not be looked up"),
        ({f"slack:{ALICE}": slack(ALICE, fault="deactivated")}, "deactivated"),
        ({f"slack:{ALICE}": slack(BOB)}, "alice could not be looked up"),
    ],
)
def test_a_vote_whose_owner_may_no_longer_decide_is_dropped_at_the_claim(
    standings: dict[str, Standing], told: str
) -> None:
    decision = approval.claim(approved(), standings, ground(), owner="one")
    record = moved(decision)
    assert (record.state, record.votes) == (State.PENDING, ())
    assert told in record.reason
    assert decision.events[0].kind == "VotesVoided"


def test_of_two_votes_the_good_one_is_kept() -> None:
    record = approved(high(), slack(ALICE), slack(BOB))
    gone = {**FRESH, f"slack:{BOB}": slack(BOB, fault="deactivated")}
    after = moved(approval.claim(record, gone, ground(), owner="one"))
    assert (after.state, [vote.person for vote in after.votes]) == (State.PENDING, ["alice"])
    assert moved(approval.approve(after, slack(CAROL), ground())).state is State.APPROVED


def policies() -> dict[str, Policy]:
    """Policies that were tightened after the votes."""
    low, both = frozenset({Risk.LOW}), Group(("bob", "carol"))
    return {
        "the voter left the group": replace(POLICY, groups={"net-oncall": both}),
        "the voter is nobody any more": replace(POLICY, people={**POLICY.people, "alice": frozenset()}),
        "the voter turns out to be the requester": replace(
            POLICY,
            people={**POLICY.people, "dave": frozenset(), "alice": frozenset({f"slack:{DAVE}", f"slack:{ALICE}"})},
        ),
        "two are needed now": replace(POLICY, rules=(Rule("all", low, Approve(2, ("net-oncall",), 1800)),)),
        "another group is asked now": replace(
            POLICY,
            groups={**POLICY.groups, "leads": both},
            rules=(Rule("all", low, Approve(1, ("leads",), 1800)),),
        ),
        "the rule is gone": replace(POLICY, rules=()),
        "it is never allowed now": replace(POLICY, rules=(Rule("all", low, None),)),
        "a freeze began": replace(POLICY, freezes=(Window("incident"),)),
        "the time was cut": replace(POLICY, rules=(Rule("all", low, Approve(1, ("net-oncall",), 5)),)),
    }


@pytest.mark.parametrize("name", policies())
def test_a_policy_tightened_after_the_votes_binds_the_claim(name: str) -> None:
    at = ground(now=LATER, policy=policies()[name])
    decision = approval.claim(approved(), FRESH, at, owner="one")
    assert decision.record.state in {State.APPROVED, State.PENDING}
    assert decision.events


def test_a_looser_policy_does_not_loosen_what_was_asked_of_a_change() -> None:
    loose = replace(POLICY, rules=(Rule("all", frozenset(Risk), Approve(1, ("net-oncall",), 900)),))
    first = moved(approval.approve(high(), slack(ALICE), ground(policy=loose)))
    assert first.state is State.PENDING


def test_nothing_is_claimed_after_its_time_or_under_the_kill_switch() -> None:
    assert moved(approval.claim(approved(), FRESH, ground(now=OVER), owner="one")).state is State.EXPIRED
    decision = approval.claim(approved(), FRESH, ground(halted="bad rollout (alice)"), owner="one")
    assert declined(decision) == "stopped by the kill switch: bad rollout (alice)"
    assert decision.record.state is State.APPROVED


# --- the owner and the fence ---------------------------------------------------------------------------------------


def test_an_owner_who_was_taken_for_dead_writes_no_intent() -> None:
    """The paused replica: its lease is over, another claimed, and then it wakes up."""
    first = claimed()
    free = moved(approval.lapse(first, START + timedelta(seconds=120)))
    second = moved(approval.claim(free, FRESH, ground(now=START + timedelta(seconds=121)), owner="two"))
    assert second.fence == 2
    assert "somebody else owns it now" in declined(approval.intent(second, ground(), fence=1, deadline=DEADLINE))
    assert "somebody else owns it now" in declined(approval.release(second, LATER, fence=1, why=""))
    sent_ = moved(approval.intent(second, ground(now=START + timedelta(seconds=122)), fence=2, deadline=DEADLINE))
    assert "somebody else owns it now" in declined(approval.settle(sent_, DONE, LATER, fence=1))


def test_no_intent_is_written_after_the_lease_the_expiry_or_the_kill_switch() -> None:
    def at(now: datetime, halted: str = "") -> str:
        return declined(approval.intent(claimed(), ground(now=now, halted=halted), fence=1, deadline=DEADLINE))

    assert at(START + timedelta(seconds=120)) == "the lease was over at 2030-05-13T09:01:15Z"
    assert at(START, "bad rollout") == "stopped by the kill switch: bad rollout"
    long = moved(approval.claim(approved(), FRESH, ground(), owner="one", lease=7200))
    assert declined(approval.intent(long, ground(now=OVER), fence=1, deadline=DEADLINE)).startswith("expired at")


def test_an_intent_holds_everything_that_is_about_to_happen() -> None:
    decision = approval.intent(claimed(), ground(), fence=1, deadline=DEADLINE)
    (event,) = decision.events
    assert event.kind == "IntentWritten"
    assert event.data["steps"] == [["sysctl", "-w", "net.core.somaxconn=4096"]]
    assert event.data["votes"][0]["person"] == "alice"
    assert (event.data["digest"], event.data["fence"], event.data["deadline"]) == (
        claimed().digest,
        1,
        "2030-05-13T09:01:00Z",
    )


def test_a_claim_is_not_taken_from_an_owner_whose_lease_holds() -> None:
    assert declined(approval.lapse(claimed(), LATER)) == "one holds it until 2030-05-13T09:01:15Z"


def test_an_owner_lost_before_the_intent_leaves_it_approved_and_after_it_unknown() -> None:
    before = moved(approval.lapse(claimed(), OVER))
    assert (before.state, before.owner, len(before.votes)) == (State.APPROVED, None, 1)
    assert moved(approval.lapse(sent(), OVER)).state is State.UNKNOWN


# --- what became of it ---------------------------------------------------------------------------------------------


def test_done_needs_a_read_back() -> None:
    assert "needs a read-back" in declined(approval.settle(sent(), Result(State.DONE, "exit 0"), LATER, fence=1))


OUTCOMES = {State.DONE, State.FAILED, State.STALE, State.REVERTED, State.UNKNOWN}


@pytest.mark.parametrize("state", [state for state in State if state not in OUTCOMES])
def test_no_other_state_is_an_outcome(state: State) -> None:
    assert "is no outcome" in declined(approval.settle(sent(), Result(state, "", READ), LATER, fence=1))
    assert "is no outcome" in declined(approval.resolve_unknown(IN[State.UNKNOWN](), Result(state, "", READ), OVER))


def test_an_unknown_outcome_waits_for_the_hosts_own_deadline() -> None:
    unknown = IN[State.UNKNOWN]()
    assert "may still start it until 2030-05-13T09:01:00Z" in declined(
        approval.resolve_unknown(unknown, Result(State.FAILED, "not applied"), DEADLINE)
    )
    after = DEADLINE + timedelta(seconds=1)
    assert moved(approval.resolve_unknown(unknown, DONE, after)).state is State.DONE
    assert "no outcome" in declined(approval.resolve_unknown(unknown, Result(State.UNKNOWN, "still"), after))


def test_an_unknown_outcome_is_not_settled_yet() -> None:
    record = settled(State.UNKNOWN)
    assert (record.settled_at, record.lease) == (None, None)
    assert settled(State.DONE).settled_at == "2030-05-13T09:00:10Z"


def test_the_effect_is_noted_on_what_is_done() -> None:
    noted = moved(
        approval.note_effect(
            settled(State.DONE), Effect.NEEDS_FOLLOW_UP, "Send-Q is still 128", LATER, follow_up="f00d"
        )
    )
    assert (noted.state, noted.effect, noted.follow_up) == (State.DONE, Effect.NEEDS_FOLLOW_UP, "f00d")
    again = moved(approval.note_effect(noted, Effect.RESOLVED, "Send-Q is 4096", LATER))
    assert (again.effect, again.follow_up) == (Effect.RESOLVED, "f00d")


def test_a_change_that_was_undone_names_the_one_that_undid_it() -> None:
    record = moved(approval.mark_reverted(settled(State.DONE), "f00d", LATER))
    assert (record.state, record.reverted_by, record.reason) == (State.REVERTED, "f00d", "reverted by change f00d")


def test_every_event_names_the_change_its_digest_and_its_host() -> None:
    for act, state in ((act, state) for state in IN for act in DO if act in REFUSED):
        for event in DO[act](IN[state]()).events:
            assert (event.change, event.data["host"]) == ("c0ffee01", HOST.name)
            assert event.data["digest"] == proposed().digest


def test_a_record_survives_being_stored() -> None:
    for make in IN.values():
        record = make()
        assert Record.model_validate_json(record.model_dump_json(by_alias=True)) == record
