"""What passes between netdiag and one living shell, whatever pipe it comes through?"""

import asyncio
import secrets
from collections.abc import Callable

from bot.adapters.ssh.frame import Frame, script
from bot.core.text import neutral

NO_SUDO = "not root: set sudo: true for this host"

_STDERR_KEPT = 4096
_STDERR_MOST = 1_048_576

# `cd /` holds no file system busy; tools of the system are often on root's PATH only.
_SETTLE = b"cd /; PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin; export PATH\n"
_HELLO = 'id -u; echo "${BASH_VERSION:+$(command -v head)}"'
_BULK = 2048
"""Bytes of program from which on a shell that reads byte by byte is spared them."""
_NOISE = 65_536
"""Bytes that a login shell may print before `sh` begins: greetings in a .bashrc."""


class Dialogue:
    """One program at a time; what nobody asked for spoils the shell (`stray`), its end is remembered (`ended`)."""

    def __init__(self) -> None:
        self.ended = False
        self.stray = False
        self.sent = False
        """Whether the program in hand was given to the shell: from then on it may have run."""
        self._reads_bytes = False
        self._frame: Frame | None = None
        self._stderr = bytearray()
        self._stderr_bytes = 0
        self._waiter: asyncio.Future[None] | None = None

    @property
    def usable(self) -> bool:
        """The shell lives and is silent."""
        return not (self.ended or self.stray or self._frame is not None)

    @property
    def complaint(self) -> str:
        """The last that the shell said on standard error, made safe to show."""
        lines = bytes(self._stderr).decode("utf-8", "replace").split("\n")
        return neutral(next((line.strip() for line in reversed(lines) if line.strip()), ""))

    def out(self, data: bytes) -> None:
        """The shell printed."""
        if self._frame is None:
            self.stray = True
            return
        self._frame.feed(data)
        if self._frame.over:
            self._wake()

    def err(self, data: bytes) -> None:
        """The shell printed on standard error; only the end of it is kept."""
        self._stderr += data[-_STDERR_KEPT:]
        del self._stderr[:-_STDERR_KEPT]
        self._stderr_bytes += len(data)
        if self._frame is not None and self._stderr_bytes > _STDERR_MOST:
            self._frame.overflow()
            self._wake()

    def end(self) -> None:
        """The shell is gone."""
        self.ended = True
        self._wake()

    async def hello(self, write: Callable[[bytes], None]) -> int | None:
        """The user id that the new shell runs as, or None when what answers is no shell."""
        write(_SETTLE)
        frame = await self.ask(write, _HELLO, max_bytes=4096, noise=_NOISE)
        word, _, head = frame.stdout.partition(b"\n")
        self._reads_bytes = bool(head.strip())
        return int(word) if frame.status == 0 and word.isdigit() else None

    async def ask(self, write: Callable[[bytes], None], program: str, *, max_bytes: int, noise: int = 0) -> Frame:
        """Run a program. The frame is not `over` when the shell ended first.

        Cancelled (a deadline), it leaves the dialogue unusable: whether and what still runs there is not known.
        """
        nonce = secrets.token_hex(16)
        self._frame = frame = Frame(nonce, max_bytes, noise)
        self._stderr_bytes = 0
        self.sent = True
        write(script(program, nonce, bulk=self._reads_bytes and len(program) >= _BULK))
        while not (frame.over or self.ended):
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        if frame.status is not None and not self.stray:
            self._frame = None
        return frame

    @property
    def cut(self) -> bytes:
        """What came of the program in hand so far."""
        return self._frame.cut() if self._frame is not None else b""

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
