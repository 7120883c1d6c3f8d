"""Does a kernel's own number show each of its faults while it lasts, and only then?"""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from bot.demo import Fleet, faults
from bot.demo.faults import FAULTS

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.usefixtures("healed")]


def mib(name: str) -> str:
    return f"nstat -asz {name} | awk '/^{name}/ {{print $2}}'"


# Numbers that rise while the fault lasts.
RISING = {
    "conntrack-full": "awk 'NR > 1 {print $11}' /proc/net/stat/nf_conntrack 2>/dev/null | sed 's/^/0x/' || :",
    "neighbour-overflow": "awk 'NR > 1 {print \"0x\" $13}' /proc/net/stat/arp_cache",
    "time-wait-overflow": mib("TcpExtTCPTimeWaitOverflow"),
    "udp-receive-errors": mib("UdpRcvbufErrors"),
    "syn-flood": mib("TcpExtSyncookiesSent"),
    "syn-queue-drops": mib("TcpExtListenDrops"),
    "retransmits": mib("TcpRetransSegs"),
    "softnet-drops": "awk '{print \"0x\" $2}' /proc/net/softnet_stat",
    "mtu-black-hole": mib("TcpExtTCPTimeouts"),
    "no-default-route": mib("IpOutNoRoutes"),
}
# Numbers that have another value while the fault lasts, and the old one when it is over.
OTHER = {
    "bond-degraded": "grep -c 'MII Status: down' /proc/net/bonding/bond1 || :",
    "dead-resolver": "getent ahostsv4 example.org | wc -l",
    "ephemeral-ports-gone": "sysctl -n net.ipv4.ip_local_port_range | cut -f1",
}
# The first is said once for each listener, and not at all while others fill the log.
LOGGED = {
    "syn-flood": "Possible SYN flooding on port",
    "conntrack-full": "table full, dropping packet",
    "neighbour-overflow": "neighbor table overflow",
    "orphans": "too many orphaned sockets",
}


@pytest_asyncio.fixture(loop_scope="module")
async def lab(kernel_lab: Fleet) -> AsyncIterator[Fleet]:
    """The guest with an empty log."""
    await kernel_lab.sh("lab-1", "dmesg -C")
    yield kernel_lab


async def number(fleet: Fleet, fault: str, script: str) -> int:
    words = (await fleet.sh(FAULTS[fault].host, script, within=60)).split()
    return int(words[0], 0) if words else 0


async def rises(fleet: Fleet, fault: str, seconds: float = 20.0) -> bool:
    """Whether the fault's number goes up in time."""
    before = await number(fleet, fault, RISING[fault])
    for _ in range(int(seconds * 2)):
        if await number(fleet, fault, RISING[fault]) > before:
            return True
        await asyncio.sleep(0.5)
    return False


@pytest.mark.parametrize("fault", list(RISING))
async def test_a_counter_rises_while_the_fault_lasts_and_not_after(lab: Fleet, fault: str) -> None:
    await faults.make(lab, fault)
    assert await rises(lab, fault)
    await faults.heal(lab, fault)
    assert await still(lab, fault), "it goes on rising"


async def still(fleet: Fleet, fault: str) -> bool:
    """Whether the number stands for two seconds; what was on its way may arrive a moment late."""
    for _ in range(5):
        before = await number(fleet, fault, RISING[fault])
        await asyncio.sleep(2)
        if await number(fleet, fault, RISING[fault]) <= before:
            return True
    return False


@pytest.mark.parametrize("fault", list(OTHER))
async def test_a_state_is_another_while_the_fault_lasts(lab: Fleet, fault: str) -> None:
    before = await number(lab, fault, OTHER[fault])
    await faults.make(lab, fault)
    assert await number(lab, fault, OTHER[fault]) != before
    await faults.heal(lab, fault)
    assert await number(lab, fault, OTHER[fault]) == before


@pytest.mark.parametrize("fault", list(LOGGED))
async def test_the_kernel_writes_it_into_its_own_log(lab: Fleet, fault: str) -> None:
    await faults.make(lab, fault)
    for _ in range(40):
        log = await lab.sh("lab-1", "dmesg")
        if LOGGED[fault] in log:
            break
        await asyncio.sleep(0.5)
    assert LOGGED[fault] in log


async def test_syn_queue_drops_are_no_accept_queue_overflows(lab: Fleet) -> None:
    before = await lab.sh("lab-1", mib("TcpExtListenOverflows"))
    async with faults.during(lab, "syn-queue-drops"):
        assert await rises(lab, "syn-queue-drops")
        assert await lab.sh("lab-1", mib("TcpExtListenOverflows")) == before


async def test_a_full_table_lets_the_bot_in(lab: Fleet) -> None:
    async with faults.during(lab, "conntrack-full"):
        reader, writer = await asyncio.wait_for(asyncio.open_connection(lab.hosts["lab-1"].address, 22), 20)
        assert (await asyncio.wait_for(reader.readline(), 20)).startswith(b"SSH-")
        writer.close()


async def test_ports_that_are_gone_fail_new_calls(lab: Fleet) -> None:
    call = f"socket.create_connection(({lab.hosts['lab-1'].address!r}, 80))"
    script = '. /etc/netdiag-demo/env; "$PYTHON" -I -S -c "import socket; $1" 2>&1 || :'
    async with faults.during(lab, "ephemeral-ports-gone"):
        assert "Cannot assign requested address" in await lab.sh("client-2", script, call)
    assert await lab.sh("client-2", script, call) == ""


async def test_a_clock_is_set_off_and_back(lab: Fleet) -> None:
    async def ahead() -> int:
        seconds = [await lab.sh(host, "date +%s") for host in ("lab-1", "client-2")]
        return int(seconds[0]) - int(seconds[1])

    async with faults.during(lab, "clock-off"):
        assert 290 < await ahead() < 310
    assert abs(await ahead()) < 10


CLAIMANTS = """
import socket, struct, sys
line = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0806))
line.bind((sys.argv[1], 0))
line.settimeout(2)
mac, address = line.getsockname()[4], socket.inet_aton(sys.argv[2])
line.send(b"\\xff" * 6 + mac + struct.pack("!HHHBBH", 0x806, 1, 0x800, 6, 4, 1) + mac + bytes(10) + address)
try:
    while line.recv(2048)[20:22] != b"\\0\\2":
        pass
    print("taken")
except TimeoutError:
    print("ours")
"""


async def test_an_address_of_two_hosts_is_answered_for_by_the_other(lab: Fleet) -> None:
    script = '. /etc/netdiag-demo/env; "$PYTHON" -I -S -c "$1" eth1 "$2"'
    words = (CLAIMANTS, lab.fill("@BACK@.237"))
    assert await lab.sh("lab-1", script, *words) == "ours"
    async with faults.during(lab, "duplicate-address"):
        assert await lab.sh("lab-1", script, *words) == "taken"
    assert await lab.sh("lab-1", script, *words) == "ours"
