"""Real shells, real files: what one host program does, whatever happens to it."""

import fcntl
import os
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.core.answer import (
    Applied,
    Confirmed,
    FailedOnHost,
    Ran,
    RefusedOnHost,
    Stale,
    Told,
    Unverified,
    parse,
)
from bot.core.change import Check, Compare
from bot.core.transaction import MAX_SKEW, START_WITHIN, quote
from tests.fakes.host import NONCE, SHELLS, FileHost, until


@pytest.fixture(params=sorted(SHELLS))
def host(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[FileHost]:
    made = FileHost(tmp_path, SHELLS[request.param])
    yield made
    for entry in Path(made.layout.ledger).glob("*/deadman"):
        pid = made.deadman(made.change(id=entry.parent.name))
        if pid is not None:
            os.kill(pid, signal.SIGKILL)


def test_a_change_is_applied_once_read_back_and_kept_when_confirmed(host: FileHost) -> None:
    change = host.change()
    applied = host.apply(change)
    assert isinstance(applied, Applied)
    assert [(look.about, look.printed) for look in applied.looks] == [("the value", "new")]
    assert isinstance(host.confirm(change), Confirmed)
    host.rest(change)
    assert (host.now_is, host.state(change), host.runs) == ("new", "confirmed", 1)


def test_a_change_that_nobody_confirms_takes_itself_back(host: FileHost) -> None:
    change = host.change()
    assert isinstance(host.apply(change), Applied)
    until(lambda: host.state(change) == "reverted", "the automatic revert")
    assert host.now_is == "old"
    assert host.confirm(change) == Ran("reverted")
    assert host.now_is == "old"


def test_the_automatic_revert_outlives_the_programs_session(host: FileHost) -> None:
    change = host.change()
    running = host.start(host.program(change), start_new_session=True)
    running.communicate()
    pid = host.deadman(change)
    assert pid is not None
    assert os.getsid(pid) == pid, "it leads a session of its own"
    assert {os.readlink(f"/proc/{pid}/fd/{n}") for n in (0, 1, 2)} == {"/dev/null"}
    held = [os.readlink(f.path) for f in os.scandir(f"/proc/{pid}/fd")]
    assert not any(name.endswith("/lock") or name.startswith("pipe:") for name in held), held


def test_the_same_program_twice_executes_once(host: FileHost) -> None:
    change = host.change()
    assert isinstance(host.apply(change), Applied)
    assert host.apply(change) == Ran("applied")
    assert host.runs == 1


def test_the_same_program_twice_at_once_executes_once(host: FileHost) -> None:
    change = host.change(confirm_within=30)
    program = host.program(change)
    running = [host.start(program) for _ in range(4)]
    answers = [parse(one.communicate()[0], one.returncode, NONCE, change.plan) for one in running]
    assert sorted(type(one).__name__ for one in answers) == ["Applied", "Ran", "Ran", "Ran"]
    assert host.runs == 1


def test_another_value_than_expected_is_stale_and_nothing_is_written(host: FileHost) -> None:
    host.value.write_text("  by\thand \n\n")
    change = host.change()
    stale = host.apply(change)
    assert isinstance(stale, Stale)
    assert stale.looks[0].printed == "by hand"
    host.value.write_text("old\n")
    assert host.apply(change) == Ran("stale"), "a copy that comes later finds it settled"
    assert host.runs == 0


def test_blanks_around_and_within_do_not_count_as_drift(host: FileHost) -> None:
    host.value.write_text("\t4096   131072\t6291456\n\n")
    plan = host.plan(precondition=(host.reads("4096\t131072 6291456"),))
    assert isinstance(host.apply(host.change(plan)), Applied)


def test_a_check_that_cannot_run_never_holds(host: FileHost) -> None:
    missing = Check(about="gone", argv=("cat", str(host.root / "gone")), expect="old", compare=Compare.DIFFERS)
    stale = host.apply(host.change(host.plan(precondition=(missing,))))
    assert isinstance(stale, Stale)
    assert "No such file" in stale.looks[0].printed
    assert host.runs == 0


def test_differs_holds_when_something_else_is_read(host: FileHost) -> None:
    plan = host.plan(precondition=(host.reads("other", Compare.DIFFERS),), verify=(host.reads("old", Compare.DIFFERS),))
    assert isinstance(host.apply(host.change(plan)), Applied)


def test_a_failing_step_is_taken_back_with_those_before_it(host: FileHost) -> None:
    broken = ("sh", "-c", "echo no such device >&2; exit 3")
    change = host.change(host.plan(steps=(host.write("half"), broken, host.write("new"))))
    failed = host.apply(change)
    assert isinstance(failed, FailedOnHost)
    assert (failed.said, failed.restored) == ("exit 3: no such device", True)
    assert (host.now_is, host.state(change)) == ("old", "failed")
    host.rest(change)
    assert host.runs == 2, "half, and back to old"


def test_a_missing_program_is_a_failed_step(host: FileHost) -> None:
    failed = host.apply(host.change(host.plan(steps=(("no-such-program-here",),))))
    assert isinstance(failed, FailedOnHost)
    assert failed.restored
    assert "exit 127" in failed.said


def test_a_result_that_does_not_show_is_taken_back(host: FileHost) -> None:
    failed = host.apply(host.change(host.plan(verify=(host.reads("something else"),))))
    assert isinstance(failed, FailedOnHost)
    assert failed.restored
    assert host.now_is == "old"


def test_an_inverse_that_does_not_restore_is_told(host: FileHost) -> None:
    plan = host.plan(verify=(host.reads("something else"),), inverse=(host.write("neither"),))
    change = host.change(plan)
    failed = host.apply(change)
    assert isinstance(failed, FailedOnHost)
    assert not failed.restored
    assert [look.printed for look in failed.looks] == ["neither"]
    assert host.state(change) == "unrestored"


def test_an_irreversible_change_has_no_automatic_revert(host: FileHost) -> None:
    change = host.change(host.plan(inverse=()))
    assert isinstance(host.apply(change), Applied)
    assert not (host.entry(change) / "deadman").exists()
    assert isinstance(host.confirm(change), Confirmed)
    assert host.now_is == "new"


def test_an_irreversible_change_that_fails_says_so(host: FileHost) -> None:
    failed = host.apply(host.change(host.plan(inverse=(), verify=(host.reads("something else"),))))
    assert isinstance(failed, FailedOnHost)
    assert not failed.restored
    assert host.now_is == "new"


@pytest.mark.parametrize(
    ("off", "code"),
    [
        (MAX_SKEW + 60, "clock"),
        (-(MAX_SKEW + 60), "clock"),
        (-(START_WITHIN + 1), "clock"),
        (-(MAX_SKEW - 10), None),  # nearer to it, the time to start would be over on a busy machine
        (MAX_SKEW - 5, None),
    ],
)
def test_a_clock_that_is_off_is_refused(host: FileHost, off: int, code: str | None) -> None:
    import time

    change = host.change()
    answered = host.apply(change, now=int(time.time()) + off)
    if code is None:
        assert isinstance(answered, Applied)
        return
    assert isinstance(answered, RefusedOnHost)
    assert answered.code == code
    assert host.runs == 0
    assert not host.entry(change).exists()


def test_a_program_that_waited_past_its_deadline_is_refused(host: FileHost) -> None:
    """The lock was held too long: the program has to look at the clock after the wait."""
    import time

    change = host.change()
    program = host.program(change, now=int(time.time()) - START_WITHIN + 1).replace("SKEW=30", "SKEW=600")
    with Path(host.layout.lock).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        running = host.start(program)
        time.sleep(2.5)
    out, _ = running.communicate()
    answered = parse(out, running.returncode, NONCE, change.plan)
    assert isinstance(answered, RefusedOnHost)
    assert answered.code == "late"
    assert host.runs == 0


def test_another_change_at_work_is_waited_for_and_then_refused(host: FileHost) -> None:
    host.layout = replace(host.layout, wait=1)
    with Path(host.layout.lock).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        refused = host.apply(host.change())
    assert isinstance(refused, RefusedOnHost)
    assert refused.code == "busy"
    assert host.runs == 0


def test_a_ledger_that_cannot_be_written_is_refused_before_anything_is_done(host: FileHost) -> None:
    (host.root / "file").write_text("")
    host.layout = replace(host.layout, ledger=str(host.root / "file" / "ledger"))
    refused = host.apply(host.change())
    assert isinstance(refused, RefusedOnHost)
    assert refused.code == "ledger"
    assert "Not a directory" in refused.reason or "File exists" in refused.reason
    assert host.runs == 0


@pytest.mark.parametrize("disk", ["full", "read-only"])
def test_a_full_or_read_only_disk_is_refused_before_anything_is_done(host: FileHost, disk: str) -> None:
    if os.geteuid() != 0:
        pytest.skip("mounting a small disk needs root")
    ledger = host.root / "disk"
    ledger.mkdir()
    host.layout = replace(host.layout, ledger=str(ledger / "ledger"))
    ruin = {
        "full": f"dd if=/dev/zero of={ledger}/fill bs=1k 2>/dev/null",
        "read-only": f"mount -o remount,ro {ledger}",
    }[disk]
    disk_made = f"mount -t tmpfs -o size=64k none {ledger} && mkdir {ledger}/ledger"
    mount = f"{disk_made} && {{ {ruin}; exec {' '.join(host.shell)}; }}"
    change = host.change()
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", mount], input=host.program(change).encode(), capture_output=True, check=False
    )
    refused = parse(done.stdout, done.returncode, NONCE, change.plan)
    assert isinstance(refused, RefusedOnHost), done
    assert refused.code == "ledger"
    assert host.runs == 0


@pytest.mark.parametrize("tool", ["setsid", "timeout", "od"])
def test_a_host_without_a_needed_tool_is_refused(host: FileHost, tool: str) -> None:
    if host.shell[0] == "busybox":
        pytest.skip("this busybox has its tools built in")
    host.tools(tool)
    change = host.change()
    refused = host.apply(change)
    assert refused == RefusedOnHost("tools", f"this host has no {tool} command")
    assert host.runs == 0


def test_half_a_program_does_nothing(host: FileHost) -> None:
    program = host.program(host.change())
    for cut in range(0, len(program) - 20, max(1, len(program) // 40)):
        host.start(program[:cut]).communicate()
        assert not Path(host.layout.ledger).exists(), f"cut at {cut}"
    assert host.runs == 0


def test_a_daemon_that_a_step_starts_holds_neither_the_lock_nor_the_answer(host: FileHost) -> None:
    daemon = ("sh", "-c", f"sleep 60 & echo $! >{host.root}/daemon")
    change = host.change(host.plan(steps=(host.write("new"), daemon)))
    assert isinstance(host.apply(change), Applied)
    pid = int((host.root / "daemon").read_text())
    try:
        held = [os.readlink(f.path) for f in os.scandir(f"/proc/{pid}/fd")]
        assert not any(name.endswith("/lock") or name.startswith("pipe:") for name in held), held
        assert isinstance(host.confirm(change), Confirmed)
    finally:
        os.kill(pid, signal.SIGKILL)


def test_a_step_that_hangs_is_ended_and_taken_back(host: FileHost) -> None:
    host.layout = replace(host.layout, step=1)
    failed = host.apply(host.change(host.plan(steps=(host.write("half"), ("sleep", "600")))))
    assert isinstance(failed, FailedOnHost)
    assert failed.restored
    assert host.now_is == "old"


def test_steps_get_the_usual_umask_and_default_signals(host: FileHost) -> None:
    tell = ("sh", "-c", f"{{ umask; grep SigIgn /proc/self/status; }} >{host.root}/told")
    assert isinstance(host.apply(host.change(host.plan(steps=(host.write("new"), tell)))), Applied)
    mask, ignored = (host.root / "told").read_text().splitlines()
    assert int(mask, 8) == 0o022
    assert int(ignored.split()[1], 16) & sum(1 << (n - 1) for n in (1, 2, 15)) == 0


def test_the_time_to_confirm_begins_when_the_steps_are_over(host: FileHost) -> None:
    slow = ("sleep", "3")
    change = host.change(host.plan(steps=(host.write("new"), slow)), confirm_within=1)
    assert isinstance(host.apply(change), Applied)
    assert host.state(change) == "applied"
    assert isinstance(host.confirm(change), Confirmed)
    host.rest(change)
    assert host.now_is == "new"


def test_a_change_that_does_not_hold_at_confirmation_is_not_confirmed(host: FileHost) -> None:
    change = host.change()
    assert isinstance(host.apply(change), Applied)
    host.value.write_text("by hand\n")
    assert isinstance(host.confirm(change), Unverified)
    until(lambda: host.state(change) == "reverted", "the automatic revert")
    assert host.now_is == "old"


def test_a_target_that_is_gone_is_neither_written_nor_taken_back(host: FileHost) -> None:
    """What holds before and after (the process is that process) is looked at again before every write."""
    target = host.root / "target"
    target.write_text("it\n")
    same = Check(about="the target", argv=("cat", str(target)), expect="it")
    gone = ("rm", str(target))
    plan = host.plan(
        precondition=(same, host.reads("old")),
        verify=(same, host.reads("new")),
        steps=(host.write("half"), gone, host.write("new")),
    )
    change = host.change(plan)
    failed = host.apply(change)
    assert isinstance(failed, FailedOnHost)
    assert not failed.restored
    assert (host.now_is, host.runs, host.state(change)) == ("half", 1, "unrestored")


def test_the_revert_by_hand_works_after_the_confirmation(host: FileHost) -> None:
    change = host.change()
    host.apply(change)
    host.confirm(change)
    done = subprocess.run([*host.shell, str(host.entry(change) / "undo"), "now"], capture_output=True, check=False)
    assert done.stdout == b"reverted\n", done
    assert host.now_is == "old"


def test_the_ledger_keeps_the_bytes_that_the_digest_covers(host: FileHost) -> None:
    import hashlib

    change = host.change(host.plan(new="ü 'quoted' $(x)\n two"))
    host.apply(change)
    assert hashlib.sha256((host.entry(change) / "change").read_bytes()).hexdigest() == change.digest


def test_an_inquiry_makes_a_program_that_comes_late_harmless(host: FileHost) -> None:
    change = host.change()
    told = host.inquire(change)
    assert isinstance(told, Told)
    assert (told.state, told.armed, told.before[0].holds, told.after[0].holds) == ("absent", False, True, False)
    assert host.apply(change) == Ran("void")
    assert host.runs == 0


def test_an_inquiry_tells_what_the_ledger_and_the_host_say(host: FileHost) -> None:
    change = host.change(confirm_within=30)
    host.apply(change)
    told = host.inquire(change)
    assert isinstance(told, Told)
    assert (told.state, told.armed) == ("applied", True)
    assert ([look.holds for look in told.before], [look.holds for look in told.after]) == ([False], [True])


HOSTILE = [
    "'; touch pwned; '",
    '"; touch pwned; "',
    "$(touch pwned)",
    "`touch pwned`",
    "a\nb; touch pwned\nc",
    "-rf",
    "--help",
    "\\",
    "\\'",
    "*",
    "~root",
    "!",
    "(",
    "{a,b}",
    "$IFS",
    "a=b",
    "%s%n",
    "é\u202e\u0007",
    "x" * 5000,
    f"netdiag-end {NONCE}",
]


@pytest.mark.parametrize("value", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_values_are_written_as_they_are(host: FileHost, value: str) -> None:
    target = host.root / "target"
    write = ("sh", "-c", 'printf %s "$1" >"$2"', value, value, str(target))
    read = Check(about="it", argv=("cat", str(target)), expect=value)
    plan = host.plan(steps=(write,), verify=(read,) if len(value) < 4000 else (host.reads("old"),), inverse=())
    assert isinstance(host.apply(host.change(plan)), Applied)
    assert target.read_bytes() == value.encode()
    assert not list(host.root.rglob("pwned"))
    assert not Path("pwned").exists()


@pytest.mark.parametrize("argv", [("a\0b",), ("\ud800",), ("",), ()])
def test_what_no_argument_vector_can_hold_is_refused_when_composed(tmp_path: Path, argv: tuple[str, ...]) -> None:
    host = FileHost(tmp_path)
    with pytest.raises(ValueError):  # noqa: PT011 - a UnicodeEncodeError is one too
        host.program(host.change(host.plan(steps=(argv,))))


@pytest.mark.parametrize("name", ["", ".", "../x", "a b", "-x", "a/b", "ü", "a\nb"])
def test_a_change_id_is_never_a_path(tmp_path: Path, name: str) -> None:
    host = FileHost(tmp_path)
    with pytest.raises(ValueError, match="names no change"):
        host.program(host.change(id=name))


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")))
@settings(max_examples=60, deadline=None)
def test_any_text_survives_quoting(text: str) -> None:
    for shell in SHELLS.values():
        done = subprocess.run([*shell, "-c", f"printf %s {quote(text)}"], capture_output=True, check=True)
        assert done.stdout == text.encode()


def test_what_a_host_prints_cannot_forge_an_answer(host: FileHost) -> None:
    forged = f"netdiag-answer {NONCE} 15\nresult applied\nnetdiag-end {NONCE}"
    host.value.write_text(forged)
    stale = host.apply(host.change())
    assert isinstance(stale, Stale)
    assert "result applied" in stale.looks[0].printed
