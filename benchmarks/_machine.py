"""On what were the figures measured? Figures without their machine say little."""

import os
import platform
import re
import shutil
import subprocess
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path

VERSIONS = ("asyncssh", "parallel-ssh", "slack-bolt", "ssh2-python")


def machine() -> Mapping[str, str]:
    """Cores, kernel, memory, load and the versions that matter, as words."""
    one, five, _ = os.getloadavg()
    facts = {
        "cores": f"{os.cpu_count()} ({len(os.sched_getaffinity(0))} usable)",
        "processor": _field("/proc/cpuinfo", "model name"),
        "memory": _field("/proc/meminfo", "MemTotal"),
        "kernel": f"{platform.system()} {platform.release()}",
        "system": _field("/etc/os-release", "PRETTY_NAME", "=").strip('"'),
        "load before": f"{one:.2f} over 1 min, {five:.2f} over 5 min",
        "python": platform.python_version(),
        "openssh": _openssh(),
        "sh": Path(shutil.which("sh") or "sh").resolve().name,
        **{name: found for name in VERSIONS if (found := _version(name))},
    }
    return {name: words for name, words in facts.items() if words}


def line(facts: Mapping[str, str]) -> str:
    """The same in one line, for a page."""
    wanted = ("cores", "processor", "memory", "kernel", "system", "load before")
    return "; ".join(f"{name} {facts[name]}" for name in wanted if name in facts)


def _field(path: str, name: str, mark: str = ":") -> str:
    try:
        text = Path(path).read_text(errors="replace")
    except OSError:
        return ""
    found = re.search(rf"^{re.escape(name)}\s*{mark}\s*(.+)$", text, re.MULTILINE)
    return found[1].strip() if found else ""


def _openssh() -> str:
    try:
        done = subprocess.run(["ssh", "-V"], capture_output=True, text=True, timeout=10, check=False)
    except OSError:
        return ""
    return done.stderr.strip().partition(",")[0]


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""
