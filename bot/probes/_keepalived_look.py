"""What does one reading of keepalived say? The `keepalived` probe's lines, taken apart. (`_`: no probe.)"""

import ipaddress
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from bot.core.probe import ParseError
from bot.probes._text import by_process, number, start_time, stat_fields


@dataclass(slots=True)
class Addresses:
    """The addresses of a namespace, looked through once for however many routers."""

    bare: set[str] = field(default_factory=set)
    """Without their length."""
    networks: dict[str, Counter[str]] = field(default_factory=dict)
    """By interface, how many addresses it has in each network."""
    network_of: dict[tuple[str, str], list[str]] = field(default_factory=dict)
    """By interface and bare address."""

    @staticmethod
    def of(rows: Iterable[tuple[str, str]]) -> "Addresses":
        found = Addresses()
        for interface, address in rows:
            bare = address.partition("/")[0]
            found.bare.add(bare)
            there = found.networks.setdefault(interface, Counter())
            if (network := _network(address)) and (network in there or len(there) < _MOST_NETWORKS):
                there[network] += 1
                found.network_of.setdefault((interface, bare), []).append(network)
        return found


_MOST_NETWORKS = 64


@dataclass(slots=True)
class Look:
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
    addresses: dict[str, Addresses] = field(default_factory=dict)
    """By namespace."""
    cpu: list[int] = field(default_factory=list)
    pressure: int = 0
    throttled: int = 0
    frozen: bool = False
    files: dict[int, dict[str, str]] = field(default_factory=dict)
    main: dict[int, str] = field(default_factory=dict)


_HEAD = re.compile(r"-- (process|net|host|links|addresses|file)(?: (\d{1,20}|self))?(?: (/.{1,300}))?")


def look_at(text: str) -> Look:
    look = Look()
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


def _part(look: Look, part: str, at: tuple[str, str], lines: Sequence[str]) -> None:
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
            look.addresses[at[0]] = Addresses.of(row for line in lines if (row := address(line)))
        case "file":
            pid = number(at[0])
            look.main.setdefault(pid, at[1])
            look.files.setdefault(pid, {})[at[1]] = "\n".join(lines)
        case _ if any(line.strip() for line in lines):
            raise ParseError(f"expected a part of the answer, got {lines[0][:60]!r}")


def _processes(look: Look, lines: Sequence[str]) -> None:
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


def _net(look: Look, lines: Sequence[str]) -> None:
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


def _host(look: Look, lines: Sequence[str]) -> None:
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


def _links(look: Look, lines: Sequence[str]) -> None:
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


def _network(address: str) -> str:
    """Its network; empty for link-local ones, which are everywhere, and for those of one address: they tell nothing."""
    network = ipaddress.ip_interface(address).network
    return "" if network.is_link_local or network.prefixlen == network.max_prefixlen else str(network)


POLICIES = ("other", "fifo", "rr", "batch", "", "idle", "deadline", "ext")
"""Scheduling policies by their number in the kernel; 4 was never given out."""


def policy(fields: Sequence[str]) -> str:
    """Field 41 of /proc/PID/stat by its name, from the fields after the command; empty where it is not there."""
    if len(fields) <= 38:  # noqa: PLR2004 - field 41 is the 39th from there
        return ""
    known = number(fields[38])
    return (POLICIES[known] if 0 <= known < len(POLICIES) else "") or f"policy {known}"


def realtime_priority(fields: Sequence[str]) -> int:
    """Field 40 of /proc/PID/stat; 0 where it is not there."""
    return number(fields[37]) if len(fields) > 37 else 0  # noqa: PLR2004
