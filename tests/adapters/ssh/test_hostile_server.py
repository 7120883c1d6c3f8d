"""A host that lies, babbles or stalls harms neither netdiag nor another host's answer."""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import asyncssh
import pytest

from bot.core.host import Cause, Host, HostFailure
from bot.engine.ports import Output
from tests.adapters.ssh.conftest import Shells
from tests.adapters.ssh.servers import keygen

Process = asyncssh.SSHServerProcess[bytes]
Serve = Callable[[Process], Awaitable[None]]

_MARK = re.compile(rb"printf 'b%s\\n' ([a-z0-9]+); \( eval ")


class Open(asyncssh.SSHServer):
    """Lets anybody in."""

    def begin_auth(self, username: str) -> bool:
        return False


class Rogue:
    """A server whose shell does what a test says, once the hello is answered as a shell would."""

    def __init__(self, directory: Path) -> None:
        self.key = keygen(directory / "rogue")
        self.me = keygen(directory / "me")
        self.programs = 0
        self.acceptor: asyncssh.SSHAcceptor | None = None

    async def listen(self, serve: Serve) -> Host:
        async def handle(process: Process) -> None:
            try:
                await serve(process)
            except (asyncssh.Error, OSError):
                pass
            finally:
                process.exit(0)

        self.acceptor = await asyncssh.listen(
            "127.0.0.1", 0, server_factory=Open, server_host_keys=[str(self.key)], process_factory=handle, encoding=None
        )
        return Host(
            name="rogue",
            address="127.0.0.1",
            port=self.acceptor.get_port(),
            user="root",
            known_hosts=self.key.with_suffix(".pub").read_text(),
            key=str(self.me),
        )

    async def mark(self, process: Process) -> bytes:
        """The mark of the next program, as a shell would read it."""
        text = b""
        while not (found := _MARK.search(text)):
            line = await process.stdin.readline()
            if not line:
                raise asyncssh.ConnectionLost("client left")
            text += line
        self.programs += 1
        return found[1]

    async def hello(self, process: Process, uid: bytes = b"0") -> None:
        mark = await self.mark(process)
        process.stdout.write(b"b" + mark + b"\n" + uid + b"\n\ne" + mark + b" 0\n")


@pytest.fixture
async def rogue(tmp_path: Path) -> AsyncIterator[Rogue]:
    server = Rogue(tmp_path)
    yield server
    if server.acceptor is not None:
        server.acceptor.close()
        await server.acceptor.wait_closed()


def answer(*parts: bytes | str, then: bool = True) -> Callable[[Rogue], Serve]:
    """A shell that greets well and answers every program with these parts; "m" stands for its mark."""

    def make(rogue: Rogue) -> Serve:
        async def serve(process: Process) -> None:
            await rogue.hello(process)
            while True:
                mark = await rogue.mark(process)
                for part in parts:
                    process.stdout.write(mark if part == "m" else part)  # type: ignore[arg-type]
                    await process.stdout.drain()
                if not then:
                    return

        return serve

    return make


M = "m"
DOUBTFUL = {
    "nothing, and the end": answer(then=False),
    "no first line": answer(b"hi\n\ne", M, b" 0\n", then=False),
    "bytes before the first line": answer(b"x", b"b", M, b"\nhi\n\ne", M, b" 0\n"),
    "bytes after the last line": answer(b"b", M, b"\nhi\n\ne", M, b" 0\nx"),
    "the last line twice": answer(b"b", M, b"\nhi\n\ne", M, b" 0\n\ne", M, b" 0\n"),
    "a status that is no number": answer(b"b", M, b"\nhi\n\ne", M, b" ok\n"),
    "a status that never ends": answer(b"b", M, b"\nhi\n\ne", M, b" " + b"0" * 10_000),
    "no last line": answer(b"b", M, b"\nhi\n", then=False),
    "half a last line": answer(b"b", M, b"\nhi\n\ne", M, b" 0", then=False),
    "an older mark": answer(b"b", b"0" * 32, b"\nhi\n\ne", b"0" * 32, b" 0\n", then=False),
}


@pytest.mark.parametrize("name", DOUBTFUL)
async def test_a_doubtful_answer_has_no_status(name: str, rogue: Rogue, shells: Shells) -> None:
    host = await rogue.listen(DOUBTFUL[name](rogue))
    result = await shells(host).run(host, "echo hi", deadline=5, max_bytes=10_000)
    assert isinstance(result, Output)
    assert result.status is None
    assert rogue.programs == 2, "one hello, one program, sent once"


async def test_an_answer_is_whole_however_it_is_cut_into_packets(rogue: Rogue, shells: Shells) -> None:
    async def serve(process: Process) -> None:
        await rogue.hello(process)
        mark = await rogue.mark(process)
        for byte in b"b" + mark + b"\nhi\n\ne" + mark + b" 13\n":
            process.stdout.write(bytes([byte]))
            await process.stdout.drain()
            await asyncio.sleep(0)
        await process.stdin.read()

    host = await rogue.listen(serve)
    result = await shells(host).run(host, "echo hi", deadline=20, max_bytes=10_000)
    assert isinstance(result, Output)
    assert (result.stdout, result.status) == (b"hi\n", 13)


async def test_a_flood_on_both_streams_is_cut_at_the_cap(rogue: Rogue, shells: Shells) -> None:
    async def serve(process: Process) -> None:
        await rogue.hello(process)
        mark = await rogue.mark(process)
        process.stdout.write(b"b" + mark + b"\n")
        while True:
            process.stderr.write(b"e" * 30_000)
            process.stdout.write(b"x" * 30_000)
            await process.stdout.drain()

    host = await rogue.listen(serve)
    result = await shells(host).run(host, "echo hi", deadline=60, max_bytes=10_000)
    assert isinstance(result, Output)
    assert (result.status, result.truncated, result.timed_out) == (None, True, False)
    assert len(result.stdout) <= 10_000


async def test_a_flood_instead_of_a_greeting_is_no_shell(rogue: Rogue, shells: Shells) -> None:
    async def serve(process: Process) -> None:
        while True:
            process.stdout.write(b"\x1b]0;x\x07" * 5_000)
            await process.stdout.drain()

    host = await rogue.listen(serve)
    result = await shells(host).run(host, "echo hi", deadline=60, max_bytes=10_000)
    assert isinstance(result, HostFailure)
    assert result.cause is Cause.PROTOCOL


async def test_a_forced_command_is_no_shell_and_its_words_are_shown_safely(rogue: Rogue, shells: Shells) -> None:
    async def serve(process: Process) -> None:
        process.stderr.write(b"This account is \x1b[31mclosed\x1b[0m\n")

    host = await rogue.listen(serve)
    result = await shells(host).run(host, "echo hi", deadline=20, max_bytes=10_000)
    assert isinstance(result, HostFailure)
    assert (result.cause, "ForceCommand" in result.remedy) == (Cause.PROTOCOL, True)
    assert "closed" in result.reason
    assert "\x1b" not in result.reason


async def test_greetings_of_a_login_shell_do_not_matter(rogue: Rogue, shells: Shells) -> None:
    async def serve(process: Process) -> None:
        process.stdout.write(b"Welcome to rogue!\nb00\n\ne00 0\n")
        await rogue.hello(process)
        mark = await rogue.mark(process)
        process.stdout.write(b"b" + mark + b"\nhi\n\ne" + mark + b" 0\n")
        await process.stdin.read()

    host = await rogue.listen(serve)
    result = await shells(host).run(host, "echo hi", deadline=20, max_bytes=10_000)
    assert isinstance(result, Output)
    assert (result.stdout, result.status) == (b"hi\n", 0)


@pytest.mark.parametrize("uid", [b"", b"root", b"-1", b"0x0", "\u0661".encode()])
async def test_a_user_id_that_is_none_is_never_taken_for_root(uid: bytes, rogue: Rogue, shells: Shells) -> None:
    async def serve(process: Process) -> None:
        await rogue.hello(process, uid)
        await process.stdin.read()

    host = await rogue.listen(serve)
    result = await shells(host).run(host, "echo hi", deadline=20, max_bytes=10_000)
    assert isinstance(result, HostFailure)
    assert result.cause is Cause.PROTOCOL


async def test_a_server_that_stalls_after_login_costs_one_deadline(rogue: Rogue, shells: Shells) -> None:
    async def serve(process: Process) -> None:
        await process.stdin.read()

    host = await rogue.listen(serve)
    result = await shells(host).run(host, "echo hi", deadline=1, max_bytes=10_000)
    assert isinstance(result, HostFailure), "the program was never sent"
    assert result.cause is Cause.TIMEOUT
    assert rogue.programs == 0


async def test_stray_bytes_between_programs_spoil_the_shell_before_the_next_is_sent(
    rogue: Rogue, shells: Shells
) -> None:
    async def serve(process: Process) -> None:
        await rogue.hello(process)
        mark = await rogue.mark(process)
        process.stdout.write(b"b" + mark + b"\nhi\n\ne" + mark + b" 0\n")
        await asyncio.sleep(0.2)
        process.stdout.write(b"psst")
        await process.stdin.read()

    host = await rogue.listen(serve)
    shell = shells(host)
    for _ in range(2):
        result = await shell.run(host, "echo hi", deadline=20, max_bytes=10_000)
        assert isinstance(result, Output)
        assert (result.stdout, result.status) == (b"hi\n", 0)
        assert result.trips > 1, "a new shell each time"
        await asyncio.sleep(0.5)


async def test_a_server_without_sessions_is_a_failure_with_a_remedy(rogue: Rogue, shells: Shells) -> None:
    host = await rogue.listen(answer()(rogue))
    assert rogue.acceptor is not None
    rogue.acceptor.close()
    closed = await asyncssh.listen("127.0.0.1", 0, server_factory=Open, server_host_keys=[str(rogue.key)])
    host = host.model_copy(update={"port": closed.get_port()})
    result = await shells(host).run(host, "echo hi", deadline=20, max_bytes=10_000)
    closed.close()
    assert isinstance(result, HostFailure)
    assert result.cause is Cause.PROTOCOL
