"""Can anybody quietly edit the log? A hash chain over canonical bytes, with signed heads and outside anchors.

    hash = SHA-256(domain || epoch || seq || prev || body)      each but the body ended by a line feed

`body` is RFC 8785 JSON of the event; `domain` holds the format's name and version, so that no other signed or hashed
text can pass for an entry; `epoch` is a UUID drawn when the log began, so that no entry fits another log. Entries are
stored as the exact bytes that were hashed. The chain alone shows an edit, a gap and a swap; signed heads (the key is
outside the database) show a rewrite; anchors kept elsewhere show a cut-off end.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import rfc8785
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

DOMAIN = "netdiag.audit/1"
_HEAD_DOMAIN = "netdiag.audit-head/1"
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
        return "\n".join((_HEAD_DOMAIN, self.epoch, str(self.seq), self.hash)).encode()

    def line(self) -> str:
        """The head as one line to post somewhere else; :func:`anchors` finds it again in any text."""
        return f"{_HEAD_DOMAIN} {self.epoch} {self.seq} {self.hash} {self.signature or '-'}"


class Verdict(StrEnum):
    """What a verification came to."""

    OK = "ok"
    TAMPERED = "tampered"
    CANNOT_TELL = "cannot tell"


@dataclass(frozen=True, slots=True)
class Verification:
    """Whether the log is what was written: `seq` is the first bad entry when tampered, `reason` says why.

    `checked` counts the entries read; `signed` and `anchored` are the last sequence numbers that a valid signature
    and an outside anchor vouch for (0: none). What lies behind both can be cut off unseen.
    """

    verdict: Verdict
    reason: str
    seq: int | None = None
    checked: int = 0
    signed: int = 0
    anchored: int = 0


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


def signed_by(head: Head, public_key: bytes) -> bool:
    """Whether the head's signature is by this raw 32-byte Ed25519 key."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(bytes.fromhex(head.signature), head.message())
    except (InvalidSignature, ValueError):
        return False
    return True


def verify(
    entries: Iterable[Entry],
    heads: Iterable[Head] = (),
    public_key: bytes | None = None,
    anchored: Iterable[Head] = (),
    *,
    first: int = 1,
) -> Verification:
    """Read the chain from `first` on and hold it against its signed heads and the anchors kept elsewhere.

    Streams: memory does not grow with the entries, only with the heads. Without a key, or without any signed head,
    the chain may be consistent and yet rewritten as a whole: that is CANNOT_TELL, never OK.
    """
    signed, outside = {head.seq: head for head in heads}, {head.seq: head for head in anchored}
    wrong = _bad_signature(signed, outside, public_key)
    if wrong is not None:
        return wrong
    last: Entry | None = None
    count = 0
    for entry in entries:
        fault = _fault(entry, last, first, signed, outside)
        if fault:
            return Verification(Verdict.TAMPERED, fault, last.seq + 1 if last else first, count)
        last, count = entry, count + 1
    return _close(last, count, first, signed, outside, public_key)


def _bad_signature(
    signed: Mapping[int, Head], outside: Mapping[int, Head], public_key: bytes | None
) -> Verification | None:
    if public_key is None:
        return None
    for head in sorted(
        (*signed.values(), *(head for head in outside.values() if head.signature)), key=lambda head: head.seq
    ):
        if not signed_by(head, public_key):
            return Verification(Verdict.TAMPERED, f"the head at entry {head.seq} is not signed by this key", head.seq)
    return None


def _fault(
    entry: Entry, last: Entry | None, first: int, signed: Mapping[int, Head], outside: Mapping[int, Head]
) -> str:
    wanted = last.seq + 1 if last else first
    if entry.seq != wanted:
        return f"entry {wanted} is missing: the log goes on with {entry.seq}"
    if last and entry.epoch != last.epoch:
        return f"entry {entry.seq} belongs to another log (epoch {entry.epoch})"
    before = last.hash if last else genesis(entry.epoch) if first == 1 else entry.prev
    if entry.prev != before:
        return f"entry {entry.seq} does not follow the entry before it"
    if entry.hash != digest(entry.epoch, entry.seq, entry.prev, entry.body):
        return f"entry {entry.seq} is not what was hashed"
    for head, what in ((signed.get(entry.seq), "signed head"), (outside.get(entry.seq), "anchor")):
        if head is not None and (head.hash, head.epoch) != (entry.hash, entry.epoch):
            return f"entry {entry.seq} differs from the {what}: the log was rewritten"
    return ""


def _close(  # noqa: PLR0917 - the whole of what verify saw
    last: Entry | None,
    count: int,
    first: int,
    signed: Mapping[int, Head],
    outside: Mapping[int, Head],
    public_key: bytes | None,
) -> Verification:
    end = last.seq if last else first - 1
    for heads, what in ((signed, "signed"), (outside, "anchored")):
        if heads and max(heads) > end:
            reason = f"the log ends at entry {end}, but was {what} up to entry {max(heads)}: its end was cut off"
            return Verification(Verdict.TAMPERED, reason, end + 1, count)
    vouched = max((seq for seq in signed if public_key is not None), default=0)
    outer = max(outside, default=0)
    reason = _doubt(count, public_key, vouched, outer)
    if reason:
        return Verification(Verdict.CANNOT_TELL, reason, None, count, vouched, outer)
    behind = end - max(vouched, outer)
    note = f"; the newest {behind} not signed yet" if behind else ""
    return Verification(Verdict.OK, f"{count} entries in order{note}", None, count, vouched, outer)


def _doubt(count: int, public_key: bytes | None, vouched: int, outer: int) -> str:
    if count == 0:
        return "the log is empty: it was never begun, or all of it was taken away"
    if outer:
        return ""
    if public_key is None:
        return "the entries follow each other, but without the public key a rewritten log would look the same"
    return (
        "" if vouched else "the entries follow each other, but no head was signed: a rewritten log would look the same"
    )


def to_line(entry: Entry) -> str:
    """One entry as a line of the JSONL export. The body is kept as text, so that its bytes survive."""
    fields = {
        "epoch": entry.epoch,
        "seq": entry.seq,
        "prev": entry.prev,
        "hash": entry.hash,
        "body": entry.body.decode(),
    }
    return json.dumps(fields, ensure_ascii=False)


def from_line(line: str) -> Entry:
    """Read one line of the export. Raises ValueError when it is not an entry."""
    try:
        fields = json.loads(line)
        return Entry(int(fields["seq"]), fields["prev"], fields["body"].encode(), fields["hash"], fields["epoch"])
    except (KeyError, TypeError, AttributeError, UnicodeEncodeError) as fault:
        raise ValueError(f"not an entry of the audit export: {line[:60]!r}") from fault


_ANCHOR = re.compile(rf"{re.escape(_HEAD_DOMAIN)} ([0-9a-f-]{{36}}) (\d{{1,18}}) ([0-9a-f]{{64}}) ([0-9a-f]{{128}}|-)")


def anchors(text: str) -> tuple[Head, ...]:
    """Every head found in a text (a channel's export, a syslog file), wherever it stands in a line."""
    found = (match.groups() for match in _ANCHOR.finditer(text))
    return tuple(Head(epoch, int(seq), hash_, "" if sign == "-" else sign) for epoch, seq, hash_, sign in found)
