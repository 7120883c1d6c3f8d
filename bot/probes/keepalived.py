"""Which virtual routers does keepalived run here, which addresses are on this host, and does it get to run in time?

Adverts are counted without a packet socket: IPv4 multicast that the namespace sent and received (IpExt), and how
often keepalived was on a processor. What it sent or heard of adverts cannot be more than that.
"""

import ipaddress
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from bot.core.probe import Cost, Facts, NoEvidence, ParseError, Probe, Reading, Sampling, Scope, Seen
from bot.core.text import neutral
from bot.probes._cgroup import membership
from bot.probes._keepalived import Router, routers
from bot.probes._keepalived_script import GATHER, SCRIPT
from bot.probes._text import by_process, insist, joined, number, start_time, stat_fields
from bot.probes.netns import NetnsFacts

K = TypeVar("K", int, str)


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


@dataclass(slots=True)
class _Addresses:
    """The addresses of a namespace, looked through once for however many routers."""

    bare: set[str] = field(default_factory=set)
    """Without their length."""
    networks: dict[str, Counter[str]] = field(default_factory=dict)
    """By interface, how many addresses it has in each network."""
    network_of: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    """By interface and bare address."""

    @staticmethod
    def of(rows: Iterable[tuple[str, str]]) -> "_Addresses":
        found = _Addresses()
        for interface, address in rows:
            bare = address.partition("/")[0]
            found.bare.add(bare)
            there = found.networks.setdefault(interface, Counter())
            if (network := _network(address)) and (network in there or len(there) < _MOST_NETWORKS):
                there[network] += 1
                found.network_of.setdefault((interface, bare), []).append(network)
        return found


_NOWHERE = _Addresses()
_MOST_NETWORKS = 64


@dataclass(slots=True)
class _Look:
    """One reading, taken apart."""

    stats: dict[int, tuple[str, list[str]]] = field(default_factory=dict)
    runs: dict[int, int] = field(default_factory=dict)
    waits: dict[int, int] = field(default_factory=dict)
    switches: dict[int, int] = field(default_factory=dict)
    groups: dict[int, list[str]] = field(default_factory=dict)
    spaces: dict[int, str] = field(default_factory=dict)
    holders: dict[str, int] = field(default_factory=dict)
    drops: dict[int, int] = field(default_factory=dict)
    """Of each process's VRRP sockets."""
    raw: dict[str, int] = field(default_factory=dict)
    """Drops by the inode of a VRRP socket."""
    multicast: dict[int, dict[str, int]] = field(default_factory=dict)
    groups_joined: dict[int, set[str]] = field(default_factory=dict)
    """Interfaces that joined the group of VRRP, by process."""
    addresses: dict[str, "_Addresses"] = field(default_factory=dict)
    """By namespace."""
    cpu: list[int] = field(default_factory=list)
    pressure: int = 0
    throttled: int = 0
    frozen: bool = False
    files: dict[int, dict[str, str]] = field(default_factory=dict)
    main: dict[int, str] = field(default_factory=dict)


def parse(readings: Sequence[Reading], seen: Seen) -> KeepalivedFacts:
    """Join the processes with their configuration and what moved. Raises ParseError."""
    seconds = readings[-1].uptime - readings[0].uptime
    if readings[0].text.strip() == "absent":
        return KeepalivedFacts(running=False, seconds=max(seconds, 0.0), steal=0, cpu_pressure=0, instances=[])
    insist(seen, "netns")
    if seconds <= 0:
        raise ParseError(f"{seconds:.2f} seconds between two readings")
    first, last = _look(readings[0].text), _look(readings[-1].text)
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


def _vrrp_process(daemon: int, look: _Look, parents: Mapping[int, int]) -> int:
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


def _instance(router: Router, pid: int, first: _Look, last: _Look, seen: Seen) -> VrrpInstance:
    netns = first.spaces.get(pid, "") if pid else next(iter(first.addresses), "")
    spaces = joined(seen, "netns")
    known = spaces.namespaces if isinstance(spaces, NetnsFacts) else {}
    member = membership(first.groups.get(pid, ()))
    here = first.addresses.get(netns, _NOWHERE)
    begun, ended = here.bare, last.addresses.get(netns, _NOWHERE).bare
    version = ipaddress.ip_address(router.addresses[0]).version if router.addresses else 4
    same = first.stats.get(pid, ("", []))[1][19:20] == last.stats.get(pid, ("", []))[1][19:20]
    runs = _moved(first.runs, last.runs, pid) if same else None
    before, after = first.multicast.get(pid, {}), last.multicast.get(pid, {})
    return VrrpInstance(
        name=neutral(router.name, 64),
        netns=netns,
        netns_label=known[netns].label if netns in known else f"net:[{netns}]",
        pid=pid,
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
        stopped=_stopped(first, pid) and _stopped(last, pid),
        throttled=max(0, last.throttled - first.throttled),
    )


def _moved(before: Mapping[K, int], after: Mapping[K, int], key: K) -> int | None:
    """Growth of a counter; None where it is not told at both ends, or was reset."""
    if key not in before or key not in after or after[key] < before[key]:
        return None
    return after[key] - before[key]


def _stopped(look: _Look, pid: int) -> bool:
    return look.frozen or look.stats.get(pid, ("", ["S"]))[1][0] in ("T", "t")


def _steal(before: Sequence[int], after: Sequence[int]) -> float:
    if len(before) < 8 or len(after) < 8:  # noqa: PLR2004 - user … steal
        return 0.0
    total = sum(after[:8]) - sum(before[:8])
    return round(max(0, after[7] - before[7]) / total, 3) if total > 0 else 0.0


def _network(address: str) -> str:
    """Its network; empty for link-local ones, which are everywhere, and for those of one address: they tell nothing."""
    network = ipaddress.ip_interface(address).network
    return "" if network.is_link_local or network.prefixlen == network.max_prefixlen else str(network)


def _networks(here: _Addresses, router: Router) -> list[str]:
    """The networks of the interface by its own addresses, the router's left out."""
    places = (here.network_of.get((router.interface, address), ()) for address in dict.fromkeys(router.addresses))
    virtual = Counter(network for networks in places for network in networks)
    there = here.networks.get(router.interface, Counter())
    return sorted(network for network, many in there.items() if many > virtual[network])


# --- one reading ------------------------------------------------------------------------------------------------------

_HEAD = re.compile(r"-- (process|net|host|links|addresses|file)(?: (\d{1,20}|self))?(?: (/.{1,300}))?")


def _look(text: str) -> _Look:
    look = _Look()
    part, at = "", ("", "")
    lines: list[str] = []
    for line in [*text.splitlines(), "-- host"]:
        if not line.startswith("-- "):
            lines.append(line)
            continue
        _part(look, part, at, lines)
        head = _HEAD.fullmatch(line)
        if head is None:
            raise ParseError(f"expected a part of the answer, got {line[:60]!r}")
        part, at, lines = head[1], (head[2] or "", head[3] or ""), []
    if not part or not look.cpu:
        raise ParseError(f"expected processes and the host's time, got {text[:60]!r}")
    for inode, drops in look.raw.items():
        if holder := look.holders.get(inode):
            look.drops[holder] = look.drops.get(holder, 0) + drops
    return look


def _part(look: _Look, part: str, at: tuple[str, str], lines: Sequence[str]) -> None:
    match part:
        case "process":
            _processes(look, lines)
        case "net":
            _net(look, lines)
        case "host":
            _host(look, lines)
        case "links":
            _links(look, lines)
        case "addresses":
            look.addresses[at[0]] = _Addresses.of(row for line in lines if (row := address(line)))
        case "file":
            pid = number(at[0])
            look.main.setdefault(pid, at[1])
            look.files.setdefault(pid, {})[at[1]] = "\n".join(lines)
        case _ if any(line.strip() for line in lines):
            raise ParseError(f"expected a part of the answer, got {lines[0][:60]!r}")


def _processes(look: _Look, lines: Sequence[str]) -> None:
    for pid, file, text in by_process(line for line in lines if line):
        match file:
            case "stat":
                _, command, fields = stat_fields(text)
                start_time(fields)
                look.stats[pid] = command, fields
            case "schedstat":
                words = text.split()
                if len(words) == 3:  # noqa: PLR2004 - time, run delay, slices
                    look.waits[pid], look.runs[pid] = number(words[1]), number(words[2])
            case "status" if text.startswith(("voluntary", "nonvoluntary")):
                look.switches[pid] = look.switches.get(pid, 0) + number(text.split()[-1])
            case "cgroup":
                look.groups.setdefault(pid, []).append(text)


def _net(look: _Look, lines: Sequence[str]) -> None:
    headers: dict[int, list[str]] = {}
    interface: dict[tuple[int, str], str] = {}
    for pid, file, text in by_process(line for line in lines if line):
        words = text.split()
        match file:
            case "net/netstat" if pid not in headers:
                headers[pid] = words
            case "net/netstat" if len(words) == len(headers[pid]):
                values = zip(headers[pid][1:], words[1:], strict=True)
                look.multicast[pid] = {name: number(value) for name, value in values if "McastPkts" in name}
            case "net/raw" | "net/raw6" if len(words) > 12:  # noqa: PLR2004 - sl … inode ref pointer drops
                look.raw[words[9]] = number(words[12])
            case "net/igmp" if text[:1].isdigit() and len(words) > 1:
                interface[pid, file] = words[1]
            case "net/igmp" if words and words[0] == "120000E0" and (pid, file) in interface:
                look.groups_joined.setdefault(pid, set()).add(interface[pid, file])


def _host(look: _Look, lines: Sequence[str]) -> None:
    for line in lines:
        words = line.split()
        match words:
            case ["cpu", *times]:
                look.cpu = [number(word) for word in times]
            case ["some", *_, total] if total.startswith("total="):
                look.pressure = number(total.removeprefix("total="))
            case ["nr_throttled", count]:
                look.throttled += number(count)
            case ["frozen", "1"] | ["FROZEN"]:
                look.frozen = True


def _links(look: _Look, lines: Sequence[str]) -> None:
    for line in lines:
        match line.split():
            case ["holds", pid, inode]:
                look.holders.setdefault(inode, number(pid))
            case [pid, inode]:
                look.spaces[number(pid)] = str(number(inode))


_ADDRESS = re.compile(r"\d{1,9}:\s+(\S{1,40})\s+inet6?\s+(\S{1,60})\s.*")


def address(line: str) -> tuple[str, str] | None:
    """A row of `ip -o addr` as interface and address with its length; None for other rows. Raises ParseError."""
    found = _ADDRESS.fullmatch(line)
    if found is None:
        return None
    try:
        return found[1].partition("@")[0], str(ipaddress.ip_interface(found[2]))
    except ValueError:
        raise ParseError(f"expected an address, got {found[2][:60]!r}") from None


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
