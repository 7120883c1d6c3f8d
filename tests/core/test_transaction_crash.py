"""The host program dies at every point where it can: nothing runs twice, and the host tells the truth afterwards."""

import os
import signal
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from bot.core.answer import Applied, Ran, RefusedOnHost, Told
from bot.core.approval import Result, State
from bot.core.change import Change
from bot.engine.reconcile import judge
from tests.fakes.host import SHELLS, FileHost, until

CRASHING = """#!/bin/sh
set -C
n=1
until {{ true >{calls}/$n; }} 2>/dev/null; do n=$((n + 1)); done
[ $n != {at} ] || kill -KILL 0
exec {tool} "$@"
"""
"""A tool that, when its turn has come, kills the whole process group: the program and what it waits for."""

TOOLS = ("dd", "mv", "mkdir", "timeout", "setsid", "sync", "rm", "date", "head", "sleep")


@pytest.fixture
def host(tmp_path: Path) -> Iterator[FileHost]:
    made = FileHost(tmp_path)
    yield made
    for entry in Path(made.layout.ledger).glob("*/deadman"):
        pid = made.deadman(made.change(id=entry.parent.name))
        if pid is not None:
            os.kill(pid, signal.SIGKILL)


def crash_at(host: FileHost, at: int, change: Change) -> bool:
    """Run the program so that its n-th tool call kills it; False when it came to its end before.

    Where that call is of the automatic revert, or of something under `timeout`, that alone is killed.
    """
    tools, calls = host.root / f"tools{at}", host.root / f"calls{at}"
    tools.mkdir()
    calls.mkdir()
    for tool in TOOLS:
        file = tools / tool
        file.write_text(CRASHING.format(calls=calls, at=at, tool=f"/usr/bin/{tool}"))
        file.chmod(file.stat().st_mode | stat.S_IXUSR)
    whole = host.layout
    host.layout = replace(whole, path=f"{tools}:{whole.path}")
    running = host.start(host.program(change), start_new_session=True)
    running.communicate()
    host.layout = whole
    host.rest(change)
    return (calls / str(at)).exists()


def settle(host: FileHost, change: Change) -> Result:
    """What a bot that lost the answer makes of it in the end."""
    host.rest(change)
    told = host.inquire(change)
    assert isinstance(told, Told), told
    found = judge(told)
    assert isinstance(found, Result), found
    return found


def one_crash(root: Path, at: int, *, reversible: bool) -> State | None:
    """Kill the program at its n-th tool call, and hold what the host then is against what it tells."""
    root.mkdir()
    host = FileHost(root)
    change = host.change(host.plan() if reversible else host.plan(inverse=()))
    if not crash_at(host, at, change):
        return None
    steps = (host.root / "value.log").read_text().split() if host.runs else []
    assert steps.count("new") <= 1
    found = settle(host, change)
    wanted = {"old": {State.FAILED, State.REVERTED}, "new": {State.DONE}}[host.now_is]
    assert found.state in wanted, f"killed at call {at}: {found}, the host has {host.now_is!r}"
    again = host.apply(change)
    assert isinstance(again, Ran), f"killed at call {at}: {again}"
    assert host.now_is == {State.DONE: "new"}.get(found.state, "old")
    return found.state


@pytest.mark.parametrize("reversible", [True, False], ids=["reversible", "irreversible"])
def test_killed_at_any_point_it_runs_at_most_once_and_the_end_is_told_truly(tmp_path: Path, reversible: bool) -> None:
    seen: list[State | None] = []
    with ThreadPoolExecutor(8) as pool:
        for first in range(1, 200, 8):
            batch = range(first, first + 8)
            seen += pool.map(lambda at: one_crash(tmp_path / str(at), at, reversible=reversible), batch)
            if None in seen:
                break
    assert len(seen) > 24, "the tools were never called"
    states = {State.FAILED, State.REVERTED, State.DONE} if reversible else {State.FAILED, State.DONE}
    assert set(seen) == {None, *states}


def test_killed_in_a_step_the_host_stays_locked_until_that_step_is_over(host: FileHost) -> None:
    go = host.root / "go"
    wait = ("sh", "-c", f"echo at >{host.root}/at; until [ -e {go} ]; do sleep 0.05; done")
    change = host.change(host.plan(steps=(host.write("new"), wait)))
    running = host.start(host.program(change))
    until((host.root / "at").exists, "the step begins")
    running.kill()
    running.wait()
    host.layout = replace(host.layout, wait=1)
    busy = host.inquire(change)
    assert isinstance(busy, RefusedOnHost)
    assert busy.code == "busy"
    go.write_text("")
    until(lambda: host.state(change) == "reverted", "the automatic revert")
    assert host.now_is == "old"
    assert settle(host, change).state is State.REVERTED


def test_a_host_that_restarts_before_the_confirmation_is_judged_by_its_state(host: FileHost) -> None:
    """The automatic revert dies with the machine; a value that was only in the kernel is gone with it as well."""
    change = host.change(confirm_within=60)
    assert isinstance(host.apply(change), Applied)
    pid = host.deadman(change)
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    host.value.write_text("old\n")
    assert settle(host, change).state is State.REVERTED


# --- hosts without flock -------------------------------------------------------------------------------------------


@pytest.fixture(params=sorted(SHELLS))
def plain(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[FileHost]:
    made = FileHost(tmp_path, SHELLS[request.param])
    made.tools("flock")
    yield made
    for entry in Path(made.layout.ledger).glob("*/deadman"):
        pid = made.deadman(made.change(id=entry.parent.name))
        if pid is not None:
            os.kill(pid, signal.SIGKILL)


def test_without_flock_programs_at_once_execute_once(plain: FileHost) -> None:
    change = plain.change(confirm_within=30)
    running = [plain.start(plain.program(change)) for _ in range(4)]
    statuses = sorted(one.wait(60) for one in running)
    assert statuses == [0, 12, 12, 12]
    assert plain.runs == 1
    assert not Path(plain.layout.lock + ".owner").is_symlink()


def test_without_flock_the_lock_of_a_dead_owner_is_taken(plain: FileHost) -> None:
    Path(plain.layout.lock + ".owner").symlink_to("999999999 1 0f0f")
    assert isinstance(plain.apply(plain.change()), Applied)


def test_without_flock_the_lock_of_a_living_owner_is_respected(plain: FileHost) -> None:
    me = os.getpid()
    start = Path(f"/proc/{me}/stat").read_text().rpartition(") ")[2].split()[19]
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    Path(plain.layout.lock + ".owner").symlink_to(f"{me} {start} {boot}")
    plain.layout = replace(plain.layout, wait=1)
    refused = plain.apply(plain.change())
    assert isinstance(refused, RefusedOnHost)
    assert refused.code == "busy"


def test_without_flock_a_stale_breaker_leads_to_a_refusal_and_to_nothing_worse(plain: FileHost) -> None:
    Path(plain.layout.lock + ".owner").symlink_to("999999999 1 0f0f")
    Path(plain.layout.lock + ".breaker").symlink_to("999999999 1 0f0f")
    plain.layout = replace(plain.layout, wait=1)
    refused = plain.apply(plain.change())
    assert isinstance(refused, RefusedOnHost)
    assert plain.runs == 0


def test_without_flock_a_killed_programs_change_takes_itself_back(plain: FileHost) -> None:
    at = plain.root / "at"
    wait = ("sh", "-c", f"echo at >{at}; sleep 1")
    change = plain.change(plain.plan(steps=(plain.write("new"), wait)))
    running = plain.start(plain.program(change))
    until(at.exists, "the step begins")
    running.kill()
    running.wait()
    until(lambda: plain.state(change) == "reverted", "the automatic revert")
    assert plain.now_is == "old"
