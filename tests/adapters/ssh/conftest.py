"""Fixtures of the SSH tests: one running sshd, and a shell that is closed at the end."""

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from bot.adapters.ssh import HostShell
from bot.core.host import Host
from tests.adapters.ssh.servers import Sshd, inventory, missing, sshd

Shells = Callable[..., HostShell]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Sshd]:
    """A fresh sshd of this test's own."""
    if missing():
        pytest.skip(missing())
    with sshd(tmp_path / "sshd") as running:
        yield running


@pytest.fixture
async def shells() -> AsyncIterator[Shells]:
    """Makes a shell for these hosts; all of them are closed at the end."""
    made: list[HostShell] = []

    def make(*hosts: Host) -> HostShell:
        made.append(HostShell(inventory(*hosts)))
        return made[-1]

    yield make
    for shell in made:
        await shell.close()
        await shell.close()  # safe to call twice
