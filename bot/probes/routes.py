"""Has every network namespace a way out?

The kernel's main table, read without entering: what other tables say (policy routing) is not in these files.
"""

import ipaddress
from collections.abc import Sequence

from bot.core.probe import Facts, Gather, ParseError, Probe, Reading, Scope, Seen
from bot.core.text import neutral
from bot.probes._text import by_process, insist, number, split_netns


class Route(Facts):
    """A default route."""

    interface: str
    """Where it leaves."""
    gateway: str
    """The next hop's address; empty: the network is on the link."""
    metric: int
    """The kernel prefers the smallest."""
    mtu: int
    """A limit set on the route itself; 0: the interface's. Always 0 for IPv6, where the file does not tell."""


class Routing(Facts):
    """The main routing table of one namespace."""

    default4: list[Route]
    """Default routes of IPv4, the preferred one first."""
    default6: list[Route]
    """Default routes of IPv6, the preferred one first."""
    refused: list[str]
    """IPv4 networks that are unreachable or prohibited on purpose, at most 20; blackholes look like any route here."""
    interfaces: list[str]
    """Interfaces other than loopback that have an IPv4 route, at most 50: without any there is no network to reach."""


class RoutesFacts(Facts):
    """Routing by namespace."""

    namespaces: dict[str, Routing]
    """By namespace id."""


# Of a full table only what matters is kept, row by row: default routes, refused networks, and each interface once. A
# namespace that never had a route has an empty file, so a header is told for every file that can be read.
GATHER = Gather(
    (),
    awk=r"""
function routes(   i) {
  spaces()
  for (i = 1; i <= SPACES; i++) { routes_four(net(i, "route")); routes_six(net(i, "ipv6_route")) }
}
function routes_four(path,   got, line, word, told) {
  while ((got = (getline line <path)) > 0) {
    split(line, word)
    if (word[1] == "Iface") continue
    if (word[2] == "00000000" && word[8] == "00000000" || word[4] ~ /^0[2367ABEFabef]..$/) {
      say(path ":" word[1] " " word[2] " " word[3] " " word[4] " " word[7] " " word[8] " " word[9])
    } else if (!(word[1] in told)) say(path ":" word[1])
    told[word[1]] = 1
  }
  close(path)
  if (!got) say(path ":Iface")
}
function routes_six(path,   line, word) {
  while ((getline line <path) > 0) if (line ~ /^0+ 00 / && split(line, word) && word[10] != "lo")
    say(path ":" word[10] " " word[5] " " word[6] " " word[9])
  close(path)
}
""",
)

_REJECT = 0x0200
_MOST = {"refused": 20, "interfaces": 50}


def parse(readings: Sequence[Reading], seen: Seen) -> RoutesFacts:
    """Read the rows of both families. Raises ParseError for one that is none."""
    insist(seen, "netns")
    pids, body = split_netns(readings[-1].text)
    default4: dict[str, list[Route]] = {}
    default6: dict[str, list[Route]] = {}
    refused: dict[str, list[str]] = {}
    interfaces: dict[str, dict[str, None]] = {}
    for pid, file, line in by_process(body.splitlines()):
        if pid not in pids:
            raise ParseError(f"process {pid} was not asked")
        inode, words = pids[pid], line.split()
        if file.endswith("ipv6_route"):
            if not _hex(words, 3) & _REJECT:
                default6.setdefault(inode, []).append(_six(words))
            continue
        named = interfaces.setdefault(inode, {})
        if not words:
            raise ParseError(f"expected a route, got {line[:60]!r}")
        if words[0] not in ("Iface", "lo", "*"):
            named[neutral(words[0], 32)] = None
        if len(words) == 1:
            continue
        if _hex(words, 3) & _REJECT:
            refused.setdefault(inode, []).append(_network(words))
        else:
            default4.setdefault(inode, []).append(_four(words))
    if not interfaces:
        raise ParseError("no routing table")
    return RoutesFacts(
        namespaces={
            inode: Routing(
                default4=sorted(default4.get(inode, ()), key=lambda route: route.metric),
                default6=sorted(default6.get(inode, ()), key=lambda route: route.metric),
                refused=refused.get(inode, [])[: _MOST["refused"]],
                interfaces=list(named)[: _MOST["interfaces"]],
            )
            for inode, named in interfaces.items()
        }
    )


def _hex(words: Sequence[str], place: int) -> int:
    try:
        return int(words[place], 16)
    except (IndexError, ValueError):
        raise ParseError(f"expected a route, got {' '.join(words)[:60]!r}") from None


def _address(word: str) -> ipaddress.IPv4Address:
    """As the kernel prints it: the bytes of the network, as one number of the machine, which is little-endian."""
    if len(word) != 8:  # noqa: PLR2004 - four bytes
        raise ParseError(f"expected an address in hexadecimal, got {word[:40]!r}")
    return ipaddress.IPv4Address(_hex([word], 0).to_bytes(4, "little"))


def _four(words: Sequence[str]) -> Route:
    if len(words) != 7:  # noqa: PLR2004 - interface, destination, gateway, flags, metric, mask, MTU
        raise ParseError(f"expected a route of 7 columns, got {' '.join(words)[:60]!r}")
    gateway = _address(words[2])
    return Route(
        interface=neutral(words[0], 32),
        gateway="" if int(gateway) == 0 else str(gateway),
        metric=number(words[4]),
        mtu=number(words[6]),
    )


def _network(words: Sequence[str]) -> str:
    if len(words) != 7:  # noqa: PLR2004 - as above
        raise ParseError(f"expected a route of 7 columns, got {' '.join(words)[:60]!r}")
    return f"{_address(words[1])}/{bin(int(_address(words[5]))).count('1')}"


def _six(words: Sequence[str]) -> Route:
    if len(words) != 4 or len(words[1]) != 32:  # noqa: PLR2004 - interface, next hop (16 bytes), metric, flags
        raise ParseError(f"expected a route of IPv6, got {' '.join(words)[:60]!r}")
    gateway = _hex(words, 1)
    if not 0 <= gateway < 1 << 128:
        raise ParseError(f"expected an address of IPv6, got {words[1]!r}")
    return Route(
        interface=neutral(words[0], 32),
        gateway="" if gateway == 0 else str(ipaddress.IPv6Address(gateway)),
        metric=_hex(words, 2),
        mtu=0,
    )


PROBE = Probe(
    name="routes",
    question="Has every network namespace a way out?",
    script="",
    parse=parse,
    facts=RoutesFacts,
    scope=Scope.NETNS,
    root=True,
    max_bytes=1_048_576,
    after=("netns",),
    gather=GATHER,
)
