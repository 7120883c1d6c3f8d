"""People, a policy and a change to decide about: what approval's tests, and tests that need an approval, start from."""

from datetime import datetime, timedelta
from typing import Any

from bot.core.approval import Ground, Moved, Record, propose, stamp
from bot.core.change import Change, Check, Plan
from bot.core.host import Host
from bot.core.policy import Actor, Approve, Group, Policy, Rule, Standing
from bot.core.report import Risk
from tests.fakes.clock import START

HOST = Host(name="node-3", address="192.0.2.13", labels={"role": "ingress"}, groups=("ingress",))
ALICE, BOB, CAROL, DAVE = ("T0TEAM:U0ALICE", "T0TEAM:U0BOB", "T0TEAM:U0CAROL", "T0TEAM:U0DAVE")

POLICY = Policy(
    version="1" * 64,
    people={
        "alice": frozenset({"slack:U0ALICE", "terminal:alice"}),
        "bob": frozenset({"slack:U0BOB", "terminal:bob"}),
        "carol": frozenset({"slack:T0TEAM:U0CAROL"}),
        "dave": frozenset({"slack:U0DAVE"}),
    },
    groups={"net-oncall": Group(("alice", "bob", "carol"))},
    rules=(
        Rule("all", frozenset({Risk.LOW, Risk.MEDIUM}), Approve(1, ("net-oncall",), 1800)),
        Rule("all", frozenset({Risk.HIGH}), Approve(2, ("net-oncall",), 900)),
    ),
)
"""alice, bob and carol are on call; dave is known and is not; low and medium need one of them, high needs two."""


def slack(ident: str, *, fault: str = "", usergroups: frozenset[str] = frozenset()) -> Standing:
    return Standing(Actor("slack", ident), fault, usergroups)


def terminal(name: str) -> Standing:
    return Standing(Actor("terminal", name))


def plan(risk: Risk = Risk.LOW, *, reversible: bool = True) -> Plan:
    check = Check(about="net.core.somaxconn", argv=("sysctl", "-n", "net.core.somaxconn"), expect="128")
    return Plan(
        steps=(("sysctl", "-w", "net.core.somaxconn=4096"),),
        precondition=(check,),
        inverse=(("sysctl", "-w", "net.core.somaxconn=128"),) if reversible else (),
        verify=(check.model_copy(update={"expect": "4096"}),),
        risk=risk,
        summary="net.core.somaxconn 128 -> 4096",
        impact="none",
    )


def change(
    risk: Risk = Risk.LOW, *, reversible: bool = True, requester: str = "dave", now: datetime = START, **fields: Any
) -> Change:
    values: dict[str, Any] = {
        "id": "c0ffee01",
        "nonce": "n0nce",
        "host": HOST.name,
        "host_key": "SHA256:abc",
        "action": "sysctl.set",
        "with": {"key": "net.core.somaxconn", "value": "4096"},
        "plan": plan(risk, reversible=reversible),
        "finding": "backlog-capped",
        "fingerprint": "f1",
        "playbook": "listen-queue",
        "playbook_revision": "r1",
        "policy_version": POLICY.version,
        "requester": requester,
        "created": stamp(now),
        "expires": stamp(now + timedelta(seconds=1800)),
    }
    return Change(**(values | fields))


def ground(now: datetime = START, policy: Policy = POLICY, halted: str = "", host: Host = HOST) -> Ground:
    return Ground(now, policy, host, halted)


def proposed(made: Change | None = None, *, asker: str = f"slack:{DAVE}", at: Ground | None = None) -> Record:
    made = made or change()
    decision = propose(made, at or ground(host=HOST.model_copy(update={"name": made.host})), asker=asker)
    assert isinstance(decision, Moved), decision
    return decision.record
