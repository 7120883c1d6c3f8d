"""Faults of the field on real kernels: broken, named, cured by what was offered or by hand, and gone."""

import secrets
import shutil
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
import pytest_asyncio

from bot.adapters.files.inventory import load_inventory
from bot.adapters.ssh import HostShell
from bot.core.approval import Effect, Record, State
from bot.core.host import Inventory
from bot.core.report import Finding, HostReport
from bot.core.snapshot import Snapshot
from bot.demo import Fleet, faults
from bot.engine.diagnose import Observer, judge
from tests.lab.books import CATALOG, shipped
from tests.lab.conftest import PEOPLE
from tests.lab.doctor import doctor

pytestmark = [
    pytest.mark.parts(),
    pytest.mark.asyncio(loop_scope="module"),
]


class Now:
    def now(self) -> datetime:
        return datetime.now(UTC)

    def token(self, bits: int = 128) -> str:
        return secrets.token_hex(bits // 8)


@dataclass
class Ward:
    """One host of the fleet, and how it is read and treated."""

    fleet: Fleet
    host: str
    inventory: Inventory
    shell: HostShell

    async def look(self, *names: str) -> tuple[HostReport, Snapshot]:
        """One visit with these playbooks."""
        chosen, host = tuple(shipped()[name] for name in names), self.inventory.hosts[self.host]
        seen = await Observer(self.shell, Now(), CATALOG).observe(host, chosen)
        assert isinstance(seen, Snapshot), seen
        report = judge(host, seen, chosen, {})
        assert {c.probe: c.reason for c in report.coverage if c.state != "ok"} == {}
        return report, seen

    async def findings(self, *names: str) -> Mapping[str, Finding]:
        """What those playbooks find, by id; of several the first."""
        report, _ = await self.look(*names)
        return {finding.id: finding for finding in reversed(report.findings)}

    async def cure(self, place: Path, finding: str, *names: str) -> Record:
        """What is proposed for a finding, approved by somebody else, carried out, read back and looked at again."""
        async with doctor(self.fleet, place) as one:
            record = await one.cure(await one.look(self.host, *names), finding)
        assert record.state is State.DONE, record.reason
        return record

    async def run(self, argv: Sequence[str]) -> str:
        done = await self.fleet.exec(self.host, list(argv), within=60)
        assert done.returncode == 0, done.stderr
        return " ".join(done.stdout.split())

    async def sh(self, script: str) -> str:
        return await self.fleet.sh(self.host, script, within=90)


@asynccontextmanager
async def ward(fleet: Fleet, host: str) -> AsyncIterator[Ward]:
    """A host with a connection that stays open, as the bot's do: in a guest a login costs more than most visits."""
    inventory = load_inventory(fleet.inventory_dir)
    shell = HostShell(inventory)
    try:
        yield Ward(fleet, host, inventory, shell)
    finally:
        await shell.close()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def small(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Fleet]:
    async with Fleet.up(tmp_path_factory.mktemp("fleet"), hosts=1, people=PEOPLE) as fleet:
        yield fleet


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def node(small: Fleet) -> AsyncIterator[Ward]:
    async with ward(small, "node-1") as one:
        yield one


PEER = """
mkdir -p /run/field; cd /run/field
PATH=/usr/sbin:/usr/bin:/sbin:/bin
alive() { kill -0 "$1" 2>/dev/null; }
peer() { # a namespace beside, that the host's own is wired to
  unshare -n sleep 600 </dev/null >/dev/null 2>&1 & echo $! >$1.pid
  until [ "$(readlink /proc/$(cat $1.pid)/ns/net)" != "$(readlink /proc/self/ns/net)" ]; do sleep 0.05; done
}
at() { peer=$(cat $1.pid); shift; nsenter -t $peer -n "$@"; }
run() { name=$1; shift; setsid "$@" </dev/null >$name.out 2>&1 & echo $! >$name.pid; }
end() { for name in "$@"; do [ ! -s $name.pid ] || kill -9 $(cat $name.pid) 2>/dev/null; rm -f $name.pid; done; }
. /etc/netdiag-demo/env
"""


# --- no way out ---------------------------------------------------------------------------------------------------

SENDER = """
import socket, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
for _ in range(3000):
    try:
        s.sendto(b"x", ("192.0.2.7", 9))
    except OSError:
        pass
    time.sleep(0.02)
"""


async def test_a_lost_default_route_is_named_until_it_is_back(node: Ward) -> None:
    way = await node.sh("ip route show default")
    try:
        await node.sh(f"{PEER}\nrun sender $PYTHON -c '{SENDER}'")
        assert "no-route" not in await node.findings("routes")
        await node.sh("ip route del default")
        found = (await node.findings("routes"))["no-route"]
        assert found.severity == "critical"
        assert found.evidence["default_routes"] == []
        assert "eth0" in found.evidence["interfaces_with_routes"]
        await node.sh(f"ip route replace {way}")
        assert "no-route" not in await node.findings("routes")
    finally:
        await node.sh(f"{PEER}\nend sender; ip route replace {way}")


# --- name servers -------------------------------------------------------------------------------------------------

SERVER = """
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
s.bind(("127.0.0.1", 53))
while True:
    question, who = s.recvfrom(600)
    s.sendto(question[:2] + bytes([0x81, 0x80]) + question[4:], who)
"""


async def test_dead_name_servers_are_told_apart_from_living_ones(node: Ward) -> None:
    kept = await node.sh("cat /etc/resolv.conf")
    silent = "198.51.100.53"
    try:
        await node.sh(
            f"printf 'nameserver 127.0.0.1\\nnameserver {silent}\\n' >/etc/resolv.conf;"
            f" ip route add {silent}/32 dev eth0; ip neigh add {silent} lladdr 02:00:00:00:00:99 dev eth0"
        )
        report, _ = await node.look("dns")
        dead = {f.scope["server"]: f for f in report.findings if f.id == "dns-server-silent"}
        assert {server: f.evidence["state"] for server, f in dead.items()} == {"127.0.0.1": "refused", silent: "silent"}
        assert {f.severity for f in dead.values()} == {"critical"}
        await node.sh(f"{PEER}\nrun dns $PYTHON -c '{SERVER}'; sleep 0.5")
        report, _ = await node.look("dns")
        assert [(f.scope["server"], f.severity) for f in report.findings] == [(silent, "warning")]
        await node.sh("printf 'nameserver 127.0.0.1\\n' >/etc/resolv.conf")
        report, _ = await node.look("dns")
        assert (report.status, report.findings) == ("ok", ())
    finally:
        await node.sh(f"{PEER}\nend dns; ip route del {silent}/32; ip neigh del {silent} dev eth0")
        await node.sh(f"printf '%s\\n' '{kept}' >/etc/resolv.conf")


# --- sizes ---------------------------------------------------------------------------------------------------------

HOARDER = """
import socket, time
server = socket.create_server(("198.51.100.2", 99))
kept = []
while True:
    kept.append(server.accept()[0])
"""
TALKER = """
import socket, time
kept = []
for _ in range(600):
    try:
        c = socket.create_connection(("198.51.100.2", 99), timeout=2)
        c.setblocking(False)
        c.send(b"x" * 4000)
        kept.append(c)
    except OSError:
        pass
    time.sleep(0.4)
"""
HUNG = """
tries=300
until [ "$(ss -Htno state established | grep -cE 'timer:\\(on,[^,]*,[3-9]\\)')" -ge 3 ]; do
  tries=$((tries - 1)); [ $tries -gt 0 ] || exit 1; sleep 0.2
done
"""


@pytest.mark.skipif(shutil.which("ping") is None, reason="no ping (Debian: apt-get install iputils-ping)")
async def test_a_port_that_swallows_large_packets_is_a_black_hole_and_a_dead_peer_is_none(node: Ward) -> None:
    try:
        await node.sh(
            f"{PEER}\npeer far; peer switch\n"
            "ip link add va type veth peer name pa netns $(cat switch.pid)\n"
            "at switch ip link add pb type veth peer name vb netns $(cat far.pid)\n"
            "at switch ip link add br0 type bridge; at switch ip link set br0 up\n"
            "for port in pa pb; do at switch ip link set $port master br0 up; done; at switch ip link set pb mtu 600\n"
            # whole segments: what is cut later passes a bridge as a whole
            "ip link set va gso_max_segs 1 up; ip addr add 198.51.100.1/24 dev va\n"
            "at far ip addr add 198.51.100.2/24 dev vb; at far ip link set vb up; at far ip link set lo up\n"
            f"run hoarder nsenter -t $(cat far.pid) -n $PYTHON -c '{HOARDER}'; sleep 1\n"
            f"run talker $PYTHON -c '{TALKER}'\n{HUNG}"
        )
        report, seen = await node.look("mtu")
        assert [f.id for f in report.findings] == ["pmtu-black-hole"], seen.facts("tcp_retransmits")
        (hole,) = report.findings
        assert (hole.id, hole.scope["peer"]) == ("pmtu-black-hole", "198.51.100.2")
        assert hole.evidence["large_bytes"] == 1500
        assert hole.evidence["connections_that_hang"] >= 2
        assert [offer.params["key"] for offer in hole.offers] == ["net.ipv4.tcp_mtu_probing"]
        # the peer dies: small packets are lost as well, and size is not to blame
        await node.sh(f"{PEER}\nat switch ip link set pb down")
        assert (await node.look("mtu"))[0].findings == ()
        await node.sh(f"{PEER}\nat switch ip link set pb mtu 1500 up")
        assert (await node.look("mtu"))[0].findings == ()
    finally:
        await node.sh(f"{PEER}\nend talker hoarder far switch; ip link del va 2>/dev/null || :")


# --- half-open connections ----------------------------------------------------------------------------------------

FLOOD = """
import random, socket, struct, time
def folded(data):
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    total = (total >> 16) + (total & 0xffff)
    return ~(total + (total >> 16)) & 0xffff
out = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
target = socket.inet_aton("198.51.100.1")
for _ in range(20000):
    source = socket.inet_aton("203.0.113.%d" % random.randrange(1, 255))
    syn = struct.pack("!HHIIBBHHH", random.randrange(1024, 65535), 80, random.randrange(2**32), 0, 0x50, 2, 8192, 0, 0)
    syn = syn[:16] + struct.pack("!H", folded(source + target + struct.pack("!HH", 6, 20) + syn)) + syn[18:]
    out.sendto(struct.pack("!BBHHHBBH4s4s", 0x45, 0, 40, 1, 0, 64, 6, 0, source, target) + syn, ("198.51.100.1", 0))
    time.sleep(0.005)
"""
LISTENER = """
import socket, time
server = socket.create_server(("198.51.100.1", 80), backlog=64)
time.sleep(600)
"""


async def test_a_syn_flood_turns_clients_away_until_cookies_are_on(node: Ward, tmp_path: Path) -> None:
    try:
        await node.sh(
            f"{PEER}\npeer far; ip link add va type veth peer name vb netns $(cat far.pid)\n"
            "ip addr add 198.51.100.1/24 dev va; ip link set va up\n"
            "at far ip addr add 198.51.100.2/24 dev vb; at far ip link set vb up; at far ip link set lo up\n"
            "ip route add 203.0.113.0/24 via 198.51.100.2; at far ip route add blackhole 203.0.113.0/24\n"
            "sysctl -qw net.ipv4.tcp_syncookies=0 net.ipv4.tcp_max_syn_backlog=32\n"
            f"run listener $PYTHON -c '{LISTENER}'; sleep 0.5\n"
            f"run flood nsenter -t $(cat far.pid) -n $PYTHON -c '{FLOOD}'; sleep 2"
        )
        report, _ = await node.look("syn-flood", "listen-queue")
        found = {f.id: f for f in report.findings}
        full = found["syn-queue-full"]
        assert full.evidence["tcp_syncookies"] == "0"
        assert found["listen-drops"].explained_by == full.fingerprint
        record = await node.cure(tmp_path, "syn-queue-full", "syn-flood", "listen-queue")
        assert record.effect is Effect.RESOLVED, record.effect_note
        assert record.change.plan.inverse[0][-1].endswith("tcp_syncookies=0")
        assert await node.run(["sysctl", "-n", "net.ipv4.tcp_syncookies"]) == "1"
        found = await node.findings("syn-flood", "listen-queue")
        assert "syn-queue-full" not in found
        assert "listen-drops" not in found
        assert "a flood" in found["syn-cookies-sent"].cause
        await node.sh(f"{PEER}\nend flood")
        assert (await node.look("syn-flood"))[0].findings == ()
    finally:
        await node.sh(f"{PEER}\nend flood listener far; ip link del va 2>/dev/null || :")


# --- acceptors -----------------------------------------------------------------------------------------------------

CROWD = """
import os, signal, socket, time
server = socket.create_server(("127.0.0.1", 8088), backlog=20)
crowd = [socket.socket() for _ in range(30)]
for client in crowd:
    client.setblocking(False)
    client.connect_ex(("127.0.0.1", 8088))
while True:
    time.sleep(600)
"""


async def test_a_stopped_server_is_why_its_queue_is_full(node: Ward) -> None:
    try:
        await node.sh(f"{PEER}\nrun crowd $PYTHON -c '{CROWD}'; sleep 1")
        assert "acceptor-stopped" not in await node.findings("acceptors")
        await node.sh(f"{PEER}\nkill -STOP $(cat crowd.pid)")
        report, _ = await node.look("acceptors", "listen-queue")
        found = {f.id: f for f in report.findings}
        stopped = found["acceptor-stopped"]
        assert stopped.scope["local"] == "127.0.0.1:8088"
        assert found["accept-queue-near-full"].explained_by == stopped.fingerprint
        await node.sh(f"{PEER}\nkill -CONT $(cat crowd.pid)")
        assert "acceptor-stopped" not in await node.findings("acceptors")
    finally:
        await node.sh(f"{PEER}\nend crowd")


# --- wires that lead to nobody ------------------------------------------------------------------------------------


async def test_networks_of_containers_that_are_gone_are_told_until_they_are_taken_away(node: Ward) -> None:
    names = " ".join(f"cni-{n}" for n in range(6))
    try:
        await node.sh(
            f"for n in {names}; do ip netns add $n; ip link add v$n type veth peer name eth0 netns $n;"
            " ip link set v$n up; done"
        )
        left = (await node.findings("veths"))["veths-deserted"]
        assert left.severity == "warning"
        assert (left.evidence["deserted"], left.evidence["of_container_runtimes"]) == (6, 6)
        assert left.evidence["namespaces"] == [f"cni-{n}" for n in range(5)]
        await node.sh("for n in 3 4 5; do ip netns del cni-$n; done")
        assert (await node.findings("veths"))["veths-deserted"].severity == "info"
    finally:
        await node.sh(f"for n in {names}; do ip netns del $n 2>/dev/null || :; done")
    assert not await node.findings("veths")


# --- what is the whole kernel's: in a guest ------------------------------------------------------------------------


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def guest(kernel_lab: Fleet) -> AsyncIterator[Ward]:
    async with ward(kernel_lab, "lab-1") as one:
        yield one


KNOCK = """
import socket
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
import itertools, time
for n in itertools.count():
    try:
        s.sendto(b"x", (sys.argv[1] % (n % 200 + 20), 9))
    except OSError:
        pass
    time.sleep(0.02)
"""


KEEP_OURS = """ip -4 neigh show | while read -r address d device l mac state; do
  case $mac in *:*) ip neigh replace "$address" lladdr "$mac" dev "$device" nud %s ;; esac
done
"""
"""Whoever looks in is a neighbour, too, and shall not be the one that has no place in the table."""


async def test_a_neighbour_table_that_is_too_small_is_named_and_made_larger(guest: Ward, tmp_path: Path) -> None:
    keys = [f"net.ipv4.neigh.default.gc_thresh{n}" for n in (1, 2, 3)]
    kept = [await guest.run(["sysctl", "-n", key]) for key in keys]
    knock = "import sys\n" + KNOCK
    try:
        await guest.sh(KEEP_OURS % "permanent")
        await guest.sh("sysctl -qw " + " ".join(f"{key}={n}" for key, n in zip(keys, (1, 4, 8), strict=True)))
        await guest.sh(
            f"{PEER}\nip link add near type dummy; ip link set near arp on up; ip addr add 198.51.100.1/24 dev near\n"
            f"run knock $PYTHON -c '{knock}' 198.51.100.%d; sleep 2"
        )
        report, _ = await guest.look("neighbours")
        full = next(f for f in report.findings if f.id == "neighbour-table-overflow")
        assert full.scope["family"] == "ipv4"
        assert full.evidence["gc_thresh3"] == 8
        record = await guest.cure(tmp_path, "neighbour-table-overflow", "neighbours")
        assert await guest.run(["sysctl", "-n", keys[2]]) == "32"
        # the scan is larger than that, too: what fills the table goes on, as the plan says
        assert "goes on" in record.change.plan.not_fixed
        assert record.effect is Effect.PERSISTS, record.effect_note
        await guest.sh("sysctl -qw " + " ".join(f"{key}={n}" for key, n in zip(keys, kept, strict=True)))
        assert "neighbour-table-overflow" not in await guest.findings("neighbours")
    finally:
        await guest.sh(f"{PEER}\nend knock; ip link del near")
        await guest.sh(KEEP_OURS % "reachable")
        await guest.sh("sysctl -qw " + " ".join(f"{key}={n}" for key, n in zip(keys, kept, strict=True)))


TRACKED = """
modprobe -a nf_conntrack act_ct sch_ingress cls_matchall
tc qdisc add dev near clsact; tc filter add dev near egress protocol ip matchall action ct commit
sysctl -qw net.netfilter.nf_conntrack_max=64
ip neigh add 198.51.100.9 lladdr 02:00:00:00:00:09 dev near
"""


async def test_a_full_connection_table_is_named_and_made_larger(guest: Ward, tmp_path: Path) -> None:
    await guest.sh("modprobe -a nf_conntrack act_ct sch_ingress cls_matchall")
    kept = await guest.run(["sysctl", "-n", "net.netfilter.nf_conntrack_max"])
    knock = "import sys\n" + KNOCK.replace("(sys.argv[1] % (n % 200 + 20), 9)", "(sys.argv[1], 1000 + n % 9000)")
    try:
        await guest.sh(
            f"{PEER}\nip link add near type dummy; ip addr add 198.51.100.1/24 dev near; ip link set near up\n{TRACKED}"
            f"run knock $PYTHON -c '{knock}' 198.51.100.9\nsleep 4"
        )
        report, _ = await guest.look("conntrack")
        full = next(f for f in report.findings if f.id == "conntrack-full")
        assert full.evidence["limit"] == 64
        assert full.evidence["dropped_per_second"] + full.evidence["early_dropped_per_second"] > 0
        record = await guest.cure(tmp_path, "conntrack-full", "conntrack")
        assert await guest.run(["sysctl", "-n", "net.netfilter.nf_conntrack_max"]) == "128"
        assert record.effect is Effect.PERSISTS, "nine thousand flows fill that as well"
        await guest.sh(f"sysctl -qw net.netfilter.nf_conntrack_max={kept}")
        assert (await guest.look("conntrack"))[0].findings == ()
    finally:
        await guest.sh(f"{PEER}\nend knock; ip link del near; sysctl -qw net.netfilter.nf_conntrack_max={kept}")


async def test_a_cpu_backlog_of_one_drops_and_a_longer_one_does_not(guest: Ward) -> None:
    burst = (
        "import socket, time\ns = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\nwhile True:\n"
        ' for _ in range(20): s.sendto(b"x" * 100, ("127.0.0.1", 9))\n time.sleep(0.05)'
    )
    kept = await guest.run(["sysctl", "-n", "net.core.netdev_max_backlog"])
    try:
        await guest.sh(f"{PEER}\nsysctl -qw net.core.netdev_max_backlog=0; run burst $PYTHON -c '{burst}'; sleep 1")
        report, _ = await guest.look("softnet")
        dropping = next(f for f in report.findings if f.id == "softnet-drops")
        assert dropping.evidence["netdev_max_backlog"] == 0
        await guest.sh(f"sysctl -qw net.core.netdev_max_backlog={kept}")
        assert "softnet-drops" not in await guest.findings("softnet")
    finally:
        await guest.sh(f"{PEER}\nend burst; sysctl -qw net.core.netdev_max_backlog={kept}")


async def test_a_clock_that_nobody_keeps_is_held_against_netdiag_s_own(guest: Ward) -> None:
    assert "clock-differs" not in await guest.findings("clock")
    async with faults.during(guest.fleet, "clock-off"):
        off = (await guest.findings("clock"))["clock-differs"]
        assert off.severity == "critical"
        assert 290 < off.evidence["ahead_seconds"] < 310
        assert off.evidence["within_seconds"] < 10, "the visit tells where in it the question was asked"
    assert "clock-differs" not in await guest.findings("clock")


HOLDER = """
import resource, signal
resource.setrlimit(resource.RLIMIT_NOFILE, (9000, 9000))
kept = [open("/dev/null") for _ in range(4000)]
signal.pause()
"""


async def test_open_files_at_the_machine_s_limit_are_told(guest: Ward) -> None:
    kept = await guest.run(["sysctl", "-n", "fs.file-max"])
    assert "file-table-near-full" not in await guest.findings("files")
    try:
        # logins need some, too
        await guest.sh(f"{PEER}\nrun holder $PYTHON -c '{HOLDER}'; sleep 2; sysctl -qw fs.file-max=4400")
        full = (await guest.findings("files"))["file-table-near-full"]
        assert full.evidence["file_max"] == 4400
        assert full.evidence["allocated"] > 3900
    finally:
        await guest.sh(f"{PEER}\nend holder; sysctl -qw fs.file-max={kept}")
    assert "file-table-near-full" not in await guest.findings("files")
