"""Sockets owned by nobody: a stuck transmit queue is named, reset on approval, and nothing that looks alike is."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from bot.core.approval import Effect, State
from bot.core.report import Status
from bot.demo import Fleet, availability, faults
from tests.lab.desk import PEOPLE, Desk, desk, offered

pytestmark = pytest.mark.asyncio(loop_scope="module")
BOOK = "tx-queue"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def here(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Desk]:
    reason = availability(["queue"])
    if reason is not None:
        pytest.skip(f"no second leg to break on this machine: {reason}")
    place = tmp_path_factory.mktemp("queue")
    up = Fleet.up(place / "fleet", hosts=0, parts=["queue"], people=PEOPLE)
    async with up as fleet, desk(fleet, Path(place / "state")) as opened:
        yield opened


async def used(fleet: Fleet) -> int:
    return int(re.search(r"sockets: used (\d+)", await fleet.sh("queue-1", "cat /proc/net/sockstat"))[1])


async def program(fleet: Fleet, text: str) -> None:
    """Run a Python program on the host until it is ended; returns when it has said "ready"."""
    script = f"""\
. /etc/netdiag-demo/env
rm -f /run/alike.out  # what the one before said
setsid "$PYTHON" -I -S -c '{text}' </dev/null >/run/alike.out 2>&1 &
echo $! >/run/alike.pid
for _ in $(seq 100); do grep -q ready /run/alike.out && exit; sleep 0.1; done
cat /run/alike.out >&2; exit 1
"""
    await fleet.sh("queue-1", script)


async def ended(fleet: Fleet) -> None:
    await fleet.sh("queue-1", "pid=$(cat /run/alike.pid); kill -9 $pid; while [ -d /proc/$pid ]; do sleep 0.1; done")


@pytest.mark.incident
async def test_a_stuck_queue_is_named_reset_and_proved_cured(here: Desk) -> None:
    before = await used(here.fleet)
    assert (await here.look("queue-1", BOOK)).status is Status.OK
    async with faults.during(here.fleet, "stuck-queue"):
        assert await used(here.fleet) > before + 2000

        report = await here.look("queue-1", BOOK)
        assert report.status is Status.CRITICAL
        found = {finding.id: finding for finding in report.findings}
        assert set(found) == {"tx-queue-stuck", "sockets-held-by-kernel"}
        stuck, held = found["tx-queue-stuck"], found["sockets-held-by-kernel"]
        assert (stuck.scope["device"], stuck.scope["queue"]) == ("eth1", "root")
        assert stuck.evidence["packets_sent"] == 0
        assert stuck.evidence["packets_waiting"] > 2000
        assert held.explained_by == stuck.fingerprint
        assert held.evidence["sockets_held"] > 2000

        record = await here.carry(offered(report, "tx-queue-stuck", "qdisc.reset"))
        assert (record.state, record.effect) == (State.DONE, Effect.RESOLVED), record
        assert await used(here.fleet) < before + 100
        assert "tbf" not in await here.fleet.sh("queue-1", "tc qdisc show dev eth1")

        again = await here.look("queue-1", BOOK)
        assert again.status is Status.OK, again.findings
        assert {"tx-queue-stuck", "sockets-held-by-kernel"} <= set(again.healthy)


async def test_what_was_removed_can_be_put_back_as_it_was(here: Desk) -> None:
    async with faults.during(here.fleet, "stuck-queue"):
        shaper = await here.fleet.sh("queue-1", "tc qdisc show dev eth1")
        record = await here.carry(offered(await here.look("queue-1", BOOK), "tx-queue-stuck", "qdisc.reset"))
        for argv in record.change.plan.inverse:
            done = await here.fleet.exec("queue-1", list(argv))
            assert done.returncode == 0, done.stderr
        assert words(await here.fleet.sh("queue-1", "tc qdisc show dev eth1")) == words(shaper)


def words(shaper: str) -> list[str]:
    return re.sub(r" refcnt \d+", "", shaper).split()


async def test_a_slow_queue_that_moves_is_not_stuck(here: Desk) -> None:
    async with faults.during(here.fleet, "slow-queue"):
        report = await here.look("queue-1", BOOK)
    assert not {"tx-queue-stuck", "sockets-held-by-kernel"} & {finding.id for finding in report.findings}


BUSY = """
import resource, socket, signal
resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
kept = [socket.socketpair() for n in range(600)]
for n in range(600):
    kept.append(socket.socket(socket.AF_INET, socket.SOCK_DGRAM)); kept[-1].bind(("127.0.0.1", 0))
print("ready", flush=True); signal.pause()
"""

LEAKING = """
import resource, socket, signal, struct
resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
server = socket.create_server(("127.0.0.1", 0), backlog=100)
kept = []
for n in range(600):
    client = socket.create_connection(server.getsockname())
    kept.append(server.accept()[0])
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()
print("ready", flush=True); signal.pause()
"""

WAITING = """
import resource, socket, signal
resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
server = socket.create_server(("127.0.0.1", 0), backlog=600)
kept = [socket.create_connection(server.getsockname()) for n in range(500)]
print("ready", flush=True); signal.pause()
"""


@pytest.mark.parametrize(
    "text",
    [BUSY, LEAKING, WAITING],
    ids=["a busy process with many sockets", "a leak that holds its sockets", "an accept queue of ownerless sockets"],
)
async def test_many_sockets_that_somebody_owns_or_the_tables_know_are_not_held_by_the_kernel(
    here: Desk, text: str
) -> None:
    before = await used(here.fleet)
    await program(here.fleet, text.replace("'", '"'))
    try:
        assert await used(here.fleet) > before + 500
        report = await here.look("queue-1", BOOK)
        assert report.status is Status.OK, report.findings
    finally:
        await ended(here.fleet)
