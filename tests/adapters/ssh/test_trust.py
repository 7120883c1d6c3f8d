"""Whom a host may be is settled before anything is sent to it, and who we are by keys, certificates or the agent."""

import asyncio
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bot.core.host import Cause, Host, HostFailure
from bot.engine.ports import Output
from tests.adapters.ssh.conftest import Shells
from tests.adapters.ssh.servers import Sshd, fingerprint, keygen, public, sign, sshd


def failure(result: Output | HostFailure) -> HostFailure:
    assert isinstance(result, HostFailure), result
    return result


async def answers(shells: Shells, host: Host, *others: Host) -> bool:
    result = await shells(host, *others).run(host, "echo $((6 * 7))", deadline=30, max_bytes=1000)
    if isinstance(result, HostFailure):
        return False
    assert (result.stdout, result.status) == (b"42\n", 0)
    return True


def _hashed(server: Sshd) -> None:
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", server.known_hosts], check=True, capture_output=True)
    assert server.known_hosts.read_text().startswith("|1|")


KNOWN: dict[str, Callable[[Sshd], None]] = {
    "by address and port": lambda _: None,
    "by address alone": lambda server: server.know(server.host_key, "127.0.0.1"),
    "by the inventory's name": lambda server: server.know(server.host_key, "node"),
    "by a pattern": lambda server: server.know(server.host_key, "[127.0.0.*]:*,!*.example.org"),
    "by a network": lambda server: server.know(server.host_key, "other,127.0.0.0/8"),
    "by a hash": _hashed,
    "among others, comments and junk": lambda server: server.known_hosts.write_text(
        f"# mine\n\nother {public(server.key)}\nold ssh-dss AAAA\n"
        f"[127.0.0.1]:{server.port} {public(server.host_key)} note\n"
    ),
}


@pytest.mark.parametrize("name", KNOWN)
async def test_a_host_key_is_known(name: str, server: Sshd, shells: Shells) -> None:
    KNOWN[name](server)
    assert await answers(shells, server.host())


async def test_a_host_key_is_known_inline(server: Sshd, shells: Shells) -> None:
    assert await answers(shells, server.host(known_hosts=public(server.host_key)))


UNKNOWN: dict[str, Callable[[Sshd], None]] = {
    "an empty file": lambda server: server.known_hosts.write_text(""),
    "no file": lambda server: server.known_hosts.unlink(),
    "another port": lambda server: server.know(server.host_key, "[127.0.0.1]:1"),
    "another host": lambda server: server.know(server.host_key, "127.0.0.2"),
    "a pattern that excludes it": lambda server: server.know(server.host_key, "127.*,!127.0.0.1"),
    "a broken file": lambda server: server.known_hosts.write_text("lonely\n"),
}


@pytest.mark.parametrize("name", UNKNOWN)
async def test_an_unknown_host_is_refused_before_it_is_even_called(name: str, server: Sshd, shells: Shells) -> None:
    UNKNOWN[name](server)
    host = server.host()
    result = failure(await shells(host).run(host, "true", deadline=20, max_bytes=1000))
    assert result.cause is Cause.HOST_KEY_UNKNOWN
    assert f"ssh-keyscan -t ed25519 -p {server.port} 127.0.0.1 >> {server.known_hosts}" in result.remedy
    assert "Connection from" not in server.log()


async def test_a_host_without_any_known_hosts_is_refused(server: Sshd, shells: Shells) -> None:
    host = server.host(known_hosts=None)
    result = failure(await shells(host).run(host, "true", deadline=20, max_bytes=1000))
    assert result.cause is Cause.HOST_KEY_UNKNOWN


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
async def test_a_changed_host_key_is_told_loudly_whatever_its_type(
    kind: str, server: Sshd, shells: Shells, tmp_path: Path
) -> None:
    known = keygen(tmp_path / "known", kind=kind)
    server.know(known)
    host = server.host()
    result = failure(await shells(host).run(host, "true", deadline=20, max_bytes=1000))
    assert result.cause is Cause.HOST_KEY_CHANGED
    assert "CHANGED" in result.reason
    assert fingerprint(server.host_key) in result.reason
    assert fingerprint(known) in result.reason
    assert f"ssh-keygen -R '[127.0.0.1]:{server.port}'" in result.remedy
    assert server.logins() == 0


async def test_a_key_that_became_known_is_accepted_without_a_restart(server: Sshd, shells: Shells) -> None:
    host = server.host()
    shell = shells(host)
    server.known_hosts.write_text("")
    assert isinstance(await shell.run(host, "true", deadline=20, max_bytes=1000), HostFailure)
    server.know(server.host_key)
    assert isinstance(await shell.run(host, "true", deadline=20, max_bytes=1000), Output)


async def test_a_revoked_key_is_refused_even_where_it_is_also_known(server: Sshd, shells: Shells) -> None:
    with server.known_hosts.open("a") as file:
        file.write(f"@revoked * {public(server.host_key)}\n")
    host = server.host()
    result = failure(await shells(host).run(host, "true", deadline=20, max_bytes=1000))
    assert (result.cause, "revoked" in result.reason) == (Cause.HOST_KEY_CHANGED, True)


@pytest.fixture
def certified(tmp_path: Path, server: Sshd) -> Iterator[tuple[Path, Sshd]]:
    """A host that shows a certificate for `node`, and the authority that signed it."""
    directory = tmp_path / "certified"
    directory.mkdir()
    authority = keygen(tmp_path / "authority")
    certificate = sign(authority, keygen(directory / "host"), "-h", "-n", "node")
    keygen(directory / "id")
    with sshd(directory, options=f"HostCertificate {certificate}") as running:
        yield authority, running


@pytest.mark.parametrize("pattern", ["@cert-authority *", "@cert-authority node"])
async def test_a_host_certificate_by_a_known_authority_is_accepted(
    pattern: str, certified: tuple[Path, Sshd], shells: Shells
) -> None:
    authority, server = certified
    server.know(authority, pattern)
    host = server.host("node")
    result = await shells(host).run(host, "true", deadline=20, max_bytes=1000)
    assert isinstance(result, Output), result
    assert result.host_key == fingerprint(server.host_key), "the host's own key, which outlives its certificates"


async def test_a_host_certificate_for_another_host_is_refused(certified: tuple[Path, Sshd], shells: Shells) -> None:
    authority, server = certified
    server.know(authority, "@cert-authority *")
    host = server.host("elsewhere")
    result = failure(await shells(host).run(host, "true", deadline=20, max_bytes=1000))
    assert (result.cause, "elsewhere" in result.remedy) == (Cause.HOST_KEY_CHANGED, True)


async def test_a_host_certificate_by_another_authority_is_refused(
    certified: tuple[Path, Sshd], shells: Shells, tmp_path: Path
) -> None:
    _, server = certified
    server.know(keygen(tmp_path / "other"), "@cert-authority *")
    host = server.host("node")
    assert failure(await shells(host).run(host, "true", deadline=20, max_bytes=1000)).cause is Cause.HOST_KEY_CHANGED


async def test_a_revoked_authority_vouches_for_nobody(certified: tuple[Path, Sshd], shells: Shells) -> None:
    authority, server = certified
    server.known_hosts.write_text(f"@cert-authority * {public(authority)}\n@revoked * {public(authority)}\n")
    host = server.host("node")
    assert failure(await shells(host).run(host, "true", deadline=20, max_bytes=1000)).cause is Cause.HOST_KEY_CHANGED


@pytest.mark.parametrize("where", ["beside the key", "elsewhere"])
async def test_a_user_certificate_opens_a_host_that_knows_only_the_authority(
    where: str, tmp_path: Path, shells: Shells, server: Sshd
) -> None:
    authority = keygen(tmp_path / "users")
    certificate = sign(authority, keygen(tmp_path / "me"), "-n", server.host().user, "-V", "+5m")
    if where == "elsewhere":
        certificate = certificate.rename(tmp_path / "short-lived.pub")
    with sshd(tmp_path / "ca", options=f"TrustedUserCAKeys {authority.with_suffix('.pub')}") as running:
        host = running.host(key=str(tmp_path / "me"), certificate=str(certificate) if where == "elsewhere" else None)
        assert await answers(shells, host)
        certificate.unlink()
        assert not await answers(shells, host)


@pytest.fixture
def agent(server: Sshd) -> Iterator[Path]:
    """The socket of an ssh-agent that holds the server's client key."""
    socket = Path(f"/tmp/nd-{os.getpid()}.agent")  # short: a socket's path holds about 100 bytes
    process = subprocess.Popen(["ssh-agent", "-D", "-a", socket], stdout=subprocess.DEVNULL)
    try:
        while not socket.exists():
            assert process.poll() is None
            time.sleep(0.02)
        subprocess.run(
            ["ssh-add", "-q", server.key],
            env={**os.environ, "SSH_AUTH_SOCK": str(socket)},
            check=True,
            capture_output=True,
        )
        yield socket
    finally:
        process.kill()
        process.wait()
        socket.unlink(missing_ok=True)


async def test_the_agent_is_asked_where_the_host_says_so_and_only_there(
    server: Sshd, agent: Path, shells: Shells, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSH_AUTH_SOCK", str(agent))
    monkeypatch.setenv("HOME", str(tmp_path))
    assert await answers(shells, server.host(key=None, agent=True))
    assert not await answers(shells, server.host(key=str(keygen(tmp_path / "stranger"))))
    silent = failure(await shells().run(server.host(key=None), "true", deadline=20, max_bytes=1000))
    assert (silent.cause, "no key to log in with" in silent.reason) == (Cause.AUTH, True)
    monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "none"))
    gone = failure(await shells().run(server.host(key=None, agent=True), "true", deadline=20, max_bytes=1000))
    assert (gone.cause, "ssh-agent" in gone.remedy) == (Cause.AUTH, True)


async def test_a_host_behind_a_jump_host_is_reached_through_one_shared_connection(
    server: Sshd, shells: Shells, tmp_path: Path
) -> None:
    with sshd(tmp_path / "inner") as inner:
        bastion = server.host("bastion")
        behind = [inner.host(f"node-{n}", jump="bastion") for n in range(3)]
        shell = shells(bastion, *behind)
        results = await asyncio.gather(
            *(shell.run(host, "echo $SSH_CONNECTION", deadline=60, max_bytes=1000) for host in behind)
        )
        assert all(isinstance(result, Output) and result.status == 0 for result in results), results
        assert (server.logins(), inner.logins()) == (1, 3)
        assert isinstance(await shell.run(bastion, "true", deadline=20, max_bytes=1000), Output)
        server.stop()
        server.start()
        await asyncio.sleep(0.5)
        for host in behind:
            again = await shell.run(host, "echo back", deadline=60, max_bytes=1000)
            assert isinstance(again, Output)
            assert again.stdout == b"back\n"


async def test_two_jumps_in_a_row(server: Sshd, shells: Shells, tmp_path: Path) -> None:
    with sshd(tmp_path / "middle") as middle, sshd(tmp_path / "inner") as inner:
        outer_host, middle_host = server.host("outer"), middle.host("middle", jump="outer")
        assert await answers(shells, inner.host("inner", jump="middle"), outer_host, middle_host)


async def test_a_jump_host_that_fails_says_which_and_why(server: Sshd, shells: Shells, tmp_path: Path) -> None:
    with sshd(tmp_path / "inner") as inner:
        host = inner.host(jump="bastion")
        strange = server.host("bastion", key=str(keygen(tmp_path / "stranger")))
        result = failure(await shells(host, strange).run(host, "true", deadline=20, max_bytes=1000))
        assert (result.cause, "node is reached through bastion" in result.reason) == (Cause.AUTH, True)
        lost = failure(await shells(host).run(host, "true", deadline=20, max_bytes=1000))
        assert "not in the inventory" in lost.reason
        inner.stop()
        closed = failure(await shells(host, server.host("bastion")).run(host, "true", deadline=20, max_bytes=1000))
        assert (closed.cause, "bastion cannot reach node" in closed.reason) == (Cause.UNREACHABLE, True)


async def test_a_jump_host_cannot_pass_off_another_host_as_the_one_behind_it(
    server: Sshd, shells: Shells, tmp_path: Path
) -> None:
    with sshd(tmp_path / "inner") as inner:
        inner.know(server.host_key)
        host = inner.host(jump="bastion")
        result = failure(await shells(host, server.host("bastion")).run(host, "true", deadline=20, max_bytes=1000))
        assert result.cause is Cause.HOST_KEY_CHANGED
