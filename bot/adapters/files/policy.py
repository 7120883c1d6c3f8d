"""Where is the access policy read from, and what is wrong with it?

`policy.yaml` stands beside the inventory. What is not there cannot be used: an absent or empty file denies every
change and says why; a file with any fault is refused as a whole, with every fault on its line.
"""

import hashlib
import re
import stat
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from bot.actions import catalog
from bot.adapters.files import strict_yaml
from bot.adapters.files.strict_yaml import Document
from bot.adapters.files.times import WindowEntry, seconds, window
from bot.adapters.files.validate import validate
from bot.core.errors import ConfigError, nearest
from bot.core.policy import NO_POLICY, Approve, Group, Policy, Rule
from bot.core.report import Risk
from bot.core.window import Window

FILE = "policy.yaml"
_SLACK_USER = re.compile(r"(T[A-Z0-9]{2,}:)?[UW][A-Z0-9]{2,}")
_SLACK_GROUP = re.compile(r"S[A-Z0-9]{2,}")
_UNIX_USER = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}\$?")


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=False)


class _Person(_Model):
    slack: str | list[str] = Field(default_factory=list)
    terminal: str | list[str] = Field(default_factory=list)


class _Usergroup(_Model):
    slack_usergroup: str


class _Approve(_Model):
    people: int = Field(ge=1, le=20)
    from_: list[str] = Field(alias="from", min_length=1)
    ttl: str


class _Rule(_Model):
    hosts: str = "all"
    risk: list[Risk] = Field(min_length=1)
    actions: list[str] = Field(default_factory=list)
    approve: _Approve | Literal["never"]


class _Halt(_Model):
    people: int = Field(default=2, ge=1, le=20)


class _File(_Model):
    people: dict[str, _Person] = Field(default_factory=dict)
    groups: dict[str, list[str] | _Usergroup] = Field(default_factory=dict)
    rules: list[_Rule] = Field(default_factory=list)
    self_approval: Literal["never", "low", "medium", "high"] = "never"
    requesters: Literal["anyone", "people"] = "anyone"
    halt: _Halt = Field(default_factory=_Halt)
    freeze: list[WindowEntry] = Field(default_factory=list)


def load_policy(directory: Path) -> Policy:
    """The access policy of an inventory directory.

    Absent or empty: a policy that denies every change and says why. Raises ConfigError with a line for every fault.
    """
    return FilePolicy(directory).policy()


class FilePolicy:
    """`ports.PolicySource` over `policy.yaml`: the bytes are read at every decision, parsed when they changed."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / FILE
        self._known = Policy(empty=f"{NO_POLICY} ({self._path} does not exist)")

    def policy(self) -> Policy:
        """The policy in force. Its `version` tells that it changed. Raises ConfigError when the file is broken."""
        try:
            mode = self._path.stat().st_mode
            content = self._path.read_bytes()
        except FileNotFoundError:
            return Policy(empty=f"{NO_POLICY} ({self._path} does not exist)")
        except OSError as fault:
            raise ConfigError(f"{self._path}: cannot be read ({fault.strerror})") from fault
        if mode & stat.S_IWOTH:
            raise ConfigError(f"{self._path}: everybody may write it, and so approve; chmod o-w {self._path}")
        version = hashlib.sha256(content).hexdigest()
        if version != self._known.version:
            self._known = read_policy(content, str(self._path), version)
        return self._known


def read_policy(content: bytes, file: str, version: str) -> Policy:
    """A policy from the file's bytes. Raises ConfigError with a line for every fault."""
    document = strict_yaml.load(content, file)
    if not document.value:
        return Policy(version=version, empty=f"{NO_POLICY} ({file} is empty)")
    parsed = validate(_File, document)
    faults = [*_people_faults(document, parsed), *_group_faults(document, parsed), *_rule_faults(document, parsed)]
    freezes = [_freeze(document, index, entry, faults) for index, entry in enumerate(parsed.freeze)]
    if faults:
        raise ConfigError("\n".join(faults))
    return Policy(
        version=version,
        people={name: frozenset(key for _, key in _identities(person)) for name, person in parsed.people.items()},
        groups={name: _group(members) for name, members in parsed.groups.items()},
        rules=tuple(_rule(document, index, rule) for index, rule in enumerate(parsed.rules)),
        self_approval=None if parsed.self_approval == "never" else Risk(parsed.self_approval),
        freezes=tuple(freeze for freeze in freezes if freeze is not None),
        strangers_ask=parsed.requesters == "anyone",
        unhalt=parsed.halt.people,
        empty="" if parsed.rules else f"{file} has no rules, so nobody may approve anything: add `rules`",
    )


# --- people and groups ---------------------------------------------------------------------------------------------


def _listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def _identities(person: _Person) -> Iterator[tuple[str, str]]:
    """(what is written, the identity it stands for) of a person."""
    yield from ((ident, f"slack:{ident}") for ident in _listed(person.slack))
    yield from ((ident, f"terminal:{ident}") for ident in _listed(person.terminal))


def _people_faults(document: Document, parsed: _File) -> Iterator[str]:
    owner: dict[str, str] = {}
    for name, person in parsed.people.items():
        place = document.place(("people", name))
        for ident, key in _identities(person):
            fault = _identity_fault(ident, key)
            if fault:
                yield f"{place}: {name}: {fault}"
            # Compared without the team, too: U1 and T1:U1 may be one account.
            bare = key if key.startswith("terminal:") else f"slack:{ident.rpartition(':')[2]}"
            if owner.setdefault(bare, name) != name:
                yield f"{place}: {key} is both {owner[bare]} and {name}; one identity belongs to one person"
        if not any(_identities(person)):
            yield f"{place}: {name} has no identity; give a `slack` member id or a `terminal` user"


def _identity_fault(ident: str, key: str) -> str:
    if key.startswith("slack:") and not _SLACK_USER.fullmatch(ident):
        return (
            f'"{ident}" is no Slack member id (like U024BE7LH: profile, More, Copy member ID); names can be taken over'
        )
    if key.startswith("terminal:") and not _UNIX_USER.fullmatch(ident):
        return f'"{ident}" is no operating-system user name'
    return ""


def _group_faults(document: Document, parsed: _File) -> Iterator[str]:
    for name, members in parsed.groups.items():
        place = document.place(("groups", name))
        if isinstance(members, _Usergroup):
            if not _SLACK_GROUP.fullmatch(members.slack_usergroup):
                yield f'{place}: {name}: "{members.slack_usergroup}" is no Slack user group id (like S0614TZR7)'
            continue
        if not members:
            yield f"{place}: group {name} is empty; list people in it"
        for person in members:
            if person not in parsed.people:
                yield f'{place}: group {name}: no person "{person}"{nearest(person, parsed.people)}'


def _group(members: list[str] | _Usergroup) -> Group:
    return Group(slack_usergroup=members.slack_usergroup) if isinstance(members, _Usergroup) else Group(tuple(members))


# --- rules ---------------------------------------------------------------------------------------------------------


def _rule_faults(document: Document, parsed: _File) -> Iterator[str]:
    known = sorted(catalog())
    for index, rule in enumerate(parsed.rules):
        place = document.place(("rules", index))
        for pattern in rule.actions:  # a rule for a name that is none would let a looser one decide
            if not any(fnmatchcase(action, pattern) for action in known):
                yield f'{place}: actions: no action is "{pattern}"{nearest(pattern, known)}'
        if rule.approve == "never":
            continue
        if seconds(rule.approve.ttl) is None:
            yield f'{place}: ttl: "{rule.approve.ttl}" is no span of time; write 30m, 2h or 90s'
        for name in rule.approve.from_:
            if name not in parsed.groups:
                yield f'{place}: no group "{name}"{nearest(name, parsed.groups)}'
        few = _too_few(parsed, rule.approve)
        if few:
            yield f"{place}: {few}"


def _too_few(parsed: _File, approve: _Approve) -> str:
    groups = [parsed.groups[name] for name in approve.from_ if name in parsed.groups]
    if any(isinstance(group, _Usergroup) for group in groups):
        return ""
    members = {person for group in groups if not isinstance(group, _Usergroup) for person in group}
    if len(members) >= approve.people:
        return ""
    return f"{approve.people} people are asked for, and {' and '.join(approve.from_)} has {len(members)}"


def _rule(document: Document, index: int, rule: _Rule) -> Rule:
    asked = None
    if rule.approve != "never":
        asked = Approve(rule.approve.people, tuple(rule.approve.from_), seconds(rule.approve.ttl) or 0)
    place = str(document.place(("rules", index)))
    return Rule(rule.hosts, frozenset(rule.risk), asked, tuple(rule.actions), place)


# --- freeze windows ------------------------------------------------------------------------------------------------


def _freeze(document: Document, index: int, entry: WindowEntry, faults: list[str]) -> Window | None:
    try:
        return window(entry)
    except ValueError as fault:
        faults.append(f"{document.place(('freeze', index))}: {fault}")
        return None
