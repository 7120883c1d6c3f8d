"""How are the network namespaces of a node, and with them its pods, as a table?

Pure values: one row per namespace, and one per pod that lives in the host's own. What was not seen is unknown with its
reason, never 0. The JSON (`PodsReport.document`) is the contract `netdiag.pods/1`: fields may be added, none changed.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from bot.core.host import HostFailure
from bot.core.report import Coverage, Severity

Number = int | float


@dataclass(frozen=True, slots=True)
class Column:
    """One number of a row: its name in the document and what it means."""

    name: str
    about: str


COLUMNS: tuple[Column, ...] = (
    Column("sockets", "sockets of every family in the namespace, as the kernel counts them"),
    Column("tcp", "TCP sockets that are not TIME_WAIT, IPv4 and IPv6, listening ones among them"),
    Column("time_wait", "TIME_WAIT sockets, IPv4 and IPv6"),
    Column("udp", "bound UDP sockets, IPv4 and IPv6"),
    Column("descriptors", "socket descriptors that its processes hold"),
    Column("close_wait", "those whose peer has closed and that the process has not"),
    Column("detached", "those whose socket is in no table any more: reset, or never connected"),
    Column("fd_fill", "the fullest process's sockets as a share of its limit of open files"),
    Column("listeners", "listening TCP sockets"),
    Column("queue", "connections waiting in the fullest accept queue (median of the visit's looks)"),
    Column("queue_limit", "the limit of that queue"),
    Column("full_queues", "listeners whose queue was full in most of the looks"),
    Column("overflows", "connections per second dropped at a full accept queue"),
    Column("drops", "SYNs and connections per second that listeners dropped, overflows among them"),
    Column("retransmits", "TCP segments per second sent again"),
    Column("retransmit_share", "segments sent again, as a share of those sent"),
    Column("accepted", "connections per second that came in"),
    Column("opened", "connections per second that were made from here"),
)


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class Holder(_Value):
    """A process and the socket descriptors that it holds."""

    process: str
    pid: int
    container: str
    sockets: int
    close_wait: int
    detached: int
    fd_limit: int
    """Soft limit of open files; 0: not known, or unlimited."""


class Hurt(_Value):
    """Something in a row that hurts, in a few words. It is no finding: `netdiag run` finds causes."""

    severity: Severity
    say: str


class Row(_Value):
    """One namespace, or one pod in the host's namespace (kind "pod": the kernel counts it with the host)."""

    kind: Literal["namespace", "pod"]
    label: str
    """The pod, container or unit; "host"; or net:[inode]."""
    netns: str
    """Inode of the network namespace, decimal."""
    pod: str = ""
    container: str = ""
    unit: str = ""
    process: str = ""
    """Name of the process with the lowest pid in it."""
    pid: int = 0
    processes: int | None = None
    """Processes in the namespace; null for a pod in the host's."""
    fullest: str = ""
    """The listener with the fullest accept queue: "nginx on 0.0.0.0:80"."""
    holders: tuple[Holder, ...] = ()
    """The processes that hold most sockets."""
    hurts: tuple[Hurt, ...] = ()
    values: Mapping[str, Number | None]
    """By column; null where it is unknown."""
    unknown: Mapping[str, str] = Field(default_factory=dict)
    """Why, for every column that is null."""
    at_least: tuple[str, ...] = ()
    """Columns whose number is a lower bound: processes with few descriptors were not looked through."""


class HostPods(_Value):
    """The table of one host, what hurts first."""

    host: str
    rows: tuple[Row, ...] = ()
    unread: tuple[str, ...] = ()
    """What the table does not show, and why: namespaces that could not be read, those that no process is in."""
    coverage: tuple[Coverage, ...] = ()
    failure: HostFailure | None = None
    looks: int = 0
    """How often the accept queues were looked at."""
    seconds: float = 0.0

    @property
    def known(self) -> bool:
        """Whether everything that was asked had its evidence."""
        return self.failure is None and all(part.state == "ok" for part in self.coverage)


class PodsReport(_Value):
    """The whole answer."""

    schema_: str = Field(default="netdiag.pods/1", serialization_alias="schema", validation_alias="schema")
    run: str
    started: str
    seconds: float
    asker: str = ""
    target: str = ""
    hosts: tuple[HostPods, ...]

    def document(self) -> str:
        """The contract document: one JSON object."""
        return self.model_dump_json(by_alias=True, indent=2)


def exit_status(report: PodsReport) -> int:
    """0 when everything was read, 3 when something is unknown or a host could not be reached."""
    return 0 if all(host.known for host in report.hosts) else 3


MANY = 100
"""Descriptors of one kind that are many: as the playbook `socket-fds` has it."""
NEARLY, ALMOST, CROWDED = 0.85, 0.95, 0.8
TINY_QUEUE = 16
"""Backlogs below this are tiny by design: one waiting client nearly fills them."""
LOSSY, LOSSY_RATE = 0.05, 1.0

Values = Mapping[str, Number | None]


def _at(values: Values, name: str) -> Number:
    return values.get(name) or 0


def _crowded(values: Values) -> bool:
    limit = _at(values, "queue_limit")
    return limit >= TINY_QUEUE and _at(values, "queue") >= CROWDED * limit


_HURTS: tuple[tuple[Severity, Callable[[Values], bool], str], ...] = (
    (
        Severity.CRITICAL,
        lambda v: _at(v, "full_queues") > 0 and _at(v, "overflows") > 0,
        "accept queue full, {overflows}/s dropped",
    ),
    (
        Severity.WARNING,
        lambda v: _at(v, "overflows") > 0 and not _at(v, "full_queues"),
        "{overflows}/s dropped at a full accept queue",
    ),
    (Severity.WARNING, lambda v: _at(v, "drops") > _at(v, "overflows"), "{drops}/s dropped by listeners"),
    (Severity.CRITICAL, lambda v: _at(v, "fd_fill") >= ALMOST, "descriptors at {fd_fill}"),
    (Severity.WARNING, lambda v: NEARLY <= _at(v, "fd_fill") < ALMOST, "descriptors at {fd_fill}"),
    (Severity.WARNING, lambda v: _at(v, "close_wait") > MANY, "{close_wait} in CLOSE_WAIT"),
    (Severity.WARNING, lambda v: _at(v, "detached") > MANY, "{detached} held though closed"),
    (Severity.WARNING, lambda v: _crowded(v) and not _at(v, "overflows"), "accept queue {queue}/{queue_limit}"),
    (
        Severity.WARNING,
        lambda v: _at(v, "retransmits") >= LOSSY_RATE and _at(v, "retransmit_share") >= LOSSY,
        "{retransmit_share} of segments sent again",
    ),
)
"""What hurts, when, and in which words."""
_SHARES = frozenset({"fd_fill", "retransmit_share"})
_RANK = {Severity.CRITICAL: 0, Severity.WARNING: 1, Severity.INFO: 2}


def spelled(name: str, value: Number) -> str:
    """A number as people write it: shares in percent, rates with a decimal where they are small."""
    if name in _SHARES:
        return f"{100 * value:.0f}%"
    if isinstance(value, int):
        return str(value)
    return f"{value:.1f}" if 0 < value < 10 else f"{value:.0f}"  # noqa: PLR2004 - where a decimal tells nothing


def hurts(values: Values) -> tuple[Hurt, ...]:
    """What of a row hurts, worst first; what is unknown says nothing here."""
    words = {name: spelled(name, value) for name, value in values.items() if value is not None}
    found = [Hurt(severity=severity, say=say.format(**words)) for severity, holds, say in _HURTS if holds(values)]
    return tuple(sorted(found, key=lambda hurt: _RANK[hurt.severity]))


def ordered(rows: Iterable[Row]) -> tuple[Row, ...]:
    """What hurts first: by severity, then by what is lost, stuck and full, then by size."""

    def key(row: Row) -> tuple[object, ...]:
        at = row.values
        worst = min((_RANK[hurt.severity] for hurt in row.hurts), default=len(_RANK))
        full = _at(at, "queue") / max(1, _at(at, "queue_limit")) if _crowded(at) else 0
        stuck = _at(at, "close_wait") + _at(at, "detached")
        size = max(_at(at, "sockets"), _at(at, "descriptors"))
        return (worst, -_at(at, "drops"), -stuck, -_at(at, "fd_fill"), -full, -size, row.label, row.netns)

    return tuple(sorted(rows, key=key))
