"""What is an entry of the log, and how does each hang on the one before?

    hash = SHA-256(domain || epoch || seq || prev || body)      each but the body ended by a line feed

`body` is RFC 8785 JSON of the event; `domain` holds the format's name and version, so that no other signed or hashed
text can pass for an entry; `epoch` is a UUID drawn when the log began, so that no entry fits another log. Entries are
stored as the exact bytes that were hashed.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import rfc8785

DOMAIN = "netdiag.audit/1"
HEAD_DOMAIN = "netdiag.audit-head/1"
_SAFE = 2**53 - 1


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened, in the past tense: `ChangeProposed`, `ChangeApproved`, `ApprovalRefused`,
    `IntentWritten`, `ChangeSettled`, `HostKeyRefused`, `PolicyChanged`, `LogRead`, …

    `actor` is an `Actor.key`; `at` is UTC RFC 3339. `data` holds JSON values only; integers that no double holds
    exactly are written as strings.
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
    epoch: str = ""

    def event(self) -> Event:
        """The event as it was logged. Raises ValueError when the bytes are not an event (a tampered entry)."""
        body = json.loads(self.body)
        if not isinstance(body, dict) or not isinstance(body.get("data"), dict):
            raise ValueError(f"entry {self.seq} is not an event")  # noqa: TRY004 - one error for one fault
        return Event(str(body["kind"]), str(body["actor"]), str(body["at"]), body.get("change"), body["data"])


@dataclass(frozen=True, slots=True)
class Head:
    """The end of the chain at one moment, signed (Ed25519, hex). The same value is what is anchored elsewhere."""

    epoch: str
    seq: int
    hash: str
    signature: str = ""

    def message(self) -> bytes:
        """The exact bytes that are signed."""
        return "\n".join((HEAD_DOMAIN, self.epoch, str(self.seq), self.hash)).encode()

    def line(self) -> str:
        """The head as one line to post somewhere else; :func:`anchors` finds it again in any text."""
        return f"{HEAD_DOMAIN} {self.epoch} {self.seq} {self.hash} {self.signature or '-'}"


def body(event: Event) -> bytes:
    """RFC 8785 JSON of an event. Raises ValueError for what JSON cannot hold (NaN, objects)."""
    document = {"kind": event.kind, "actor": event.actor, "at": event.at, "change": event.change, "data": event.data}
    return rfc8785.dumps(_plain(document))


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > _SAFE:
        return str(value)
    if isinstance(value, str):
        return str(value).encode("utf-8", "backslashreplace").decode()
    return value


def genesis(epoch: str) -> str:
    """What the first entry names as its predecessor."""
    return hashlib.sha256(f"{DOMAIN}\n{epoch}".encode()).hexdigest()


def digest(epoch: str, seq: int, prev: str, content: bytes) -> str:
    """The hash of one entry, in hex."""
    return hashlib.sha256("\n".join((DOMAIN, epoch, str(seq), prev, "")).encode() + content).hexdigest()


def link(prev: str, event: Event, seq: int, epoch: str) -> Entry:
    """The next entry of the chain. `prev` is the last entry's hash, or :func:`genesis` for the first."""
    content = body(event)
    return Entry(seq, prev, content, digest(epoch, seq, prev, content), epoch)


def chain(prev: str, events: Iterable[Event], seq: int, epoch: str) -> tuple[Entry, ...]:
    """Link several events after entry `seq` (0 when there is none yet)."""
    entries: list[Entry] = []
    for event in events:
        entry = link(prev, event, seq + 1, epoch)
        prev, seq = entry.hash, entry.seq
        entries.append(entry)
    return tuple(entries)
