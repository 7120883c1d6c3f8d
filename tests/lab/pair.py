"""Two real keepalived that share an address, for tests to break: a fresh pair, and what `netdiag run` finds on it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

from bot.core.ask import Ask
from bot.demo import Fleet, faults
from tests.lab.desk import ASKER, PEOPLE, Desk, desk

Hosts = Mapping[str, Mapping[str, Any]]


@contextlib.asynccontextmanager
async def fresh_pair(place: Path) -> AsyncIterator[Desk]:
    """The front of an application over a fresh pair, for a log remembers ten minutes; gw-1 is the master."""
    up = Fleet.up(place / "fleet", hosts=0, parts=["vrrp"], people=PEOPLE)
    async with up as fleet, desk(fleet, place / "state", window=3.0) as here:

        async def settled() -> bool:
            return await masters(fleet) == {"gw-1"}

        assert await until(settled)
        yield here
        await faults.heal_all(fleet)


async def masters(fleet: Fleet) -> set[str]:
    """Who holds the address."""
    vip = fleet.fill("@NET@.230/")
    return {host for host in ("gw-1", "gw-2") if vip in await fleet.sh(host, "ip -4 address show dev eth0")}


async def until(what: Callable[[], Awaitable[Any]], seconds: float = 90.0) -> Any:
    """The first answer that is not empty, or the last one when time is up."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while not (answer := await what()) and loop.time() < end:
        await asyncio.sleep(0.5)
    return answer


async def run(here: Desk, target: str = "gw-*") -> Hosts:
    """What `netdiag run TARGET vrrp` finds, in this process: one of its own costs as much as a visit."""
    report = await here.app.desk.diagnose(Ask(ASKER, target, ("vrrp",)), lambda _told: None)
    return {host.host: host.model_dump(mode="json") for host in report.hosts}


def finding(hosts: Hosts, host: str, name: str) -> Mapping[str, Any] | None:
    return next((found for found in hosts[host]["findings"] if found["id"] == name), None)


def found(hosts: Hosts) -> set[tuple[str, str]]:
    return {(name, one["id"]) for name, host in hosts.items() for one in host["findings"]}


async def seen(here: Desk, *wanted: tuple[str, str]) -> Hosts:
    """Runs until all of these findings are there."""

    async def look() -> Hosts | None:
        hosts = await run(here)
        return hosts if found(hosts) >= set(wanted) else None

    hosts = await until(look)
    assert hosts, f"never seen together: {wanted}"
    return hosts  # type: ignore[no-any-return]


async def healthy(here: Desk) -> bool:
    hosts = await run(here)
    return {host["status"] for host in hosts.values()} == {"ok"}
