"""Is every demo host a host of its own, is every fault of the fleet real, and is nothing left of it afterwards?"""

import asyncio
import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio

from bot.demo import Fleet, FleetError
from bot.demo.cgroups import home
from bot.demo.instance import REGISTRY, noted
from bot.demo.machine import start_time
from bot.demo.plan import plan

pytestmark = [
    pytest.mark.parts(),
    pytest.mark.asyncio(loop_scope="module"),
]
ROOT = Path(__file__).resolve().parents[2]
PEOPLE = {"alice": {"slack": "U0ALICE", "terminal": "alice"}, "bob": {"slack": "U0BOB"}}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def fleet(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Fleet]:
    async with Fleet.up(tmp_path_factory.mktemp("fleet"), people=PEOPLE) as fleet:
        yield fleet


async def ssh(fleet: Fleet, host: str, command: str) -> subprocess.CompletedProcess[str]:
    """Log in with the real client, which trusts known_hosts alone."""
    here = fleet.inventory_dir
    options = [f"UserKnownHostsFile={here}/known_hosts", "GlobalKnownHostsFile=/dev/null", "StrictHostKeyChecking=yes"]
    options += ["BatchMode=yes", "ConnectTimeout=5", "IdentitiesOnly=yes"]
    argv = ["ssh", "-F", "none", "-i", f"{here}/id_ed25519", *(word for option in options for word in ("-o", option))]
    argv += [f"netdiag@{fleet.hosts[host].address}", command]
    return await asyncio.to_thread(subprocess.run, argv, capture_output=True, text=True, timeout=60, check=False)


def on_the_machine(path: str) -> bool:
    return Path(path).exists()


async def said(fleet: Fleet, host: str, script: str) -> str:
    done = await fleet.exec(host, ["sh", "-c", script])
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


async def in_shop(fleet: Fleet, script: str) -> str:
    done = await fleet.exec_in_container("node-3", "shop", ["sh", "-c", script])
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def counter(netstat: str, name: str) -> int:
    """One counter of the text of /proc/net/netstat."""
    lines = [line.split() for line in netstat.splitlines() if line.startswith("TcpExt:")]
    return int(dict(zip(*lines, strict=True))[name])


async def overflows(fleet: Fleet, host: str) -> int:
    return counter(await said(fleet, host, "cat /proc/net/netstat"), "ListenOverflows")


async def shop_overflows(fleet: Fleet) -> int:
    return counter(await in_shop(fleet, "cat /proc/net/netstat"), "ListenOverflows")


async def shop_queue(fleet: Fleet) -> tuple[int, int]:
    """Recv-Q and Send-Q of the shop's listener, once there is one: a service is up before its program listens."""
    for _ in range(100):
        words = (await in_shop(fleet, "ss -Hltn 'sport = :80'")).split()
        if words:
            break
        await asyncio.sleep(0.1)
    return int(words[1]), int(words[2])


# --- hosts of their own ------------------------------------------------------------------------------------------


async def test_every_host_lets_the_real_client_in_with_strict_host_keys(fleet: Fleet) -> None:
    answers = await asyncio.gather(*(ssh(fleet, host, "hostname; id -un; sudo -n id -u") for host in fleet.hosts))
    assert [answer.stdout.split() for answer in answers] == [[host, "netdiag", "0"] for host in fleet.hosts], [
        answer.stderr for answer in answers
    ]


async def test_no_two_hosts_have_the_same_key(fleet: Fleet) -> None:
    known = (fleet.inventory_dir / "known_hosts").read_text().splitlines()
    assert len({line.split()[2] for line in known}) == len(known) == len(fleet.hosts)


async def test_a_host_shows_its_own_processes_and_nobody_elses(fleet: Fleet) -> None:
    names = set((await said(fleet, "node-1", "cat /proc/[0-9]*/comm")).split())
    assert "sshd" in names
    assert names <= {"sh", "sshd", "sshd-session", "cat"}


async def test_the_login_exists_on_the_hosts_and_not_on_the_machine(fleet: Fleet) -> None:
    assert "netdiag" in await said(fleet, "node-1", "cat /etc/passwd /etc/shadow")
    assert "netdiag:" not in output("cat", "/etc/passwd")
    assert not on_the_machine("/home/netdiag")


async def test_what_a_host_writes_stays_on_that_host(fleet: Fleet) -> None:
    await said(
        fleet, "node-1", "mkdir -p /var/lib/netdiag && echo mine >/var/lib/netdiag/trace-of-a-test && rm /etc/hostname"
    )
    assert not on_the_machine("/var/lib/netdiag/trace-of-a-test")
    assert on_the_machine("/etc/hostname")
    assert (await fleet.exec("node-2", ["test", "-e", "/var/lib/netdiag/trace-of-a-test"])).returncode == 1


async def test_a_host_cannot_set_what_is_the_machines(fleet: Fleet) -> None:
    done = await fleet.exec("node-1", ["sysctl", "-w", "kernel.panic=0"])
    assert done.returncode != 0
    assert "ermission denied" in done.stderr or "Read-only" in done.stderr
    assert "net.core.somaxconn = 4096" in await said(fleet, "node-1", "sysctl -w net.core.somaxconn=4096")


async def test_nothing_of_the_owners_environment_reaches_a_host(fleet: Fleet) -> None:
    names = {
        line.split("=")[0] for line in (await said(fleet, "node-1", "tr '\\0' '\\n' </proc/1/environ")).splitlines()
    }
    assert names <= {"PATH", "LC_ALL", "HOME", "PWD", "OLDPWD"}


async def test_the_inventory_is_complete(fleet: Fleet) -> None:
    names = {path.name for path in fleet.inventory_dir.iterdir()}
    assert names == {"hosts.yaml", "policy.yaml", "known_hosts", "id_ed25519", "id_ed25519.pub"}
    assert (fleet.inventory_dir / "id_ed25519").stat().st_mode & 0o777 == 0o600


# --- the faults ----------------------------------------------------------------------------------------------------


async def test_node_1_is_idle(fleet: Fleet) -> None:
    assert await said(fleet, "node-1", "ss -Htan state established | wc -l") == "0"


async def test_node_2_is_busy_and_drops_nobody(fleet: Fleet) -> None:
    before = await overflows(fleet, "node-2")
    assert int(await said(fleet, "node-2", "ss -Htan state established | wc -l")) >= 1500
    await asyncio.sleep(3)
    assert await overflows(fleet, "node-2") == before


async def test_the_queue_of_the_shop_is_capped_by_its_namespace_and_not_by_the_node(fleet: Fleet) -> None:
    assert await in_shop(fleet, "sysctl -n net.core.somaxconn") == "128"
    assert await said(fleet, "node-3", "sysctl -n net.core.somaxconn") == "4096"
    seen = [await shop_queue(fleet) for _ in range(20)]
    assert {limit for _, limit in seen} == {128}
    assert sum(waiting == 129 for waiting, _ in seen) >= 15, "full at nearly every look, and not just now and then"


async def test_the_shop_drops_clients_in_its_own_namespace_only(fleet: Fleet) -> None:
    inside, node = await shop_overflows(fleet), await overflows(fleet, "node-3")
    await asyncio.sleep(3)
    assert await shop_overflows(fleet) > inside + 50
    assert await overflows(fleet, "node-3") == node == 0


async def test_the_shop_can_be_named_without_asking_a_runtime(fleet: Fleet) -> None:
    log = await said(fleet, "node-3", "ls /var/log/containers")
    assert log.startswith("shop-6d4cf56db6-x7k2p_web_shop-")
    if home(fleet.instance) is None or fleet.weak:
        pytest.skip(f"no container id in the process's control group here: {fleet.weak}")
    identity = log.removeprefix("shop-6d4cf56db6-x7k2p_web_shop-").removesuffix(".log")
    assert f"/cri-containerd-{identity}.scope" in await said(fleet, "node-3", "cat /proc/$(cat /run/shop.pid)/cgroup")


DETACHED = """
pid=$(cat /run/legacy-api.pid)
ls -l /proc/$pid/fd | sed -n 's/.*socket:\\[\\([0-9]*\\)\\]$/\\1/p' | sort >/tmp/held
cat /proc/$pid/net/tcp /proc/$pid/net/tcp6 | awk '{print $10}' | sort >/tmp/known
comm -23 /tmp/held /tmp/known | wc -l
"""


async def test_node_4_leaks_sockets_of_both_kinds(fleet: Fleet) -> None:
    assert 300 <= int(await said(fleet, "node-4", "ss -Htan state close-wait | wc -l")) <= 360
    assert 300 <= int(await said(fleet, "node-4", DETACHED)) <= 360


# --- the cures -------------------------------------------------------------------------------------------------------


async def test_the_shop_heals_by_a_larger_limit_and_a_reload_and_not_by_the_limit_alone(fleet: Fleet) -> None:
    set_it = "sudo -n nsenter -t $(cat /run/shop.pid) -n sysctl -w net.core.somaxconn=4096"
    assert (await ssh(fleet, "node-3", set_it)).returncode == 0
    before = await shop_overflows(fleet)
    await asyncio.sleep(2)
    assert (await shop_queue(fleet))[1] == 128
    assert await shop_overflows(fleet) > before
    assert (await ssh(fleet, "node-3", "sudo -n service shop reload")).returncode == 0
    await asyncio.sleep(2)
    healed = await shop_overflows(fleet)
    await asyncio.sleep(5)
    waiting, limit = await shop_queue(fleet)
    assert limit == 4096
    assert 128 < waiting < 1000, "everyone waits, and a few who gave up while the queue was full"
    assert await shop_overflows(fleet) == healed


async def test_a_restart_of_the_shop_makes_its_container_anew_with_its_old_limit(fleet: Fleet) -> None:
    # The kernel may give the new namespace the number of the old one: only its counters tell that it is new.
    old, many = await said(fleet, "node-3", "ls /var/log/containers"), await shop_overflows(fleet)
    assert (await ssh(fleet, "node-3", "sudo -n service shop restart")).returncode == 0
    assert await said(fleet, "node-3", "ls /var/log/containers") != old
    assert await shop_overflows(fleet) < many
    assert (await shop_queue(fleet))[1] == 128


async def test_a_restart_ends_the_leak_and_it_stays_small(fleet: Fleet) -> None:
    assert (await ssh(fleet, "node-4", "sudo -n service legacy-api restart")).returncode == 0
    await asyncio.sleep(3)
    assert int(await said(fleet, "node-4", "ss -Htan state close-wait | wc -l")) < 10
    assert int(await said(fleet, "node-4", DETACHED)) < 10


@pytest.mark.parametrize(("service", "host"), [("shop", "node-3"), ("legacy-api", "node-4"), ("api", "node-2")])
async def test_a_service_answers_as_services_do(fleet: Fleet, service: str, host: str) -> None:
    assert (await fleet.exec(host, ["service", service, "status"])).returncode == 0
    assert (await fleet.exec(host, ["service", service, "stop"])).returncode == 0
    assert (await fleet.exec(host, ["service", service, "status"])).returncode == 3
    assert (await fleet.exec(host, ["service", service, "reload"])).returncode == 7
    assert (await fleet.exec(host, ["service", service, "start"])).returncode == 0
    assert (await fleet.exec(host, ["service", service, "status"])).returncode == 0


# --- breaking --------------------------------------------------------------------------------------------------------


async def test_a_cut_host_is_silent_until_it_heals(fleet: Fleet) -> None:
    await fleet.cut("node-1")
    assert "timed out" in (await ssh(fleet, "node-1", "true")).stderr
    await fleet.heal("node-1")
    assert (await ssh(fleet, "node-1", "true")).returncode == 0


async def test_a_cut_heals_by_itself(fleet: Fleet) -> None:
    await fleet.cut("node-1", seconds=2)
    await asyncio.sleep(3)
    assert (await ssh(fleet, "node-1", "true")).returncode == 0


async def test_a_frozen_host_does_nothing_until_it_is_thawed(fleet: Fleet) -> None:
    tick = "setsid sh -c 'while :; do date +%s%N >/tmp/tick; sleep 0.05; done' >/dev/null 2>&1 </dev/null &"
    assert (await ssh(fleet, "node-1", tick)).returncode == 0
    await asyncio.sleep(0.5)
    await fleet.freeze("node-1")
    frozen = await said(fleet, "node-1", "cat /tmp/tick")
    await asyncio.sleep(1)
    assert await said(fleet, "node-1", "cat /tmp/tick") == frozen
    await fleet.thaw("node-1")
    await asyncio.sleep(0.5)
    assert await said(fleet, "node-1", "cat /tmp/tick") != frozen


async def test_a_reboot_keeps_the_disk_and_the_key_and_nothing_else(fleet: Fleet) -> None:
    await said(fleet, "node-1", "echo kept >/var/lib/kept; echo lost >/run/lost; sysctl -w net.core.somaxconn=77")
    born = "awk '{ sub(/.*\\) /, \"\"); print $20 }' /proc/1/stat"  # an inode may be used again, a moment is not
    before = await said(fleet, "node-1", born)
    await fleet.reboot("node-1")
    assert await said(fleet, "node-1", "cat /var/lib/kept; ls /run/lost 2>&1; sysctl -n net.core.somaxconn") == (
        "kept\nls: cannot access '/run/lost': No such file or directory\n4096"
    )
    assert await said(fleet, "node-1", born) != before
    assert (await ssh(fleet, "node-1", "hostname")).stdout == "node-1\n"


async def test_sudo_can_be_taken_and_given(fleet: Fleet) -> None:
    await fleet.sudo("node-1", False)
    refused = await ssh(fleet, "node-1", "sudo -n id -u")
    assert refused.returncode != 0
    assert "password is required" in refused.stderr
    await fleet.sudo("node-1", True)
    assert (await ssh(fleet, "node-1", "sudo -n id -u")).stdout == "0\n"


@pytest.mark.parametrize(
    ("way", "command", "shows"),
    [
        ("hide", "ss -ltn", "not found"),
        ("slow", "timeout 1 ss -ltn; echo $?", "124"),
        ("flood", "ss -ltn | head -n 5000 | wc -l", "5000"),
        ("garbage", "ss -ltn | wc -c", "65536"),
        ("failing", "ss -ltn; echo $?", "139"),
    ],
)
async def test_a_tool_can_be_broken_on_one_host_and_restored(fleet: Fleet, way: str, command: str, shows: str) -> None:
    await (fleet.hide_tool("node-1", "ss") if way == "hide" else fleet.break_tool("node-1", "ss", way))
    try:
        broken = await ssh(fleet, "node-1", command)
        assert shows in broken.stdout + broken.stderr
        assert (await ssh(fleet, "node-2", "ss -ltn")).returncode == 0
    finally:
        await fleet.restore_tool("node-1", "ss")
    assert ":22" in (await ssh(fleet, "node-1", "ss -ltn")).stdout


# --- nothing left ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Trace:
    """What of a fleet could be left behind on the machine."""

    instance: int
    processes: dict[int, int | None]
    namespaces: frozenset[str]

    @classmethod
    async def of(cls, fleet: Fleet) -> "Trace":
        """Everything that runs in the fleet's namespaces, its containers' included."""
        names = {os.readlink(f"/proc/{pid}/ns/mnt") for pid in fleet._pids.values()}
        names.add(os.readlink(f"/proc/{fleet._guardian.pid}/ns/mnt"))
        pids = {pid for pid in everyone() if namespace(pid, "mnt") in names or inside(fleet.instance, pid)}
        spaces = frozenset(namespace(pid, "net") for pid in pids) - {os.readlink("/proc/self/ns/net")}
        assert len(spaces) >= len(fleet.hosts) + 1  # the switch's, and the container's where cgroups tell
        return cls(fleet.instance, {pid: start_time(pid) for pid in pids}, spaces)

    def left(self) -> list[str]:
        """Whatever there still is."""
        fleet, group = plan(self.instance, 1), home(self.instance)
        found = [f"process {pid}" for pid, started in self.processes.items() if started and start_time(pid) == started]
        found += [f"namespace of {pid}" for pid in everyone() if self.began(pid) and self.holds(pid)]
        if self.passed_on():
            return found
        found += ["link"] if Path(f"/sys/class/net/{fleet.leg}").exists() else []
        found += ["route"] if output("ip", "route", "show", "root", fleet.block) else []
        found += ["neighbour"] if fleet.here.removesuffix(".1") + "." in output("ip", "neighbour") else []
        found += ["control group"] if group is not None and group.exists() else []
        found += [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if "netdiag-demo" in line]
        return found + [str(path) for path in REGISTRY.glob("*") if path.stem == str(self.instance)]

    def passed_on(self) -> bool:
        """Whether another fleet has the number by now, as beside other tests: then what bears it is that one's."""
        with contextlib.suppress(FileNotFoundError), (REGISTRY / f"{self.instance}.lock").open() as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return not set(map(str, self.processes)) & set(noted(self.instance).get("processes", {}))
        return False

    def holds(self, pid: int) -> bool:
        """Whether a process is in one of the namespaces."""
        return namespace(pid, "net") in self.namespaces

    def began(self, pid: int) -> bool:
        """Whether a process was there with the fleet: the kernel gives a namespace's number to the next one, too."""
        started = start_time(pid)
        return started is not None and started <= max(filter(None, self.processes.values()))


def everyone() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]


def namespace(pid: int, kind: str) -> str:
    with contextlib.suppress(OSError):
        return os.readlink(f"/proc/{pid}/ns/{kind}")
    return ""


def inside(instance: int, pid: int) -> bool:
    with contextlib.suppress(OSError):
        return f"/netdiag-demo-{instance}/" in Path(f"/proc/{pid}/cgroup").read_text()
    return False


def output(*argv: str) -> str:
    return subprocess.run(argv, capture_output=True, text=True, timeout=30, check=True).stdout.strip()


async def until_gone(trace: Trace) -> list[str]:
    """Wait for a fleet that nobody waits for; what is left after half a minute."""
    for _ in range(300):
        if not trace.left():
            return []
        await asyncio.sleep(0.1)
    return trace.left()


async def test_down_leaves_nothing(tmp_path: Path) -> None:
    async with Fleet.up(tmp_path) as fleet:
        trace = await Trace.of(fleet)
        assert len(trace.left()) > 10, "the trace must see a fleet that is up"
    assert trace.left() == []


@pytest.mark.parametrize("umask", [0o002, 0o077], ids=["002", "077"])
async def test_a_fleet_comes_up_under_any_umask(umask: int, tmp_path: Path) -> None:
    before = os.umask(umask)
    try:
        await (await Fleet.start(tmp_path, hosts=1)).down()  # it is up when its sshd greets
    finally:
        os.umask(before)


async def test_down_twice_is_down(tmp_path: Path) -> None:
    fleet = await Fleet.start(tmp_path, hosts=1)
    await fleet.down()
    await fleet.down()


async def test_a_frozen_and_cut_fleet_goes_down_too(tmp_path: Path) -> None:
    async with Fleet.up(tmp_path, hosts=2) as fleet:
        trace = await Trace.of(fleet)
        await fleet.freeze("node-1")
        await fleet.cut("node-2")
    assert trace.left() == []


OWNER = """
import asyncio, sys
from bot.demo import Fleet
async def main():
    async with Fleet.up(sys.argv[1]) as fleet:
        print(fleet.instance, fleet._guardian.pid, *fleet._pids.values(), flush=True)
        await asyncio.sleep(600)
asyncio.run(main())
"""


def started(program: str, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen([sys.executable, "-c", program, *words], stdout=subprocess.PIPE, text=True, cwd=ROOT)


@contextlib.asynccontextmanager
async def owner(directory: Path) -> AsyncIterator[tuple[subprocess.Popen[str], int, Trace]]:
    """Somebody else's fleet: their process, their guardian's PID, and what there is of it."""
    process = started(OWNER, str(directory))
    try:
        assert process.stdout is not None
        instance, guardian, *hosts = map(int, (await asyncio.to_thread(process.stdout.readline)).split())
        pids = {pid for pid in everyone() if inside(instance, pid)} | {guardian, *hosts}
        spaces = frozenset(namespace(pid, "net") for pid in pids) - {os.readlink("/proc/self/ns/net")}
        yield process, guardian, Trace(instance, {pid: start_time(pid) for pid in pids}, spaces)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


async def test_a_fleet_ends_with_its_killed_owner(tmp_path: Path) -> None:
    async with owner(tmp_path) as (process, _, trace):
        process.kill()
        assert await until_gone(trace) == []


async def test_the_next_fleet_in_the_directory_of_a_killed_owner_comes_up(tmp_path: Path) -> None:
    async with owner(tmp_path) as (process, _, trace):
        process.kill()
        async with Fleet.up(tmp_path) as fleet:
            assert (await ssh(fleet, "node-3", "hostname")).stdout == "node-3\n"
    assert trace.left() == []


async def test_what_a_killed_guardian_left_is_cleared_by_the_next_fleet(tmp_path: Path) -> None:
    async with owner(tmp_path / "killed") as (process, guardian, trace):
        os.kill(guardian, signal.SIGKILL)
        process.kill()
        process.wait()
        assert "unreachable" in output("ip", "route", "show", "root", plan(trace.instance, 1).block)
        async with Fleet.up(tmp_path / "next", hosts=1):
            assert not [word for word in trace.left() if word.startswith(("process", "namespace"))]
    assert trace.left() == []


async def test_an_owner_whose_guardian_died_is_told_so(tmp_path: Path) -> None:
    async with Fleet.up(tmp_path, hosts=1) as fleet:
        os.kill(fleet._guardian.pid, signal.SIGKILL)
        with pytest.raises(FleetError, match="guardian is gone"):
            await fleet.cut("node-1")


async def test_two_fleets_stand_side_by_side(fleet: Fleet, tmp_path: Path) -> None:
    async with Fleet.up(tmp_path, hosts=2) as other:
        assert other.instance != fleet.instance
        answers = await asyncio.gather(ssh(fleet, "node-2", "hostname"), ssh(other, "node-2", "hostname"))
        assert [answer.stdout for answer in answers] == ["node-2\n", "node-2\n"]
    assert (await ssh(fleet, "node-2", "hostname")).stdout == "node-2\n"


async def test_one_directory_holds_one_fleet(fleet: Fleet) -> None:
    with pytest.raises(FleetError, match="already"):
        await Fleet.start(fleet.inventory_dir, hosts=1)


async def test_a_number_of_hosts_that_cannot_be_had_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="1 to 200"):
        await Fleet.start(tmp_path, hosts=0)


async def test_it_comes_up_and_goes_down_again_and_again(tmp_path: Path) -> None:
    for _ in range(5):
        async with Fleet.up(tmp_path) as fleet:
            trace = await Trace.of(fleet)
            assert (await shop_queue(fleet))[1] == 128
        assert trace.left() == []


async def test_where_overlay_cannot_be_had_hosts_are_made_of_bind_mounts_and_say_so(tmp_path: Path) -> None:
    async with Fleet.up(tmp_path, overlay=False) as fleet:
        trace = await Trace.of(fleet)
        assert any("bind mounts" in word for word in fleet.weak)
        assert (await ssh(fleet, "node-3", "hostname; sudo -n id -u")).stdout == "node-3\n0\n"
        assert (await shop_queue(fleet))[1] == 128
    assert trace.left() == []


INNER = """
import asyncio, json
from bot.demo import Fleet
async def main():
    async with Fleet.up("/var/lib/inner", hosts=3) as fleet:
        tick = "(while :; do date +%s%N >/tmp/tick; sleep 0.05; done) >/dev/null 2>&1 &"
        await fleet.exec("node-1", ["sh", "-c", tick])
        async def ticked():
            return (await fleet.exec("node-1", ["cat", "/tmp/tick"])).stdout
        await asyncio.sleep(0.5)
        await fleet.freeze("node-1")
        frozen = [await ticked(), await asyncio.sleep(1), await ticked()]
        await fleet.thaw("node-1")
        await asyncio.sleep(0.5)
        queue = await fleet.exec_in_container("node-3", "shop", ["ss", "-Hltn"])
        print(json.dumps({"weak": fleet.weak, "stood": frozen[0] == frozen[2], "went": frozen[2] != await ticked(),
                          "queue": queue.stdout.split()[:3]}))
asyncio.run(main())
"""


async def test_in_a_container_without_control_groups_a_fleet_does_without(tmp_path: Path) -> None:
    async with Fleet.up(tmp_path, hosts=1) as fleet:
        if (await fleet.exec("node-1", ["test", "-e", str(ROOT / "bot"), "-a", "-e", sys.executable])).returncode:
            pytest.skip(f"a host does not see {ROOT} and {sys.executable}, so no fleet can be started inside of it")
        await fleet.exec("node-1", ["umount", "/sys/fs/cgroup"])
        argv = ["env", f"PYTHONPATH={ROOT}", sys.executable, "-c", INNER]
        done = await fleet.exec("node-1", argv, within=120)
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)
        assert "control groups cannot be written" in " ".join(found["weak"])
        assert found["stood"]
        assert found["went"]
        assert found["queue"] in (["LISTEN", "129", "128"], ["LISTEN", "128", "128"])
        assert "netdiag0" not in await said(fleet, "node-1", "ip -br link")
