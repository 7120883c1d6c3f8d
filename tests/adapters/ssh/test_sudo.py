"""Root by sudo without a password, or as the plain user with sudo's own words why not."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bot.engine.ports import Output
from tests.adapters.ssh.conftest import Shells
from tests.adapters.ssh.servers import Sshd, missing, sshd
from tests.fakes.places import let_others_in

# A world of its own for sshd and what it starts: other users and another sudoers, and none of it on this machine.
WORLD = """\
set -e
mount --make-rprivate /
for file in passwd shadow group sudoers pam.d/sudo; do mount --bind "$0/etc/$file" "/etc/$file"; done
exec "$@"
"""
PAM = "auth required pam_deny.so\naccount required pam_permit.so\nsession required pam_permit.so\n"
USERS = {"nd-free": 4242, "nd-asked": 4243, "nd-stranger": 4244}
SUDOERS = """\
Defaults env_reset, {pty}use_pty
root ALL=(ALL) ALL
nd-free ALL=(ALL) NOPASSWD: ALL
nd-asked ALL=(ALL) ALL
"""


def _unfit() -> str:
    if missing():
        return missing()
    if os.geteuid() != 0:
        return "only root can give sshd users and sudoers of its own"
    lacking = [tool for tool in ("sudo", "unshare", "mount") if shutil.which(tool) is None]
    if lacking:
        return f"{lacking[0]} is not installed here"
    tried = subprocess.run(["unshare", "--mount", "true"], capture_output=True, check=False)
    return "" if tried.returncode == 0 else "this kernel or container lets nobody make a mount namespace"


@contextmanager
def world(directory: Path, options: str = "", pty: str = "!") -> Iterator[Sshd]:
    prefix = prepare(directory, pty)
    with sshd(directory, options, prefix=prefix) as server:
        yield server


def prepare(directory: Path, pty: str = "!") -> tuple[str, ...]:
    """Writes the world's files; returns the command that runs another inside it."""
    etc = directory / "etc"
    (etc / "pam.d").mkdir(parents=True)
    for name, line in (
        ("passwd", "{0}:x:{1}:{1}::/:/bin/sh\n"),
        ("shadow", "{0}:*:19000::::::\n"),
        ("group", "{0}:x:{1}:\n"),
    ):
        ours = "".join(line.format(user, uid) for user, uid in USERS.items())
        (etc / name).write_text(Path("/etc", name).read_text() + ours)
    (etc / "sudoers").write_text(SUDOERS.replace("{pty}", pty))
    (etc / "sudoers").chmod(0o440)
    (etc / "pam.d/sudo").write_text(PAM)
    let_others_in(directory)
    return ("unshare", "--mount", "sh", "-c", WORLD, str(directory))


@pytest.fixture
def scratch(tmp_path: Path) -> Iterator[Callable[..., Sshd]]:
    """Starts a server in a world with three users: sudo is free for one, asks one for a password, and knows not one."""
    if _unfit():
        pytest.skip(_unfit())
    with world(tmp_path / "world") as server:
        yield lambda: server


async def ran(shells: Shells, server: Sshd, user: str, *, sudo: bool = True) -> Output:
    host = server.host(user=user, sudo=sudo)
    result = await shells(host).run(host, "id -u", deadline=30, max_bytes=1000)
    assert isinstance(result, Output), result
    assert result.status == 0
    return result


async def test_sudo_without_a_password_makes_root(scratch: Callable[[], Sshd], shells: Shells) -> None:
    result = await ran(shells, scratch(), "nd-free")
    assert (result.stdout, result.root, result.root_reason) == (b"0\n", True, "")


REFUSALS = {"nd-asked": "a password is required", "nd-stranger": "password is required"}


@pytest.mark.parametrize("user", REFUSALS)
async def test_where_sudo_refuses_the_program_runs_unprivileged_and_says_why(
    user: str, scratch: Callable[[], Sshd], shells: Shells
) -> None:
    result = await ran(shells, scratch(), user)
    assert (result.stdout, result.root) == (f"{USERS[user]}\n".encode(), False)
    assert result.root_reason.startswith("sudo: ")
    assert REFUSALS[user] in result.root_reason


async def test_without_sudo_in_the_inventory_it_is_not_tried(scratch: Callable[[], Sshd], shells: Shells) -> None:
    result = await ran(shells, scratch(), "nd-free", sudo=False)
    assert (result.stdout, result.root) == (f"{USERS['nd-free']}\n".encode(), False)
    assert result.root_reason == "not root: set sudo: true for this host"


async def test_root_needs_no_sudo(scratch: Callable[[], Sshd], shells: Shells) -> None:
    result = await ran(shells, scratch(), "root")
    assert (result.root, result.root_reason) == (True, "")


async def test_a_sudo_that_makes_a_terminal_of_its_own_makes_no_difference(tmp_path: Path, shells: Shells) -> None:
    if _unfit():
        pytest.skip(_unfit())
    with world(tmp_path / "world", pty="") as server:  # the default since sudo 1.9.14
        host = server.host(user="nd-free", sudo=True)
        shell = shells(host)
        for turn in range(3):
            program = "id -u; tty; printf 'a\\r\\nb\\n'; : " + "x" * 30_000
            result = await shell.run(host, program, deadline=30, max_bytes=1000)
            assert isinstance(result, Output)
            assert (result.stdout, result.status, result.root) == (b"0\nnot a tty\na\r\nb\n", 0, True), turn


async def test_a_host_without_sudo_says_so(tmp_path: Path, shells: Shells) -> None:
    if _unfit():
        pytest.skip(_unfit())
    tools = tmp_path / "tools"
    tools.mkdir()
    for tool in ("sh", "id"):
        (tools / tool).symlink_to(str(shutil.which(tool)))
    with world(tmp_path / "world", f"SetEnv PATH={tools}") as server:
        result = await ran(shells, server, "nd-free")
    assert result.root is False
    assert "sudo" in result.root_reason
    assert "not found" in result.root_reason


async def test_root_in_the_pool_stays_root_and_its_shell_survives(scratch: Callable[[], Sshd], shells: Shells) -> None:
    host = scratch().host(user="nd-free", sudo=True)
    shell = shells(host)
    pids = set()
    for program in ("id -u; echo $$", "id -u; echo $$; exit 4", "id -u; echo $$; if"):
        result = await shell.run(host, program, deadline=30, max_bytes=1000)
        assert isinstance(result, Output)
        if result.stdout:
            uid, pid = result.stdout.split()
            assert uid == b"0"
            pids.add(pid)
    assert len(pids) == 1


AS_USER = """
import asyncio, json, os, sys
from bot.adapters.ssh.local import LocalShell
from bot.core.host import Host
host = Host(name="here", address="localhost", transport="local", sudo=sys.argv[2] == "sudo")
os.setgroups([]); os.setgid(int(sys.argv[1])); os.setuid(int(sys.argv[1]))
result = asyncio.run(LocalShell().run(host, "id -u", deadline=30, max_bytes=1000))
print(json.dumps([result.stdout.decode(), result.status, result.root, result.root_reason]))
"""

LOCALLY = [
    ("nd-free", "sudo", "0\n", ""),
    ("nd-free", "plain", "4242\n", "not root: set sudo: true for this host"),
    ("nd-asked", "sudo", "4243\n", "sudo: a password is required"),
]


@pytest.mark.parametrize(("user", "sudo", "uid", "reason"), LOCALLY)
def test_this_machine_is_read_as_root_by_sudo_too(user: str, sudo: str, uid: str, reason: str, tmp_path: Path) -> None:
    if _unfit():
        pytest.skip(_unfit())
    argv = [*prepare(tmp_path / "world"), sys.executable, "-c", AS_USER, str(USERS[user]), sudo]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [uid, 0, uid == "0\n", reason]
    assert "Traceback" not in done.stderr
    assert "is closed" not in done.stderr
