"""How does a benchmark get a piece of machine of its own, and leave nothing behind?

The first process of a new pid namespace: the kernel ends everything in it when that one ends, and that one ends with
the benchmark, however the benchmark ends (kill -9 too).
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
_AWAY = ("unshare", "--net", "--pid", "--mount", "--fork", "--kill-child", "--mount-proc", "--")
_TOOLS: Mapping[str, str] = {"unshare": "util-linux", "setpriv": "util-linux", "ip": "iproute2", "ps": "procps"}
_SBIN = "/usr/local/sbin:/usr/sbin:/sbin"


def unavailable(tools: Mapping[str, str] | None = None) -> str | None:
    """Why this machine gives no namespaces, or lacks one of the tools (with its package); None when all is well."""
    if os.geteuid() != 0:
        return "needs root: it makes namespaces of its own"
    wanted = {**_TOOLS, **(tools or {})}
    lacking = {name: package for name, package in wanted.items() if shutil.which(name, path=_path()) is None}
    if lacking:
        return f"{', '.join(lacking)} missing; install: {' '.join(sorted(set(lacking.values())))}"
    tried = subprocess.run([*_AWAY, "true"], capture_output=True, text=True, timeout=30, check=False)
    return f"namespaces are refused here: {tried.stderr.strip()[-200:]}" if tried.returncode else None


@contextmanager
def away(module: str, *words: str) -> Iterator["Away"]:
    """`python -m MODULE WORDS…` as process 1 of new pid, network and mount namespaces, while the block lasts."""
    process = subprocess.Popen(
        ["setpriv", "--pdeathsig", "KILL", "--", *_AWAY, sys.executable, "-m", module, *words],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        cwd=ROOT, env={**os.environ, "PATH": _path(), "LC_ALL": "C"},
    )  # fmt: skip
    try:
        yield Away(process)
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            assert pipe is not None
            pipe.close()


class Away:
    """Asks the process inside, one line of JSON at a time."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def ask(self, **order: Any) -> Any:
        """Send an order and wait for the answer. Raises RuntimeError when the process ended instead."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            raise RuntimeError(f"what measures inside ended with {self._process.wait()}; its words are above")
        return json.loads(line)


def _path() -> str:
    return f"{os.environ.get('PATH', '/usr/bin:/bin')}:{_SBIN}"
