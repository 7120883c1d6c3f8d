"""Which instance number does a new fleet get, and what did a killed one leave?

One lock file per number in a directory of the machine. Whoever holds the lock owns every name that follows from the
number; a number whose lock is free and whose note is there was left by a killed fleet, and is cleared.
"""

import contextlib
import fcntl
import json
import os
import shutil
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot.demo import cgroups, ration
from bot.demo.machine import FleetError, run, start_time
from bot.demo.plan import INSTANCES, Plan, plan

REGISTRY = Path("/run/netdiag-demo")


@dataclass(frozen=True, slots=True)
class Claim:
    """A number that is ours as long as the descriptor is open. `room` is its directory, for mounts and the note."""

    instance: int
    lock: int

    @property
    def room(self) -> Path:
        """The number's own directory."""
        return REGISTRY / str(self.instance)

    def note(self, **facts: Any) -> None:
        """Write down what a later run must know to clear this one."""
        self.room.mkdir(exist_ok=True)
        (self.room / "note.new").write_text(json.dumps(facts))
        (self.room / "note.new").replace(self.room / "note.json")

    def release(self) -> None:
        """Give the number back: nothing of it is left."""
        shutil.rmtree(self.room, ignore_errors=True)
        (REGISTRY / f"{self.instance}.lock").unlink(missing_ok=True)
        os.close(self.lock)
        with contextlib.suppress(OSError):
            REGISTRY.rmdir()


def take(instance: int) -> Claim | None:
    """Lock one number; None when a living fleet has it."""
    path = REGISTRY / f"{instance}.lock"
    while True:
        REGISTRY.mkdir(mode=0o700, exist_ok=True)
        try:
            lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except FileNotFoundError:
            continue  # the last fleet just took the directory away
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.stat(path).st_ino == os.fstat(lock).st_ino:
                return Claim(instance, lock)
        except BlockingIOError:
            os.close(lock)
            return None
        except FileNotFoundError:
            pass  # its owner removed it while we waited: not the lock any more
        os.close(lock)


def noted(instance: int) -> dict[str, Any]:
    """What a fleet wrote down, empty when it did not."""
    try:
        found = json.loads((REGISTRY / str(instance) / "note.json").read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def known() -> Iterator[int]:
    """The numbers in use, or left."""
    with contextlib.suppress(FileNotFoundError):
        yield from sorted({int(path.name.split(".")[0]) for path in REGISTRY.iterdir() if path.name[0].isdigit()})


def clear(claim: Claim) -> None:
    """Remove what a fleet of that number left: processes, links, routes, control groups."""
    for pid, started in noted(claim.instance).get("processes", {}).items():
        if start_time(int(pid)) == started:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
    group = cgroups.home(claim.instance)
    if group is not None and group.is_dir():
        cgroups.kill(group)
        cgroups.remove(group)
    ration.clear(claim.instance)
    unlink(plan(claim.instance, 1))


def unlink(fleet: Plan) -> None:
    """Take the fleet's link and route out of the machine's own network namespace, if they are there."""
    run(["ip", "link", "delete", fleet.leg], check=False)
    run(["ip", "route", "delete", "unreachable", fleet.block], check=False)


def lock(directory: Path, *, patience: float) -> int:
    """Take a fleet's directory: a descriptor that holds it until it is closed.

    Raises FleetError when a living fleet works there; a dying one is given `patience` seconds.
    """
    directory.mkdir(parents=True, exist_ok=True)
    held, deadline = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC), time.monotonic() + patience
    while True:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                os.close(held)
                raise FleetError(f"a fleet is up in {directory} already; end it, or use another directory") from None
            time.sleep(0.05)
        else:
            return held


def claim() -> Claim:
    """Clear every killed fleet, then take the first number whose addresses this machine does not use.

    Raises FleetError when no number is free.
    """
    for instance in known():
        left = take(instance)
        if left is not None:
            clear(left)
            left.release()
    for instance in range(INSTANCES):
        mine = take(instance)
        if mine is None:
            continue
        if not run(["ip", "route", "show", "root", plan(instance, 1).block]).strip():
            return mine
        mine.release()
    raise FleetError("no free address block for a fleet in 198.18.0.0/16")
