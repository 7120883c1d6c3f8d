"""Leaked sockets: the process is named with its unit and how it leaks, restarted on approval, and the kernel is rid of
them; a busy server with more sockets is left alone.
"""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from bot.core.approval import Effect, State
from bot.core.report import Status
from bot.demo import Fleet, availability
from tests.lab.desk import PEOPLE, Desk, desk, offered

pytestmark = pytest.mark.asyncio(loop_scope="module")
BOOK = "socket-fds"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def here(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Desk]:
    reason = availability()
    if reason is not None:
        pytest.skip(f"no namespace hosts on this machine: {reason}")
    place = tmp_path_factory.mktemp("leak")
    async with Fleet.up(place / "fleet", people=PEOPLE) as fleet, desk(fleet, Path(place / "state")) as opened:
        yield opened


async def waiting(fleet: Fleet) -> int:
    return int(await fleet.sh("node-4", "ss -Htan state close-wait | wc -l"))


PEERS = """
import socket, struct, sys
for n in range(300):
    for linger in (None, struct.pack("ii", 1, 0)):
        peer = socket.create_connection((sys.argv[1], 9000), timeout=10)
        if linger:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        peer.close()
"""


async def leaked_anew(fleet: Fleet) -> None:
    """A service that has just begun, and 300 peers that close and 300 that reset: it keeps all of their sockets."""
    await fleet.sh("node-4", "service legacy-api restart; until ss -Hltn sport = :9000 | grep -q .; do sleep 0.1; done")
    address = fleet.hosts["node-4"].address
    await fleet.sh("node-1", '. /etc/netdiag-demo/env; "$PYTHON" -I -S -c "$1" "$2"', PEERS, address, within=60)
    await fleet.sh("node-4", "until [ $(ss -Htan state close-wait | wc -l) -ge 300 ]; do sleep 0.1; done")


async def test_a_busy_server_with_many_sockets_is_no_leak(here: Desk) -> None:
    assert int(await here.fleet.sh("node-2", "ss -Htan state established | wc -l")) > 1000
    report = await here.look("node-2", BOOK)
    assert report.status is Status.OK, report.findings


@pytest.mark.incident
async def test_a_leak_is_named_restarted_and_proved_cured(here: Desk) -> None:
    await leaked_anew(here.fleet)
    assert await waiting(here.fleet) > 200

    report = await here.look("node-4", BOOK)
    found = {finding.id: finding for finding in report.findings}
    assert set(found) == {"close-wait-leak", "tcp-socket-leak"}
    for finding in found.values():
        assert finding.scope["process"] == "legacy-api"
        assert finding.evidence["unit"] == "legacy-api"
        assert finding.evidence["gathered_per_hour"] > 0
    assert found["close-wait-leak"].evidence["close_wait"] > 200
    assert found["tcp-socket-leak"].evidence["detached"] > 200

    record = await here.carry(offered(report, "close-wait-leak", "service.restart"))
    assert (record.state, record.effect) == (State.DONE, Effect.RESOLVED), record
    assert await waiting(here.fleet) < 10
    again = await here.look("node-4", BOOK)
    assert again.status is Status.OK, again.findings


STRAY = """
import os, socket, signal, struct
server = socket.create_server(("127.0.0.1", 0), backlog=100)
kept = []
for n in range(150):
    client = socket.create_connection(server.getsockname())
    kept.append(server.accept()[0]); client.close()
open("/proc/self/comm", "w").write("stray")
print("ready", flush=True); signal.pause()
"""


async def test_a_leak_that_no_service_owns_is_ended_and_nothing_else_is(here: Desk) -> None:
    script = f"""\
. /etc/netdiag-demo/env
setsid "$PYTHON" -I -S -c '{STRAY}' </dev/null >/run/stray.out 2>&1 &
echo $! >/run/stray.pid
for _ in $(seq 100); do grep -q ready /run/stray.out && exit; sleep 0.1; done
exit 1
"""
    await here.fleet.sh("node-1", script)
    pid = int(await here.fleet.sh("node-1", "cat /run/stray.pid"))
    others = await here.fleet.sh("node-1", "pgrep -x sshd | head -n 1")
    report = await here.look("node-1", BOOK)
    (leak,) = report.findings
    assert (leak.id, leak.scope["process"], leak.scope["pid"]) == ("close-wait-leak", "stray", pid)
    record = await here.carry(offered(report, "close-wait-leak", "process.terminate"))
    assert (record.state, record.effect) == (State.DONE, Effect.RESOLVED), record
    assert (await here.fleet.exec("node-1", ["test", "-e", f"/proc/{pid}/stat"])).returncode == 1
    assert await here.fleet.sh("node-1", "pgrep -x sshd | head -n 1") == others
