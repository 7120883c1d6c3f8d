"""A director that sends clients to a server that is not there: named, taken out, proved; and what only looks like it.

The kernel's IPVS is real (a guest of the fault lab), netdiag reads and changes it over SSH.
"""

from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio

from bot.core.approval import Effect, Record, State
from bot.core.policy import Standing
from bot.core.report import Status
from bot.demo import Fleet, faults
from tests.lab.doctor import ALICE, BOB, Doctor, doctor, found

pytestmark = [
    pytest.mark.parts("ipvs"),
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.usefixtures("healed"),
    pytest.mark.timeout(600),
]

CALL = """\
import socket, sys
for _ in range(int(sys.argv[3])):
    try:
        print(socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=1).recv(64).decode().strip())
    except OSError as fault:
        print(type(fault).__name__)
"""

# A connection that stays open, and answers when it is asked whether it is still there.
HOLD = """\
import os, socket, sys, time
held = socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=5)
print(held.recv(64).decode().strip(), flush=True)
while not os.path.exists("/run/held.ask"):
    time.sleep(0.1)
held.send(b"bye\\n")
print("answered" if held.recv(64) else "closed", flush=True)
"""


async def calls(fleet: Fleet, port: int, count: int = 8) -> Counter[str]:
    """What a client of the service hears, call by call."""
    words = fleet.fill("@NET@.220"), str(port), str(count)
    said = await fleet.sh("client-1", '. /etc/netdiag-demo/env; "$PYTHON" -I -S -c "$@"', CALL, *words)
    return Counter(said.split())


@asynccontextmanager
async def held_open(fleet: Fleet, port: int) -> AsyncIterator[list[str]]:
    """A connection that is open all the while; what was heard on it is there afterwards."""
    heard: list[str] = []
    words = fleet.fill("@NET@.220"), str(port)
    start = 'rm -f /run/held.*; . /etc/netdiag-demo/env; "$PYTHON" -I -S -c "$@" >/run/held.out 2>&1 &'
    await fleet.sh("client-1", f"{start} echo $! >/run/held.pid", HOLD, *words)
    await fleet.sh("client-1", ". /etc/netdiag-demo/load.sh; becomes 'grep -q hello /run/held.out'")
    yield heard
    await fleet.sh(
        "client-1", ". /etc/netdiag-demo/load.sh; touch /run/held.ask; becomes '! kill -0 $(cat /run/held.pid)'"
    )
    heard += (await fleet.sh("client-1", "cat /run/held.out")).splitlines()


async def servers(fleet: Fleet, port: int) -> dict[str, tuple[str, ...]]:
    """The real servers of a service: forwarding method and weight, from the kernel's own table."""
    rows = await fleet.sh("lb-1", f"ipvsadm -Sn | grep -- '-a -t {fleet.fill('@NET@.220')}:{port} '")
    return {words[4]: tuple(words[5:]) for words in map(str.split, rows.splitlines())}


async def put_back(netdiag: Doctor, record: Record) -> bool:
    """The change is reverted, by a change of its own that somebody else approves."""
    back = await netdiag.app.desk.revert(record.change.id, Standing(BOB))
    await netdiag.app.desk.approve(back.change.id, Standing(ALICE))
    return (await netdiag.app.remedy.finish(back.change.id)).state is State.DONE


@pytest_asyncio.fixture(loop_scope="module")
async def netdiag(ipvs_lab: Fleet, tmp_path: Path) -> AsyncIterator[Doctor]:
    async with doctor(ipvs_lab, tmp_path) as one:
        yield one


@pytest.mark.incident
async def test_a_stale_server_is_named_taken_out_and_missed_by_nobody(ipvs_lab: Fleet, netdiag: Doctor) -> None:
    stale, service = ipvs_lab.fill("@BACK@.223:8000"), ipvs_lab.fill("@NET@.220:6379/tcp")
    before = await servers(ipvs_lab, 6379)
    async with held_open(ipvs_lab, 6379) as held:
        await faults.make(ipvs_lab, "stale-real-server")
        assert (await calls(ipvs_lab, 6379))["ConnectionRefusedError"]
        was = (await servers(ipvs_lab, 6379))[stale]

        report = await netdiag.look("lb-1", "ipvs")
        finding = found(report, "ipvs-stale-real-server")
        assert report.status is Status.CRITICAL
        assert (finding.scope["service"], finding.scope["real_server"]) == (service, stale)
        assert finding.evidence["refused_by_director"] == 2
        assert finding.evidence["another_server_accepts"] is True
        assert {one.id for one in report.findings} == {"ipvs-stale-real-server", "ipvs-real-server-refuses"}
        assert found(report, "ipvs-real-server-refuses").explained_by == finding.fingerprint

        record = await netdiag.cure(report, "ipvs-stale-real-server")
        assert record.state is State.DONE, record.reason
        assert record.effect is Effect.RESOLVED, record.effect_note
        assert await servers(ipvs_lab, 6379) == before
        assert await calls(ipvs_lab, 6379) == {"hello": 8}
        assert (await netdiag.look("lb-1", "ipvs")).status is Status.OK
        assert await put_back(netdiag, record)
        assert (await servers(ipvs_lab, 6379))[stale] == was
    assert held == ["hello", "answered"], "the connection through the right server did not survive"


async def test_a_server_that_nobody_has_is_a_hole_and_stale(ipvs_lab: Fleet, netdiag: Doctor) -> None:
    await faults.make(ipvs_lab, "dead-real-server")
    for _ in range(30):
        report = await netdiag.look("lb-1", "ipvs")
        if any(one.id == "ipvs-blackhole-real-server" for one in report.findings):
            break
    hole = found(report, "ipvs-blackhole-real-server")
    assert hole.scope["real_server"] == ipvs_lab.fill("@BACK@.240:6379")
    assert hole.evidence["syn_recv"] >= 5
    assert hole.evidence["unanswered_to_director"] == 2
    assert hole.explained_by == found(report, "ipvs-stale-real-server").fingerprint


@pytest.mark.incident
async def test_a_long_fin_timeout_is_named_and_shortened(ipvs_lab: Fleet, netdiag: Doctor) -> None:
    await faults.make(ipvs_lab, "long-fin-timeout")
    report = await netdiag.look("lb-1", "ipvs", "ports")
    long = found(report, "ipvs-tcpfin-timeout-long")
    assert long.evidence["tcpfin_timeout"] == 900
    assert long.evidence["fin_wait"] >= 500
    record = await netdiag.cure(report, "ipvs-tcpfin-timeout-long")
    assert record.state is State.DONE, record.reason
    assert record.effect is Effect.RESOLVED, record.effect_note
    assert "900 30 300" in await ipvs_lab.sh("lb-1", "ipvsadm -Ln --timeout")


async def test_time_wait_by_the_thousand_is_told_and_is_no_fault(ipvs_lab: Fleet, netdiag: Doctor) -> None:
    await faults.make(ipvs_lab, "time-wait-heavy")
    report = await netdiag.look("lb-1", "ipvs", "ports")
    assert found(report, "time-wait-heavy").evidence["ipvs_entries_in_time_wait"] >= 1000
    assert report.status is Status.OK


@pytest.mark.parametrize("harmless", ["drained-real-server", "two-ports"])
async def test_what_is_meant_so_is_not_called_stale(ipvs_lab: Fleet, netdiag: Doctor, harmless: str) -> None:
    async with faults.during(ipvs_lab, harmless):
        await calls(ipvs_lab, 80, 4)
        report = await netdiag.look("lb-1", "ipvs")
        assert report.status is Status.OK, [one.summary for one in report.findings]
        assert not report.proposals


async def test_the_last_real_server_is_never_called_stale(ipvs_lab: Fleet, netdiag: Doctor) -> None:
    """It refuses, and that is said; without it the service would have none, so nobody is offered to take it out."""
    service, only = ipvs_lab.fill("@NET@.220:444"), ipvs_lab.fill("@BACK@.223:8000")
    await ipvs_lab.sh("lb-1", f"ipvsadm -A -t {service} -s rr && ipvsadm -a -t {service} -r {only} -m")
    try:
        assert await calls(ipvs_lab, 444) == {"ConnectionRefusedError": 8}
        report = await netdiag.look("lb-1", "ipvs")
        assert {one.id for one in report.findings} == {"ipvs-real-server-refuses"}
        assert found(report, "ipvs-real-server-refuses").scope["real_server"] == only
        assert not report.proposals
    finally:
        await ipvs_lab.sh("lb-1", f"ipvsadm -D -t {service}")


@pytest.mark.incident
@pytest.mark.parametrize(
    ("fault", "key"),
    [
        ("strict-rp-filter", "net.ipv4.conf.vx0.rp_filter"),
        ("strict-rp-filter-everywhere", "net.ipv4.conf.all.rp_filter"),
    ],
)
async def test_a_strict_filter_is_named_and_loosened_not_switched_off(
    ipvs_lab: Fleet, netdiag: Doctor, fault: str, key: str
) -> None:
    await faults.make(ipvs_lab, fault)
    report = await netdiag.look("web-3", "rp-filter")
    drops = found(report, "rp-filter-drops")
    assert "vx0" in drops.evidence["strict_interfaces"]
    record = await netdiag.cure(report, "rp-filter-drops")
    assert record.state is State.DONE, record.reason
    assert record.effect is Effect.RESOLVED, record.effect_note
    assert record.change.with_ == {"netns": drops.scope["netns"], "key": key, "value": "2"}
    assert await calls(ipvs_lab, 8080) == {"hello": 8}
    assert (await netdiag.look("web-3", "rp-filter")).status is Status.OK


async def test_a_strict_interface_under_a_loose_all_drops_nothing_and_is_not_called(
    ipvs_lab: Fleet, netdiag: Doctor
) -> None:
    async with faults.during(ipvs_lab, "loose-rp-filter"):
        report = await netdiag.look("web-3", "rp-filter")
        assert report.status is Status.OK
        assert not report.findings
