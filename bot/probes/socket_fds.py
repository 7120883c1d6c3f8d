"""Which processes hold sockets, and in which state?

A socket that was reset, or that never was connected, is in no table of the kernel: only a descriptor shows it.
Looking at a descriptor costs the host microseconds, and hosts have many: the sizes of the descriptor tables are read
first. Large tables are walked, for they may leak; so are those of session leaders, for daemons and the first
processes of containers are such, and own the listeners. The others are walked only while a listener has no owner.

A list of connections costs milliseconds for each namespace, however short it is: the kernel walks the hash table of the
whole machine. Only the namespaces of processes that hold many sockets are listed, the others while one of those
sockets was not found; what is listening the kernel tells without that walk.
"""

import re
from collections.abc import Mapping, Sequence

from bot.core.probe import Cost, Facts, ParseError, Probe, Reading, Seen
from bot.core.text import neutral
from bot.probes._cgroup import Membership, membership
from bot.probes._socket_fds_script import GATHER, SCRIPT
from bot.probes._text import by_process, insist, joined, number, start_time, stat_fields
from bot.probes.netns import Namespace, NetnsFacts
from bot.probes.units import UnitsFacts


class ProcessSockets(Facts):
    """One process and the sockets that it holds open."""

    pid: int
    """Process id, in the pid namespace of the visit."""
    process: str
    """Its name (comm)."""
    start_time: int
    """Field 22 of /proc/PID/stat: clock ticks since boot; pid and start time name a process for good."""
    age: float
    """Seconds since it began: how long it took to gather what it holds."""
    netns: str
    """Id of the process's own network namespace; its sockets may be of another."""
    netns_label: str
    """What people call that namespace."""
    container: str
    """Its container; empty: none."""
    pod: str
    """Its pod; empty: none."""
    unit: str
    """Its service unit; empty: none. A process in a container has one only if it is that unit's main process."""
    sockets: int
    """Socket descriptors that it holds."""
    by_state: dict[str, int]
    """TCP by state (established, close_wait, listen, …), others by family (udp, unix, netlink, packet, raw, icmp);
    "unread": too few in this process to be worth asking for (`LARGE` or less)."""
    detached: int
    """Descriptors whose socket is in no table of the kernel: reset, or never connected."""
    close_wait_port: int
    """Local port of most of its sockets in CLOSE_WAIT; 0: none, or not known."""
    descriptors: int
    """Descriptors of every kind, files and pipes too, where the kernel tells (6.2 and later); else `sockets`."""
    fd_limit: int
    """Soft limit of open files; 0: not known, or unlimited."""


class SocketFdsFacts(Facts):
    """Sockets by the processes that hold them."""

    processes: list[ProcessSockets]
    """Those that hold sockets, the largest first: about a hundred, and every owner of a listener."""
    total: int
    """Socket descriptors in all tables that were walked."""
    unwalked: int
    """Processes with at most `LARGE` descriptors that there was no reason to walk."""
    listeners: dict[str, int]
    """Inode of each listening socket that has an owner, and the lowest pid that holds it."""


_TICKS = 100  # USER_HZ: the unit of /proc, the same on every architecture that Linux still runs on but Alpha
_STATE = re.compile(r"([a-z][a-z0-9_]{0,30})=(\d{1,12})")
_TABLE = re.compile(r"d\S{9,11} +\d{1,6} +\d{1,10} +\d{1,10} +(\d{1,10}) .{0,40} /proc/(\d{1,10})/fd")
_LINK = re.compile(r".{0,120} /proc/(\d{1,10})/ns/net -> net:\[(\d{1,20})\]")


def parse(readings: Sequence[Reading], seen: Seen) -> SocketFdsFacts:
    """Join the holders with their processes' own files. Raises ParseError."""
    insist(seen, "netns")
    head, gap, rest = readings[-1].text.partition("\n\n")
    if not gap or not head.startswith("unwalked "):
        raise ParseError(f"expected unwalked and the holders, got {head[:60]!r}")
    total, unwalked, owners, held = _holders(head.splitlines())
    details, _, links = rest.partition("\n\n")
    of_pid = {int(link[1]): link[2] for line in links.splitlines() if (link := _LINK.fullmatch(line))}
    sizes = {int(table[2]): int(table[1]) for line in links.splitlines() if (table := _TABLE.fullmatch(line))}
    stats, limits, groups = _details(details.strip("\n").splitlines())
    spaces, units = joined(seen, "netns"), joined(seen, "units")
    namespaces = spaces.namespaces if isinstance(spaces, NetnsFacts) else {}
    services = units.of_pid if isinstance(units, UnitsFacts) else {}
    mains = {unit.main_pid for unit in units.units.values()} if isinstance(units, UnitsFacts) else set()
    processes = []
    for pid, states in held.items():
        if pid not in stats:
            continue  # it ended while we looked
        command, fields = stats[pid]
        detached, port = states.pop("detached", 0), states.pop("close_wait_port", 0)
        sockets = sum(states.values()) + detached
        netns = of_pid.get(pid, "")
        member = membership(groups.get(pid, ()))
        # a unit around containers is not the unit of what runs in them; one whose main process this is, is
        foreign = (member.container or member.pod) and pid not in mains
        unit = "" if foreign else services.get(str(pid), "") or member.unit
        processes.append(
            ProcessSockets(
                pid=pid,
                process=neutral(command, 64),
                start_time=start_time(fields),
                age=max(0.0, round(readings[-1].uptime - start_time(fields) / _TICKS, 1)),
                netns=netns,
                sockets=sockets,
                by_state=states,
                detached=detached,
                close_wait_port=port,
                descriptors=max(sizes.get(pid, 0), sockets),
                fd_limit=limits.get(pid, 0),
                **_names(netns, member, unit, namespaces),
            )
        )
    processes.sort(key=lambda p: (-p.sockets, p.pid))
    return SocketFdsFacts(processes=processes, total=total, unwalked=unwalked, listeners=owners)


def _holders(lines: Sequence[str]) -> tuple[int, int, dict[str, int], dict[int, dict[str, int]]]:
    total = unwalked = 0
    told = False
    owners: dict[str, int] = {}
    held: dict[int, dict[str, int]] = {}
    for line in lines:
        match line.split():
            case ["unwalked", n]:
                unwalked = number(n)
            case ["detached" | "lost", _]:
                pass
            case ["total", n]:
                total, told = total + number(n), True
            case ["owner", inode, pid]:
                owners[str(number(inode))] = number(pid)
            case ["holds", pid, *pairs]:
                found = [_STATE.fullmatch(pair) for pair in pairs]
                if not all(found):
                    raise ParseError(f"expected state=count, got {line[:60]!r}")
                held[number(pid)] = {pair[1]: int(pair[2]) for pair in found if pair}
            case _:
                raise ParseError(f"expected total, owner or holds, got {line[:60]!r}")
    if not told:
        raise ParseError("no total of sockets")
    return total, unwalked, owners, held


def _details(
    lines: Sequence[str],
) -> tuple[dict[int, tuple[str, list[str]]], dict[int, int], dict[int, list[str]]]:
    stats: dict[int, tuple[str, list[str]]] = {}
    limits: dict[int, int] = {}
    groups: dict[int, list[str]] = {}
    for pid, file, text in by_process(lines):
        if file == "stat":
            _, command, fields = stat_fields(text)
            stats[pid] = command, fields
        elif file == "limits":
            limits[pid] = open_files(text)
        else:
            groups.setdefault(pid, []).append(text)
    return stats, limits, groups


def open_files(line: str) -> int:
    """The soft limit in `Max open files  1024  4096  files`; 0: unlimited. Raises ParseError."""
    words = line.removeprefix("Max open files").split()
    if len(words) < 2 or not line.startswith("Max open files"):  # noqa: PLR2004 - soft and hard
        raise ParseError(f"expected Max open files, got {line[:60]!r}")
    return 0 if words[0] == "unlimited" else number(words[0])


def _names(netns: str, member: Membership, unit: str, namespaces: Mapping[str, Namespace]) -> dict[str, str]:
    space = namespaces.get(netns)
    inside = space is not None and not space.host
    return {
        "netns_label": space.label if space is not None else f"net:[{netns}]",
        "container": (space.container if space is not None and inside else "") or member.container[:12],
        "pod": (space.pod if space is not None and inside else "") or member.pod,
        "unit": neutral(unit, 128),
    }


PROBE = Probe(
    name="socket_fds",
    question="Which processes hold sockets, and in which state?",
    script=SCRIPT,
    parse=parse,
    facts=SocketFdsFacts,
    root=True,
    cost=Cost.HEAVY,
    timeout=20.0,
    max_bytes=1_048_576,
    after=("units", "netns"),
    gather=GATHER,
)
