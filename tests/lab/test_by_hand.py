"""Can a fleet be had, broken, healed and ended from a terminal, by a process that does not hold it?"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bot.demo.control import chosen, running
from bot.demo.faults import FAULTS
from bot.demo.machine import FleetError
from bot.demo.parts import PARTS, posts

ROOT = Path(__file__).resolve().parents[2]
needs_hosts = pytest.mark.parts("queue")


def demo(*words: str, stdin: str = "") -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "bot.demo", *words],
        input=stdin, capture_output=True, text=True, timeout=120, check=False, cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path
    demo("down", "--in", str(tmp_path))


@needs_hosts
def test_up_break_exec_heal_down(place: Path) -> None:
    where = ("--in", str(place))
    up = demo("up", str(place), "--hosts", "0", "--parts", "queue", "--detach")
    assert "queue-1" in up.stdout, up.stderr
    assert "already" in (again := demo("up", str(place)).stdout) or "is up" in again
    assert "by the thousand" in demo("break", "stuck-queue", *where).stdout
    assert "broken: stuck-queue" in demo("list", *where).stdout
    assert "tbf" in demo("exec", *where, "queue-1", "--", "tc", "qdisc", "show", "dev", "eth1").stdout
    assert demo("heal", *where).returncode == 0
    assert "broken: nothing" in demo("list", *where).stdout
    assert demo("exec", *where, "queue-1", "--", "sh", "-c", "cat; exit 7", stdin="given").stdout == "given"
    assert demo("exec", *where, "queue-1", "--", "sh", "-c", "exit 7").returncode == 7
    assert demo("down", *where).returncode == 0
    assert not [each for each in running() if each.directory == place.resolve()]
    assert demo("down", *where).returncode == 0, "down is down"


@needs_hosts
def test_what_a_killed_owner_left_is_cleared_by_the_next_up(place: Path) -> None:
    words = ("up", str(place), "--hosts", "1", "--detach")
    assert demo(*words).returncode == 0
    os.kill(chosen(place).owner, signal.SIGKILL)
    up = demo(*words)
    assert "node-1" in up.stdout, up.stderr


@needs_hosts
def test_a_fault_of_a_part_that_is_not_up_says_which(place: Path) -> None:
    demo("up", str(place), "--hosts", "1", "--detach")
    refused = demo("break", "time-wait-heavy", "--in", str(place))
    assert refused.returncode == 1
    assert "start it with part ipvs" in refused.stderr


def test_without_a_fleet_breaking_says_so(tmp_path: Path) -> None:
    with pytest.raises(FleetError, match="no fleet is up in"):
        chosen(tmp_path)


def test_every_fault_has_a_host_of_its_part_and_a_way_back() -> None:
    for fault in FAULTS.values():
        assert fault.part in PARTS, fault.name
        assert fault.host in {name for name, _, _ in posts([fault.part])}, fault.name
        assert fault.make, fault.name
        assert fault.heal, fault.name
