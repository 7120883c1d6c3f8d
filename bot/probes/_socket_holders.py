"""Which processes hold the memory of TCP's buffers? What `ss -m` told, joined with who they are."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bot.core.probe import Facts, ParseError, Seen
from bot.core.text import neutral
from bot.probes._cgroup import membership
from bot.probes._text import by_process, joined, number, start_time, stat_fields
from bot.probes.netns import Namespace, NetnsFacts
from bot.probes.units import UnitsFacts


class MemoryHolder(Facts):
    """The memory of TCP's buffers that the sockets of one process hold, from `ss -m`."""

    pid: int
    """The process; 0: none has these sockets open (closing ones, or connections that wait to be accepted)."""
    process: str
    """Its name."""
    start_time: int
    """Field 22 of /proc/PID/stat; 0 without a process."""
    netns: str
    """The namespace of the sockets."""
    netns_label: str
    """What people call that namespace."""
    container: str
    """Its container; empty: none."""
    pod: str
    """Its pod; empty: none."""
    unit: str
    """Its service unit; empty: none."""
    sockets: int
    """TCP sockets."""
    bytes: int
    """What they hold: received and not read, written and not acknowledged, and reserved."""
    unread: int
    """Bytes of it received, which the process has not read (skmem r)."""
    unsent: int
    """Bytes of it written, which the peer has not acknowledged (skmem w)."""
    close_wait: int
    """How many of the sockets are in CLOSE_WAIT."""


@dataclass(frozen=True, slots=True)
class _Processes:
    """What was read of the processes that hold something: by pid, the command and fields of stat, and its cgroups."""

    stats: Mapping[int, tuple[str, list[str]]]
    groups: Mapping[int, list[str]]


def holders(lines: Sequence[str], seen: Seen) -> list[MemoryHolder]:
    """Who holds the memory, the most first. Raises ParseError for what the script does not print."""
    spaces, units = joined(seen, "netns"), joined(seen, "units")
    namespaces = spaces.namespaces if isinstance(spaces, NetnsFacts) else {}
    services = units.of_pid if isinstance(units, UnitsFacts) else {}
    told, processes = _sorted(lines)
    found = [_holder(words, processes, namespaces.get(words[0]) if words else None, services) for words in told]
    return sorted(found, key=lambda holder: -holder.bytes)


def _sorted(lines: Sequence[str]) -> tuple[list[list[str]], _Processes]:
    """The words of every `holds` line, and what the lines after them say of those processes."""
    stats: dict[int, tuple[str, list[str]]] = {}
    groups: dict[int, list[str]] = {}
    told: list[list[str]] = []
    for line in lines:
        words = line.split()
        if words[:1] == ["holds"]:
            told.append(words[1:])
            continue
        for pid, file, text in by_process([line] if line else []):
            if file == "stat":
                _, command, fields = stat_fields(text)
                stats[pid] = command, fields
            else:
                groups.setdefault(pid, []).append(text)
    return told, _Processes(stats, groups)


def _holder(
    words: Sequence[str], processes: _Processes, space: Namespace | None, services: Mapping[str, str]
) -> MemoryHolder:
    if len(words) != 7:  # noqa: PLR2004 - what the script prints
        raise ParseError(f"expected a holder and five numbers, got {' '.join(words)[:60]!r}")
    pid, sockets, held, unread, unsent, waiting = map(number, words[1:])
    member = membership(processes.groups.get(pid, ()))
    command, fields = processes.stats.get(pid, ("", []))
    inside = space if space is not None and not space.host else None
    return MemoryHolder(
        pid=pid if pid in processes.stats else 0,
        process=neutral(command, 64),
        start_time=start_time(fields) if fields else 0,
        netns=neutral(words[0], 20),
        netns_label=space.label if space is not None else f"net:[{neutral(words[0], 20)}]",
        container=(inside.container if inside is not None else "") or member.container[:12],
        pod=(inside.pod if inside is not None else "") or member.pod,
        unit="" if member.container or member.pod else neutral(services.get(str(pid), "") or member.unit, 128),
        sockets=sockets,
        bytes=held,
        unread=unread,
        unsent=unsent,
        close_wait=waiting,
    )
