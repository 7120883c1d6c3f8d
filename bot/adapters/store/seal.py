"""Does the database still end where it ended when it was last signed?

Every signed head is also a line of `heads.log`, outside the database. Before each new entry the newest head known here
is looked up in the database: were the entries behind it cut off, rewritten or put back from an old backup, signing on
would bury it. So the store refuses to write instead, and `netdiag audit verify` says where it broke.
"""

import os
from pathlib import Path

from bot.adapters.store.keys import Keys
from bot.adapters.store.place import create
from bot.core.audit import Head, anchors

HEADS = "heads.log"
_TAIL = 8192


class Seal:
    """Signs heads and remembers them outside the database. A process that may not read the key signs nothing."""

    def __init__(self, state: Path, keys: Keys, epoch: str) -> None:
        self._path, self._keys, self._epoch = state / HEADS, keys, epoch
        self._unwritten: list[Head] = []
        self.newest = max(self._own(self._tail()), key=lambda head: head.seq, default=None)

    def sign(self, seq: int, hash_: str) -> Head | None:
        """The signed head, or None where this process may not sign."""
        return self._keys.sign(Head(self._epoch, seq, hash_))

    def note(self, head: Head) -> None:
        """Remember a head whose entry is committed."""
        self.newest = head
        self._unwritten.append(head)
        self.catch_up()

    def catch_up(self) -> str:
        """Write what could not be written before; why it still cannot, or ""."""
        if not self._unwritten:
            return ""
        lines = "".join(f"{head.line()}\n" for head in self._unwritten).encode()
        try:
            handle = create(self._path, os.O_WRONLY | os.O_APPEND, 0o644)
            try:
                # A line cut short by a full disk is no head to a reader; the next attempt begins on a new line.
                complete = os.write(handle, lines) == len(lines)
            finally:
                os.close(handle)
        except OSError as fault:
            return f"{self._path}: {fault.strerror}"
        if not complete:
            return f"{self._path}: the disk is full"
        self._unwritten.clear()
        return ""

    def all(self) -> list[Head]:
        """Every head remembered outside the database: anchors for a verification."""
        return self._own(self._path.read_text(errors="replace")) if self._path.exists() else []

    def _own(self, text: str) -> list[Head]:
        return [head for head in anchors(text) if head.epoch == self._epoch]

    def _tail(self) -> str:
        if not self._path.exists():
            return ""
        with self._path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _TAIL))
            return file.read().decode(errors="replace")
