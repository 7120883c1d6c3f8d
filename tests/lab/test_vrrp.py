"""Do two real keepalived share one address, and does each fault show at the sender, or the receiver, as it should?"""

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import pytest_asyncio

from bot.demo import Fleet, faults

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.usefixtures("healed")]


async def log(fleet: Fleet, host: str) -> str:
    return await fleet.sh(host, "cat /var/log/syslog")


async def masters(fleet: Fleet) -> set[str]:
    vip = fleet.fill("@NET@.230/")
    return {host for host in ("gw-1", "gw-2") if vip in await fleet.sh(host, "ip -4 address show dev eth0")}


async def until(what: Callable[[], Awaitable[bool]], seconds: float = 40.0) -> bool:
    """Whether it became so in time."""
    for _ in range(int(seconds * 5)):
        if await what():
            return True
        await asyncio.sleep(0.2)
    return False


@pytest_asyncio.fixture(loop_scope="module")
async def pair(vrrp_lab: Fleet) -> AsyncIterator[Fleet]:
    """The pair at rest: gw-1 has the address, and both have an empty log."""

    async def at_rest() -> bool:
        return await masters(vrrp_lab) == {"gw-1"}

    assert await until(at_rest)
    await asyncio.sleep(2)
    for host in ("gw-1", "gw-2"):
        await vrrp_lab.sh(host, ": >/var/log/syslog")
    yield vrrp_lab


async def taken_over(fleet: Fleet) -> bool:
    return "Entering MASTER STATE" in await log(fleet, "gw-2")


async def test_the_stronger_one_has_the_address(pair: Fleet) -> None:
    assert await masters(pair) == {"gw-1"}
    assert "Entering" not in await log(pair, "gw-2")


async def test_a_stall_shows_at_the_sender(pair: Fleet) -> None:
    await faults.make(pair, "vrrp-stalls")

    async def shown() -> bool:
        return await taken_over(pair) and "A thread timer expired" in await log(pair, "gw-1")

    assert await until(shown)
    await faults.heal(pair, "vrrp-stalls")
    assert "A thread timer expired" not in await log(pair, "gw-2")


async def test_lost_adverts_show_at_the_receiver_alone(pair: Fleet) -> None:
    await faults.make(pair, "vrrp-adverts-lost")
    assert await until(lambda: taken_over(pair))
    await faults.heal(pair, "vrrp-adverts-lost")
    assert re.search("[Rr]eceive advertisement timeout", await log(pair, "gw-2"))
    assert "thread timer expired" not in await log(pair, "gw-1") + await log(pair, "gw-2")


async def test_two_that_hear_nothing_are_both_master(pair: Fleet) -> None:
    await faults.make(pair, "vrrp-split-brain")

    async def both() -> bool:
        return await masters(pair) == {"gw-1", "gw-2"}

    assert await until(both)
    await faults.heal(pair, "vrrp-split-brain")

    async def one() -> bool:
        return await masters(pair) == {"gw-1"}

    assert await until(one)


async def test_a_tracked_process_that_comes_and_goes_moves_the_address(pair: Fleet) -> None:
    await faults.make(pair, "vrrp-tracked-flaps")

    async def shown() -> bool:
        return await taken_over(pair) and "VRRP_Script(tracked) failed" in await log(pair, "gw-1")

    assert await until(shown)
    await faults.heal(pair, "vrrp-tracked-flaps")

    async def one() -> bool:
        return await masters(pair) == {"gw-1"}

    assert await until(one)
