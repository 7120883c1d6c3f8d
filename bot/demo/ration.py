"""How do a few processes of a host come to share a CPU quota?

A control group with a quota in the machine's `cpu` hierarchy (version 1), which the host then sees too, or below the
host's own group (version 2). Who is in it is the fault's affair. Nothing is made before a fault asks for it.
"""

import contextlib
import os
from pathlib import Path
from typing import Final

from bot.demo import cgroups
from bot.demo.machine import FleetError, run

QUOTA: Final = 5_000
PERIOD: Final = 1_000_000
"""Microseconds that all processes of the group may run, of so many: one keepalived needs a tenth."""
REALTIME: Final = 50_000
"""Microseconds of each second that its real-time processes may run, where the kernel shares that out by group."""

TRIES: Final = 100
"""How often the processes of a group are moved: each time those that they started meanwhile."""

RATIONED: Final = "rationed"
REST: Final = "rest"


def hierarchy() -> tuple[str, Path] | None:
    """The name and mount point of the machine's version 1 hierarchy with the `cpu` controller; None: there is none."""
    names = [line.split(":")[1] for line in Path("/proc/self/cgroup").read_text().splitlines()]
    name = next((name for name in names if "cpu" in name.split(",")), None)
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        before, _, after = line.partition(" - ")
        kind, _, options = after.split(maxsplit=2)
        if name and kind == "cgroup" and "cpu" in options.split(","):
            return name, Path(before.split()[4])
    return None


def availability() -> str | None:
    """Why no quota can be had on this machine; None when it can."""
    found = hierarchy()
    try:
        if found is not None:
            trial = found[1] / f"netdiag-trial-{os.getpid()}"
            trial.mkdir()
            try:
                (trial / "cpu.cfs_quota_us").write_text(str(QUOTA))
            finally:
                trial.rmdir()
            return None
        tree = cgroups.tree()
        if tree is None or "cpu" not in (tree / "cgroup.controllers").read_text().split():
            return "no control group tree of this machine has the cpu controller"
        (tree / "cgroup.subtree_control").write_text("+cpu")
    except OSError as fault:
        return f"no control group with a CPU quota can be made here: {fault}"
    return None


def make(instance: int, host: str, pid: int, home: Path | None) -> None:
    """Make the group of a host (PID 1 `pid`, its own group `home`), and tell the host in /run/ration where it is.

    Safe to do twice. Raises FleetError when it cannot be had.
    """
    found = hierarchy()
    try:
        if found is not None:
            name, root = found
            group = root / _name(instance, host)
            group.mkdir(exist_ok=True)
            (group / "cpu.cfs_period_us").write_text(str(PERIOD))
            (group / "cpu.cfs_quota_us").write_text(str(QUOTA))
            if (group / "cpu.rt_runtime_us").exists():
                (group / "cpu.rt_runtime_us").write_text(str(REALTIME))
            inside = f"/sys/fs/cgroup/{name}"
            shown = f"mountpoint -q {inside} || {{ mkdir -p {inside} && mount -t cgroup -o {name} cgroup {inside}; }}"
            where = f"{inside}/{group.name}"
        elif home is not None:
            tree = cgroups.tree()
            assert tree is not None
            for above in (tree, home.parent):
                (above / "cgroup.subtree_control").write_text("+cpu")
            (home / REST).mkdir(exist_ok=True)
            move(home, home / REST)  # a group that shares a controller out has no processes of its own
            (home / "cgroup.subtree_control").write_text("+cpu")
            (home / RATIONED).mkdir(exist_ok=True)
            (home / RATIONED / "cpu.max").write_text(f"{QUOTA} {PERIOD}")
            shown, where = ":", f"/sys/fs/cgroup/{RATIONED}"
        else:
            raise FleetError("the machine's control groups cannot be written: no CPU quota can be had")
    except OSError as fault:
        raise FleetError(f"no control group with a CPU quota can be made here: {fault}") from fault
    script = f'set -e; {shown}; [ -d "$1" ] || {{ echo "$1 is not to be seen" >&2; exit 1; }}; echo "$1" >/run/ration'
    run(["nsenter", "-t", str(pid), "-m", "-C", "sh", "-c", script, "ration", where])


def end(instance: int, host: str, home: Path | None) -> None:
    """Take the group away; who is in it goes on without a quota. Safe when there is none.

    Raises FleetError when it does not go.
    """
    found, gone = hierarchy(), True
    if found is not None:
        gone = _remove(found[1] / _name(instance, host), found[1])
    elif home is not None and (home / RATIONED).is_dir():
        gone = _remove(home / RATIONED, home / REST)
        (home / "cgroup.subtree_control").write_text("-cpu")
        gone = _remove(home / REST, home) and gone
    if not gone:
        raise FleetError(f"the control group with a CPU quota of {host} could not be removed")


def clear(instance: int) -> None:
    """Take away what a fleet of that number left in the `cpu` hierarchy; version 2 groups go with the fleet's own."""
    found = hierarchy()
    if found is not None:
        for group in found[1].glob(_name(instance, "*")):
            _remove(group, found[1])


def move(group: Path, to: Path) -> None:
    """Put every process of a group into another one, also those that are started meanwhile."""
    for _ in range(TRIES):
        pids = (group / "cgroup.procs").read_text().split()
        if not pids:
            return
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                (to / "cgroup.procs").write_text(pid)


def _name(instance: int, host: str) -> str:
    return f"netdiag-demo-{instance}-{host}"


def _remove(group: Path, to: Path) -> bool:
    """Whether nothing is left of it."""
    if not group.is_dir():
        return True
    if (group / "cpu.cfs_quota_us").exists():  # version 1: nobody shall wait to be moved
        (group / "cpu.cfs_quota_us").write_text("-1")
    move(group, to)
    return cgroups.remove(group)
