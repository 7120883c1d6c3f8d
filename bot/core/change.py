"""What exactly will happen to a host, and what is its digest?

A change is a value. Its digest covers everything that will happen, and the card a human approves is rendered from
the digested bytes. Canonical JSON is RFC 8785; the digest is SHA-256 in hex.
"""

import hashlib
from collections.abc import Mapping
from enum import StrEnum
from typing import Any

import rfc8785
from pydantic import BaseModel, ConfigDict, Field

from bot.core.report import Risk

Argv = tuple[str, ...]
"""One command as its argument vector: run with execve on the host, never joined by a shell of ours."""


class Compare(StrEnum):
    """How a check's output is held against what is expected."""

    EQUALS = "equals"
    DIFFERS = "differs"


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Check(_Value):
    """A read of the host and what it must print (blanks at both ends trimmed, runs of blanks as one space)."""

    about: str
    """What is read, for people: "net.core.somaxconn in shop"."""
    argv: Argv
    expect: str
    compare: Compare = Compare.EQUALS


class Plan(_Value):
    """How an action would change one host: the half of a change that the action decides."""

    steps: tuple[Argv, ...] = Field(min_length=1)
    precondition: tuple[Check, ...] = Field(min_length=1)
    inverse: tuple[Argv, ...] = ()
    """Undo, in order; empty means irreversible, and the stricter policy applies."""
    verify: tuple[Check, ...] = Field(min_length=1)
    risk: Risk
    summary: str
    """One line: "net.core.somaxconn 128 -> 4096 in shop (net:[4026532414])"."""
    impact: str
    not_fixed: str = ""
    """What this does not fix, said before anybody approves it."""
    takes: int = Field(default=0, ge=0, le=600)
    """Seconds that its steps may wait on purpose (a drain, a period to watch): the claim holds as much longer."""
    rests: int = Field(default=0, ge=0, le=600)
    """Seconds after it was proposed before anything is written: the precondition then proves that what was seen has
    stayed so for as long, and was not somebody's work half done."""


class FollowUp(_Value):
    """The action offered when this change is in force but the symptom stays."""

    action: str
    params: Mapping[str, Any]
    say: str = ""
    then: "FollowUp | None" = None


class Change(_Value):
    """A plan bound to one host, one asker and one moment. Everything here is in the digest.

    Times are UTC, RFC 3339, whole seconds. `host_key` is the fingerprint the evidence was read over: another key
    at execution is another host. `confirm_within` is the dead-man's time in seconds.
    """

    schema_: str = Field(default="netdiag.change/1", serialization_alias="schema", validation_alias="schema")
    id: str
    nonce: str
    host: str
    host_key: str
    action: str
    with_: Mapping[str, Any] = Field(serialization_alias="with", validation_alias="with")
    plan: Plan
    finding: str
    fingerprint: str
    playbook: str
    playbook_revision: str
    policy_version: str
    requester: str
    """A person of the policy, or `slack:T…:U…` / `terminal:name` when the policy does not know them."""
    created: str
    expires: str
    confirm_within: int = 20
    then: FollowUp | None = None
    reverts: str | None = None
    """The id of the change that this one undoes."""

    def canonical(self) -> bytes:
        """RFC 8785 JSON of the whole change: what is digested, logged and rendered."""
        document = self.model_dump(mode="json", by_alias=True)
        for later in ("takes", "rests"):  # a change from before plans told them has the digest that it had
            if not document["plan"][later]:
                del document["plan"][later]
        return rfc8785.dumps(document)

    @property
    def digest(self) -> str:
        """SHA-256 over :meth:`canonical`, hex."""
        return hashlib.sha256(self.canonical()).hexdigest()
