"""This machine and a recording keep the same promises as a host over SSH."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from bot import probes
from bot.core.change import Change, Check, Plan
from bot.core.host import Cause, Host, HostFailure
from bot.core.recording import dump, record
from bot.core.report import Risk
from bot.core.transaction import apply_program
from bot.core.visit import budget, compose
from bot.core.visit_answer import read
from bot.engine.ports import Output
from tests.adapters.ssh.conftest import Shells

HERE = Host(name="here", address="localhost", transport="local", sudo=False)
SMALL = 10_000


def comes_true(claim: Callable[[], bool]) -> bool:
    for _ in range(500):
        if claim():
            return True
        time.sleep(0.02)
    return False


def alive(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().split()[2] != "Z"


async def ran(shells: Shells, program: str, deadline: float = 20, max_bytes: int = SMALL) -> Output:
    result = await shells(HERE).run(HERE, program, deadline=deadline, max_bytes=max_bytes)
    assert isinstance(result, Output), result
    return result


async def test_a_local_program_tells_its_output_and_status(shells: Shells) -> None:
    result = await ran(shells, "echo out; echo err >&2; exit 7")
    assert (result.stdout, result.status, result.host_key) == (b"out\n", 7, "local")
    assert result.root is (os.geteuid() == 0)


@pytest.mark.parametrize("program", ["kill -9 $$", "exec 1>&-; kill $$", "yes", "yes >&2", "sleep 30"])
async def test_a_local_program_that_did_not_end_well_has_no_status(program: str, shells: Shells) -> None:
    result = await ran(shells, program, deadline=2)
    assert result.status is None
    assert len(result.stdout) <= SMALL


async def test_a_late_local_program_is_killed_with_everything_it_started(shells: Shells, tmp_path: Path) -> None:
    program = f"(sleep 30 & echo $! >{tmp_path}/pid; wait)"
    result = await ran(shells, program, deadline=1)
    assert result.timed_out
    pid = int((tmp_path / "pid").read_text())
    assert comes_true(lambda: not alive(pid)), "the sleep lives on"


async def test_what_a_local_program_leaves_running_on_purpose_goes_on(shells: Shells, tmp_path: Path) -> None:
    result = await ran(shells, f"(sleep 0.5; echo late >{tmp_path}/mark) >/dev/null 2>&1 & echo armed")
    assert (result.stdout, result.status) == (b"armed\n", 0)
    assert comes_true((tmp_path / "mark").exists), "it was killed"


async def test_a_program_with_a_nul_is_refused(shells: Shells) -> None:
    result = await shells(HERE).run(HERE, "\0", deadline=5, max_bytes=1)
    assert isinstance(result, HostFailure)


def test_asyncssh_is_not_imported_for_hosts_that_do_not_need_it() -> None:
    check = "import sys; import bot.adapters.ssh; sys.exit('asyncssh' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0


@pytest.fixture
async def tape(shells: Shells, tmp_path: Path) -> Host:
    """A recording of this machine's identity."""
    asked = [probes.catalog()["identity"]]
    deadline, max_bytes = budget(asked, 0.2)
    result = await shells(HERE).run(
        HERE, compose(asked, nonce="n" * 32, window=0.2), deadline=deadline, max_bytes=max_bytes
    )
    assert isinstance(result, Output)
    kept = record(result.stdout, asked, "n" * 32, host="here", taken="2026-01-01T00:00:00Z", root=True)
    (tmp_path / "tape.yaml").write_text(dump(kept))
    return Host(name="tape", address="tape", transport="replay", recording=str(tmp_path / "tape.yaml"))


async def test_a_recording_answers_the_visit_that_it_holds(tape: Host, shells: Shells) -> None:
    asked = [probes.catalog()["identity"]]
    program = compose(asked, nonce="m" * 32, window=0.2)
    result = await shells(tape).run(tape, program, deadline=5, max_bytes=1_000_000)
    assert isinstance(result, Output)
    assert (result.status, result.host_key) == (0, "replay")
    outcome = read(result.stdout, asked, nonce="m" * 32, root=True, root_reason="")["identity"]
    assert isinstance(outcome, tuple)
    assert outcome[0].model_dump()["hostname"] == os.uname().nodename


async def test_a_recording_cannot_be_changed(tape: Host, shells: Shells) -> None:
    check = Check(about="x", argv=("true",), expect="")
    plan = Plan(steps=(("true",),), precondition=(check,), verify=(check,), risk=Risk.LOW, summary="s", impact="i")
    change = Change.model_validate(
        {
            "id": "c" * 16,
            "nonce": "n" * 32,
            "host": "tape",
            "host_key": "replay",
            "action": "sysctl.set",
            "with": {},
            "plan": plan,
            "finding": "f",
            "fingerprint": "f",
            "playbook": "p",
            "playbook_revision": "r",
            "policy_version": "v",
            "requester": "alice",
            "created": "2026-01-01T00:00:00Z",
            "expires": "2026-01-01T01:00:00Z",
        }
    )
    program = apply_program(change, nonce="x" * 32, now=1_767_225_600)
    for attempt in (program, "true", f"mark=@{'m' * 32}\n{program}"):
        result = await shells(tape).run(tape, attempt, deadline=5, max_bytes=1_000_000)
        assert isinstance(result, HostFailure) or b"applied" not in result.stdout
    refused = await shells(tape).run(tape, program, deadline=5, max_bytes=1_000_000)
    assert isinstance(refused, HostFailure)
    assert "is a recording and cannot do this" in refused.reason


@pytest.mark.parametrize(
    ("text", "reason"), [(None, "cannot be read"), ("probes: [", "is broken"), ("a: &b c", "is broken")]
)
async def test_a_recording_that_cannot_be_read_says_why(
    text: str | None, reason: str, shells: Shells, tmp_path: Path
) -> None:
    file = tmp_path / "broken.yaml"
    if text is not None:
        file.write_text(text)
    host = Host(name="tape", address="tape", transport="replay", recording=str(file))
    result = await shells(host).run(host, "true", deadline=5, max_bytes=10)
    assert isinstance(result, HostFailure)
    assert (result.cause, reason in result.reason) == (Cause.UNREACHABLE, True)
