"""Is a keepalived that gets no processor told from one that stands still, and does real time really cure it?

Two real keepalived; on gw-1 something greedy shares keepalived's control group and eats its CPU quota in bursts. The
fault stays while the cure is held against the kernel's own numbers.
"""

import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from bot.core.approval import Effect, State
from bot.core.ask import Ask
from bot.core.report import HostReport
from bot.demo import Fleet, cgroups, faults, ration
from bot.demo.instance import clear, take
from bot.demo.plan import INSTANCES
from tests.lab.desk import ASKER, Desk, offered
from tests.lab.pair import finding, found, fresh_pair, masters, run, seen, until

REASON = ration.availability()
pytestmark = [
    pytest.mark.parts("vrrp"),
    pytest.mark.skipif(REASON is not None, reason=f"no VRRP pair with a CPU quota on this machine: {REASON}"),
    pytest.mark.timeout(600),
]


@pytest_asyncio.fixture
async def here(tmp_path: Path) -> AsyncIterator[Desk]:
    async with fresh_pair(tmp_path) as opened:
        yield opened


async def look(here: Desk) -> dict[str, HostReport]:
    """What a person is shown who asks for both."""
    report = await here.app.desk.diagnose(Ask(ASKER, "gw-*", ("vrrp",)), lambda _told: None)
    return {host.host: host for host in report.hosts}


async def run_delay(fleet: Fleet, pid: int) -> float:
    """Seconds that the process was ready and got no processor, as the kernel counts them."""
    return int((await fleet.sh("gw-1", f"cat /proc/{pid}/schedstat")).split()[1]) / 1e9


async def throttled(fleet: Fleet) -> int:
    """Periods in which the group of keepalived has used up its quota."""
    return int(await fleet.sh("gw-1", "awk '/nr_throttled/ { print $2 }' \"$(cat /run/ration)/cpu.stat\""))


async def moves(fleet: Fleet) -> list[str]:
    """What both wrote of changing places: gw-2 that it takes over, gw-1 that it has to win the address back."""
    said = "grep -E 'Entering|forcing new election' /var/log/syslog || :"
    return [line for host in ("gw-1", "gw-2") for line in (await fleet.sh(host, said)).splitlines()]


@pytest.mark.incident
async def test_a_starved_master_is_named_made_real_time_and_proved_cured(here: Desk) -> None:
    fleet = here.fleet
    await faults.make(fleet, "vrrp-starved")
    hosts = await seen(here, ("gw-1", "vrrp-starved"), ("gw-1", "vrrp-flapping"), ("gw-2", "vrrp-flapping"))
    named, moving = finding(hosts, "gw-1", "vrrp-starved"), finding(hosts, "gw-1", "vrrp-flapping")
    assert named
    assert moving
    assert moving["explained_by"] == named["fingerprint"]
    assert moving["evidence"]["cause"] == "stall"
    assert "It was ready to run and got no processor" in moving["cause"]
    assert ("gw-2", "vrrp-starved") not in found(hosts)
    pid = named["evidence"]["keepalived_pid"]
    assert named["evidence"]["policy"] == ["other"]
    assert (await fleet.sh("gw-1", f"cat /proc/{pid}/comm")) == "keepalived"
    assert (await fleet.sh("gw-1", f"chrt -p {pid}")).splitlines()[0].endswith("SCHED_OTHER")
    assert await run_delay(fleet, pid) > 2

    report = await until(lambda: offering(here))
    proposal = offered(report, "vrrp-starved", "process.realtime")
    record = await here.carry(proposal)
    assert (record.state, record.effect) == (State.DONE, Effect.RESOLVED), record
    policy = await fleet.sh("gw-1", f"chrt -p {pid}")
    assert "SCHED_RR|SCHED_RESET_ON_FORK" in policy
    assert policy.endswith("priority: 50")

    # the fault is still there, for three bursts more, and keepalived does not feel it
    before, delay, written = await throttled(fleet), await run_delay(fleet, pid), await moves(fleet)

    async def three_bursts() -> bool:
        assert await masters(fleet) == {"gw-1"}
        return await throttled(fleet) >= before + 12

    assert await until(three_bursts)
    assert await run_delay(fleet, pid) - delay < 0.5
    assert await moves(fleet) == written
    again = await look(here)
    assert not [one.id for host in again.values() for one in host.findings]
    assert {"vrrp-starved", "vrrp-flapping"} <= set(again["gw-1"].healthy)


async def offering(here: Desk) -> HostReport | None:
    """The report on gw-1, once it proposes something: it is told between two bursts as well as in one."""
    report = (await look(here))["gw-1"]
    return report if report.proposals else None


async def test_a_machine_that_stands_still_is_offered_nothing(here: Desk) -> None:
    await faults.make(here.fleet, "vrrp-stalls")
    hosts = await seen(here, ("gw-1", "vrrp-flapping"), ("gw-2", "vrrp-flapping"))
    moving = finding(hosts, "gw-1", "vrrp-flapping")
    assert moving
    assert moving["evidence"]["cause"] == "stall"
    assert "a higher priority would not help" in moving["cause"]
    assert ("gw-1", "vrrp-starved") not in found(hosts)
    assert not hosts["gw-1"]["proposals"]


async def test_one_that_is_real_time_already_starves_no_more_and_nothing_is_offered(here: Desk) -> None:
    fleet = here.fleet
    await fleet.sh("gw-1", "chrt --rr --pid 50 $(pgrep -P $(cat /run/keepalived-main.pid) -o)")
    async with faults.during(fleet, "vrrp-starved"):
        start = await throttled(fleet)

        async def two_bursts() -> bool:
            return await throttled(fleet) >= start + 8

        assert await until(two_bursts)
        hosts = await run(here)
        assert not found(hosts)
        assert not hosts["gw-1"]["proposals"]


async def test_nothing_of_the_quota_is_left_when_it_is_healed(here: Desk) -> None:
    fleet = here.fleet
    config = await fleet.sh("gw-1", "cat /etc/keepalived/keepalived.conf")
    await faults.make(fleet, "vrrp-starved")
    assert groups(fleet.instance)
    await fleet.sh("gw-1", "service keepalived restart")

    async def found_again() -> bool:
        pid = "$(pgrep -P $(cat /run/keepalived-main.pid) -o)"
        return "netdiag-demo" in await fleet.sh("gw-1", f"cat /proc/{pid}/cgroup || :")

    assert await until(found_again)
    await faults.heal(fleet, "vrrp-starved")
    await faults.heal(fleet, "vrrp-starved")
    assert not groups(fleet.instance)
    assert not await fleet.sh("gw-1", "pgrep -f [l]oad.py || :")
    assert await fleet.sh("gw-1", "cat /etc/keepalived/keepalived.conf") == config


def groups(instance: int) -> list[Path]:
    """The groups with a quota that this fleet has made."""
    found, home = ration.hierarchy(), cgroups.home(instance)
    if found is not None:
        return list(found[1].glob(f"netdiag-demo-{instance}-*"))
    return [] if home is None else list(home.glob(f"*/{ration.RATIONED}"))


def test_what_a_killed_fleet_left_of_a_quota_is_cleared_by_the_next(sleeper: int) -> None:
    claim = next(found for number in reversed(range(INSTANCES)) if (found := take(number)) is not None)
    found = ration.hierarchy()
    if found is None:
        claim.release()
        pytest.skip("version 2: it goes with the fleet's own group")
    try:
        group = found[1] / f"netdiag-demo-{claim.instance}-gw-1"
        group.mkdir()
        (group / "cpu.cfs_quota_us").write_text("1000")
        (group / "cgroup.procs").write_text(str(sleeper))
        clear(claim)
        assert not groups(claim.instance)
        assert "netdiag-demo" not in Path(f"/proc/{sleeper}/cgroup").read_text()
    finally:
        claim.release()


@pytest.fixture
def sleeper() -> Iterator[int]:
    with subprocess.Popen(["sleep", "600"]) as process:
        yield process.pid
        process.kill()
