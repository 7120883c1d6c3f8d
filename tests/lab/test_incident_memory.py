"""TCP out of memory, on a kernel of its own: who holds it is named, ended on approval, and the kernel has it back."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from bot.core.approval import Effect, State
from bot.core.report import HostReport, Status
from bot.demo import Fleet, availability, faults
from tests.lab.desk import PEOPLE, Desk, desk, offered

pytestmark = pytest.mark.asyncio(loop_scope="module")
BOOK = "tcp-memory"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def here(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Desk]:
    reason = availability(["memory"])
    if reason is not None:
        pytest.skip(f"no guest with a small memory on this machine: {reason}")
    place = tmp_path_factory.mktemp("memory")
    up = Fleet.up(place / "fleet", hosts=0, parts=["memory"], people=PEOPLE)
    async with up as fleet, desk(fleet, Path(place / "state"), window=4.0) as opened:
        yield opened


async def pages(fleet: Fleet) -> int:
    return int(re.search(r"TCP: .* mem (\d+)", await fleet.sh("mem-1", "cat /proc/net/sockstat"))[1])


async def limits(fleet: Fleet) -> list[int]:
    return [int(word) for word in (await fleet.sh("mem-1", "cat /proc/sys/net/ipv4/tcp_mem")).split()]


async def asked(here: Desk) -> HostReport:
    """What is told of the guest: asked again when a visit broke off, for SSH needs the memory that ran out as well."""
    for _ in range(4):
        report = await here.look("mem-1", BOOK)
        if report.status is not Status.UNKNOWN:
            break
    return report


async def test_a_guest_at_rest_has_memory_to_spare(here: Desk) -> None:
    report = await asked(here)
    assert not report.findings, report.findings
    unknown = {item.probe: item.reason for item in report.coverage if item.state != "ok"}
    assert not unknown


async def test_pressure_is_told_before_the_end_and_a_raise_buys_time(here: Desk) -> None:
    low, pressure, most = await limits(here.fleet)
    async with faults.during(here.fleet, "tcp-memory-pressure"):
        report = await asked(here)
        (finding,) = report.findings
        assert finding.id == "tcp-memory-pressure"
        assert finding.evidence["holders"].startswith("hoard[")
        record = await here.carry(offered(report, "tcp-memory-pressure", "sysctl.set"))
        # the senders go on, so the pressure may come back at once: it is a stopgap and says so
        assert record.state is State.DONE, record
        # SSH needs that memory as well: a look that broke off knows nothing, and says why
        looked = record.effect in (Effect.RESOLVED, Effect.PERSISTS)
        assert looked or (record.effect is Effect.UNKNOWN and "broke off" in record.effect_note), record
        assert (await limits(here.fleet))[2] > most
    await here.fleet.sh("mem-1", f'sysctl -w net.ipv4.tcp_mem="{low} {pressure} {most}"')


@pytest.mark.incident
async def test_exhausted_memory_is_traced_to_its_holder_and_given_back(here: Desk) -> None:
    *_, most = await limits(here.fleet)
    async with faults.during(here.fleet, "tcp-memory-exhausted"):
        report = await asked(here)
        found = {finding.id: finding for finding in report.findings}
        assert "tcp-memory-exhausted" in found, (report.findings, report.undecided)
        exhausted = found["tcp-memory-exhausted"]
        assert exhausted.explained_by is None
        assert exhausted.evidence["pages_allowed"] == most
        assert exhausted.evidence["holders"].startswith("hoard[")
        assert "hoard[" in exhausted.summary

        stopgap = offered(report, "tcp-memory-exhausted", "sysctl.set")
        assert "stopgap" in stopgap.not_fixed
        assert int(stopgap.with_["value"].split()[2]) <= 2 * most

        # what made the kernel's log speak closes connections to the same server, for ever: it would fill it anew
        await here.fleet.sh("mem-1", ". /etc/netdiag-demo/load.sh; unload tcp-memory")
        record = await here.carry(offered(report, "tcp-memory-exhausted", "service.restart"))
        assert (record.state, record.effect) == (State.DONE, Effect.RESOLVED), record
        assert await pages(here.fleet) < most / 2
        again = await asked(here)
        assert {finding.id for finding in again.findings} <= {"tcp-memory-was-exhausted"}
        assert all(finding.severity == "info" for finding in again.findings)


BOTH = """
import resource, signal, socket
resource.setrlimit(resource.RLIMIT_NOFILE, (4096, 4096))
kept = []
for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
    server = socket.socket(family)
    server.bind((address, 0)); server.listen(64)
    for n in range(200):
        caller = socket.socket(family); caller.connect(server.getsockname())
        kept.append((caller, server.accept()[0], server))
print("ready", flush=True); signal.pause()
"""


async def test_as_many_sockets_as_two_families_have_is_no_leak(here: Desk) -> None:
    """`alloc` is of both families, `inuse` of one: their sum is what it must be held against."""
    start = f"""\
. /etc/netdiag-demo/env
rm -f /run/both.out
setsid "$PYTHON" -I -S -c '{BOTH.replace("'", '"')}' </dev/null >/run/both.out 2>&1 &
echo $! >/run/both.pid
for _ in $(seq 300); do grep -q ready /run/both.out && exit; sleep 0.1; done
cat /run/both.out >&2; exit 1
"""
    await here.fleet.sh("mem-1", start, within=60)
    try:
        count = "awk '/^TCP6?:/ { print $3 }' /proc/net/sockstat /proc/net/sockstat6"
        four, six = map(int, (await here.fleet.sh("mem-1", count)).split())
        allocated = int(await here.fleet.sh("mem-1", "awk '/^TCP:/ { print $9 }' /proc/net/sockstat"))
        assert min(four, six) >= 400
        assert allocated >= 2 * 400
        report = await here.look("mem-1", BOOK, "socket-fds")
        assert {finding.id for finding in report.findings} <= {"tcp-memory-was-exhausted"}, report.findings
    finally:
        await here.fleet.sh("mem-1", "kill -9 $(cat /run/both.pid)")
