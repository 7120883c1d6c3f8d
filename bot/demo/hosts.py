"""How is a host started, and how does it end?"""

import contextlib
import os
import select
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

from bot.demo.machine import CLEAN, NAMESPACES, FleetError, start_time


class Lines:
    """What a child prints, line by line, with a deadline: a child that says nothing must not hold up a fleet."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._buffer = b""

    def next(self, deadline: float) -> str:
        """The next line without its end, before `deadline` (monotonic seconds). Raises FleetError if there is none."""
        poll = select.poll()
        poll.register(self._descriptor, select.POLLIN)
        while b"\n" not in self._buffer:
            if not poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
                raise FleetError(f"nothing more said in time, last: {self._text()}")
            chunk = os.read(self._descriptor, 65536)
            if not chunk:
                raise FleetError(f"it ended, last: {self._text()}")
            self._buffer += chunk
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line.decode(errors="replace")

    def _text(self) -> str:
        return self._buffer.decode(errors="replace").strip()[-300:] or "no word"


@dataclass(slots=True)
class Running:
    """A started set of namespaces: who holds it, what it says, its PID 1 as the machine counts, what is weaker."""

    name: str
    holder: "subprocess.Popen[bytes]"
    lines: Lines
    pid: int = 0
    weak: list[str] = field(default_factory=list)

    def settle(self, deadline: float) -> None:
        """Wait until PID 1 has made itself at home. Raises FleetError with its words when it could not."""
        while not self.pid:
            try:
                said, _, rest = self.lines.next(deadline).partition(" ")
            except FleetError as fault:
                raise FleetError(f"{self.name} did not start: {fault}") from fault
            if said == "pid":
                self.pid = int(rest)
            elif said == "weak":
                self.weak.append(rest)
            else:
                raise FleetError(f"{self.name} did not start: {said} {rest}")

    def go(self) -> None:
        """Tell PID 1 that the network is there."""
        assert self.holder.stdin is not None
        self.holder.stdin.write(b"go\n")
        self.holder.stdin.close()

    def kill(self, seconds: float = 10.0) -> None:
        """End PID 1, and with it every process of its namespaces."""
        started = start_time(self.pid) if self.pid else None
        self.holder.kill()
        self.holder.wait()
        for pipe in (self.holder.stdin, self.holder.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):
                    pipe.close()
        deadline = time.monotonic() + seconds
        while started is not None and start_time(self.pid) == started and time.monotonic() < deadline:
            time.sleep(0.005)


def boot(name: str, script: list[str], group: Path | None) -> Running:
    """Start `script` as PID 1 of new namespaces, in a control group of its own if there is one.

    The chain of death signals makes it end when the caller does, however that ends.
    """
    inside = ["setpriv", "--pdeathsig", "KILL", "unshare", *NAMESPACES, "--cgroup", "sh", *script]
    enter = 'echo 0 >"$1/cgroup.procs" || exit 1; shift; exec "$@"'
    argv = inside if group is None else ["sh", "-c", enter, "enter", str(group), *inside]
    pipe = subprocess.PIPE
    holder = subprocess.Popen(argv, stdin=pipe, stdout=pipe, stderr=subprocess.STDOUT, env=CLEAN)
    assert holder.stdout is not None
    return Running(name, holder, Lines(holder.stdout.fileno()))
