"""What does one visit tell of every network namespace and pod of a node? Probes' facts, joined by namespace."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median_low
from typing import TypeVar

from bot.core.host import Host, HostFailure
from bot.core.pods import Holder, HostPods, Number, Row, hurts, ordered
from bot.core.probe import Facts, Unknown
from bot.core.report import Coverage
from bot.core.snapshot import Snapshot, Visit
from bot.core.text import neutral
from bot.probes.listen_queues import Listener, ListenFacts
from bot.probes.netns import Namespace, NetnsFacts
from bot.probes.socket_fds import ProcessSockets, SocketFdsFacts
from bot.probes.sockstat import SockstatFacts
from bot.probes.tcp_ext import TcpExtFacts

PROBES = ("netns", "sockstat", "socket_fds", "listen_queues", "tcp_ext")
"""What a visit for the table asks; probes that these are joined with are asked too."""
HOLDERS = 5
CONFIRMING = 2
"""Looks of a visit in which a listener must be seen."""

SHARED = "it is in the host's network namespace: the kernel counts them together"
CAME_OR_WENT = "the namespace came or went during the visit"
UNDERFLOWN = "the kernel's count has underflowed (Linux 4.16 to 5.15)"
NOT_WALKED = "its processes hold few descriptors and were not looked through"

_RATES: Mapping[str, str] = {
    "overflows": "ListenOverflows",
    "drops": "ListenDrops",
    "retransmits": "RetransSegs",
    "accepted": "PassiveOpens",
    "opened": "ActiveOpens",
}
"""Column and the kernel's counter."""

Cells = dict[str, "Number | Unknown"]
F = TypeVar("F", bound=Facts)


def table(host: Host, seen: Visit) -> HostPods:
    """The table of a visit. A host that could not be read is one without rows that says why."""
    if isinstance(seen, HostFailure):
        return HostPods(host=host.name, failure=seen)
    coverage = tuple(_coverage(name, seen.facts(name)) for name in PROBES)
    spaces = _known(seen, "netns", NetnsFacts)
    seconds = round(seen.seconds, 3)
    if isinstance(spaces, Unknown):
        unread = (f"no namespace can be told from another: {neutral(spaces.reason, 300)}",)
        return HostPods(host=host.name, unread=unread, coverage=coverage, seconds=seconds)
    sight = _Sight.of(seen, spaces)
    rows = [_space(sight, space) for space in spaces.namespaces.values()]
    rows += [_guest(sight, pod) for pod in sight.guests]
    return HostPods(
        host=host.name,
        rows=ordered(rows),
        unread=tuple(_unread(spaces)),
        coverage=coverage,
        looks=len(sight.looks),
        seconds=seconds,
    )


def _coverage(name: str, facts: Facts | Unknown) -> Coverage:
    reason = neutral(facts.reason, 300) if isinstance(facts, Unknown) else None
    return Coverage(probe=name, state="ok" if reason is None else "unknown", reason=reason)


def _known(seen: Snapshot, probe: str, kind: type[F]) -> F | Unknown:
    facts = seen.facts(probe)
    if isinstance(facts, Unknown):
        return Unknown(neutral(f"{probe}: {facts.reason}", 300))
    return facts if isinstance(facts, kind) else Unknown(f"{probe} answered {type(facts).__name__}")


@dataclass(frozen=True, slots=True)
class _Sight:
    """The facts by namespace; processes and listeners of pods on the host's network apart."""

    sockstat: SockstatFacts | Unknown
    rates: TcpExtFacts | Unknown
    sockets: SocketFdsFacts | Unknown
    looks: Sequence[ListenFacts]
    no_queues: str
    host: str
    held: Mapping[tuple[str, str], Sequence[ProcessSockets]] = field(default_factory=dict)

    @staticmethod
    def of(seen: Snapshot, spaces: NetnsFacts) -> "_Sight":
        sockets, queues = _known(seen, "socket_fds", SocketFdsFacts), _known(seen, "listen_queues", ListenFacts)
        outcome = seen.outcomes.get("listen_queues", ())
        looks = [] if isinstance(outcome, Unknown) else [facts for facts in outcome if isinstance(facts, ListenFacts)]
        host = next((space.id for space in spaces.namespaces.values() if space.host), "")
        held: dict[tuple[str, str], list[ProcessSockets]] = {}
        for process in () if isinstance(sockets, Unknown) else sockets.processes:
            guest = (process.pod or process.container) if process.netns == host else ""
            held.setdefault((process.netns, guest), []).append(process)
        return _Sight(
            sockstat=_known(seen, "sockstat", SockstatFacts),
            rates=_known(seen, "tcp_ext", TcpExtFacts),
            sockets=sockets,
            looks=looks,
            no_queues=queues.reason if isinstance(queues, Unknown) else "",
            host=host,
            held=held,
        )

    @property
    def guests(self) -> tuple[str, ...]:
        """Pods and containers in the host's own namespace, as far as they hold sockets."""
        return tuple(guest for netns, guest in self.held if netns == self.host and guest)

    @property
    def whole(self) -> bool:
        """Whether every socket descriptor of the host is among the processes that were told."""
        sockets = self.sockets
        if isinstance(sockets, Unknown):
            return False
        return not sockets.unwalked and sum(process.sockets for process in sockets.processes) >= sockets.total

    def listeners(self, netns: str, guest: str) -> list[list[Listener]]:
        """Each listener of a namespace in its looks; `guest` keeps to a pod on the host's network.

        What was seen in one look of several is momentary, and left out.
        """
        found: dict[object, list[Listener]] = {}
        for look in self.looks:
            for one in look.listeners:
                if one.netns == netns and (netns != self.host or (one.pod or one.container) == guest):
                    found.setdefault(one.inode or (one.local, one.pid), []).append(one)
        return [looks for looks in found.values() if len(looks) >= min(CONFIRMING, len(self.looks))]


def _space(sight: _Sight, space: Namespace) -> Row:
    values: Cells = {}
    values |= _counted(sight, space.id)
    values |= _rated(sight, space.id)
    held, least = _descriptors(sight, space.id, "")
    queued, fullest = _queued(sight, space.id, "")
    return _row(
        "namespace",
        {**values, **held, **queued},
        least,
        label=space.label,
        netns=space.id,
        pod=space.pod,
        container=space.container,
        unit=space.unit,
        process=space.process,
        pid=space.pid,
        processes=space.processes,
        fullest=fullest,
        holders=_holders(sight.held.get((space.id, ""), ())),
    )


def _guest(sight: _Sight, guest: str) -> Row:
    """A pod on the host's network: its descriptors and listeners are its own, the kernel's counts are not."""
    processes = sight.held[sight.host, guest]
    shared: Cells = {
        name: Unknown(SHARED) for name in ("sockets", "tcp", "time_wait", "udp", *_RATES, "retransmit_share")
    }
    held, least = _descriptors(sight, sight.host, guest)
    queued, fullest = _queued(sight, sight.host, guest)
    first = processes[0]
    return _row(
        "pod",
        {**shared, **held, **queued},
        least,
        label=f"{guest} (host network)",
        netns=sight.host,
        pod=first.pod,
        container=first.container,
        unit=first.unit,
        process=first.process,
        pid=first.pid,
        fullest=fullest,
        holders=_holders(processes),
    )


def _row(kind: str, cells: Cells, least: bool, **fields: object) -> Row:
    values = {name: None if isinstance(value, Unknown) else value for name, value in cells.items()}
    unknown = {name: value.reason for name, value in cells.items() if isinstance(value, Unknown)}
    bounds = ("descriptors", "close_wait", "detached") if least else ()
    at_least = tuple(name for name in bounds if values[name] is not None)
    row = {"kind": kind, "values": values, "unknown": unknown, "at_least": at_least, "hurts": hurts(values), **fields}
    return Row.model_validate(row)


def _counted(sight: _Sight, netns: str) -> Cells:
    columns = ("sockets", "tcp", "time_wait", "udp")
    if isinstance(sight.sockstat, Unknown):
        return dict.fromkeys(columns, sight.sockstat)
    here = sight.sockstat.namespaces.get(netns)
    if here is None:
        return dict.fromkeys(columns, Unknown(CAME_OR_WENT))
    used = Unknown(UNDERFLOWN) if here.used is None else here.used
    counts = (used, here.tcp_inuse + here.tcp6_inuse, here.tcp_tw, here.udp_inuse + here.udp6_inuse)
    return dict(zip(columns, counts, strict=True))


def _rated(sight: _Sight, netns: str) -> Cells:
    columns = (*_RATES, "retransmit_share")
    if isinstance(sight.rates, Unknown):
        return dict.fromkeys(columns, sight.rates)
    here = sight.rates.namespaces.get(netns)
    if here is None:
        return dict.fromkeys(columns, Unknown(CAME_OR_WENT))
    rates: Cells = {}
    for column, name in _RATES.items():
        missing = f"{name} went backwards: the counters were reset" if name in here.value else f"no counter {name}"
        rates[column] = here.rate.get(name, Unknown(missing))
    again, sent = here.delta.get("RetransSegs"), here.delta.get("OutSegs")
    # OutSegs leaves out what is sent again, so both together are what went out
    share: Number | Unknown = Unknown("RetransSegs or OutSegs was reset, or is not counted")
    if again is not None and sent is not None:
        share = round(again / (again + sent), 4) if again else 0.0
    return {**rates, "retransmit_share": share}


def _descriptors(sight: _Sight, netns: str, guest: str) -> tuple[Cells, bool]:
    """What the namespace's processes hold, and whether there may be more."""
    columns = ("descriptors", "close_wait", "detached", "fd_fill")
    if isinstance(sight.sockets, Unknown):
        return dict.fromkeys(columns, sight.sockets), False
    processes = sight.held.get((netns, guest), ())
    if not processes:
        return dict.fromkeys(columns, 0 if sight.whole else Unknown(NOT_WALKED)), False
    fills = [process.sockets / process.fd_limit for process in processes if process.fd_limit]
    none = Unknown("no limit of open files is known for its processes")
    return {
        "descriptors": sum(process.sockets for process in processes),
        "close_wait": sum(process.by_state.get("close_wait", 0) for process in processes),
        "detached": sum(process.detached for process in processes),
        "fd_fill": round(max(fills), 4) if fills else none,
    }, not sight.whole


def _queued(sight: _Sight, netns: str, guest: str) -> tuple[Cells, str]:
    """The accept queues, and the name of the fullest: of a queue's looks the median, so that most of them agree."""
    columns = ("listeners", "queue", "queue_limit", "full_queues")
    if sight.no_queues:
        return dict.fromkeys(columns, Unknown(sight.no_queues)), ""
    usual = [(looks[-1], median_low([look.recv_q for look in looks])) for looks in sight.listeners(netns, guest)]
    if not usual:
        return dict.fromkeys(columns, 0), ""
    fullest, waiting = max(usual, key=lambda pair: (pair[1] / max(1, pair[0].send_q), pair[1]))
    full = sum(queue > listener.send_q for listener, queue in usual)
    name = f"{fullest.process or 'a process'} on {fullest.local}" if waiting else ""
    return {"listeners": len(usual), "queue": waiting, "queue_limit": fullest.send_q, "full_queues": full}, name


def _holders(processes: Iterable[ProcessSockets]) -> tuple[Holder, ...]:
    largest = sorted(processes, key=lambda process: (-process.sockets, process.pid))[:HOLDERS]
    return tuple(
        Holder(
            process=process.process,
            pid=process.pid,
            container=process.container,
            sockets=process.sockets,
            close_wait=process.by_state.get("close_wait", 0),
            detached=process.detached,
            fd_limit=process.fd_limit,
        )
        for process in largest
    )


def _unread(spaces: NetnsFacts) -> Iterator[str]:
    if spaces.pinned:
        few = ", ".join(f"net:[{inode}]" for inode in spaces.pinned[:8])
        more = f" and {len(spaces.pinned) - 8} more" if len(spaces.pinned) > 8 else ""  # noqa: PLR2004 - a line's worth
        yield f"{len(spaces.pinned)} namespace(s) that no process is in are not read: {few}{more}"
