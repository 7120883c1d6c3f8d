"""Does every listening TCP socket accept what connects to it?

Entering a namespace and asking there costs milliseconds, and hosts have hundreds. So the first sample enters only
those where somebody waits: their counters tell where a queue can be as good as full (`MATTERS`), and the head of
/proc/PID/net/tcp how many wait at each listener of those (its limit it does not tell). The later samples enter where
somebody waited or where the namespace's listen counters moved; elsewhere the first reading stands. Where nobody waits
and nothing was ever dropped, only the last sample looks at the counters again. Which process holds a listener is asked
only where somebody waits, or where connections were ever dropped.
"""

import re
from collections.abc import Mapping, Sequence

from bot.core.probe import Cost, Facts, ParseError, Probe, Reading, Sampling, Scope, Seen
from bot.core.text import neutral
from bot.probes._listen_queues_script import GATHER, SCRIPT
from bot.probes._text import insist, joined, number
from bot.probes.netns import Namespace, NetnsFacts
from bot.probes.socket_fds import ProcessSockets, SocketFdsFacts


class Listener(Facts):
    """One listening TCP socket; sockets that share a port (SO_REUSEPORT) are one each."""

    netns: str
    """Id of its namespace."""
    netns_label: str
    """What people call that namespace: "host", a container, a pod."""
    local: str
    """Address and port: "0.0.0.0:80", "[::]:80"."""
    address: str
    """The address alone, without brackets; "*" is every address of both families."""
    port: int
    """TCP port."""
    recv_q: int
    """Connections that wait to be accepted. More than `send_q` means that the queue is full and drops."""
    send_q: int
    """The queue's limit: the smaller of the application's backlog and somaxconn when it called listen()."""
    inode: int
    """The socket's inode: the same socket as long as it stays the same. 0: not asked for, because nobody waits in this
    namespace and nothing was ever dropped."""
    drops: int | None
    """Packets that this very socket dropped so far (sk_drops of `ss -m`); None where `ss` does not tell."""
    pid: int
    """A process that holds it; 0: none was found."""
    process: str
    """That process's name; empty: none was found."""
    container: str
    """Its container; empty: none."""
    pod: str
    """Its pod; empty: none."""
    unit: str
    """Its service unit; empty: none."""


class ListenFacts(Facts):
    """The listening TCP sockets of the host, and of its containers where somebody waits, or connections are dropped."""

    listeners: list[Listener]
    """Ordered by namespace, port and address."""


_INODE = re.compile(r"(?:^|\s)ino:(\d{1,12})(?=\s|$)")
_DROPS = re.compile(r"skmem:\([^()]{0,200},d(\d{1,20})\)")


def parse(readings: Sequence[Reading], seen: Seen) -> ListenFacts:
    """The listeners as of the last reading: each namespace as it was last entered. Raises ParseError."""
    insist(seen, "netns")
    rows: dict[str, list[str]] = {}
    for reading in readings:
        rows.update(_by_namespace(reading.text.splitlines()))
    spaces = joined(seen, "netns")
    namespaces = spaces.namespaces if isinstance(spaces, NetnsFacts) else {}
    owners = joined(seen, "socket_fds")
    listeners = [
        _owned(listener(row, inode), namespaces.get(inode), owners if isinstance(owners, SocketFdsFacts) else None)
        for inode, found in rows.items()
        for row in whole_rows(found)
    ]
    return ListenFacts(listeners=sorted(listeners, key=lambda q: (q.netns_label != "host", q.netns, q.port, q.local)))


def _by_namespace(lines: Sequence[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    here: list[str] | None = None
    for line in lines:
        if entered := re.fullmatch(r"in (\d{1,20})", line):
            here = found.setdefault(entered[1], [])
        elif line.strip():
            if here is None:
                raise ParseError(f"expected a namespace, got {line[:60]!r}")
            here.append(line)
    return found


def whole_rows(lines: Sequence[str]) -> list[str]:
    """`ss` rows without the header; a row that an old `ss` went on with on the next line is one row again."""
    rows: list[str] = []
    for line in lines:
        if line.startswith(("State", "Netid", "Recv-Q")):
            continue
        if line[:1] in (" ", "\t") and rows:
            rows[-1] += line
        else:
            rows.append(line)
    return rows


def listener(row: str, netns: str = "") -> Listener:
    """One row of `ss -tnem state listening`, which may name the state, without its owner. Raises ParseError."""
    words = row.removeprefix("LISTEN").split(maxsplit=4)
    if len(words) < 4:  # noqa: PLR2004 - two queues, two addresses
        raise ParseError(f"expected a listening socket, got {row[:80]!r}")
    address, colon, port = words[2].rpartition(":")
    if not colon or not port.isdecimal():
        raise ParseError(f"expected address:port, got {words[2][:60]!r}")
    rest = words[4] if len(words) > 4 else ""  # noqa: PLR2004 - what follows the addresses
    inode = _INODE.search(rest)
    drops = _DROPS.findall(rest)
    return Listener(
        netns=netns,
        netns_label=f"net:[{netns}]",
        local=neutral(words[2], 80),
        address=neutral(address.strip("[]"), 60),
        port=number(port),
        recv_q=number(words[0]),
        send_q=number(words[1]),
        inode=int(inode[1]) if inode else 0,
        drops=int(drops[-1]) if drops else None,
        pid=0,
        process="",
        container="",
        pod="",
        unit="",
    )


def _owned(found: Listener, space: Namespace | None, sockets: SocketFdsFacts | None) -> Listener:
    """The listener with its namespace's label and its owner's names."""
    names: dict[str, object] = {}
    if space is not None:
        names = {"netns_label": space.label}
        if not space.host:
            names |= {"container": space.container, "pod": space.pod, "unit": space.unit}
    owner = _owner(found.inode, sockets)
    if owner is not None:
        names |= {"pid": owner.pid, "process": owner.process}
        names |= {key: value for key in ("container", "pod", "unit") if (value := getattr(owner, key))}
    return found.model_copy(update=names)


def _owner(inode: int, sockets: SocketFdsFacts | None) -> ProcessSockets | None:
    if sockets is None or not inode:
        return None
    pid = sockets.listeners.get(str(inode))
    by_pid: Mapping[int, ProcessSockets] = {process.pid: process for process in sockets.processes}
    return by_pid.get(pid) if pid is not None else None


PROBE = Probe(
    name="listen_queues",
    question="Does every listening TCP socket accept what connects to it?",
    script=SCRIPT,
    parse=parse,
    facts=ListenFacts,
    scope=Scope.NETNS,
    sampling=Sampling.MOMENTARY,
    root=True,
    cost=Cost.MODERATE,
    timeout=10.0,
    max_bytes=1_048_576,
    after=("units", "netns", "socket_fds"),
    gather=GATHER,
)
