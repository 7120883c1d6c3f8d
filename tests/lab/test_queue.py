"""Does a stopped transmit queue hold sockets that nobody owns, and is a slow one just slow?"""

import re

import pytest

from bot.demo import Fleet, faults

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.usefixtures("healed")]


async def used(fleet: Fleet) -> int:
    return int(re.search(r"sockets: used (\d+)", await fleet.sh("queue-1", "cat /proc/net/sockstat"))[1])


async def backlog(fleet: Fleet) -> tuple[int, int]:
    """Packets that left the queue, and packets in it."""
    text = await fleet.sh("queue-1", "tc -s qdisc show dev eth1")
    return int(re.search(r"(\d+) pkt", text)[1]), int(re.search(r"backlog \S+ (\d+)p", text)[1])


async def owned(fleet: Fleet) -> int:
    return int(await fleet.sh("queue-1", "ls -l /proc/[0-9]*/fd 2>/dev/null | grep -c socket: || :"))


async def test_a_stuck_queue_pins_sockets_that_no_process_owns(queue_lab: Fleet) -> None:
    before = await used(queue_lab)
    await faults.make(queue_lab, "stuck-queue")
    assert await used(queue_lab) > before + 2000
    assert await owned(queue_lab) < 50
    sent, waiting = await backlog(queue_lab)
    assert waiting > 2000
    later = await backlog(queue_lab)
    assert later[0] == sent, "nothing leaves it"
    assert later[1] >= waiting, "the host's own packets may join it"
    await faults.heal(queue_lab, "stuck-queue")
    assert await used(queue_lab) < before + 50
    assert (await backlog(queue_lab))[1] == 0


async def test_the_queue_is_emptied_by_its_length_and_not_by_promiscuous_mode(queue_lab: Fleet) -> None:
    await faults.make(queue_lab, "stuck-queue")
    await queue_lab.sh("queue-1", "ip link set eth1 promisc on; ip link set eth1 promisc off")
    assert await used(queue_lab) > 2000
    await queue_lab.sh("queue-1", "ip link set eth1 txqueuelen 1001")
    assert await used(queue_lab) < 100
    await queue_lab.sh("queue-1", "ip link set eth1 txqueuelen 1000")


async def test_the_way_in_is_another_leg(queue_lab: Fleet) -> None:
    await faults.make(queue_lab, "stuck-queue")
    assert "tbf" not in await queue_lab.sh("queue-1", "tc qdisc show dev eth0")


async def test_a_slow_queue_moves(queue_lab: Fleet) -> None:
    async with faults.during(queue_lab, "slow-queue"):
        sent, _ = await backlog(queue_lab)
        await queue_lab.sh("queue-1", "sleep 2")
        later, waiting = await backlog(queue_lab)
        assert later > sent
        assert waiting > 0


async def test_faults_can_be_made_and_healed_twice(queue_lab: Fleet) -> None:
    for _ in range(2):
        await faults.make(queue_lab, "stuck-queue")
    assert queue_lab.broken == {"stuck-queue"}
    for _ in range(2):
        await faults.heal(queue_lab, "stuck-queue")
    assert queue_lab.broken == set()


async def test_a_link_that_flaps_changes_its_carrier_and_comes_to_rest(queue_lab: Fleet) -> None:
    async def changes() -> int:
        return int(await queue_lab.sh("queue-1", "cat /sys/class/net/eth1/carrier_changes"))

    before = await changes()
    async with faults.during(queue_lab, "link-flaps"):
        for _ in range(60):
            if await changes() >= before + 4:
                break
            await queue_lab.sh("queue-1", "sleep 0.2")
        assert await changes() >= before + 4
    rest = await changes()
    await queue_lab.sh("queue-1", "sleep 2")
    assert await changes() == rest
    assert await queue_lab.sh("queue-1", "cat /sys/class/net/eth1/carrier") == "1"
