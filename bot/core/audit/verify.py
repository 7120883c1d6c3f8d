"""Is the log what was written?

The chain alone shows an edit, a gap and a swap. Signed heads (their key is outside the database) show a rewrite.
Anchors kept elsewhere show an end that was cut off.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from bot.core.audit.chain import Entry, Head, digest, genesis


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


def signed_by(head: Head, public_key: bytes) -> bool:
    """Whether the head's signature is by this raw 32-byte Ed25519 key."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(bytes.fromhex(head.signature), head.message())
    except (InvalidSignature, ValueError):
        return False
    return True


class Verifier:
    """Reads the chain entry by entry and holds it against its heads and anchors; memory grows with the heads only.

    `take` answers whether it is worth going on; `result` is the verdict on what was taken.
    """

    def __init__(
        self, heads: Iterable[Head] = (), public_key: bytes | None = None, anchored: Iterable[Head] = (), first: int = 1
    ) -> None:
        self._signed, self._outside = _by_seq(heads, first), _by_seq(anchored, first)
        self._key, self._first = public_key, first
        self._last: Entry | None = None
        self._count = 0
        self._wrong = self._forged()

    def take(self, entry: Entry) -> bool:
        """Check the next entry; False when the log is known to be tampered with."""
        if self._wrong is None:
            fault = self._fault(entry)
            if fault:
                self._wrong = self._tampered(fault, self._next)
            else:
                self._last, self._count = entry, self._count + 1
        return self._wrong is None

    def result(self) -> Verification:
        """The verdict. Without a key or any signed head a log may be whole and yet rewritten: that is CANNOT_TELL."""
        wrong = self._wrong or self._cut()
        if wrong is not None:
            return wrong
        signed = max(self._signed, default=0) if self._key is not None else 0
        anchored = max(self._outside, default=0)
        doubt = self._doubt(signed, anchored)
        behind = self._next - 1 - max(signed, anchored)
        note = f"; the newest {behind} not signed yet" if behind > 0 else ""
        reason = doubt or f"{self._count} entries in order{note}"
        verdict = Verdict.CANNOT_TELL if doubt else Verdict.OK
        return Verification(verdict, reason, None, self._count, signed, anchored)

    @property
    def _next(self) -> int:
        return self._last.seq + 1 if self._last else self._first

    def _tampered(self, reason: str, seq: int) -> Verification:
        return Verification(Verdict.TAMPERED, reason, seq, self._count)

    def _forged(self) -> Verification | None:
        """A head whose signature is not by the key. Anchors need none: where they are kept vouches for them."""
        heads = [head for kept in self._signed.values() for head in kept]
        heads += [head for kept in self._outside.values() for head in kept if head.signature]
        for head in sorted(heads, key=lambda head: head.seq):
            if self._key is not None and not signed_by(head, self._key):
                return Verification(
                    Verdict.TAMPERED, f"the head at entry {head.seq} is not signed by this key", head.seq
                )
        return None

    def _fault(self, entry: Entry) -> str:
        if entry.seq != self._next:
            return f"entry {self._next} is missing: the log goes on with {entry.seq}"
        if self._last and entry.epoch != self._last.epoch:
            return f"entry {entry.seq} belongs to another log (epoch {entry.epoch})"
        if entry.prev != self._before(entry):
            return f"entry {entry.seq} does not follow the entry before it"
        if entry.hash != digest(entry.epoch, entry.seq, entry.prev, entry.body):
            return f"entry {entry.seq} is not what was hashed"
        for heads, what in ((self._signed, "signed head"), (self._outside, "anchor")):
            if any((head.hash, head.epoch) != (entry.hash, entry.epoch) for head in heads.get(entry.seq, ())):
                return f"entry {entry.seq} differs from the {what}: the log was rewritten"
        return ""

    def _before(self, entry: Entry) -> str:
        if self._last:
            return self._last.hash
        return genesis(entry.epoch) if self._first == 1 else entry.prev

    def _cut(self) -> Verification | None:
        end = self._next - 1
        for heads, what in ((self._signed, "signed"), (self._outside, "anchored")):
            if heads and max(heads) > end:
                reason = f"the log ends at entry {end}, but was {what} up to entry {max(heads)}: its end was cut off"
                return self._tampered(reason, end + 1)
        return None

    def _doubt(self, signed: int, anchored: int) -> str:
        if self._count == 0:
            return "there are no entries: the log was never begun, or all of it was taken away"
        if anchored or signed:
            return ""
        alike = "a log rewritten as a whole would look the same"
        return f"the entries follow each other, but {'no head was signed' if self._key else 'there is no key'}: {alike}"


def verify(
    entries: Iterable[Entry],
    heads: Iterable[Head] = (),
    public_key: bytes | None = None,
    anchored: Iterable[Head] = (),
    *,
    first: int = 1,
) -> Verification:
    """Read the chain from `first` on and hold it against its signed heads and the anchors kept elsewhere."""
    verifier = Verifier(heads, public_key, anchored, first)
    for entry in entries:
        if not verifier.take(entry):
            break
    return verifier.result()


def _by_seq(heads: Iterable[Head], first: int) -> dict[int, set[Head]]:
    found: dict[int, set[Head]] = {}
    for head in heads:
        if head.seq >= first:
            found.setdefault(head.seq, set()).add(head)
    return found
