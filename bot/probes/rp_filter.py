"""Which interfaces drop packets whose way back leads elsewhere?

In force is the larger of `all` and the interface's own value: 1 is strict, 2 loose, 0 off. The host's own namespace is
always read, others only where the kernel has ever dropped a packet for it (IPReversePathFilter).
"""

import re
from collections.abc import Sequence

from bot.core.probe import Facts, Gather, ParseError, Probe, Reading, Scope, Seen
from bot.core.text import neutral
from bot.probes._text import insist, need

STRICT = 1


class ReversePathFilter(Facts):
    """net.ipv4.conf.*.rp_filter of one namespace."""

    all: int
    """`all`: the least that is in force on every interface."""
    interfaces: dict[str, int]
    """Each interface's own value; `all` and `default` are not among them."""
    strict: list[str]
    """Interfaces on which the strict filter is in force: max(all, own) is 1. Without the loopback."""
    loose: list[str]
    """Interfaces on which the loose filter is in force: max(all, own) is 2. Without the loopback."""


class RpFilterFacts(Facts):
    """Reverse path filters, per namespace."""

    namespaces: dict[str, ReversePathFilter]
    """By namespace id. A namespace other than the host's in which no packet was ever dropped is left out."""


GATHER = Gather(
    ("net/netstat", "/proc/sys/net/ipv4/conf/*/rp_filter"),
    awk=r"""
function rp_filter(   i, path, part) {
  if (OWN) say("in " ID[OWN])
  for (path in ROWS) if (OWN && path ~ /^\/proc\/sys\/net\/ipv4\/conf\/[^\/]+\/rp_filter$/) {
    split(path, part, "/"); say(part[7] "/rp_filter:" ROW[path, 1])
  }
  for (i = 1; i <= SPACES; i++)
    if (i != OWN && counter(net(i, "netstat"), "TcpExt", "IPReversePathFilter") > 0) ask(ID[i] " " PID[i])
}
""",
)

SCRIPT = (
    need("grep")
    + r"""
set -- $PLAN
while [ $# -ge 2 ]; do
  echo "in $1"
  nsenter -t "$2" -n sh -c 'cd /proc/sys/net/ipv4/conf && grep -sH "" */rp_filter'
  shift 2
done
:
"""
)

_ROW = re.compile(r"([^/]{1,64})/rp_filter:(\d{1,3})")


def parse(readings: Sequence[Reading], seen: Seen) -> RpFilterFacts:
    """Read `in NAMESPACE` and `INTERFACE/rp_filter:VALUE` below. Raises ParseError for anything else."""
    insist(seen, "netns")
    found: dict[str, dict[str, int]] = {}
    here: dict[str, int] | None = None
    for line in readings[-1].text.splitlines():
        if entered := re.fullmatch(r"in (\d{1,20})", line):
            here = found.setdefault(entered[1], {})
            continue
        row = _ROW.fullmatch(line)
        if here is None or row is None:
            raise ParseError(f"expected INTERFACE/rp_filter:VALUE in a namespace, got {line[:60]!r}")
        here[row[1]] = int(row[2])
    if not found:
        raise ParseError("no reverse path filters")
    # a namespace that ended between two looks has no values: nothing is told of it
    return RpFilterFacts(namespaces={inode: in_force(values) for inode, values in found.items() if values})


def in_force(values: dict[str, int]) -> ReversePathFilter:
    """What filters where. Raises ParseError when `all` is missing."""
    if "all" not in values:
        raise ParseError(f"no rp_filter of all among {', '.join(list(values)[:8])}")
    own = {neutral(name, 64): value for name, value in values.items() if name not in ("all", "default")}
    force = {name: max(values["all"], value) for name, value in own.items() if name != "lo"}
    return ReversePathFilter(
        all=values["all"],
        interfaces=own,
        strict=sorted(name for name, value in force.items() if value == STRICT),
        loose=sorted(name for name, value in force.items() if value > STRICT),
    )


PROBE = Probe(
    name="rp_filter",
    question="Which interfaces drop packets whose way back leads elsewhere?",
    script=SCRIPT,
    parse=parse,
    facts=RpFilterFacts,
    scope=Scope.NETNS,
    root=True,
    max_bytes=1_048_576,
    after=("netns",),
    gather=GATHER,
)
