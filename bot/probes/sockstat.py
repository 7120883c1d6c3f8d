"""How many sockets are there, how much memory do they hold, and who holds it?

Two scopes stand in one kernel file: `used`, `inuse` and `tw` are the namespace's; `alloc`, `orphan` and `mem` are
the whole kernel's and read the same from any namespace. The limits on them exist in the kernel's first namespace only:
a host that is a container itself has no such limits to watch, and `limits` is then null.

Who holds the memory is asked (`ss -m`, in the namespaces that have TCP sockets) only when TCP comes near its limit.
"""

import re
from collections.abc import Mapping, Sequence

from bot.core.probe import Facts, ParseError, Probe, Reading, Sampling, Scope, Seen
from bot.probes._socket_holders import MemoryHolder, holders
from bot.probes._socket_limits import Limits, limits
from bot.probes._sockstat_script import GATHER, SCRIPT
from bot.probes._text import by_process, insist, names, number, split_netns

_UNDERFLOW = 1 << 31
_PER_NAMESPACE = (4, 16)
"""The kernel from which on `used` is the namespace's own."""


class Sockstat(Facts):
    """The sockets of one namespace (/proc/PID/net/sockstat, sockstat6 and protocols)."""

    used: int | None
    """Sockets of every family; None where the kernel's count has underflowed (4.16 to 5.15) or is not the namespace's
    own (before 4.16). One that was closed still counts while packets of it wait in a transmit queue."""
    used_grown: int
    """How much `used` rose within the window; negative when it fell."""
    listed: int | None
    """Sockets that are in the kernel's tables, of every protocol; None where the kernel does not count them."""
    adrift: int | None
    """`used` less `listed`: sockets in no table. They are detached ones that a process still holds, or closed ones
    that the kernel cannot free."""
    adrift_before: int | None
    """The same at the beginning of the window."""
    counted: bool
    """Whether this kernel counts `used` for each namespace (4.16 and later)."""
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

    seconds: float
    """The window: host seconds between the two readings."""
    namespaces: dict[str, Sockstat]
    """By namespace id."""
    tcp_alloc: int
    """TCP sockets allocated in the whole kernel, those in no table among them."""
    tcp_alloc_grown: int
    """How much that rose within the window."""
    tcp_orphan: int
    """TCP sockets that no process holds any more, in the whole kernel."""
    tcp_mem_pages: int
    """Pages that TCP's buffers hold, in the whole kernel: to be held against `limits.tcp_max`."""
    tcp_mem_grown: int
    """How much that rose within the window."""
    udp_mem_pages: int
    """Pages that UDP's buffers hold, in the whole kernel."""
    tcp_inuse_all: int
    """`tcp_inuse` + `tcp6_inuse` over all namespaces: what `tcp_alloc` may be compared with."""
    limits: Limits | None
    """The kernel's limits; None on a host that is a container: there they are its machine's to watch."""
    holders: list[MemoryHolder]
    """Who holds TCP's memory, the most first; looked for only near the limit."""
    holders_known: bool
    """Whether `holders` were looked for and found."""


def parse(readings: Sequence[Reading], seen: Seen) -> SockstatFacts:
    """Read both files of every namespace. Raises ParseError when a number that must be there is not."""
    insist(seen, "netns")
    first, last = readings[0], readings[-1]
    seconds = last.uptime - first.uptime
    if seconds <= 0:
        raise ParseError(f"{seconds:.2f} seconds between two readings")
    before, whole = _counts(first.text.partition("\n\n")[2], first.text)
    counts, held_gap, held = last.text.partition("\n\n")[2].partition("\n\n")
    after, _ = _counts(counts, last.text)
    own = _release(whole) >= _PER_NAMESPACE
    shared, then = _shared(after), _shared(before)
    namespaces = {inode: _namespace(groups, before.get(inode), own=own) for inode, groups in after.items()}
    return SockstatFacts(
        seconds=round(seconds, 2),
        namespaces=namespaces,
        tcp_alloc=shared["TCP"]["alloc"],
        tcp_alloc_grown=shared["TCP"]["alloc"] - then["TCP"]["alloc"],
        tcp_orphan=shared["TCP"]["orphan"],
        tcp_mem_pages=shared["TCP"]["mem"],
        tcp_mem_grown=shared["TCP"]["mem"] - then["TCP"]["mem"],
        udp_mem_pages=shared["UDP"]["mem"],
        tcp_inuse_all=sum(space.tcp_inuse + space.tcp6_inuse for space in namespaces.values()),
        limits=limits(whole),
        holders=holders(held.splitlines(), seen) if held_gap else [],
        holders_known=bool(held_gap),
    )


Groups = dict[str, dict[str, int]]


def _counts(body: str, text: str) -> tuple[dict[str, Groups], dict[str, str]]:
    """The rows of every namespace by their heads, and what was read of the whole machine by its path."""
    pids = split_netns(text)[0]
    rows: dict[str, Groups] = {}
    whole: dict[str, str] = {}
    for line in body.splitlines():
        if line.startswith(("/proc/sys/", "/proc/meminfo:")):
            path, _, value = line.partition(":")
            key, _, rest = value.partition(":")
            whole[key if rest else path.rpartition("/")[2]] = (rest or value).strip()
            continue
        if line.startswith(("page ", "kernel ")):
            name, _, rest = line.partition(" ")
            whole[name] = rest
            continue
        for pid, _, counted in by_process([line]):
            if pid not in pids:
                raise ParseError(f"process {pid} was not asked")
            group, values = row(counted)
            rows.setdefault(pids[pid], {}).setdefault(group, {}).update(values)
    if not rows:
        raise ParseError("no socket counts")
    for groups in rows.values():
        names(groups, "sockets", "TCP", "UDP")
        names(groups["TCP"], "inuse", "tw", "alloc", "orphan", "mem")
        names(groups["UDP"], "inuse", "mem")
        names(groups["sockets"], "used")
    return rows, whole


def row(line: str) -> tuple[str, dict[str, int]]:
    """`TCP: inuse 3 orphan 0` as ("TCP", {"inuse": 3, "orphan": 0}). Raises ParseError."""
    group, colon, rest = line.partition(":")
    words = rest.split()
    if not colon or not words or len(words) % 2:
        raise ParseError(f"expected NAME: and pairs, got {line[:60]!r}")
    return group, {name: number(value) for name, value in zip(words[::2], words[1::2], strict=True)}


def _shared(rows: Mapping[str, Groups]) -> Groups:
    return next(iter(rows.values()))


def _release(whole: Mapping[str, str]) -> tuple[int, int]:
    found = re.match(r"(\d{1,4})\.(\d{1,4})", whole.get("kernel", ""))
    if found is None:
        raise ParseError(f"expected the kernel's release, got {whole.get('kernel', '')[:40]!r}")
    return int(found[1]), int(found[2])


def _namespace(groups: Groups, before: Groups | None, *, own: bool) -> Sockstat:
    tcp, sockets = groups["TCP"], groups["sockets"]
    listed = sockets.get("listed")
    used, was = (_used(each, own=own) for each in (groups, before or groups))
    then = (before or groups)["sockets"].get("listed")
    return Sockstat(
        used=used,
        used_grown=0 if used is None or was is None else used - was,
        listed=listed,
        adrift=None if used is None or listed is None else used - listed,
        adrift_before=None if was is None or then is None else was - then,
        counted=own,
        tcp_inuse=tcp["inuse"],
        tcp_tw=tcp["tw"],
        # the file is there whenever the kernel has IPv6: without it there are no such sockets
        tcp6_inuse=groups.get("TCP6", {}).get("inuse", 0),
        udp_inuse=groups["UDP"]["inuse"],
        udp6_inuse=groups.get("UDP6", {}).get("inuse", 0),
    )


def _used(groups: Groups, *, own: bool) -> int | None:
    count = groups["sockets"]["used"]
    return count if own and 0 <= count < _UNDERFLOW else None


PROBE = Probe(
    name="sockstat",
    question="How many sockets are there, how much memory do they hold, and who holds it?",
    script=SCRIPT,
    parse=parse,
    facts=SockstatFacts,
    scope=Scope.NETNS,
    sampling=Sampling.COUNTER,
    root=True,
    timeout=20.0,
    max_bytes=1_048_576,
    after=("units", "netns"),
    gather=GATHER,
)
