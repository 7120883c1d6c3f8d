"""Does the director balance for real, and does its kernel show every fault that can be made of its table?"""

import asyncio
import re
from collections import Counter

import pytest

from bot.demo import Fleet, faults

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.usefixtures("healed")]


async def call(fleet: Fleet, port: int) -> str:
    """What a client hears: the greeting, or why there was none."""
    script = f"""\
import socket
try:
    print(socket.create_connection((fleet, {port}), timeout=1).recv(64).decode().strip())
except OSError as fault:
    print(type(fault).__name__)
""".replace("fleet", repr(fleet.fill("@NET@.220")))
    return await fleet.sh("client-1", '. /etc/netdiag-demo/env; "$PYTHON" -I -S -c "$1"', script)


async def calls(fleet: Fleet, port: int, count: int = 6) -> Counter[str]:
    return Counter([await call(fleet, port) for _ in range(count)])


async def states(fleet: Fleet) -> Counter[str]:
    """Connections in the director's table by state."""
    table = await fleet.sh("lb-1", "cat /proc/net/ip_vs_conn")
    return Counter(line.split()[7] for line in table.splitlines()[1:])


async def filtered(fleet: Fleet) -> int:
    return int((await fleet.sh("web-3", "nstat -asz TcpExtIPReversePathFilter")).split()[2].split(".")[0])


@pytest.mark.parametrize("port", [80, 6379, 8080])
async def test_every_service_answers_every_client(ipvs_lab: Fleet, port: int) -> None:
    assert await calls(ipvs_lab, port) == {"hello": 6}


async def test_two_real_servers_take_turns(ipvs_lab: Fleet) -> None:
    await calls(ipvs_lab, 80, 10)
    table = await ipvs_lab.sh("lb-1", f"ipvsadm -Ln -t {ipvs_lab.fill('@NET@.220')}:80")
    shares = [int(line.split()[-1]) for line in table.splitlines() if "->" in line and "Remote" not in line]
    assert len(shares) == 2
    assert abs(shares[0] - shares[1]) <= 1


@pytest.mark.parametrize(
    ("fault", "fails"), [("stale-real-server", "ConnectionRefusedError"), ("dead-real-server", "TimeoutError")]
)
async def test_a_server_that_does_not_belong_spoils_every_second_connection(
    ipvs_lab: Fleet, fault: str, fails: str
) -> None:
    async with faults.during(ipvs_lab, fault):
        heard: Counter[str] = Counter()
        while len(heard) < 2 and heard.total() < 40:  # the fault's own traffic takes its turns too
            heard += await calls(ipvs_lab, 6379, 3)
        assert set(heard) <= {"hello", fails, "OSError"}
        assert heard["hello"]
        assert heard.total() > heard["hello"]
    assert await calls(ipvs_lab, 6379) == {"hello": 6}


async def test_connections_to_nobody_stay_half_open(ipvs_lab: Fleet) -> None:
    async with faults.during(ipvs_lab, "dead-real-server"):
        for _ in range(100):
            if (await states(ipvs_lab))["SYN_RECV"]:
                break
            await asyncio.sleep(0.1)
        assert (await states(ipvs_lab))["SYN_RECV"]


async def test_a_drained_server_gets_nothing_new(ipvs_lab: Fleet) -> None:
    async with faults.during(ipvs_lab, "drained-real-server"):
        assert re.search(r"223:80\s+Masq\s+0 ", await ipvs_lab.sh("lb-1", "ipvsadm -Ln"))
        assert await calls(ipvs_lab, 80) == {"hello": 6}
    assert not re.search(r"Masq\s+0 ", await ipvs_lab.sh("lb-1", "ipvsadm -Ln"))


async def test_two_ports_of_one_server_both_answer(ipvs_lab: Fleet) -> None:
    async with faults.during(ipvs_lab, "two-ports"):
        assert await calls(ipvs_lab, 443) == {"hello": 6}
    assert "220:443" not in await ipvs_lab.sh("lb-1", "ipvsadm -Ln")


async def test_a_long_timeout_keeps_connections_that_the_server_ended(ipvs_lab: Fleet) -> None:
    await faults.make(ipvs_lab, "long-fin-timeout")
    assert (await states(ipvs_lab))["FIN_WAIT"] >= 600
    assert "900 900 300" in await ipvs_lab.sh("lb-1", "ipvsadm -L --timeout")
    await faults.heal(ipvs_lab, "long-fin-timeout")
    assert (await states(ipvs_lab))["FIN_WAIT"] == 0
    assert "900 120 300" in await ipvs_lab.sh("lb-1", "ipvsadm -L --timeout")
    assert await calls(ipvs_lab, 80) == {"hello": 6}


async def test_clients_that_call_for_each_request_fill_the_table_with_time_wait(ipvs_lab: Fleet) -> None:
    async with faults.during(ipvs_lab, "time-wait-heavy"):
        assert (await states(ipvs_lab))["TIME_WAIT"] >= 1500
    assert (await states(ipvs_lab))["TIME_WAIT"] == 0


@pytest.mark.parametrize("fault", ["strict-rp-filter", "strict-rp-filter-everywhere"])
async def test_a_strict_reverse_path_filter_hangs_the_server_behind_the_tunnel(ipvs_lab: Fleet, fault: str) -> None:
    async with faults.during(ipvs_lab, fault):
        before = await filtered(ipvs_lab)
        heard: Counter[str] = Counter()
        while len(heard) < 2 and heard.total() < 40:
            heard += await calls(ipvs_lab, 8080, 3)
        assert set(heard) == {"hello", "TimeoutError"}
        assert await filtered(ipvs_lab) > before
    healed = await filtered(ipvs_lab)
    assert await calls(ipvs_lab, 8080) == {"hello": 6}
    assert await filtered(ipvs_lab) == healed


async def test_the_loose_filter_of_all_outweighs_the_strict_one_of_the_interface(ipvs_lab: Fleet) -> None:
    async with faults.during(ipvs_lab, "loose-rp-filter"):
        before = await filtered(ipvs_lab)
        assert await calls(ipvs_lab, 8080) == {"hello": 6}
        assert await filtered(ipvs_lab) == before


async def test_a_tunnel_can_be_left_without_room_for_its_headers(ipvs_lab: Fleet) -> None:
    sizes = "cat /sys/class/net/vx0/mtu /sys/class/net/eth1/mtu"
    assert await ipvs_lab.sh("web-3", sizes) == "1450\n1500"
    async with faults.during(ipvs_lab, "tunnel-mtu"):
        assert await ipvs_lab.sh("web-3", sizes) == "1450\n1450"
    assert await ipvs_lab.sh("web-3", sizes) == "1450\n1500"
