"""Can anybody quietly edit the log? A hash chain over canonical bytes, with signed heads.

`hash = SHA-256(domain || version || seq || prev || body)`, body = RFC 8785 JSON of the event. Entries are stored as
the exact bytes that were hashed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened, in the past tense: `ChangeProposed`, `ChangeApproved`, `ApprovalRefused`,
    `IntentWritten`, `ChangeSettled`, `HostKeyRefused`, `PolicyChanged`, `LogRead`, …

    `actor` is an `Actor.key`; `at` is UTC RFC 3339. `data` holds JSON values only (64-bit integers as strings).
    """

    kind: str
    actor: str
    at: str
    change: str | None = None
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Entry:
    """One link of the chain: sequence number from 1, the previous link's hash, the exact body bytes, its own hash."""

    seq: int
    prev: str
    body: bytes
    hash: str
