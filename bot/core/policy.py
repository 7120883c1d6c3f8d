"""Who may let which change run? Deny by default: no policy, no approver list, no change.

A rule answers for the first host, risk and action it matches; later rules are not asked. People are humans: every
identity they act through belongs to one of them, so that two accounts of one human never count as two. Ids decide,
never names.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Literal

from bot.core.host import Host, Inventory
from bot.core.report import Risk
from bot.core.selector import covers, means
from bot.core.window import Window, why_inside

_ORDER = {Risk.LOW: 1, Risk.MEDIUM: 2, Risk.HIGH: 3}


@dataclass(frozen=True, slots=True)
class Actor:
    """The identity somebody acts through. Only `kind` and `id` decide; `display` is for people to read.

    `id` is immutable and unambiguous: `T0TEAM:U0ALICE` for Slack, the operating-system user name for the terminal,
    the sweep's name for the scheduler, the route's for an alert.

    Schedules and alerts are nobody: `owner` is the person of the policy for whom they ask, and so the requester of
    what comes up. It gives no vote: only `kind` and `id` do.
    """

    kind: Literal["slack", "terminal", "schedule", "alert"]
    id: str
    display: str = ""
    owner: str = ""

    @property
    def key(self) -> str:
        """`slack:T0TEAM:U0ALICE`, `terminal:alice`: how logs and records name the actor."""
        return f"{self.kind}:{self.id}"


@dataclass(frozen=True, slots=True)
class Standing:
    """What the world says about an actor right now (Slack: users.info; terminal: the OS), never from a cache.

    `fault` is empty for a full member in good standing; otherwise why this actor may not decide (deactivated, guest,
    other workspace, bot, lookup failed). `usergroups` are the Slack user groups the actor is in, where policy asks.
    """

    actor: Actor
    fault: str = ""
    usergroups: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Requirement:
    """What one change needs: `people` distinct approvers out of `groups`, within `ttl` seconds."""

    people: int
    groups: tuple[str, ...]
    ttl: int
    words: str
    """For the card: "1 of net-oncall within 30 min"."""


@dataclass(frozen=True, slots=True)
class Denied:
    """The policy refuses, and what to configure."""

    reason: str


@dataclass(frozen=True, slots=True)
class Group:
    """Who may approve under one name: people of the policy, or whoever is in a Slack user group at the moment.

    A member of the user group must be one of the policy's people too: only that tells which accounts are one human.
    """

    people: tuple[str, ...] = ()
    slack_usergroup: str | None = None


@dataclass(frozen=True, slots=True)
class Approve:
    """The approval a rule asks for; `ttl` in seconds from the proposal."""

    people: int
    groups: tuple[str, ...]
    ttl: int


@dataclass(frozen=True, slots=True)
class Rule:
    """One line of the policy. `actions` empty means every action (globs allowed); `approve` None means never.

    `place` is `file:line`, so that a refusal names the line to change.
    """

    hosts: str
    risks: frozenset[Risk]
    approve: Approve | None
    actions: tuple[str, ...] = ()
    place: str = ""


@dataclass(frozen=True, slots=True)
class Policy:
    """The access policy as read from `policy.yaml`; `version` is the SHA-256 of the file's bytes, "none" if absent.

    `people` maps a person to their identities (`slack:U0ALICE`, `slack:T0TEAM:U0ALICE`, `terminal:alice`); a Slack id
    without a team stands for that id in the home team, which `Standing` vouches for. `self_approval` is the highest
    risk at which the requester's own vote counts, None for never. `strangers_ask` tells whether a change asked for
    by somebody the policy does not know may be approved at all. `unhalt` is how many people clear the kill switch.
    `empty` says why there is nothing here, for refusals.
    """

    version: str = "none"
    people: Mapping[str, frozenset[str]] = field(default_factory=lambda: MappingProxyType({}))
    groups: Mapping[str, Group] = field(default_factory=lambda: MappingProxyType({}))
    rules: tuple[Rule, ...] = ()
    self_approval: Risk | None = None
    freezes: tuple[Window, ...] = ()
    strangers_ask: bool = True
    unhalt: int = 2
    empty: str = ""


NO_POLICY = "no access policy: write inventory/policy.yaml with people, groups and rules"


def unmatched(policy: Policy, inventory: Inventory) -> tuple[str, ...]:
    """Terms that mean no host of the inventory: a misspelt strict rule would fall through to a laxer one."""
    selectors = [(rule.place, rule.hosts) for rule in policy.rules] + [("", freeze.hosts) for freeze in policy.freezes]
    hosts = tuple(inventory.hosts.values())
    return tuple(
        f"{place}: no host is {term!r}".removeprefix(": ")
        for place, selector in selectors
        for term in (part.strip().removeprefix("!").strip() for part in selector.split(","))
        if term != "all" and not any(means(term, host) for host in hosts)
    )


def strictness(risk: Risk, *, reversible: bool) -> Risk:
    """The risk whose rule applies: a change with no inverse is as strict as a high risk."""
    return risk if reversible else Risk.HIGH


def requirement(policy: Policy, host: Host, risk: Risk, *, reversible: bool, action: str) -> Requirement | Denied:
    """What approval a change needs, or why it cannot have any and what to configure. First matching rule wins."""
    if not policy.rules:
        return Denied(policy.empty or NO_POLICY)
    strict = strictness(risk, reversible=reversible)
    what = f"{action} ({strict} risk{'' if reversible else ', irreversible'}) on {host.name}"
    for rule in policy.rules:
        if covers(rule.hosts, host) and strict in rule.risks and _names(rule.actions, action):
            return _asked(policy, rule, what)
    return Denied(f"no rule of the policy allows {what}: add one with risk [{strict}] for this host")


def _names(actions: Sequence[str], action: str) -> bool:
    return not actions or any(fnmatchcase(action, pattern) for pattern in actions)


def _asked(policy: Policy, rule: Rule, what: str) -> Requirement | Denied:
    where = f" ({rule.place})" if rule.place else ""
    if rule.approve is None:
        return Denied(f"the policy{where} never allows {what}")
    missing = [name for name in rule.approve.groups if name not in policy.groups]
    if missing or not rule.approve.groups or rule.approve.people < 1:
        return Denied(f"the policy{where} names nobody who may approve {what}: list a group with people in it")
    words = f"{rule.approve.people} of {' or '.join(rule.approve.groups)} within {span(rule.approve.ttl)}"
    return Requirement(rule.approve.people, rule.approve.groups, rule.approve.ttl, words)


def span(seconds: int) -> str:
    """Seconds for people: "45 s", "30 min", "2 h"."""
    for size, unit in ((3600, "h"), (60, "min")):
        if seconds >= size and seconds % size == 0:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def person(policy: Policy, actor: Actor | str) -> str | None:
    """Which human an actor (or an `Actor.key`) is, or None when the policy does not know that identity."""
    key = actor if isinstance(actor, str) else actor.key
    kind, _, ident = key.partition(":")
    wanted = {key, f"slack:{ident.rpartition(':')[2]}"} if kind == "slack" else {key}
    return next((name for name, identities in policy.people.items() if identities & wanted), None)


def requester(policy: Policy, actor: Actor) -> str:
    """Who asks, as a change names it: the person behind the identity or the owner of what asks by itself, else the
    identity.
    """
    if actor.kind in ("schedule", "alert") and actor.owner in policy.people:
        return actor.owner
    return person(policy, actor) or actor.key


def eligible(policy: Policy, groups: Sequence[str], standing: Standing) -> str | Denied:
    """The person whose vote this actor may cast in one of `groups`, or why not. Says nothing of self-approval."""
    key = standing.actor.key
    if standing.fault:
        return Denied(f"{key} may not decide: {standing.fault}")
    name = person(policy, standing.actor)
    if name is None:
        return Denied(f"{key} is nobody in the access policy: add the id to a person under `people` in policy.yaml")
    known = [policy.groups[group] for group in groups if group in policy.groups]
    if any(name in group.people or group.slack_usergroup in standing.usergroups for group in known):
        return name
    return Denied(
        f"{name} is not in {' or '.join(groups) or 'any approvers group'}: approvers are {approvers(policy, groups)}"
    )


def mute(policy: Policy, standing: Standing) -> str:
    """Why somebody may not decide what is told and looked at (silences, pauses), or "".

    People of the policy may; where it names nobody, only whoever sits at the terminal.
    """
    if standing.fault:
        return standing.fault
    if policy.people:
        known = person(policy, standing.actor) is not None
        return "" if known else "nobody in the access policy has that id: add it to a person in policy.yaml"
    if standing.actor.kind == "terminal":
        return ""
    return "no access policy says who that is: write inventory/policy.yaml, or use the terminal"


def approvers(policy: Policy, groups: Sequence[str], without: Collection[str] = ()) -> str:
    """Who is in these groups, each once, for people: "alice, bob, Slack user group S0123"."""
    names = dict.fromkeys(
        name
        for group in groups
        if (known := policy.groups.get(group)) is not None
        for name in (*known.people, *([f"Slack user group {known.slack_usergroup}"] if known.slack_usergroup else ()))
    )
    return ", ".join(name for name in names if name not in without) or "nobody"


def usergroups(policy: Policy) -> frozenset[str]:
    """The Slack user groups that the policy asks about: what a directory must look up."""
    return frozenset(group.slack_usergroup for group in policy.groups.values() if group.slack_usergroup)


def deciders(policy: Policy) -> tuple[str, ...]:
    """Every group that some rule asks: whoever is in one of them may set the kill switch."""
    return tuple(dict.fromkeys(name for rule in policy.rules if rule.approve for name in rule.approve.groups))


def may_approve_own(policy: Policy, risk: Risk) -> bool:
    """Whether a requester's own vote counts at this (strict) risk."""
    return policy.self_approval is not None and _ORDER[risk] <= _ORDER[policy.self_approval]


def frozen(policy: Policy, host: Host, now: datetime) -> str:
    """Why nothing may change on `host` at `now` (aware), or "" when no freeze window is open."""
    return why_inside(policy.freezes, now, host)
