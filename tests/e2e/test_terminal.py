"""The story at the terminal: one operating-system user asks, another approves, and bad input is told what it is."""

import asyncio
import grp
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from bot.app import opened
from bot.demo import Fleet, availability
from bot.settings import Settings

ROOT = Path(__file__).parents[2]
PEOPLE = {"alice": {"terminal": "root"}, "bob": {"terminal": "daemon"}}


# What a person's own installation would be: this checkout may lie where only root can read, so everything is loaded
# before the process becomes the other user for good.
AS_USER = """
import importlib, os, pkgutil, pwd, sys
import bot, sqlalchemy.dialects.sqlite.aiosqlite
import encodings.ascii, encodings.idna, encodings.latin_1, encodings.utf_16_be, encodings.utf_8_sig
for module in pkgutil.walk_packages(bot.__path__, "bot."):
    if "demo" not in module.name and "__main__" not in module.name:
        importlib.import_module(module.name)
account = pwd.getpwnam(sys.argv[1])
os.setgroups([])
os.setresgid(*[account.pw_gid] * 3)
os.setresuid(*[account.pw_uid] * 3)
sys.argv = ["netdiag", *sys.argv[2:]]
bot.cli.main()
"""


@dataclass
class Desk:
    """A fleet, a bot that carries out changes, and a state directory that its group shares with approvers."""

    fleet: Fleet
    state: Path

    async def netdiag(self, *words: str, user: str = "") -> subprocess.CompletedProcess[str]:
        """The command as root or another user of this machine would run it."""
        own = {"NETDIAG_STATE": str(self.state), "NETDIAG_INVENTORY": str(self.fleet.inventory_dir)}
        start = ["-c", AS_USER, user] if user else ["-m", "bot"]
        return await asyncio.to_thread(
            subprocess.run,
            [sys.executable, *start, *words],
            env={**os.environ, **own}, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False,
        )  # fmt: skip

    async def json(self, *words: str, user: str = "", status: int = 0) -> Any:
        """The document on standard output."""
        done = await self.netdiag(*words, "--format", "json", user=user)
        assert done.returncode == status, done.stdout + done.stderr
        return json.loads(done.stdout)


@pytest.fixture
def shared() -> Iterator[Path]:
    """A directory as docs/operations.md has it for approvals by several people at the terminal."""
    place = Path(tempfile.mkdtemp(prefix="netdiag-"))  # tmp_path is root's alone
    place.chmod(0o755)
    try:
        state = place / "state"
        state.mkdir()
        os.chown(state, 0, grp.getgrnam("daemon").gr_gid)
        state.chmod(0o2770)
        yield place
    finally:
        shutil.rmtree(place)


@pytest.fixture
async def desk(shared: Path) -> AsyncIterator[Desk]:
    if reason := availability():
        pytest.skip(reason)
    async with Fleet.up(shared / "fleet", people=PEOPLE) as fleet:
        for path in (shared / "fleet", fleet.inventory_dir):
            os.chmod(path, 0o755)
        settings = Settings(state=shared / "state", inventory=fleet.inventory_dir, playbooks=ROOT / "playbooks")
        async with opened(settings) as app, asyncio.TaskGroup() as tasks:
            bot = tasks.create_task(app.remedy.drive())
            yield Desk(fleet, shared / "state")
            bot.cancel()


async def container(fleet: Fleet, *command: str) -> str:
    return (await fleet.exec_in_container("node-3", "shop", list(command))).stdout


async def test_the_whole_story_at_the_terminal(desk: Desk) -> None:
    report = await desk.json("run", "node-3", "listen-queue", status=1)
    (host,) = report["hosts"]
    assert (report["schema"], host["status"]) == ("netdiag.report/1", "critical")
    assert host["findings"][0]["id"] == "accept-queue-overflow"
    (proposal,) = host["proposals"]
    assert (proposal["action"], proposal["for"]) == ("sysctl.set", "accept-queue-overflow")
    assert await container(desk.fleet, "cat", "/proc/sys/net/core/somaxconn") == "128\n"

    refused = await desk.netdiag("approve", proposal["change"])
    assert refused.returncode == 1
    assert "somebody else" in refused.stdout
    assert await container(desk.fleet, "cat", "/proc/sys/net/core/somaxconn") == "128\n"

    done = await desk.json("approve", proposal["change"], user="daemon")
    assert (done["state"], done["effect"]) == ("done", "needs-follow-up")
    assert await container(desk.fleet, "cat", "/proc/sys/net/core/somaxconn") == "4096\n"

    (step,) = [change for change in await desk.json("changes", "list") if change["state"] == "pending"]
    assert step["action"] == "service.reload"
    cured = await desk.json("approve", step["change"], user="daemon")
    assert (cured["state"], cured["effect"]) == ("done", "resolved")
    assert (await container(desk.fleet, "ss", "-Hltn", "sport = :80")).split()[2] == "4096"

    assert (await desk.json("run", "node-3", "listen-queue"))["hosts"][0]["findings"] == []
    assert (await desk.netdiag("audit", "verify")).returncode == 0


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    """A copy of what the project ships, to spoil."""
    for name in ("inventory", "playbooks"):
        shutil.copytree(ROOT / name, tmp_path / name)
    return tmp_path


def spoil(place: Path, file: str, text: str) -> None:
    path = place / file
    path.write_text(path.read_text() + text if path.exists() else text)


FAULTS: dict[str, tuple[Callable[[Path], None], tuple[str, ...], str]] = {
    "no YAML in a playbook": (
        lambda at: spoil(at, "playbooks/own.yaml", "name: own\n  bad: ["),
        ("run", "recorded"),
        r"playbooks/own\.yaml:2: ",
    ),
    "an unknown probe in a playbook": (
        lambda at: spoil(
            at,
            "playbooks/own.yaml",
            "name: own\ntitle: t\nabout: a?\nprobes: [listen_queue]\nfindings:\n"
            '  - {id: f, when: "true", severity: info, say: s, because: b}\n',
        ),
        ("playbooks", "lint"),
        r"playbooks/own\.yaml:4: .*listen_queue.*listen_queues",
    ),
    "a duplicate key in the inventory": (
        lambda at: spoil(at, "inventory/hosts.yaml", "\nhosts: {}\n"),
        ("run", "all"),
        r"inventory/hosts\.yaml:\d+: .*hosts",
    ),
    "a tag in the inventory": (
        lambda at: spoil(at, "inventory/hosts.yaml", "\nextra: !!python/object:os.system {}\n"),
        ("inventory", "list"),
        r"inventory/hosts\.yaml:\d+: ",
    ),
    "an unknown key in the policy": (
        lambda at: spoil(at, "inventory/policy.yaml", "\nself_aproval: low\n"),
        ("changes", "list"),
        r"inventory/policy\.yaml:\d+: .*self_aproval.*self_approval",
    ),
    "an unknown host": (lambda at: None, ("run", "nobody-here"), r"nobody-here"),
    "an unknown playbook": (lambda at: None, ("run", "all", "listen-queues"), r"listen-queues.*listen-queue"),
    "an unknown parameter": (lambda at: None, ("run", "all", "listen-queue", "--param", "prt=80"), r"prt.*port"),
    "a parameter of another type": (
        lambda at: None,
        ("run", "all", "listen-queue", "--param", "port=http"),
        r"port.*http",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_bad_input_is_told_where_and_what(name: str, place: Path) -> None:
    breaking, words, said = FAULTS[name]
    breaking(place)
    environment = {
        **os.environ,
        "NETDIAG_STATE": str(place / "state"),
        "NETDIAG_INVENTORY": str(place / "inventory"),
        "NETDIAG_PLAYBOOKS": str(place / "playbooks"),
        "COLUMNS": "400",
    }
    done = subprocess.run(
        [sys.executable, "-m", "bot", *words],
        env=environment, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 2, done.stdout + done.stderr
    assert done.stdout == "", "standard output is for results"
    assert "Traceback" not in done.stderr
    flat = " ".join(done.stderr.split())
    assert re.search(said, flat), flat
