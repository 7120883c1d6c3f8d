"""Against OpenSSH's own server: programs run once, in one round trip, and never end in a false success."""

import asyncio
import os
import shutil
import signal
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from bot.core.host import Cause, Host, HostFailure
from bot.engine.inspect import Access, inspect
from bot.engine.ports import Output
from tests.adapters.ssh.conftest import Shells
from tests.adapters.ssh.servers import ME, Sshd, fingerprint, free_port, keygen, sshd

SMALL = 100_000


def out(result: Output | HostFailure) -> Output:
    assert isinstance(result, Output), result
    return result


def failure(result: Output | HostFailure) -> HostFailure:
    assert isinstance(result, HostFailure), result
    return result


class SystemClock:
    def now(self) -> datetime:
        return datetime.now(UTC)

    def token(self, bits: int = 128) -> str:
        return "0" * (bits // 4)


async def until(true: "asyncio.Future[bool] | object", within: float = 10) -> None:
    end = time.monotonic() + within
    while not true():  # type: ignore[operator]
        assert time.monotonic() < end, "it did not come to pass"
        await asyncio.sleep(0.02)


async def test_a_program_runs_as_the_user_and_tells_its_output_status_and_host_key(
    server: Sshd, shells: Shells
) -> None:
    host = server.host()
    result = out(await shells(host).run(host, "echo out; echo err >&2; exit 7", deadline=20, max_bytes=SMALL))
    assert (result.stdout, result.status) == (b"out\n", 7)
    assert result.host_key == fingerprint(server.host_key)
    assert result.root is (os.geteuid() == 0)
    assert result.root_reason == ("" if result.root else "not root: set sudo: true for this host")
    assert not result.truncated
    assert not result.timed_out


async def test_a_warm_connection_costs_one_round_trip_and_no_login(server: Sshd, shells: Shells) -> None:
    host = server.host()
    shell = shells(host)
    cold = out(await shell.run(host, "echo $$", deadline=20, max_bytes=SMALL))
    warm = [out(await shell.run(host, "echo $$", deadline=20, max_bytes=SMALL)) for _ in range(5)]
    assert cold.trips > 1
    assert [result.trips for result in warm] == [1] * 5
    assert {result.stdout for result in warm} == {cold.stdout}, "the shell lives on"
    assert server.logins() == 1


ODD_PROGRAMS = {
    "quotes": ('printf \'%s\' "it\'s \\"so\\" \\$HOME"', b'it\'s "so" $HOME', 0),
    "no output": ("true", b"", 0),
    "no newline at the end": ("printf x", b"x", 0),
    "bytes that are no UTF-8, and NUL": ("printf '\\377\\376\\000\\200'", b"\xff\xfe\x00\x80", 0),
    "line breaks only": ("printf '\\n\\n'", b"\n\n", 0),
    "a here-document": ("cat <<'X'\nit's $here\nX\n", b"it's $here\n", 0),
    "reading standard input": ("cat; echo nothing", b"nothing\n", 0),
    "exit in the middle": ("echo a; exit 3; echo b", b"a\n", 3),
    "a syntax error": ("echo a; if", b"", 2),
    "an unknown command": ("no-such-command-here", b"", 127),
    "set -eu": ("set -eu; echo a; echo $nothing_set; echo b", b"a\n", None),
    "a trap": ("trap 'echo bye' EXIT; echo hi", b"hi\nbye\n", 0),
    "another directory": ("cd /usr; pwd", b"/usr\n", 0),
    "two hundred kilobytes of program": ("echo begin\n: " + "x" * 200_000, b"begin\n", 0),
    "bytes and quotes in four kilobytes": (
        "echo 'it''s'; : " + "'x' " * 1000 + "\nprintf '%s' \"Grüße\"",
        "its\nGrüße".encode(),
        0,
    ),
    "text beyond ASCII": ("echo 'Grüße, 世界'", "Grüße, 世界\n".encode(), 0),
    "forged marks": (
        "printf 'b%s\\n\\ne%s 0\\n' " + "0" * 32 + " " + "0" * 32 + "; exit 9",
        b"b" + b"0" * 32 + b"\n\ne" + b"0" * 32 + b" 0\n",
        9,
    ),
}


@pytest.mark.parametrize("kind", ["dash", "bash", "busybox"])
async def test_programs_leave_the_shell_as_it_was_and_their_output_is_exact(
    kind: str, server: Sshd, shells: Shells, tmp_path: Path
) -> None:
    if shutil.which(kind) is None:
        pytest.skip(f"{kind} is not installed here")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/sh").symlink_to(str(shutil.which(kind)))
    server.stop()
    server.options = f"SetEnv PATH={tmp_path}/bin:/usr/bin:/bin"
    server.start()
    host = server.host()
    shell = shells(host)
    pid = out(await shell.run(host, "echo $$", deadline=20, max_bytes=SMALL)).stdout
    for name, (program, stdout, status) in ODD_PROGRAMS.items():
        result = out(await shell.run(host, program, deadline=20, max_bytes=SMALL))
        assert result.stdout == stdout, name
        assert result.status == status or (status is None and result.status not in (0, None)), name
        after = out(await shell.run(host, "pwd; echo $$ ${nothing_set-unset}", deadline=20, max_bytes=SMALL))
        assert after.stdout == b"/\n" + pid.strip() + b" unset\n", name


async def test_the_program_stands_in_no_argument_vector_and_no_environment(server: Sshd, shells: Shells) -> None:
    host = server.host()
    secret = "s3cret-word"
    program = f": {secret}; cat /proc/[0-9]*/cmdline /proc/$$/environ 2>/dev/null | tr '\\0' '\\n'"
    result = out(await shells(host).run(host, program, deadline=20, max_bytes=4_000_000))
    assert b"sshd" in result.stdout
    assert secret.encode() not in result.stdout


@pytest.mark.parametrize("program", ["echo \0", "echo \ud800"])
async def test_a_program_that_no_shell_can_be_given_is_refused_unsent(
    program: str, server: Sshd, shells: Shells
) -> None:
    host = server.host()
    assert failure(await shells(host).run(host, program, deadline=20, max_bytes=SMALL)).cause is Cause.PROTOCOL
    assert server.logins() == 0


@pytest.mark.parametrize("flood", ["yes", "yes >&2", "tr '\\0' x </dev/zero"])
async def test_a_flood_is_cut_has_no_status_and_spoils_only_its_shell(flood: str, server: Sshd, shells: Shells) -> None:
    host = server.host()
    shell = shells(host)
    result = out(await shell.run(host, flood, deadline=60, max_bytes=SMALL))
    assert (result.status, result.truncated, result.timed_out) == (None, True, False)
    assert len(result.stdout) <= SMALL
    after = out(await shell.run(host, "echo fine", deadline=20, max_bytes=SMALL))
    assert (after.stdout, after.status) == (b"fine\n", 0)
    assert server.logins() == 1


async def test_a_program_past_its_deadline_has_no_status_and_tells_what_came(server: Sshd, shells: Shells) -> None:
    host = server.host()
    shell = shells(host)
    await shell.run(host, "true", deadline=20, max_bytes=SMALL)
    result = out(await shell.run(host, "echo begun; sleep 30", deadline=1, max_bytes=SMALL))
    assert (result.stdout, result.status, result.timed_out) == (b"begun\n", None, True)
    assert out(await shell.run(host, "echo next", deadline=20, max_bytes=SMALL)).stdout == b"next\n"


async def test_many_hung_programs_never_use_up_the_sessions_of_a_host(server: Sshd, shells: Shells) -> None:
    host = server.host()
    shell = shells(host)
    for turn in range(16):  # sshd allows 10 sessions on a connection, and counts one until its program ends
        await shell.run(host, "true", deadline=20, max_bytes=SMALL)
        hung = out(await shell.run(host, "sleep 30", deadline=0.2, max_bytes=SMALL))
        assert hung.timed_out, turn
    assert out(await shell.run(host, "echo fine", deadline=20, max_bytes=SMALL)).stdout == b"fine\n"
    assert server.logins() == 1 + 16 // 7


async def test_a_stopped_sshd_costs_one_deadline_and_no_status(server: Sshd, shells: Shells) -> None:
    host = server.host()
    shell = shells(host)
    await shell.run(host, "true", deadline=20, max_bytes=SMALL)
    server.signal(signal.SIGSTOP)
    result = out(await shell.run(host, "echo hi", deadline=1, max_bytes=SMALL))
    assert (result.status, result.timed_out) == (None, True)


async def test_an_sshd_that_stops_for_good_is_told_dead_by_its_silence(server: Sshd, shells: Shells) -> None:
    host = server.host()
    shell = shells(host)
    await shell.run(host, "true", deadline=20, max_bytes=SMALL)
    server.signal(signal.SIGSTOP)
    result = out(await shell.run(host, "echo hi", deadline=120, max_bytes=SMALL))
    assert (result.status, result.timed_out) == (None, False), "keepalive found it before the deadline did"
    after = out(await shell.run(host, "echo again", deadline=20, max_bytes=SMALL))
    assert (after.stdout, after.status) == (b"again\n", 0)


async def test_a_connection_cut_in_the_middle_is_unknown_and_the_program_is_not_sent_again(
    server: Sshd, shells: Shells, tmp_path: Path
) -> None:
    host = server.host()
    shell = shells(host)
    ledger = tmp_path / "ledger"
    await shell.run(host, "true", deadline=20, max_bytes=SMALL)
    serving = server.sessions()
    async with asyncio.TaskGroup() as group:
        running = group.create_task(
            shell.run(host, f"echo ran >>{ledger}; sleep 30; echo done", deadline=60, max_bytes=SMALL)
        )
        await until(ledger.exists)
        for pid in serving:
            os.kill(pid, signal.SIGKILL)
    result = out(running.result())
    assert (result.status, result.timed_out) == (None, False)
    again = out(await shell.run(host, f"cat {ledger}", deadline=20, max_bytes=SMALL))
    assert (again.stdout, again.status) == (b"ran\n", 0)
    assert again.trips > 1


async def test_a_connection_found_dead_before_the_program_is_made_anew_once(server: Sshd, shells: Shells) -> None:
    host = server.host()
    shell = shells(host)
    for _ in range(3):
        result = out(await shell.run(host, "echo hi", deadline=20, max_bytes=SMALL))
        assert (result.stdout, result.status) == (b"hi\n", 0)
        server.signal(signal.SIGKILL)
        await asyncio.sleep(0.1)
    assert server.logins() == 3


async def test_a_program_that_kills_its_shell_has_no_status(server: Sshd, shells: Shells) -> None:
    host = server.host()
    shell = shells(host)
    result = out(await shell.run(host, "echo a; kill -9 $$; sleep 1", deadline=20, max_bytes=SMALL))
    assert result.status is None
    assert out(await shell.run(host, "echo b", deadline=20, max_bytes=SMALL)).status == 0


async def test_what_a_program_left_behind_cannot_write_into_the_next_answer(server: Sshd, shells: Shells) -> None:
    host = server.host()
    shell = shells(host)
    first = out(await shell.run(host, "(sleep 0.3; echo LATE) & echo first", deadline=20, max_bytes=SMALL))
    assert (first.stdout, first.status) == (b"first\n", 0)
    await asyncio.sleep(1)
    second = out(await shell.run(host, "echo second", deadline=20, max_bytes=SMALL))
    assert (second.stdout, second.status) == (b"second\n", 0)
    babbling = "(while :; do echo LATE || exit; done) & echo third"
    await shell.run(host, babbling, deadline=20, max_bytes=SMALL)
    fourth = out(await shell.run(host, "echo fourth", deadline=20, max_bytes=SMALL))
    assert fourth.status is None or fourth.stdout == b"fourth\n"


async def test_fresh_makes_a_connection_of_its_own_and_keeps_the_pooled_one(server: Sshd, shells: Shells) -> None:
    host = server.host()
    shell = shells(host)
    pooled = out(await shell.run(host, "echo $$", deadline=20, max_bytes=SMALL))
    fresh = out(await shell.run(host, "echo $$", deadline=20, max_bytes=SMALL, fresh=True))
    again = out(await shell.run(host, "echo $$", deadline=20, max_bytes=SMALL))
    assert fresh.stdout != pooled.stdout
    assert again.stdout == pooled.stdout
    assert again.trips == 1
    assert server.logins() == 2


async def test_fresh_does_not_wait_for_a_shell_that_is_busy(server: Sshd, shells: Shells) -> None:
    host = server.host()
    shell = shells(host)
    await shell.run(host, "true", deadline=20, max_bytes=SMALL)
    async with asyncio.TaskGroup() as group:
        busy = group.create_task(shell.run(host, "sleep 30", deadline=8, max_bytes=SMALL))
        await asyncio.sleep(0.1)
        fresh = out(await shell.run(host, "echo now", deadline=6, max_bytes=SMALL, fresh=True))
        waiting = await shell.run(host, "echo never", deadline=0.2, max_bytes=SMALL)
    assert (fresh.stdout, fresh.status) == (b"now\n", 0)
    assert failure(waiting).cause is Cause.TIMEOUT
    assert out(busy.result()).timed_out


async def test_programs_for_one_host_run_one_after_the_other(server: Sshd, shells: Shells, tmp_path: Path) -> None:
    host = server.host()
    shell = shells(host)
    program = f"mkdir {tmp_path}/lock && sleep 0.05 && rmdir {tmp_path}/lock"
    results = await asyncio.gather(*(shell.run(host, program, deadline=30, max_bytes=SMALL) for _ in range(10)))
    assert [out(result).status for result in results] == [0] * 10
    assert server.logins() == 1


async def test_a_cancelled_visit_spoils_the_shell_and_not_the_next_visit(server: Sshd, shells: Shells) -> None:
    host = server.host()
    shell = shells(host)
    await shell.run(host, "true", deadline=20, max_bytes=SMALL)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await shell.run(host, "sleep 30; echo old", deadline=60, max_bytes=SMALL)
    assert out(await shell.run(host, "echo new", deadline=20, max_bytes=SMALL)).stdout == b"new\n"


async def test_nobody_listening_is_unreachable_with_a_remedy(tmp_path: Path, shells: Shells, server: Sshd) -> None:
    host = server.host(port=free_port(), known_hosts=str(tmp_path / "kh"))
    (tmp_path / "kh").write_text(f"* {server.host_key.with_suffix('.pub').read_text()}")
    refused = failure(await shells(host).run(host, "true", deadline=20, max_bytes=SMALL))
    assert (refused.cause, "refuses the connection" in refused.reason) == (Cause.UNREACHABLE, True)
    assert "is sshd running" in refused.remedy
    nowhere = host.model_copy(update={"address": "host.invalid"})
    unknown = failure(await shells(nowhere).run(nowhere, "true", deadline=20, max_bytes=SMALL))
    assert (unknown.cause, "has no address" in unknown.reason) == (Cause.UNREACHABLE, True)


async def test_a_server_that_accepts_and_says_nothing_is_a_timeout(server: Sshd, shells: Shells) -> None:
    assert server.process is not None
    server.process.send_signal(signal.SIGSTOP)
    host = server.host()
    try:
        silent = failure(await shells(host).run(host, "true", deadline=1, max_bytes=SMALL))
    finally:
        server.process.send_signal(signal.SIGCONT)
    assert silent.cause is Cause.TIMEOUT


async def test_a_server_that_does_not_speak_ssh_is_a_protocol_failure(server: Sshd, shells: Shells) -> None:
    async def babble(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\x1b[31m\r\n" + b"x" * 10_000)
        writer.close()

    web = await asyncio.start_server(babble, "127.0.0.1", 0)
    host = server.host(
        port=web.sockets[0].getsockname()[1], known_hosts=server.host_key.with_suffix(".pub").read_text()
    )
    result = failure(await shells(host).run(host, "true", deadline=20, max_bytes=SMALL))
    web.close()
    assert result.cause in {Cause.PROTOCOL, Cause.UNREACHABLE}
    assert "\x1b" not in result.reason


async def test_a_key_that_the_host_does_not_allow_is_an_auth_failure(
    server: Sshd, shells: Shells, tmp_path: Path
) -> None:
    host = server.host(key=str(keygen(tmp_path / "stranger")))
    result = failure(await shells(host).run(host, "true", deadline=20, max_bytes=SMALL))
    assert result.cause is Cause.AUTH
    assert f"refuses user {ME} with key {tmp_path}/stranger" in result.reason
    assert "authorized_keys" in result.remedy


KEY_FAULTS = {
    "missing": (lambda _: None, "No such file", "ssh-keygen -t ed25519"),
    "no key": (lambda file: file.write_text("hello\n"), "cannot be used", "without passphrase"),
    "with a passphrase": (lambda file: keygen(file, "-N", "secret"), "cannot be used", "agent: true"),
}


@pytest.mark.parametrize("name", KEY_FAULTS)
async def test_a_key_that_cannot_be_used_here_says_why(name: str, server: Sshd, shells: Shells, tmp_path: Path) -> None:
    make, reason, remedy = KEY_FAULTS[name]
    make(tmp_path / "key")
    host = server.host(key=str(tmp_path / "key"))
    result = failure(await shells(host).run(host, "true", deadline=20, max_bytes=SMALL))
    assert (result.cause, reason in result.reason, remedy in result.remedy) == (Cause.AUTH, True, True), result


async def test_twenty_hosts_are_read_at_once_and_a_dead_one_harms_none(
    tmp_path: Path, shells: Shells, server: Sshd
) -> None:
    known = tmp_path / "known_hosts"
    known.write_text(f"* {server.host_key.with_suffix('.pub').read_text()}")
    hosts = [server.host(f"node-{n}", known_hosts=str(known)) for n in range(20)]
    hosts[7] = hosts[7].model_copy(update={"port": free_port()})
    shell = shells(*hosts)
    for trips in (False, True):
        results = await asyncio.gather(
            *(shell.run(host, f"echo {host.name}", deadline=60, max_bytes=SMALL) for host in hosts)
        )
        for host, result in zip(hosts, results, strict=True):
            if host is hosts[7]:
                assert failure(result).cause is Cause.UNREACHABLE
            else:
                assert out(result).stdout == f"{host.name}\n".encode()
                assert (out(result).trips == 1) is trips
    assert server.logins() == 19


async def test_a_host_that_moved_in_the_inventory_gets_a_new_connection(
    server: Sshd, shells: Shells, tmp_path: Path
) -> None:
    host = server.host()
    shell = shells(host)
    await shell.run(host, "true", deadline=20, max_bytes=SMALL)
    with sshd(tmp_path / "other") as other:
        moved: Host = other.host()
        result = out(await shell.run(moved, "true", deadline=20, max_bytes=SMALL))
        assert result.host_key == fingerprint(other.host_key)


async def test_a_real_host_is_inspected(server: Sshd, shells: Shells) -> None:
    host = server.host()
    dead = server.host("dead", port=free_port(), known_hosts=server.host_key.with_suffix(".pub").read_text())
    shell = shells(host, dead)
    found = dict(await inspect(shell, [dead, host], SystemClock()))
    assert isinstance(found["dead"], HostFailure)
    access = found["node"]
    assert isinstance(access, Access)
    assert access.host_key == fingerprint(server.host_key)
    assert access.auth == f"key {server.key}"
    assert {"awk", "find"} <= set(access.tools)
    assert abs(access.clock_skew) <= access.clock_within + 0.002
    assert server.logins() == 1
