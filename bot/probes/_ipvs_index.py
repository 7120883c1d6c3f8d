"""What is asked of a reading of IPVS again and again? Computed once, for tables may be large. (`_`: no probe.)"""

import ipaddress
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from bot.core.probe import ParseError
from bot.probes._ipvs_look import Look

_MOST_WIDE = 32


@dataclass(slots=True)
class Group:
    """The real servers of one service. Ports are counted where the server has weight."""

    servers: int = 0
    weighted: int = 0
    ports: Counter[int] = field(default_factory=Counter)
    ports_of: dict[str, list[int]] = field(default_factory=dict)
    accepting: set[str] = field(default_factory=set)

    def disagrees(self, port: int) -> bool:
        """Whether at least half of the servers with weight have another port."""
        return self.weighted > 1 and self.ports[port] * 2 <= self.weighted


@dataclass(frozen=True, slots=True)
class Local:
    """The local addresses of one namespace: alone, and as networks (127.0.0.0/8, AnyIP), which are few."""

    alone: frozenset[str]
    wide: tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]

    @staticmethod
    def of(places: Iterable[str]) -> "Local":
        """Raises ParseError for what is no address."""
        told = frozenset(places)
        try:
            alone = frozenset(str(ipaddress.ip_address(place)) for place in told if "/" not in place)
            wide = [ipaddress.ip_network(place, strict=False) for place in sorted(told) if "/" in place]
        except ValueError as fault:
            raise ParseError(f"expected local addresses: {fault}"[:100]) from None
        return Local(alone, tuple(wide[:_MOST_WIDE]))

    def has(self, address: str) -> bool | None:
        """Whether an address is local; None where those of its family were not read."""
        if address in self.alone:
            return True
        wanted = ipaddress.ip_address(address)
        same = [network for network in self.wide if network.version == wanted.version]
        if any(wanted in network for network in same):
            return True
        mark = ":" if wanted.version == 6 else "."  # noqa: PLR2004 - IPv6
        return False if same or any(mark in one for one in self.alone) else None


@dataclass(frozen=True, slots=True)
class Index:
    """Groups by pid and service; by pid what is local, what the table's owner leaves alone, and how many services and
    servers there are.
    """

    groups: Mapping[tuple[int, str], Group]
    local: Mapping[int, Local]
    excluded: Mapping[int, Local]
    services: Mapping[int, int]
    servers: Mapping[int, int]

    @staticmethod
    def of(looks: Sequence[Look]) -> "Index":
        """Rows of the last reading, attempts and addresses of all."""
        last = looks[-1]
        groups: dict[tuple[int, str], Group] = {(pid, one.name): Group() for pid, one in last.services}
        for (pid, service, _at), server in last.servers.items():
            group = groups.setdefault((pid, service), Group())
            group.servers += 1
            if server.weight > 0:
                group.weighted += 1
                group.ports[server.at.port] += 1
                group.ports_of.setdefault(server.at.address, []).append(server.at.port)
        places: dict[int, list[str]] = {}
        alone: dict[int, list[str]] = {}
        for look in looks:
            for (pid, service, at), said in look.verdicts.items():
                if said == "accepted" and (pid, service) in groups:
                    groups[pid, service].accepting.add(at)
            for pid, told in look.local.items():
                places.setdefault(pid, []).extend(told)
            for pid, told in look.excluded.items():
                alone.setdefault(pid, []).extend(told)
        return Index(
            groups,
            {pid: Local.of(told) for pid, told in places.items()},
            {pid: Local.of(told) for pid, told in alone.items()},
            Counter(pid for pid, _one in last.services),
            Counter(key[0] for key in last.servers),
        )
