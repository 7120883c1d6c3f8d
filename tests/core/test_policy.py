"""Who may let what run: the policy's decisions, case by case."""

import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core import policy as access
from bot.core.errors import AskError
from bot.core.host import Host, Inventory
from bot.core.policy import Actor, Approve, Denied, Group, Policy, Requirement, Rule, Standing
from bot.core.report import Risk
from bot.core.selector import covers, select
from bot.core.window import Window
from tests.fakes.approval import ALICE, BOB, DAVE, HOST, POLICY, slack, terminal

LOW = frozenset({Risk.LOW})
ONE = Approve(1, ("net-oncall",), 1800)


def need(policy: Policy, risk: Risk = Risk.LOW, *, reversible: bool = True, action: str = "sysctl.set") -> object:
    return access.requirement(policy, HOST, risk, reversible=reversible, action=action)


@pytest.mark.parametrize(
    ("selector", "matches"),
    [
        ("all", True),
        ("node-3", True),
        ("node-*", True),
        ("ingress", True),
        ("role=ingress", True),
        ("role=ing*", True),
        ("node-4, ingress", True),
        ("node-4", False),
        ("role=worker", False),
        ("dc=fra1", False),
        ("NODE-3", False),
        ("", False),
        ("node", False),
    ],
)
def test_a_selector_takes_in_a_host_or_not(selector: str, matches: bool) -> None:
    assert covers(selector, HOST) is matches


def test_the_first_rule_that_matches_answers() -> None:
    rules = (Rule("node-3", LOW, Approve(2, ("net-oncall",), 60)), *POLICY.rules)
    assert need(replace(POLICY, rules=rules)) == Requirement(2, ("net-oncall",), 60, "2 of net-oncall within 1 min")
    assert need(replace(POLICY, rules=rules[1:] + rules[:1])) == Requirement(
        1, ("net-oncall",), 1800, "1 of net-oncall within 30 min"
    )


def test_a_rule_for_some_actions_is_passed_over_by_others() -> None:
    rules = (Rule("all", LOW, None, ("service.*",)), *POLICY.rules)
    assert isinstance(need(replace(POLICY, rules=rules), action="service.reload"), Denied)
    assert isinstance(need(replace(POLICY, rules=rules)), Requirement)


def test_a_change_that_cannot_be_undone_is_as_strict_as_a_high_risk() -> None:
    asked = need(POLICY, Risk.LOW, reversible=False)
    assert isinstance(asked, Requirement)
    assert asked.people == 2


DENIALS = [
    (Policy(), "no access policy: write inventory/policy.yaml"),
    (
        replace(POLICY, rules=POLICY.rules[1:]),
        r"no rule .* sysctl.set \(low risk\) on node-3: add one with risk \[low\]",
    ),
    (replace(POLICY, rules=(Rule("node-4", LOW, ONE),)), "no rule of the policy allows"),
    (replace(POLICY, rules=(Rule("all", LOW, None, place="policy.yaml:7"),)), r"policy \(policy.yaml:7\) never allows"),
    (replace(POLICY, groups={}), "names nobody who may approve"),
    (replace(POLICY, rules=(Rule("all", LOW, Approve(1, (), 60)),)), "names nobody who may approve"),
    (replace(POLICY, rules=(Rule("all", LOW, Approve(0, ("net-oncall",), 60)),)), "names nobody who may approve"),
]


@pytest.mark.parametrize(("policy", "told"), DENIALS)
def test_nothing_is_allowed_that_no_rule_allows(policy: Policy, told: str) -> None:
    denied = need(policy)
    assert isinstance(denied, Denied)
    assert re.search(told, denied.reason), denied.reason


@pytest.mark.parametrize(
    ("key", "person"),
    [
        ("slack:T0TEAM:U0ALICE", "alice"),
        ("terminal:alice", "alice"),
        ("slack:T0TEAM:U0CAROL", "carol"),
        ("slack:T9OTHER:U0CAROL", None),
        ("slack:T0TEAM:U0EVE", None),
        ("terminal:U0ALICE", None),
        ("schedule:alice", None),
        ("slack:alice", None),
        ("terminal:carol", None),
        ("", None),
    ],
)
def test_an_identity_is_one_person_or_nobody(key: str, person: str | None) -> None:
    assert access.person(POLICY, key) == person


def test_a_display_name_is_nobody() -> None:
    assert access.person(POLICY, Actor("slack", "T0TEAM:U0EVE", display="alice")) is None


@pytest.mark.parametrize(
    ("standing", "told"),
    [
        (slack(DAVE), "dave is not in net-oncall: approvers are alice, bob, carol"),
        (slack("T0TEAM:U0EVE"), "slack:T0TEAM:U0EVE is nobody in the access policy"),
        (slack(ALICE, fault="deactivated"), "may not decide: deactivated"),
        (terminal("root"), "terminal:root is nobody in the access policy"),
    ],
)
def test_who_is_not_eligible_is_told_why(standing: Standing, told: str) -> None:
    answer = access.eligible(POLICY, ("net-oncall",), standing)
    assert isinstance(answer, Denied)
    assert told in answer.reason


def test_a_slack_user_group_counts_as_it_is_now() -> None:
    policy = replace(POLICY, groups={"duty": Group(slack_usergroup="S1")})
    assert access.eligible(policy, ("duty",), slack(BOB, usergroups=frozenset({"S1"}))) == "bob"
    assert isinstance(access.eligible(policy, ("duty",), slack(BOB, usergroups=frozenset({"S2"}))), Denied)


def test_a_member_of_the_user_group_who_is_nobody_may_not_decide() -> None:
    policy = replace(POLICY, groups={"duty": Group(slack_usergroup="S1")})
    assert isinstance(access.eligible(policy, ("duty",), slack("T0TEAM:U0EVE", usergroups=frozenset({"S1"}))), Denied)


def test_no_group_makes_nobody_eligible() -> None:
    assert isinstance(access.eligible(POLICY, (), slack(ALICE)), Denied)
    assert isinstance(access.eligible(POLICY, ("gone",), slack(ALICE)), Denied)


WEEKEND = Window("weekend", weekly=(4 * 1440 + 16 * 60, 7 * 60), zone="Europe/Berlin")


@pytest.mark.parametrize(
    ("when", "frozen"),
    [
        (datetime(2030, 5, 17, 13, 59, tzinfo=UTC), False),  # Friday 15:59 in Berlin
        (datetime(2030, 5, 17, 14, 0, tzinfo=UTC), True),
        (datetime(2030, 5, 19, 12, 0, tzinfo=UTC), True),
        (datetime(2030, 5, 20, 4, 59, tzinfo=UTC), True),
        (datetime(2030, 5, 20, 5, 0, tzinfo=UTC), False),
        (datetime(2030, 1, 18, 14, 59, tzinfo=UTC), False),  # winter: 15:59 in Berlin
        (datetime(2030, 1, 18, 15, 0, tzinfo=UTC), True),
    ],
)
def test_a_weekly_freeze_keeps_its_hours_through_summer_time(when: datetime, frozen: bool) -> None:
    assert bool(access.frozen(replace(POLICY, freezes=(WEEKEND,)), HOST, when)) is frozen


def test_a_freeze_binds_its_hosts_from_its_start_to_before_its_end() -> None:
    start, end = datetime(2030, 5, 1, tzinfo=UTC), datetime(2030, 5, 2, tzinfo=UTC)
    policy = replace(POLICY, freezes=(Window("release", "role=ingress", start, end),))
    assert access.frozen(policy, HOST, start) == "release"
    assert access.frozen(policy, HOST, end) == ""
    assert access.frozen(policy, Host(name="node-4", address="192.0.2.14"), start) == ""


def test_a_selector_that_no_host_answers_to_is_reported() -> None:
    rules = (Rule("ingres, node-3", LOW, ONE, place="policy.yaml:9"), *POLICY.rules)
    inventory = Inventory(hosts={HOST.name: HOST})
    assert access.unmatched(replace(POLICY, rules=rules), inventory) == ("policy.yaml:9: no host is 'ingres'",)


@pytest.mark.parametrize(
    ("seconds", "words"), [(45, "45 s"), (90, "90 s"), (1800, "30 min"), (7200, "2 h"), (0, "0 s")]
)
def test_a_span_is_said_in_the_largest_whole_unit(seconds: int, words: str) -> None:
    assert access.span(seconds) == words


FLEET = Inventory(
    hosts={
        name: Host(name=name, address=address, labels={"role": role}, groups=groups)
        for name, address, role, groups in (
            ("node-1", "192.0.2.11", "worker", ()),
            ("node-3", "192.0.2.13", "ingress", ("ingress", "edge")),
            ("edge", "192.0.2.20", "router", ()),
        )
    },
    groups={"ingress": ("node-3",), "edge": ("node-3",)},
)
TERMS = st.sampled_from(
    ["all", "node-1", "node-*", "ingress", "edge", "role=worker", "role=*", "192.0.2.13", "*e", "n[o]de-1"]
)


@given(st.lists(st.tuples(st.sampled_from(["", "!", "! "]), TERMS), min_size=1, max_size=4))
def test_a_rules_hosts_are_the_hosts_that_the_same_words_mean_elsewhere(terms: list[tuple[str, str]]) -> None:
    selector = ", ".join(sign + term for sign, term in terms)
    covered = {host.name for host in FLEET.hosts.values() if covers(selector, host)}
    try:
        assert covered == {host.name for host in select(FLEET, selector)}
    except AskError:
        assert covered == set()


@pytest.mark.parametrize("kind", ["schedule", "alert"])
def test_what_asks_by_itself_asks_for_its_owner_and_has_no_vote(kind: Any) -> None:
    owned = Actor(kind, "nightly", owner="alice")
    assert access.requester(POLICY, owned) == "alice"
    assert access.requester(POLICY, Actor(kind, "nightly", owner="mallory")) == f"{kind}:nightly"
    assert isinstance(access.eligible(POLICY, ("net-oncall",), Standing(owned)), Denied)


def test_no_other_identity_has_an_owner() -> None:
    assert access.requester(POLICY, Actor("slack", "T0TEAM:U0EVE", owner="alice")) == "slack:T0TEAM:U0EVE"
    assert access.requester(POLICY, Actor("terminal", "alice", owner="bob")) == "alice"
