"""Who may let which change run? Deny by default: no policy, no approver list, no change."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Actor:
    """The identity somebody acts through. Only `kind` and `id` decide; `display` is for people to read.

    `id` is immutable and unambiguous: `T0TEAM:U0ALICE` for Slack, the operating-system user name for the terminal,
    the sweep's name for the scheduler.
    """

    kind: Literal["slack", "terminal", "schedule"]
    id: str
    display: str = ""

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
class Policy:
    """The access policy as read from `policy.yaml`; `version` is the SHA-256 of the file's bytes, "none" if absent."""

    version: str = "none"
    people: Mapping[str, Mapping[str, str]] = None  # type: ignore[assignment]  # filled by the owner of this file
