"""How does the owner of a fleet run a command in a guest? On its serial line, which needs neither sshd nor network.

The other end is programs/agent.py.
"""

import asyncio
import base64
import contextlib
import itertools
import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

GRACE = 5.0  # seconds for the line itself, beside the command's own
PIECE = 1000  # characters; far less than the 4096 that a terminal holds


class Serial:
    """One guest's line. Used from one event loop at a time, by the fleet's owner alone."""

    def __init__(self, room: Path, name: str) -> None:
        self._name = name
        self._in = os.open(room / f"{name}.in", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self._out = os.open(room / f"{name}.out", os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        self._numbers = itertools.count(int.from_bytes(os.urandom(4), "big"))
        self._waiting: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._read: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._left = b""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._sending = asyncio.Lock()

    def close(self) -> None:
        """Let go of the line. Safe to call twice."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.remove_reader(self._out)
        for descriptor in (self._in, self._out):
            if descriptor >= 0:
                os.close(descriptor)
        self._loop, self._in, self._out = None, -1, -1

    def _hear(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._left += os.read(self._out, 1 << 16)
        *lines, self._left = self._left.split(b"\n")
        for line in lines:
            with contextlib.suppress(ValueError):
                answer = json.loads(line)
                book = self._read if "read" in answer else self._waiting
                waiting = book.pop(answer.get("id", -1), None)
                if waiting is not None and not waiting.done():
                    waiting.set_result(answer)

    async def _send(self, number: int, order: dict[str, Any]) -> None:
        """Send an order in pieces, each when the one before was read: a line that is told too much goes deaf."""
        text = json.dumps(order)
        pieces = [text[start : start + PIECE] for start in range(0, len(text), PIECE)]
        async with self._sending:
            for left, piece in enumerate(pieces, start=1 - len(pieces)):
                got = asyncio.get_running_loop().create_future()
                self._read[number] = got
                os.write(
                    self._in, b"\n" + json.dumps({"id": number, "piece": piece, "last": not left}).encode() + b"\n"
                )
                await got

    async def run(self, argv: Sequence[str], stdin: str, within: float) -> subprocess.CompletedProcess[str]:
        """Run a command as root in the guest. Raises TimeoutError after `within` seconds, OSError without a tool."""
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            loop.add_reader(self._out, self._hear)
            self._loop = loop
        number, waiting = next(self._numbers), loop.create_future()
        self._waiting[number] = waiting
        try:
            async with asyncio.timeout(within + GRACE):
                await self._send(number, {"argv": list(argv), "stdin": stdin, "within": within})
                answer = await waiting
        finally:
            self._waiting.pop(number, None)
            self._read.pop(number, None)
        if "error" in answer:
            if answer["error"] == "timeout":
                raise TimeoutError
            return subprocess.CompletedProcess(list(argv), 127, "", answer["error"])
        out, err = (base64.b64decode(answer[end]).decode(errors="replace") for end in ("out", "err"))
        return subprocess.CompletedProcess(list(argv), answer["code"], out, err)
