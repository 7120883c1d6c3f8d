"""Which virtual routers does keepalived run here, which addresses are on this host, and does it get to run in time?

Adverts are counted without a packet socket: IPv4 multicast that the namespace sent and received (IpExt), and how
often keepalived was on a processor. What it sent or heard of adverts cannot be more than that.
"""

import ipaddress
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TypeVar

from bot.core.probe import Cost, Facts, NoEvidence, ParseError, Probe, Reading, Sampling, Scope, Seen
from bot.core.text import neutral
from bot.probes._cgroup import membership
from bot.probes._keepalived import Router, routers
from bot.probes._keepalived_look import Addresses, Look, look_at, policy, realtime_priority
from bot.probes._keepalived_script import GATHER, SCRIPT
from bot.probes._text import insist, joined, number, start_time
from bot.probes.netns import NetnsFacts

K = TypeVar("K", int, str)
NOWHERE = Addresses()


class VrrpInstance(Facts):
    """One virtual router (`vrrp_instance`) of one keepalived."""

    name: str
    """Its name in the configuration: "VI_1"."""
    netns: str
    """Id of the network namespace that it routes in."""
    netns_label: str
    """What people call that namespace."""
    pid: int
    """keepalived's VRRP process; 0: keepalived does not run, the configuration alone is there."""
    start_time: int
    """When it began, in clock ticks since boot (field 22 of /proc/PID/stat); 0: it does not run."""
    policy: str
    """How the kernel schedules it (field 41): "other", "fifo", "rr", "batch", "idle", "deadline", "ext", or "policy 9"
    for a number that has no name; empty: not told."""
    realtime_priority: int
    """1 to 99 under "fifo" and "rr" (field 40); else 0."""
    container: str
    """keepalived's container (12 digits); empty: none."""
    unit: str
    """keepalived's service unit; empty: none."""
    interface: str
    """The interface that its adverts use."""
    vrid: int
    """Virtual router id: what tells groups on one network apart."""
    priority: int
    """As configured; a tracked check may change what is in force."""
    advert_interval: float
    """Seconds between two adverts of the master (`advert_int`)."""
    master_down: float
    """Seconds without an advert after which a backup takes over: three intervals and the skew of its priority."""
    preempt: bool
    """False with `nopreempt`."""
    addresses: list[str]
    """The virtual addresses, without prefix length."""
    held: list[str]
    """Those that were on an interface of the namespace at both ends of the visit."""
    passing: list[str]
    """Those that were there at one end of the visit only: they came or went meanwhile."""
    networks: list[str]
    """Networks of the interface (own addresses only): hosts without a common one cannot be rivals."""
    peers: list[str]
    """Peers of a unicast router; empty: it uses multicast."""
    tracked: list[str]
    """Scripts, processes and interfaces that its priority or state hangs on."""
    joined: bool
    """Whether the interface has joined the group that adverts are sent to (/proc/PID/net/igmp); true with unicast."""
    multicast_in: int | None
    """IPv4 multicast packets that the namespace received during the visit (IpExt InMcastPkts); None: not told."""
    multicast_out: int | None
    """The same sent."""
    adverts_dropped: int
    """Adverts that the kernel dropped at keepalived's full receive buffer during the visit (/proc/PID/net/raw)."""
    runs: int | None
    """How often its process got a processor during the visit (/proc/PID/schedstat, or context switches)."""
    waited: float | None
    """Seconds of the visit that its process was ready and got no processor (schedstat, run delay)."""
    waited_since_start: float | None
    """The same since its process began. What is frozen, or stands still with its machine, does not wait: it is not
    ready to run. None: not told (a kernel without schedstat)."""
    slices_since_start: int | None
    """How often it got a processor since it began: each costs some microseconds of waiting on any host."""
    stopped: bool
    """Whether its process was stopped or its control group frozen at both ends of the visit."""
    throttled: int
    """How often its control group used up its CPU quota during the visit (cpu.stat nr_throttled)."""


class KeepalivedFacts(Facts):
    """Every VRRP router of the host and its containers."""

    running: bool
    """Whether a keepalived runs. False with instances: the configuration is there, the daemon is not."""
    seconds: float
    """Host seconds between both ends of the visit."""
    steal: float
    """Share of all processors' time that the hypervisor gave to others during the visit (/proc/stat), 0 to 1."""
    cpu_pressure: float
    """Share of the visit in which some task waited for a processor (/proc/pressure/cpu); 0 where not told."""
    instances: list[VrrpInstance]
    """By namespace, then as configured."""


def parse(readings: Sequence[Reading], seen: Seen) -> KeepalivedFacts:
    """Join the processes with their configuration and what moved. Raises ParseError."""
    seconds = readings[-1].uptime - readings[0].uptime
    if readings[0].text.strip() == "absent":
        return KeepalivedFacts(running=False, seconds=max(seconds, 0.0), steal=0, cpu_pressure=0, instances=[])
    insist(seen, "netns")
    if seconds <= 0:
        raise ParseError(f"{seconds:.2f} seconds between two readings")
    first, last = look_at(readings[0].text), look_at(readings[-1].text)
    for pid, files in first.files.items():
        if pid and not any(text.strip() for text in files.values()):
            raise NoEvidence(f"the configuration {neutral(first.main[pid])} of keepalived[{pid}] could not be read")
    parents = {pid: number(fields[1]) for pid, (_, fields) in first.stats.items()}
    daemons = [pid for pid in first.stats if parents[pid] not in first.stats]
    for pid in daemons:
        if pid not in first.files:
            raise NoEvidence(f"the configuration of keepalived[{pid}] was not found")
    found: list[VrrpInstance] = []
    for pid in sorted(daemons) or [0]:
        router_pid = _vrrp_process(pid, first, parents) if pid else 0
        written = routers(first.files.get(pid, {}), first.main.get(pid, ""))
        found += [_instance(router, router_pid, first, last, seen) for router in written]
    return KeepalivedFacts(
        running=bool(first.stats),
        seconds=round(seconds, 2),
        steal=_steal(first.cpu, last.cpu),
        cpu_pressure=round(min(1.0, max(0, last.pressure - first.pressure) / 1e6 / seconds), 3),
        instances=found,
    )


def _vrrp_process(daemon: int, look: Look, parents: Mapping[int, int]) -> int:
    """The child with VRRP's raw sockets, else the one of that name, else the youngest; the daemon if childless."""
    children = [pid for pid in look.stats if parents[pid] == daemon]
    holders = {look.holders[inode] for inode in look.raw if inode in look.holders}
    for wanted in (
        [pid for pid in children if pid in holders],
        [pid for pid in children if look.stats[pid][0] == "keepalived_vrrp"],
        sorted(children)[-1:],
    ):
        if wanted:
            return wanted[0]
    return daemon


def _instance(router: Router, pid: int, first: Look, last: Look, seen: Seen) -> VrrpInstance:
    netns = first.spaces.get(pid, "") if pid else next(iter(first.addresses), "")
    spaces = joined(seen, "netns")
    known = spaces.namespaces if isinstance(spaces, NetnsFacts) else {}
    member = membership(first.groups.get(pid, ()))
    here = first.addresses.get(netns, NOWHERE)
    begun, ended = here.bare, last.addresses.get(netns, NOWHERE).bare
    version = ipaddress.ip_address(router.addresses[0]).version if router.addresses else 4
    stat = last.stats.get(pid, ("", []))[1]
    same = first.stats.get(pid, ("", []))[1][19:20] == stat[19:20]
    runs = _moved(first.runs, last.runs, pid) if same else None
    before, after = first.multicast.get(pid, {}), last.multicast.get(pid, {})
    return VrrpInstance(
        name=neutral(router.name, 64),
        netns=netns,
        netns_label=known[netns].label if netns in known else f"net:[{netns}]",
        pid=pid,
        start_time=start_time(stat) if stat else 0,
        policy=policy(stat),
        realtime_priority=realtime_priority(stat),
        container=member.container[:12],
        unit=neutral(member.unit, 128),
        interface=neutral(router.interface, 32),
        vrid=router.vrid,
        priority=router.priority,
        advert_interval=router.interval,
        master_down=round(router.master_down, 3),
        preempt=router.preempt,
        addresses=router.addresses,
        held=[address for address in router.addresses if address in begun and address in ended],
        passing=[address for address in router.addresses if (address in begun) != (address in ended)],
        networks=_networks(here, router),
        peers=router.peers,
        tracked=[neutral(name, 64) for name in router.tracked],
        joined=bool(router.peers) or router.interface in last.groups_joined.get(pid, set()) or version != 4,  # noqa: PLR2004 - IPv4
        multicast_in=_moved(before, after, "InMcastPkts"),
        multicast_out=_moved(before, after, "OutMcastPkts"),
        adverts_dropped=max(0, last.drops.get(pid, 0) - first.drops.get(pid, 0)),
        runs=runs if runs is not None or not same else _moved(first.switches, last.switches, pid),
        waited=round(wait / 1e9, 3) if same and (wait := _moved(first.waits, last.waits, pid)) is not None else None,
        waited_since_start=round(last.waits[pid] / 1e9, 3) if same and pid in last.waits else None,
        slices_since_start=last.runs.get(pid) if same else None,
        stopped=_stopped(first, pid) and _stopped(last, pid),
        throttled=max(0, last.throttled - first.throttled),
    )


def _moved(before: Mapping[K, int], after: Mapping[K, int], key: K) -> int | None:
    """Growth of a counter; None where it is not told at both ends, or was reset."""
    if key not in before or key not in after or after[key] < before[key]:
        return None
    return after[key] - before[key]


def _stopped(look: Look, pid: int) -> bool:
    return look.frozen or look.stats.get(pid, ("", ["S"]))[1][0] in ("T", "t")


def _steal(before: Sequence[int], after: Sequence[int]) -> float:
    if len(before) < 8 or len(after) < 8:  # noqa: PLR2004 - user … steal
        return 0.0
    total = sum(after[:8]) - sum(before[:8])
    return round(max(0, after[7] - before[7]) / total, 3) if total > 0 else 0.0


def _networks(here: Addresses, router: Router) -> list[str]:
    """The networks of the interface by its own addresses, the router's left out."""
    places = (here.network_of.get((router.interface, address), ()) for address in dict.fromkeys(router.addresses))
    virtual = Counter(network for networks in places for network in networks)
    there = here.networks.get(router.interface, Counter())
    return sorted(network for network, many in there.items() if many > virtual[network])


PROBE = Probe(
    name="keepalived",
    question="Which virtual routers does keepalived run here, and does it get to run in time?",
    script=SCRIPT,
    parse=parse,
    facts=KeepalivedFacts,
    scope=Scope.NETNS,
    sampling=Sampling.COUNTER,
    root=True,
    cost=Cost.MODERATE,
    timeout=10.0,
    max_bytes=524_288,
    after=("netns",),
    gather=GATHER,
)
