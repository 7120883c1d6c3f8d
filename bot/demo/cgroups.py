"""Where do a fleet's processes stand in the machine's control groups?

Only the version 2 tree is used (its own or, on a hybrid machine, the `unified` one), and no controller of it. Where it
cannot be written a fleet does without: containers then carry no id, and a frozen host is stopped process by process.
"""

import contextlib
import time
from pathlib import Path


def tree() -> Path | None:
    """The mount point of the machine's cgroup version 2 tree, None where there is none."""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        if after.startswith("cgroup2 "):
            return Path(before.split()[4])
    return None


def home(instance: int) -> Path | None:
    """The group of one fleet, which may not exist."""
    root = tree()
    return None if root is None else root / f"netdiag-demo-{instance}"


def make(instance: int) -> Path | None:
    """Make the fleet's group; None where that cannot be had."""
    group = home(instance)
    if group is None:
        return None
    try:
        group.mkdir(exist_ok=True)
        (group / "trial").mkdir(exist_ok=True)
        (group / "trial").rmdir()
    except OSError:
        return None
    return group


def freeze(group: Path, *, frozen: bool, seconds: float = 5.0) -> None:
    """Stop every process in the group and below, or let them go on; waits until the kernel says that it is so."""
    (group / "cgroup.freeze").write_text(str(int(frozen)))
    deadline = time.monotonic() + seconds
    while f"frozen {int(frozen)}" not in (group / "cgroup.events").read_text() and time.monotonic() < deadline:
        time.sleep(0.01)


def kill(group: Path) -> None:
    """Kill every process in the group and below (Linux 5.14 and later), and thaw it."""
    with contextlib.suppress(OSError):
        (group / "cgroup.kill").write_text("1")


def remove(group: Path, seconds: float = 10.0) -> bool:
    """Remove the group and all below, waiting for its processes to be gone. Whether nothing is left."""
    deadline = time.monotonic() + seconds
    while group.is_dir():
        for path in sorted(group.rglob("*"), key=lambda path: -len(path.parts)):
            if path.is_dir():
                with contextlib.suppress(OSError):
                    path.rmdir()
        with contextlib.suppress(OSError):
            group.rmdir()
        if not group.is_dir():
            break
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True
