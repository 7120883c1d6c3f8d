"""Is an address that moves or is held twice put down to what really made it: the sender, the network, or a check?

Two real keepalived on two hosts of one switch; `netdiag run` over SSH, as a person would.
"""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from bot.demo import faults
from tests.lab.desk import Desk
from tests.lab.pair import finding, found, fresh_pair, healthy, run, seen, until

pytestmark = [
    pytest.mark.parts("vrrp"),
    pytest.mark.timeout(400),
]


@pytest_asyncio.fixture
async def here(tmp_path: Path) -> AsyncIterator[Desk]:
    async with fresh_pair(tmp_path) as opened:
        yield opened


@pytest.mark.incident
async def test_a_master_that_stands_still_again_and_again_is_named_and_not_the_network(here: Desk) -> None:
    assert await healthy(here)
    await faults.make(here.fleet, "vrrp-stalls")
    hosts = await seen(here, ("gw-1", "vrrp-flapping"), ("gw-2", "vrrp-flapping"), ("gw-2", "vrrp-adverts-late"))
    master, backup = finding(hosts, "gw-1", "vrrp-flapping"), finding(hosts, "gw-2", "vrrp-adverts-late")
    assert master
    assert backup
    assert "Starved sender, not the network" in master["cause"]
    assert master["scope"]["instance"] == "VI_1"
    assert master["evidence"]["longest_stall_seconds"] > 1
    assert ("gw-1", "vrrp-adverts-late") not in found(hosts)
    assert backup["evidence"]["sender_stalled"] == ["gw-1"]
    assert "not the network" in backup["cause"]
    flapping = finding(hosts, "gw-2", "vrrp-flapping")
    assert flapping
    assert flapping["explained_by"] == backup["fingerprint"]
    await faults.heal(here.fleet, "vrrp-stalls")
    assert await until(lambda: healthy(here))


@pytest.mark.incident
async def test_adverts_that_the_network_loses_are_put_down_to_it(here: Desk) -> None:
    await faults.make(here.fleet, "vrrp-adverts-lost")
    hosts = await seen(here, ("gw-2", "vrrp-adverts-late"))
    late = finding(hosts, "gw-2", "vrrp-adverts-late")
    assert late
    assert late["evidence"]["sender_read"] == ["gw-1"]
    assert late["evidence"]["sender_stalled"] == []
    assert "lost on the way" in late["cause"]
    await faults.heal(here.fleet, "vrrp-adverts-lost")
    assert await until(lambda: healthy(here))


@pytest.mark.incident
async def test_two_masters_each_name_the_other(here: Desk) -> None:
    await faults.make(here.fleet, "vrrp-split-brain")
    hosts = await seen(here, ("gw-1", "vrrp-split-brain"), ("gw-2", "vrrp-split-brain"))
    for host, other in (("gw-1", "gw-2"), ("gw-2", "gw-1")):
        one = finding(hosts, host, "vrrp-split-brain")
        assert one
        assert one["evidence"]["also_on"] == [other]
        assert one["severity"] == "critical"
        assert "the network between them drops VRRP" in one["cause"]
    alone = (await run(here, "gw-1"))["gw-1"]
    assert [one["id"] for one in alone["undecided"]] == ["vrrp-split-brain"], "one host alone cannot know"
    await faults.heal(here.fleet, "vrrp-split-brain")
    assert await until(lambda: healthy(here))


async def test_a_check_that_comes_and_goes_is_named_as_one(here: Desk) -> None:
    await faults.make(here.fleet, "vrrp-tracked-flaps")
    hosts = await seen(here, ("gw-1", "vrrp-flapping"), ("gw-2", "vrrp-flapping"))
    own, other = finding(hosts, "gw-1", "vrrp-flapping"), finding(hosts, "gw-2", "vrrp-flapping")
    assert own
    assert other
    assert (own["evidence"]["cause"], own["evidence"]["checks_changed"]) == ("check", ["tracked"])
    assert other["evidence"]["cause"] == "peer"
    assert not {one for one in found(hosts) if one[1] in ("vrrp-adverts-late", "vrrp-split-brain", "vrrp-no-master")}


async def test_a_planned_handover_is_no_fault(here: Desk) -> None:
    await here.fleet.sh("gw-1", "service keepalived stop")

    async def taken() -> bool:
        return here.fleet.fill("@NET@.230/") in await here.fleet.sh("gw-2", "ip -4 address")

    assert await until(taken)
    hosts = await run(here)
    assert found(hosts) == {("gw-1", "vrrp-daemon-gone")}, "that it does not run is said, and is no alarm"
    assert hosts["gw-1"]["status"] == "ok"
    await here.fleet.sh("gw-1", "service keepalived start")
    assert await until(lambda: healthy(here))


async def test_one_takeover_and_back_is_no_flapping(here: Desk) -> None:
    await here.fleet.freeze("gw-1", 6)
    vip = here.fleet.fill("@NET@.230/")

    async def taken() -> bool:
        return vip in await here.fleet.sh("gw-2", "ip -4 address")

    async def back() -> bool:
        return vip in await here.fleet.sh("gw-1", "ip -4 address") and not await taken()

    assert await until(taken)
    await here.fleet.thaw("gw-1")
    assert await until(back)
    hosts = await run(here)
    assert not found(hosts), found(hosts)
    assert {host["status"] for host in hosts.values()} == {"ok"}


async def test_a_daemon_that_was_killed_leaves_its_address_and_is_told(here: Desk) -> None:
    await here.fleet.sh("gw-1", f"service keepalived stop; ip address add {here.fleet.fill('@NET@.230/24')} dev eth0")
    hosts = await seen(here, ("gw-1", "vrrp-daemon-gone"), ("gw-2", "vrrp-split-brain"))
    gone, twice = finding(hosts, "gw-1", "vrrp-daemon-gone"), finding(hosts, "gw-1", "vrrp-split-brain")
    assert gone
    assert twice
    assert gone["severity"] == "critical"
    assert twice["explained_by"] == gone["fingerprint"]
