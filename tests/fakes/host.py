"""A host to change: a directory with a value in it, a ledger, a lock, and any sh to run programs with."""

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bot.core.answer import Answer, parse
from bot.core.change import Argv, Change, Check, Compare, Plan
from bot.core.report import Risk
from bot.core.transaction import Layout, apply_program, confirm_program, inquiry_program

SHELLS = {
    name: words
    for name, words in {"dash": ["dash"], "bash": ["bash"], "busybox": ["busybox", "sh"]}.items()
    if shutil.which(words[0])
}
"""Every POSIX sh that is installed here; the programs must do the same in each."""

NONCE = "5ca1ab1e5ca1ab1e"

WRITE = 'printf "%s\\n" "$1" >"$2" && printf "%s\\n" "$1" >>"$2.log"'


def until(true: Callable[[], object], what: str, seconds: float = 30.0) -> None:
    """Wait for something that must come; it failing to come in a long time is the failure."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"never came: {what}"
        time.sleep(0.02)


@dataclass
class FileHost:
    """One value in one file. Every write of it leaves a line in a log, so that executions can be counted."""

    root: Path
    shell: Sequence[str] = ("sh",)
    layout: Layout = field(init=False)

    def __post_init__(self) -> None:
        self.value = self.root / "value"
        self.value.write_text("old\n")
        path = f"{self.root / 'bin'}:/usr/sbin:/usr/bin:/sbin:/bin"
        self.layout = Layout(
            ledger=str(self.root / "ledger"), lock=str(self.root / "lock"), path=path, wait=5, look=5, step=20, settle=1
        )

    def write(self, value: str) -> Argv:
        """A step that sets the value."""
        return ("sh", "-c", WRITE, "sh", value, str(self.value))

    def reads(self, value: str, compare: Compare = Compare.EQUALS) -> Check:
        """A check of the value."""
        return Check(about="the value", argv=("cat", str(self.value)), expect=value, compare=compare)

    def plan(self, new: str = "new", **fields: Any) -> Plan:
        values: dict[str, Any] = {
            "steps": (self.write(new),),
            "precondition": (self.reads("old"),),
            "inverse": (self.write("old"),),
            "verify": (self.reads(new),),
            "risk": Risk.LOW,
            "summary": f"old -> {new}",
            "impact": "none",
        }
        return Plan(**(values | fields))

    def change(self, plan: Plan | None = None, **fields: Any) -> Change:
        values: dict[str, Any] = {
            "id": "c0ffee01",
            "nonce": "n0nce",
            "host": "node-3",
            "host_key": "SHA256:abc",
            "action": "test.write",
            "with": {},
            "plan": plan or self.plan(),
            "finding": "f",
            "fingerprint": "f1",
            "playbook": "p",
            "playbook_revision": "r",
            "policy_version": "v",
            "requester": "dave",
            "created": "",
            "expires": "",
            "confirm_within": 1,
        }
        return Change(**(values | fields))

    def start(self, program: str, **options: Any) -> subprocess.Popen[bytes]:
        """Begin a program; its text is on standard input, as over SSH."""
        running = subprocess.Popen(
            list(self.shell), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options
        )
        assert running.stdin is not None
        try:
            running.stdin.write(program.encode())
            running.stdin.close()
        except BrokenPipeError:
            pass  # it was killed before it had read everything
        running.stdin = None
        return running

    def run(self, program: str, plan: Plan) -> Answer:
        running = self.start(program)
        out, _ = running.communicate(timeout=60)
        return parse(out, running.returncode, NONCE, plan)

    def apply(self, change: Change, now: int | None = None) -> Answer:
        return self.run(self.program(change, now), change.plan)

    def program(self, change: Change, now: int | None = None) -> str:
        return apply_program(change, nonce=NONCE, now=int(time.time()) if now is None else now, layout=self.layout)

    def confirm(self, change: Change) -> Answer:
        return self.run(confirm_program(change, nonce=NONCE, layout=self.layout), change.plan)

    def inquire(self, change: Change) -> Answer:
        return self.run(inquiry_program(change, nonce=NONCE, layout=self.layout), change.plan)

    @property
    def now_is(self) -> str:
        return self.value.read_text().strip()

    @property
    def runs(self) -> int:
        """How often anything wrote the value."""
        log = self.value.with_name("value.log")
        return len(log.read_text().splitlines()) if log.exists() else 0

    def entry(self, change: Change) -> Path:
        return Path(self.layout.ledger) / change.id

    def state(self, change: Change) -> str:
        """What the ledger says, "" when it knows nothing."""
        file = self.entry(change) / "state"
        return file.read_text().split(" ", 1)[0] if file.exists() else ""

    def deadman(self, change: Change) -> int | None:
        """The automatic revert's process, None when it is over or never was."""
        file = self.entry(change) / "deadman"
        if not file.exists() or not file.read_text().strip():
            return None
        pid = int(file.read_text().split()[0])
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:
            return None
        return pid if str(self.entry(change)).encode() in command else None

    def rest(self, change: Change) -> None:
        """Wait until nothing of the change is at work on the host any more."""
        until(lambda: self.deadman(change) is None, "the automatic revert ends")

    def tools(self, *without: str) -> None:
        """A userland that lacks some tools: only what is linked into its directory is found."""
        home = self.root / "bin"
        home.mkdir()
        for directory in ("/usr/bin", "/bin", "/usr/sbin", "/sbin"):
            for tool in os.scandir(directory):
                if tool.name not in without and not (home / tool.name).exists():
                    (home / tool.name).symlink_to(Path(directory) / tool.name)
        self.layout = Layout(**{**_fields(self.layout), "path": str(home)})


def _fields(layout: Layout) -> dict[str, Any]:
    return {name: getattr(layout, name) for name in Layout.__slots__}
