"""What can this machine do, and how is a command run on it?"""

import contextlib
import functools
import os
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
CLEAN: Final[Mapping[str, str]] = {"PATH": PATH, "LC_ALL": "C", "HOME": "/"}  # nothing of the caller's leaks to hosts

TOOLS: Final[Mapping[str, str]] = {
    "unshare": "util-linux",
    "nsenter": "util-linux",
    "setpriv": "util-linux",
    "mount": "util-linux",
    "pivot_root": "util-linux",
    "setsid": "util-linux",
    "taskset": "util-linux",
    "hostname": "hostname",
    "ip": "iproute2",
    "bridge": "iproute2",
    "ss": "iproute2",
    "sysctl": "procps",
    "sshd": "openssh-server",
    "ssh-keygen": "openssh-client",
    "sudo": "sudo",
    "service": "init-system-helpers",
}

UML: Final = "linux.uml"
MODULES: Final = Path("/usr/lib/uml/modules")

# Everything that a fleet needs of the kernel, tried in namespaces that end with the trial.
TRIAL: Final = (
    "ip link add v0 type veth peer name v1 && ip link add b0 type bridge && ip link set v0 master b0"
    " && mount -t tmpfs tmpfs /mnt && mount -t proc proc /proc"
)
NAMESPACES: Final = (
    "--net",
    "--uts",
    "--ipc",
    "--mount",
    "--pid",
    "--fork",
    "--kill-child",
    "--propagation",
    "private",
)


class FleetError(Exception):
    """The fleet cannot do that; the words say why and, where there is one, the remedy."""


def run(argv: Sequence[str], *, stdin: str = "", timeout: float = 30.0, check: bool = True) -> str:
    """Run a short command with a clean environment and answer what it printed.

    Raises FleetError when it fails (its own words) or takes longer than `timeout` seconds.
    """
    try:
        done = subprocess.run(
            argv, input=stdin, capture_output=True, text=True, timeout=timeout, env=CLEAN, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as fault:
        raise FleetError(f"{argv[0]}: {fault}") from fault
    if check and done.returncode:
        raise FleetError(f"{' '.join(argv[:8])}: {(done.stderr or done.stdout).strip() or done.returncode}")
    return done.stdout


def tool(name: str) -> str:
    """The full path of a tool. Raises FleetError with the package to install."""
    found = shutil.which(name, path=PATH)
    if found is None:
        raise FleetError(f"{name} is missing; install the package {TOOLS.get(name, name)}")
    return found


def availability() -> str | None:
    """Why namespace hosts cannot be had on this machine, with the remedy; None when they can."""
    if os.geteuid() != 0:
        return "making network namespaces needs root; run as root, or in a container started with --privileged"
    missing = {name: package for name, package in TOOLS.items() if shutil.which(name, path=PATH) is None}
    if missing:
        packages = " ".join(sorted(set(missing.values())))
        return f"{', '.join(missing)} missing; install: {packages}"
    return _grants()


@functools.cache  # what a kernel refuses, it goes on to refuse; every fleet asks
def _grants() -> str | None:
    """Whether the kernel lets us have everything that a fleet needs of it."""
    try:
        run(["unshare", *NAMESPACES, "--cgroup", "sh", "-c", TRIAL])
    except FleetError as fault:
        return f"the kernel or the container refuses namespaces, veth links or mounts ({str(fault)[-200:]})"
    return None


def guest_availability() -> str | None:
    """Why hosts with a kernel of their own cannot be had on this machine, with the remedy; None when they can."""
    kernel = shutil.which(UML, path=PATH)
    if kernel is None or not MODULES.is_dir():
        return "user-mode-linux is missing; install: user-mode-linux"
    if shutil.which("modprobe", path=PATH) is None:
        return "modprobe is missing; install: kmod"
    return _boots(kernel)


@functools.cache  # it takes a second, and the kernel stays the one that it is
def _boots(kernel: str) -> str | None:
    """Whether there are links for it, and it gets as far as its first line: before that it tries to trace processes."""
    try:
        run(["unshare", "--net", "ip", "tuntap", "add", "dev", "trial", "mode", "tap"])
    except FleetError as fault:
        return f"no tap links, which guests are wired with (is there a /dev/net/tun?): {str(fault)[-200:]}"
    argv = [kernel, "mem=64M", "con=null", "con0=null,fd:1", "ssl=null"]
    last = ""
    with tempfile.TemporaryDirectory() as place, subprocess.Popen(
        [*argv, f"uml_dir={place}/"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, errors="replace", env=CLEAN, process_group=0,
    ) as trial:  # fmt: skip
        assert trial.stdout is not None
        timer = threading.Timer(60.0, os.killpg, (trial.pid, signal.SIGKILL))
        timer.start()
        try:
            for line in trial.stdout:
                if line.startswith("Linux version"):
                    return None
                last = line.strip() or last
        finally:
            timer.cancel()
            with contextlib.suppress(ProcessLookupError):
                os.killpg(trial.pid, signal.SIGKILL)
    return f"user-mode-linux does not start here (may processes be traced?): {last[-200:] or 'no word'}"


def family(pid: int) -> list[int]:
    """A process and all its descendants, parents first."""
    parents: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            child, rest = path.read_text().split(" ", 1)
            parents.setdefault(int(rest.rpartition(")")[2].split()[1]), []).append(int(child))
    found = [pid]
    for each in found:
        found += parents.get(each, [])
    return found


def start_time(pid: int) -> int | None:
    """When the process started, in clock ticks since boot; None when there is no such process (a zombie is none)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (OSError, ValueError):
        return None
    return None if fields[0] == "Z" else int(fields[19])
