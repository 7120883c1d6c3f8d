"""An accept queue that overflows in a container: process, pod and queue are named, both steps of the cure are approved,
and the kernel counts no more; what is merely full, old or slow is left alone.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from bot.core.approval import Effect, State
from bot.core.report import HostReport, Severity, Status
from bot.demo import Fleet, availability
from tests.lab.desk import PEOPLE, Desk, desk, offered

pytestmark = pytest.mark.asyncio(loop_scope="module")
BOOK = "listen-queue"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def here(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Desk]:
    reason = availability()
    if reason is not None:
        pytest.skip(f"no namespace hosts on this machine: {reason}")
    place = tmp_path_factory.mktemp("accept")
    async with Fleet.up(place / "fleet", hosts=3, people=PEOPLE) as fleet, desk(fleet, Path(place / "state")) as opened:
        yield opened


async def in_shop(fleet: Fleet, command: str) -> str:
    """What a command prints in the container's network namespace."""
    return await fleet.sh("node-3", f"nsenter -t $(cat /run/shop.pid) -n {command}")


async def queue(fleet: Fleet) -> tuple[int, int]:
    """Recv-Q and Send-Q of the container's server; 0 and 0 while nobody listens."""
    words = (await in_shop(fleet, "ss -Hltn sport = :80")).split()
    return (int(words[1]), int(words[2])) if words else (0, 0)


async def overflows(fleet: Fleet) -> int:
    names, values = (await in_shop(fleet, "grep ^TcpExt /proc/net/netstat")).splitlines()
    return int(dict(zip(names.split(), values.split(), strict=True))["ListenOverflows"])


async def becomes(what: Callable[[], Awaitable[bool]], seconds: int = 60) -> None:
    for _ in range(seconds * 5):
        if await what():
            return
        await asyncio.sleep(0.2)
    pytest.fail("it did not become so")


async def opened_anew(fleet: Fleet) -> None:
    """A new container: a queue of 128 again, counters from zero, and customers who dial until it overflows.

    They were all turned away at once and come again together: until they have spread, the queue is full in bursts.
    """
    await fleet.sh("node-3", "service shop restart")
    full = 0

    async def overflowing() -> bool:
        nonlocal full
        full = full + 1 if (await queue(fleet))[0] > 128 and await overflows(fleet) > 0 else 0
        return full == 20

    await becomes(overflowing)


@pytest.mark.incident
async def test_an_overflow_is_named_cured_in_two_steps_and_proved(here: Desk) -> None:
    await opened_anew(here.fleet)

    report = await here.look("node-3", BOOK)
    assert report.status is Status.CRITICAL
    found = {finding.id: finding for finding in report.findings}
    full = found["accept-queue-overflow"]
    assert full.scope["process"] == "shop"
    assert full.scope["local"] == "0.0.0.0:80"
    assert full.evidence["pod"] == "web/shop-6d4cf56db6-x7k2p"
    assert (full.evidence["recv_q"], full.evidence["send_q"]) == (129, 128)
    assert full.explained_by is None
    assert {one.explained_by for one in report.findings if one is not full} <= {full.fingerprint}

    raised = await here.carry(offered(report, "accept-queue-overflow", "sysctl.set"))
    assert (raised.state, raised.effect) == (State.DONE, Effect.NEEDS_FOLLOW_UP), raised
    assert await in_shop(here.fleet, "cat /proc/sys/net/core/somaxconn") == "4096"
    assert (await queue(here.fleet))[1] == 128, "a listener keeps its limit until it listens again"

    assert raised.follow_up is not None
    record = await here.finish(raised.follow_up)
    assert (record.change.action, record.state, record.effect) == ("service.reload", State.DONE, Effect.RESOLVED), (
        record
    )
    assert (await queue(here.fleet))[1] == 4096
    before = await overflows(here.fleet)
    again = await here.look("node-3", BOOK)
    assert not worse(again), again.findings
    assert "accept-queue-overflow" in again.healthy
    assert await overflows(here.fleet) == before, "the longer queue takes every client"


def worse(report: HostReport) -> set[str]:
    """What is called a fault."""
    return {one.id for one in report.findings if one.severity is not Severity.INFO}


# --- what only looks like it ------------------------------------------------------------------------------------------

FILL = """
import signal, socket, time
def server(backlog):
    return socket.create_server(("127.0.0.1", 0), backlog=backlog)
def dial(listener, count):
    callers = [socket.socket() for _ in range(count)]
    for caller in callers:
        caller.setblocking(False)
        caller.connect_ex(listener.getsockname())
    return callers
def served(listener, count):
    kept = []
    listener.settimeout(0.2)
    while len(kept) < count:
        try:
            kept.append(listener.accept()[0])
        except TimeoutError:
            pass
    return kept
"""
READY = '\nprint("ready", flush=True); signal.pause()\n'

OLD = """
listener = server(4)
callers = dial(listener, 30)
time.sleep(1)
kept = []
listener.settimeout(8)
try:
    while True:
        kept.append(listener.accept()[0])
except TimeoutError:
    pass
"""
TINY = "listener = server(4); callers = dial(listener, 5)\n"
WAITING = "listener = server(128); callers = dial(listener, 60)\n"
SERVED = "listener = server(128); callers = dial(listener, 100); kept = served(listener, 100)\n"

ALIKE = {
    "old overflows and none new": (OLD, "+"),
    "a tiny backlog that is full by design": (TINY, "5 4"),
    "half of a queue that waits for its turn": (WAITING, "60 128"),
    "many connections at once that were all taken": (SERVED, "0 128"),
}


@pytest.mark.parametrize(("text", "shows"), ALIKE.values(), ids=ALIKE.keys())
async def test_a_queue_that_turns_nobody_away_is_no_fault(here: Desk, text: str, shows: str) -> None:
    program = (FILL + text + READY).replace("'", '"')
    start = f"""\
. /etc/netdiag-demo/env
rm -f /run/alike.out
setsid "$PYTHON" -I -S -c '{program}' </dev/null >/run/alike.out 2>&1 &
echo $! >/run/alike.pid
for _ in $(seq 300); do grep -q ready /run/alike.out && exit; sleep 0.1; done
cat /run/alike.out >&2; exit 1
"""
    end = "pid=$(cat /run/alike.pid); kill -9 $pid; while [ -d /proc/$pid ]; do sleep 0.1; done"
    counted = "nstat -asz TcpExtListenOverflows | awk '/Overflows/ {print $2}'"
    before = int(await here.fleet.sh("node-1", counted))
    await here.fleet.sh("node-1", start, within=60)
    try:
        told = await here.fleet.sh("node-1", "ss -Hltn sport != :22 | awk '{print $2, $3}'")
        if shows == "+":
            assert int(await here.fleet.sh("node-1", counted)) > before
        else:
            assert shows in told.splitlines()
        report = await here.look("node-1", BOOK)
        assert report.status is Status.OK, report.findings
        assert not report.proposals
    finally:
        await here.fleet.sh("node-1", end)


DOZENS = """
import ctypes, os, signal, socket, subprocess
ready, tell = os.pipe()
for n in range(30):
    if os.fork() == 0:
        ctypes.CDLL(None).unshare(0x40000000)
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        listener = socket.create_server(("127.0.0.1", 80), backlog=64)
        kept = [(socket.create_connection(listener.getsockname()), listener.accept()) for _ in range(100)]
        os.write(tell, b"x")
        signal.pause()
for n in range(30):
    os.read(ready, 1)
print("ready", flush=True)
signal.signal(signal.SIGTERM, lambda *_: os.killpg(0, 9))
signal.pause()
"""


async def test_dozens_of_busy_namespaces_are_no_fault(here: Desk) -> None:
    start = f"""\
. /etc/netdiag-demo/env
setsid "$PYTHON" -I -S -c '{DOZENS.replace("'", '"')}' </dev/null >/run/dozens.out 2>&1 &
echo $! >/run/dozens.pid
for _ in $(seq 300); do grep -q ready /run/dozens.out && exit; sleep 0.1; done
cat /run/dozens.out >&2; exit 1
"""
    await here.fleet.sh("node-1", start, within=60)
    try:
        report = await here.look("node-1", BOOK, "socket-fds", "tx-queue")
        assert report.status is Status.OK, (report.findings, report.undecided)
        assert not report.findings
    finally:
        await here.fleet.sh("node-1", "kill -9 -$(cat /run/dozens.pid)")
