"""Is TCP's share of a guest's memory used up for real, and given back?"""

import re

import pytest

from bot.demo import Fleet, faults

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.usefixtures("healed")]


async def pages(fleet: Fleet) -> int:
    return int(re.search(r"TCP: .* mem (\d+)", await fleet.sh("mem-1", "cat /proc/net/sockstat"))[1])


async def limits(fleet: Fleet) -> list[int]:
    return [int(word) for word in (await fleet.sh("mem-1", "cat /proc/sys/net/ipv4/tcp_mem")).split()]


async def complaints(fleet: Fleet) -> int:
    return int(await fleet.sh("mem-1", "dmesg | grep -c 'TCP: out of memory' || :"))


async def test_pressure_is_above_the_second_limit_and_below_the_third(memory_lab: Fleet) -> None:
    _, pressure, most = await limits(memory_lab)
    assert await pages(memory_lab) < pressure
    await faults.make(memory_lab, "tcp-memory-pressure")
    assert pressure < await pages(memory_lab) < most
    assert await complaints(memory_lab) == 0
    await faults.heal(memory_lab, "tcp-memory-pressure")
    assert await pages(memory_lab) < pressure


async def test_exhausted_memory_is_in_the_kernels_own_log(memory_lab: Fleet) -> None:
    *_, most = await limits(memory_lab)
    await faults.make(memory_lab, "tcp-memory-exhausted")
    assert await pages(memory_lab) > most
    assert await complaints(memory_lab)
    assert "hoard" in await memory_lab.sh("mem-1", "ss -Htnp 'sport = :9000'")
    await faults.heal(memory_lab, "tcp-memory-exhausted")
    assert await pages(memory_lab) < most / 2


async def test_a_host_whose_tcp_memory_is_gone_lets_the_bot_in(memory_lab: Fleet) -> None:
    from bot.adapters.files.inventory import load_inventory
    from bot.adapters.ssh import HostShell
    from bot.core.host import HostFailure

    inventory = load_inventory(memory_lab.inventory_dir)
    async with faults.during(memory_lab, "tcp-memory-exhausted"):
        shell = HostShell(inventory)
        try:
            seen = await shell.run(
                inventory.hosts["mem-1"], "cat /proc/net/sockstat\n", deadline=30, max_bytes=1 << 16, fresh=True
            )
        finally:
            await shell.close()
    assert not isinstance(seen, HostFailure), seen
    assert b"TCP: inuse" in seen.stdout
