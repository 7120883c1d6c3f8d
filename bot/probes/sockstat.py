"""How many sockets are there, and how much memory do they hold?

Two scopes stand in one kernel file: `used`, `inuse` and `tw` are the namespace's; `alloc`, `orphan` and `mem` are
the whole kernel's and read the same from any namespace.
"""

from collections.abc import Mapping, Sequence

from bot.core.probe import Facts, ParseError, Probe, Reading, Scope, Seen
from bot.probes._text import SHOW_NETNS, by_process, insist, names, namespace_files, need, number, split_netns

_UNDERFLOW = 1 << 31


class Sockstat(Facts):
    """The sockets of one namespace (/proc/PID/net/sockstat and sockstat6)."""

    used: int | None
    """Sockets of every family; None where the kernel's count has underflowed (4.16 to 5.15)."""
    tcp_inuse: int
    """Hashed IPv4 TCP sockets that are not TIME_WAIT: listening and CLOSE_WAIT ones are among them."""
    tcp_tw: int
    """TIME_WAIT sockets, IPv4 and IPv6."""
    tcp6_inuse: int
    """As `tcp_inuse`, for IPv6; 0 where the host has no IPv6."""
    udp_inuse: int
    """Bound IPv4 UDP sockets."""
    udp6_inuse: int
    """Bound IPv6 UDP sockets."""


class SockstatFacts(Facts):
    """Sockets per namespace, and what the kernel counts over all of them."""

    namespaces: dict[str, Sockstat]
    """By namespace id."""
    tcp_alloc: int
    """TCP sockets allocated in the whole kernel, those in no table among them."""
    tcp_orphan: int
    """TCP sockets that no process holds any more, in the whole kernel."""
    tcp_mem_pages: int
    """Pages that TCP's buffers hold, in the whole kernel: to be held against `net.ipv4.tcp_mem`."""
    udp_mem_pages: int
    """Pages that UDP's buffers hold, in the whole kernel."""
    tcp_inuse_all: int
    """`tcp_inuse` + `tcp6_inuse` over all namespaces: what `tcp_alloc` may be compared with."""


SCRIPT = (
    need("grep")
    + SHOW_NETNS
    + namespace_files("sockstat", "sockstat6")
    + "grep -sHE '^(sockets|TCP6?|UDP6?): ' $files /dev/null\n:\n"
)


def parse(readings: Sequence[Reading], seen: Seen) -> SockstatFacts:
    """Read both files of every namespace. Raises ParseError when a number that must be there is not."""
    insist(seen, "netns")
    pids, body = split_netns(readings[-1].text)
    rows: dict[str, dict[str, dict[str, int]]] = {}
    for pid, _, line in by_process(body.splitlines()):
        if pid not in pids:
            raise ParseError(f"process {pid} was not asked")
        group, values = row(line)
        rows.setdefault(pids[pid], {})[group] = values
    if not rows:
        raise ParseError("no socket counts")
    for groups in rows.values():
        names(groups, "sockets", "TCP", "UDP")
    namespaces = {inode: _namespace(groups) for inode, groups in rows.items()}
    shared = next(iter(rows.values()))
    names(shared["TCP"], "alloc", "orphan", "mem")
    names(shared["UDP"], "mem")
    return SockstatFacts(
        namespaces=namespaces,
        tcp_alloc=shared["TCP"]["alloc"],
        tcp_orphan=shared["TCP"]["orphan"],
        tcp_mem_pages=shared["TCP"]["mem"],
        udp_mem_pages=shared["UDP"]["mem"],
        tcp_inuse_all=sum(space.tcp_inuse + space.tcp6_inuse for space in namespaces.values()),
    )


def row(line: str) -> tuple[str, dict[str, int]]:
    """`TCP: inuse 3 orphan 0` as ("TCP", {"inuse": 3, "orphan": 0}). Raises ParseError."""
    group, colon, rest = line.partition(":")
    words = rest.split()
    if not colon or not words or len(words) % 2:
        raise ParseError(f"expected NAME: and pairs, got {line[:60]!r}")
    return group, {name: number(value) for name, value in zip(words[::2], words[1::2], strict=True)}


def _namespace(groups: Mapping[str, Mapping[str, int]]) -> Sockstat:
    tcp, sockets = groups["TCP"], groups["sockets"]
    names(tcp, "inuse", "tw")
    names(sockets, "used")
    names(groups["UDP"], "inuse")
    used = sockets["used"]
    return Sockstat(
        used=used if 0 <= used < _UNDERFLOW else None,
        tcp_inuse=tcp["inuse"],
        tcp_tw=tcp["tw"],
        # the file is there whenever the kernel has IPv6: without it there are no such sockets
        tcp6_inuse=groups.get("TCP6", {}).get("inuse", 0),
        udp_inuse=groups["UDP"]["inuse"],
        udp6_inuse=groups.get("UDP6", {}).get("inuse", 0),
    )


PROBE = Probe(
    name="sockstat",
    question="How many sockets are there, and how much memory do they hold?",
    script=SCRIPT,
    parse=parse,
    facts=SockstatFacts,
    scope=Scope.NETNS,
    root=True,
    after=("netns",),
)
