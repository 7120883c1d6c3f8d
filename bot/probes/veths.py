"""Which wires lead from this host into namespaces that no process is in?

A container's network is a veth pair, one end on the host, the other in a namespace that a runtime pins by a mount. When
the runtime loses track, pair, namespace and address stay behind. A pair whose namespace has no name is a living
container's as a rule, and is not judged.
"""

import re
from collections.abc import Sequence
from itertools import pairwise

from bot.core.probe import Facts, Gather, ParseError, Probe, Reading, Seen
from bot.core.text import neutral
from bot.probes._text import insist, need, split_netns

SHOWN = 50
RUNTIMES = ("cni-", "ns-")
"""How container runtimes begin the names of the namespaces that they pin."""


class Veth(Facts):
    """The host's end of a pair whose other end is in a namespace without a process."""

    name: str
    """Of the host's end."""
    namespace: str
    """Name of the namespace below /run/netns."""
    netns: str
    """Its id."""
    by_runtime: bool
    """Whether its name is one that container runtimes give; else somebody may have made it by hand, on purpose."""
    bridge: str
    """The bridge that the host's end is a port of; empty: none."""
    state: str
    """Of the host's end: "up", "lowerlayerdown" (the other end is down), "down"."""


class VethsFacts(Facts):
    """The host's ends of veth pairs."""

    total: int
    """Veth ends in the host's own namespace; 0 also where no namespace has a name, for then nobody counts them."""
    deserted: int
    """Those whose other end is in a named namespace that no process is in."""
    by_runtime: int
    """Those of them whose namespace was made by a container runtime."""
    veths: list[Veth]
    """Deserted ones, a few at most, those of runtimes first."""


# Where no namespace has a name, it does not matter where wires lead. Only mounts of namespaces are worth reading.
GATHER = Gather(
    ("/proc/self/mountinfo",),
    skips="^[0-9]+ [0-9]+ [0-9]+:[0-9]+ .* - ([^n ]|n[^s ]|ns[^f ])[^ ]* ",
    awk=r"""
function veths(   k, path) {
  spaces(); path = "/proc/self/mountinfo"
  for (k = 1; k <= ROWS[path]; k++) if (ROW[path, k] ~ /\/netns\/.* - nsfs /) { ask("named"); return }
  say("")
}
""",
)

SCRIPT = (
    r"""
# by its path: a busybox sh has an ip of its own, which knows no types
for ip in /usr/sbin/ip /sbin/ip /usr/bin/ip /bin/ip; do [ ! -x $ip ] || break; done
[ -x $ip ] || { echo "ip: not found" >&2; exit 127; }
links=$($ip -o link show type veth) || exit
[ -z "$links" ] || printf '%s\n' "$links"
echo
# where no wire leads to a name, it does not matter which names there are
case $links in *" link-netns "*) ;; *) exit 0 ;; esac
"""
    + need("grep")
    + r"""
grep -sE ' - nsfs ' /proc/self/mountinfo
:
"""
)

_LINK = re.compile(r"\d{1,9}: (?P<name>[^\s:@]{1,20})(?:@\S{1,20})?: <(?P<flags>[A-Z_,-]{0,200})>(?P<rest>.{0,600})")
_PINNED = re.compile(r"\d+ \d+ \S+ net:\[(\d{1,20})\] (?:/\S{0,200})?/netns/(\S{1,120}) ")


def parse(readings: Sequence[Reading], seen: Seen) -> VethsFacts:
    """Hold the wires against the namespaces that have processes. Raises ParseError."""
    insist(seen, "netns")
    pids, body = split_netns(readings[-1].text)
    links, gap, mounts = f"\n{body}".partition("\n\n")
    if not gap:
        raise ParseError(f"expected interfaces and mounts, got {body[:60]!r}")
    alive = set(pids.values())
    pinned = {mount[2]: mount[1] for line in mounts.splitlines() if (mount := _PINNED.match(line))}
    total = 0
    found: list[Veth] = []
    for line in links.strip("\n").splitlines():
        link = _LINK.match(line)
        if link is None:
            raise ParseError(f"expected an interface, got {line[:60]!r}")
        total += 1
        words = link["rest"].replace("\\", " ").split()
        told = dict(pairwise(words))
        name = told.get("link-netns", "")
        if name in pinned and pinned[name] not in alive:
            found.append(
                Veth(
                    name=neutral(link["name"], 20),
                    namespace=neutral(name, 120),
                    netns=pinned[name],
                    by_runtime=name.startswith(RUNTIMES),
                    bridge=neutral(told.get("master", ""), 20),
                    state=neutral(told.get("state", "").lower(), 20),
                )
            )
    found.sort(key=lambda one: (not one.by_runtime, one.name))
    return VethsFacts(
        total=total, deserted=len(found), by_runtime=sum(one.by_runtime for one in found), veths=found[:SHOWN]
    )


PROBE = Probe(
    name="veths",
    question="Which wires lead from this host into namespaces that no process is in?",
    script=SCRIPT,
    parse=parse,
    facts=VethsFacts,
    root=True,
    max_bytes=1_048_576,
    after=("netns",),
    gather=GATHER,
)
