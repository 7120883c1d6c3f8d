"""The approval's invariants hold in every order of events, and the tests would notice if they did not.

`explore.py` walks every world that one risky change, two replicas and one host can come to; `lifecycle.py` is a random
walk of the same story through a real journal. Deliberately broken variants must be caught: a test that cannot fail
proves nothing.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from bot.core import approval
from bot.core.approval import FINAL, Decision, Ground, Record, Result, State
from bot.core.policy import Standing
from bot.core.report import Risk
from tests.core.explore import Code, Violation, explore
from tests.core.lifecycle import Lifecycle
from tests.fakes.approval import POLICY
from tests.fakes.clock import START

CALM = (HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large)
MEMORY = settings(max_examples=60, stateful_step_count=50, deadline=None, suppress_health_check=CALM)
DISK = settings(max_examples=20, stateful_step_count=50, deadline=None, suppress_health_check=CALM)


class OnDisk(Lifecycle):
    on_disk = True


def test_no_order_of_events_breaks_a_promise_and_none_hangs() -> None:
    """I1 to I6, I8 in every reachable world; I10: from every one of them a final state can still be reached."""
    worlds = explore(Code())
    assert len(worlds.leads) == len(worlds.keys) > 10_000
    back: list[list[int]] = [[] for _ in worlds.keys]
    for here, ends in enumerate(worlds.leads):
        for end in ends:
            back[end].append(here)
    todo = [number for number, world in enumerate(worlds.keys) if world[0] in FINAL]
    finishing = set(todo)
    while todo:
        for before in back[todo.pop()]:
            if before not in finishing:
                finishing.add(before)
                todo.append(before)
    assert finishing == set(range(len(worlds.keys)))
    assert {world[0] for world in worlds.keys} == set(State) - {State.REVERTED}


def test_a_random_life_keeps_its_promises() -> None:
    run_state_machine_as_test(Lifecycle, settings=MEMORY)


def test_a_random_life_keeps_its_promises_on_a_real_store() -> None:
    run_state_machine_as_test(OnDisk, settings=DISK)


def own_vote_counts(record: Record, standing: Standing, at: Ground) -> Decision:
    return approval.approve(record, standing, replace(at, policy=replace(POLICY, self_approval=Risk.HIGH)))


def own_vote_counts_at_claim(record: Record, fresh: Mapping[str, Standing], at: Ground, *, owner: str) -> Decision:
    return approval.claim(record, fresh, replace(at, policy=replace(POLICY, self_approval=Risk.HIGH)), owner=owner)


def claims_for_leavers(record: Record, fresh: Mapping[str, Standing], at: Ground, *, owner: str) -> Decision:
    well = {key: replace(standing, fault="") for key, standing in fresh.items()}
    return approval.claim(record, well, at, owner=owner)


def claims_after_the_time(record: Record, fresh: Mapping[str, Standing], at: Ground, *, owner: str) -> Decision:
    return approval.claim(record, fresh, replace(at, now=START), owner=owner)


def never_checks_the_time(record: Record, at: Ground, *, fence: int, deadline: datetime) -> Decision:
    return approval.intent(record, replace(at, now=START), fence=fence, deadline=deadline)


def every_click_counts(record: Record, standing: Standing, at: Ground) -> Decision:
    renamed = tuple(vote.model_copy(update={"person": f"{vote.person}-{n}"}) for n, vote in enumerate(record.votes))
    return approval.approve(record.model_copy(update={"votes": renamed}), standing, at)


def trusts_the_clicks(record: Record, fresh: Mapping[str, Standing], at: Ground, *, owner: str) -> Decision:
    rules = tuple(replace(rule, approve=replace(rule.approve, people=1)) for rule in POLICY.rules if rule.approve)
    one = record.model_copy(update={"people": 1})
    return approval.claim(one, fresh, replace(at, policy=replace(POLICY, rules=rules)), owner=owner)


def ignores_the_fence(record: Record, at: Ground, *, fence: int, deadline: datetime) -> Decision:
    forced = record.model_copy(update={"state": State.CLAIMED, "lease": "2099-01-01T00:00:00Z"})
    return approval.intent(forced, replace(at, now=START), fence=record.fence, deadline=deadline)


def settles_too_early(record: Record, result: Result, now: datetime) -> Decision:
    return approval.resolve_unknown(record, result, now + timedelta(days=1))


def retries_blindly(record: Record, now: datetime) -> Decision:
    unsent = record.model_copy(update={"state": State.CLAIMED}) if record.state is State.INTENT else record
    return approval.lapse(unsent, now)


MUTANTS = {
    "the requester's own vote counts": (Code(approve=own_vote_counts, claim=own_vote_counts_at_claim), "I2"),
    "somebody who left still counts at the claim": (Code(claim=claims_for_leavers), "I2"),
    "an expired change is claimed": (Code(claim=claims_after_the_time, intent=never_checks_the_time), "I2"),
    "a double click counts twice": (Code(approve=every_click_counts, claim=trusts_the_clicks), "I2"),
    "a late owner is not fenced off": (Code(intent=ignores_the_fence), "I"),
    "an unknown outcome is settled before the host's deadline": (Code(resolve=settles_too_early), "I"),
    "what was sent is sent again": (Code(lapse=retries_blindly, host_remembers=False), "I"),
    "the kill switch is not asked before sending": (Code(asks_the_switch=False), "I8"),
    "the intent is not written first": (Code(writes_intent_first=False), "I3"),
    "the host does not compare": (Code(host_compares=False), "I4"),
    "the host starts after its deadline": (Code(host_knows_time=False), "I"),
}


@pytest.mark.parametrize("name", MUTANTS)
def test_a_broken_variant_is_caught(name: str) -> None:
    code, promise = MUTANTS[name]
    with pytest.raises(Violation, match=f"^{promise}") as violation:
        explore(code)
    assert violation.value.way


def test_the_random_walk_notices_a_broken_driver_as_well() -> None:
    class Hasty(Lifecycle):
        writes_intent_first = False

    quick = settings(MEMORY, max_examples=500, derandomize=True, database=None, phases=(Phase.generate,))
    with pytest.raises(AssertionError, match="I3"):
        run_state_machine_as_test(Hasty, settings=quick)
