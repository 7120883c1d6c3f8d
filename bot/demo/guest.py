"""How is a host with a kernel of its own started (user-mode-linux), what does its console say, and how does it end?"""

import collections
import contextlib
import os
import subprocess
import threading
import time
from pathlib import Path
from typing import IO

from bot.demo.disk import HERE
from bot.demo.machine import CLEAN, FleetError, family, start_time

READY = "netdiag guest ready"
REMEMBERED = 400  # lines of the console


class Guest:
    """A started guest, with the surface of `hosts.Running`. `pid` is its holder's, and outside of the guest."""

    def __init__(self, name: str, holder: "subprocess.Popen[bytes]") -> None:
        self.name = name
        self.holder = holder
        self.pid = holder.pid
        self.weak: list[str] = []
        self.console: collections.deque[str] = collections.deque(maxlen=REMEMBERED)
        self._up = threading.Event()
        self._over = threading.Event()
        assert holder.stdout is not None
        threading.Thread(target=self._listen, args=(holder.stdout,), daemon=True).start()

    @classmethod
    def boot(cls, name: str, words: list[str], switch: int, group: Path | None, processor: int) -> "Guest":
        """Start host/uml.sh with `words`, in a control group if there is one, wired to the switch's namespace.

        It keeps to one processor: its kernel and its programs are processes of this machine that wait for each other at
        every system call and page fault, which on one takes a quarter to a third less time than from one to another.
        The serial line's ends are made where it does not find them: `NAME.in` and `NAME.out` in the room.
        """
        room = Path(words[5])
        for end in ("in", "out"):
            with contextlib.suppress(FileExistsError):
                os.mkfifo(room / f"{name}.{end}", 0o600)
        inside = ["setpriv", "--pdeathsig", "KILL", "taskset", "-c", str(processor), "nsenter", "-t", str(switch), "-n"]
        inside += ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--propagation", "private"]
        inside += ["sh", str(HERE / "host/uml.sh"), *words]
        enter = 'echo 0 >"$1/cgroup.procs" || exit 1; shift; exec "$@"'
        argv = inside if group is None else ["sh", "-c", enter, "enter", str(group), *inside]
        pipe = subprocess.PIPE
        return cls(
            name, subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=pipe, stderr=subprocess.STDOUT, env=CLEAN)
        )

    def _listen(self, console: IO[bytes]) -> None:
        """Empty the console for ever: a full one would stop the guest."""
        for raw in console:  # ends with the guest
            line = raw.decode(errors="replace").rstrip()
            if line.startswith("weak "):
                self.weak.append(line.removeprefix("weak "))
            self.console.append(line)
            if line.endswith(READY):
                self._up.set()
            if "Kernel panic" in line:
                break
        self._over.set()
        self._up.set()
        while console.read(65536):
            pass  # what a kernel prints as it falls says less than its first words

    def settle(self, deadline: float) -> None:
        """Wait until it has booted. Raises FleetError with the console's last lines when it does not."""
        self._up.wait(max(0.0, deadline - time.monotonic()))
        if not self._up.is_set() or self._over.is_set():
            why = "ended" if self._over.is_set() else "was not up in time"
            last = "\n".join(list(self.console)[-15:]) or "nothing"
            raise FleetError(f"{self.name}: the guest {why}; its console's last lines:\n{last}")

    def go(self) -> None:
        """Its network was there before it: nothing to wait for."""

    def kill(self, seconds: float = 10.0) -> None:
        """End its kernel, and everything in it."""
        everyone = {pid: start_time(pid) for pid in family(self.holder.pid)} if self.holder.poll() is None else {}
        self.holder.kill()
        self.holder.wait()
        deadline = time.monotonic() + seconds
        for pid, started in everyone.items():
            while started is not None and start_time(pid) == started and time.monotonic() < deadline:
                time.sleep(0.005)
