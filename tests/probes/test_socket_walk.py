"""Walking the sockets in one go says the same as listing them first, and falls back on it where an owner is missing."""

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import pytest

from bot.core.visit import compose, required
from bot.core.visit_answer import read
from bot.probes import catalog
from bot.probes._socket_fds_script import SCRIPT
from tests.probes.test_live import AWAY, NONCE, SHELLS, pytestmark  # noqa: F401 - skips these tests, too

ONE_GO = "adrift= queued= calm=$known found="
HOST = """
import json, os, socket, subprocess, sys, time
hidden = sys.argv[1] == "hidden"
ready, tell = os.pipe()
def fork(hold, leads):
    if os.fork() == 0:
        if leads:
            os.setsid()
        held = hold()
        os.write(tell, b".")
        time.sleep(60)
    os.read(ready, 1)
def served():
    server = socket.create_server(("127.0.0.1", 0))
    return [server] + [socket.create_connection(server.getsockname()) for _ in range(5)]
subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
fork(served, True)
fork(lambda: [socket.socketpair() for _ in range(7)], True)
fork(served if hidden else lambda: [socket.socketpair()], False)
told = [subprocess.run(sys.argv[3:], input=p.encode(), capture_output=True).stdout.decode()
        for p in json.loads(sys.argv[2])]
print(json.dumps(told))
"""


def visits(kind: str, shell: Sequence[str], programs: Sequence[str]) -> list[Any]:
    """The socket facts of one host by each of the programs."""
    argv = [*AWAY, sys.executable, "-c", HOST, kind, json.dumps(programs), *shell]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=100, check=True)
    probes = required(["listen_queues"], catalog())
    return [
        read(stdout.encode(), probes, nonce=NONCE, root=True)["socket_fds"][-1]  # type: ignore[union-attr]
        for stdout in json.loads(done.stdout)
    ]


@pytest.fixture(params=[SHELLS["dash"], SHELLS["bash"]], ids=["dash", "bash"])
def shell(request: pytest.FixtureRequest) -> Sequence[str]:
    if not shutil.which(request.param[0]):
        pytest.skip(f"no {request.param[0]} here")
    return request.param


@pytest.mark.parametrize(("kind", "listeners"), [("plain", 1), ("hidden", 2)])
def test_one_go_says_what_a_list_of_all_sockets_says(shell, kind: str, listeners: int) -> None:
    program = compose(required(["listen_queues"], catalog()), nonce=NONCE, window=0.2)
    assert ONE_GO in SCRIPT
    assert program.count(ONE_GO) == 1
    quick, listed = visits(kind, shell, [program, program.replace(ONE_GO, "adrift= queued= calm= found=")])
    assert len(quick.listeners) == listeners, "the owner of each, though one of them leads no session"
    assert quick.listeners == listed.listeners

    def held(facts: Any) -> dict[int, tuple[int, dict[str, int]]]:
        return {one.pid: (one.sockets, one.by_state) for one in facts.processes if one.process.startswith("python")}

    assert held(quick) == held(listed) != {}
    assert {"listen": 1, "unread": 5} in [states for _, states in held(quick).values()]
