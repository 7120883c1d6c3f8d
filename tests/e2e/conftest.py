"""The demo, started as a person would start it, and a second way into its hosts to know the truth by."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from bot.demo import availability
from tests.e2e.scene import Scene, set_up

NETDIAG = [sys.executable, "-m", "bot"]
PATIENCE = 120.0


@dataclass(frozen=True)
class Demo:
    """A running `netdiag demo`: what it told in demo.json, and plain ssh into its hosts."""

    story: dict[str, str]
    directory: Path

    @property
    def environment(self) -> dict[str, str]:
        """What the demo tells people to export."""
        own = {"NETDIAG_STATE": self.story["state"], "NETDIAG_INVENTORY": self.story["inventory"]}
        return {**os.environ, **own, "PYTHONUNBUFFERED": "1"}

    def netdiag(self, *words: str, user: str | None = None) -> subprocess.CompletedProcess[str]:
        """The command line, as this user or as another one of the machine."""
        become = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"] if user else []
        return subprocess.run(
            [*become, *NETDIAG, *words], env=self.environment, capture_output=True, text=True, timeout=120, check=False
        )

    def ssh(self, host: str, command: str) -> str:
        """What a command prints on a host, over OpenSSH's own client: not through anything that is under test."""
        place = Path(self.story["inventory"])
        hosts = yaml.safe_load((place / "hosts.yaml").read_text())
        defaults, entry = hosts["defaults"], hosts["hosts"][host]
        options = [
            f"UserKnownHostsFile={place / defaults['known_hosts']}",
            "StrictHostKeyChecking=yes",
            "BatchMode=yes",
        ]
        user = entry.get("user", defaults["user"])
        done = subprocess.run(
            ["ssh", "-F", "none", "-i", str(place / defaults["key"]), *[w for o in options for w in ("-o", o)],
             f"{user}@{entry['address']}", command],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 0, f"ssh {host} {command!r}: {done.stderr}"
        return done.stdout

    def in_shop(self, command: str) -> str:
        """What a command prints in the network namespace of node-3's container."""
        return self.ssh("node-3", f"sudo -n sh -c 'nsenter -t $(cat /run/shop.pid) -n {command}'")

    def somaxconn(self) -> int:
        """The container's cap on accept queues, from its kernel."""
        return int(self.in_shop("cat /proc/sys/net/core/somaxconn"))

    def listener(self) -> tuple[int, int]:
        """Recv-Q and Send-Q of the container's server, from its kernel."""
        words = self.in_shop("ss -Hltn sport = :80").split()
        return int(words[1]), int(words[2])

    def overflows(self) -> int:
        """The container's ListenOverflows so far."""
        names, values = self.in_shop("grep ^TcpExt /proc/net/netstat").splitlines()
        return int(dict(zip(names.split()[1:], values.split()[1:], strict=True))["ListenOverflows"])


def start_demo(directory: Path, *words: str, before: Sequence[str] = ()) -> tuple[subprocess.Popen[bytes], Demo]:
    """`netdiag demo` on a free port, waited for until it says that it is ready."""
    (directory / "demo.ready").unlink(missing_ok=True)  # a killed one leaves it
    log = (directory / "demo.log").open("wb")
    process = subprocess.Popen(
        [*before, *NETDIAG, "demo", "--port", "0", "--state", str(directory), *words],
        stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        _wait_for(process, directory)
    except BaseException:
        process.terminate()
        process.wait()
        raise
    return process, Demo(json.loads((directory / "demo.json").read_text()), directory)


def _wait_for(process: subprocess.Popen[bytes], directory: Path) -> None:
    until = time.monotonic() + PATIENCE
    while not (directory / "demo.ready").exists():
        said = (directory / "demo.log").read_text(errors="replace")
        assert process.poll() is None, f"the demo ended with {process.returncode}:\n{said}"
        assert time.monotonic() < until, f"the demo was not ready in {PATIENCE} s:\n{said}"
        time.sleep(0.05)


def stop_demo(process: subprocess.Popen[bytes]) -> int:
    """Ctrl-C, and what the demo said to the shell at its end."""
    process.terminate()
    return process.wait(timeout=60)


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    """A demo with real hosts; skipped, with the reason, where this machine cannot have them."""
    reason = availability() or (None if shutil.which("ssh") else "no ssh client")
    if reason:
        pytest.skip(reason)
    process, running = start_demo(tmp_path)
    try:
        yield running
    finally:
        status = stop_demo(process)
    assert status == 0, (tmp_path / "demo.log").read_text(errors="replace")


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    """A demo fleet in this process, and an application over it; skipped, with the reason, where it cannot be."""
    if reason := availability():
        pytest.skip(reason)
    async with set_up(tmp_path) as here:
        yield here


def rows(text: str, keys: Sequence[str]) -> list[dict[str, str]]:
    """Chosen keys of each object of a JSON list."""
    return [{key: row[key] for key in keys} for row in json.loads(text)]
