"""Do outgoing connections run out of local ports?

Every connection from one address to one address and port takes a local port of its own, and TIME_WAIT keeps it for a
minute. Only namespaces with many TCP sockets are entered for their port range, and only where these could fill half of
it are the connections counted, on the host.
"""

import ipaddress
import re
from collections.abc import Sequence

from bot.core.probe import Cost, Facts, ParseError, Probe, Reading, Scope, Seen
from bot.probes._text import SHOW_NETNS, insist, joined, namespace_files, need, number, split_netns
from bot.probes.netns import NetnsFacts

FEW = 64
"""TCP sockets below which a namespace is not looked into."""
SHOWN = 20
"""Groups of connections that are told of a namespace, the largest first."""


class PortRange(Facts):
    """From which ports one namespace may connect."""

    netns_label: str
    """What people call the namespace."""
    low: int
    """First port of net.ipv4.ip_local_port_range."""
    high: int
    """Last port of it."""
    usable: int
    """Ports in it, without those that ip_local_reserved_ports keeps free."""
    tw_reuse: int
    """net.ipv4.tcp_tw_reuse: 1: a connect() may take a port over from TIME_WAIT; 2: on the loopback only; 0: no."""
    timestamps: int
    """net.ipv4.tcp_timestamps: without them (0) tcp_tw_reuse does nothing."""
    sockets: int
    """TCP sockets of the namespace, TIME_WAIT among them: less than half of `usable` means that no port runs out."""


class PortGroup(Facts):
    """Connections from one address to one address and port: they compete for local ports."""

    netns: str
    """Id of their namespace."""
    netns_label: str
    """What people call it."""
    local: str
    """Their local address."""
    remote: str
    """Where they lead to: "10.0.0.5:6379"."""
    used: int
    """Local ports of the range that they hold."""
    established: int
    """Those of them that are ESTABLISHED."""
    time_wait: int
    """Those of them in TIME_WAIT."""
    blocked: int
    """Those that a new connection cannot have: `used`, without TIME_WAIT where tcp_tw_reuse gives such ports away."""
    usable: int
    """Ports that there are for them."""


class PortsFacts(Facts):
    """Local ports, per namespace."""

    namespaces: dict[str, PortRange]
    """By namespace id; namespaces with few TCP sockets are left out: they run out of nothing."""
    groups: list[PortGroup]
    """The largest groups that hold at least half of their range."""


SCRIPT = (
    need("grep", "awk", "cat")
    + SHOW_NETNS
    + namespace_files("sockstat", "sockstat6")
    + r"""
many=$(grep -sHE '^TCP6?: ' $files /dev/null | awk '
  { split($1, part, "/"); for (i = 2; i < NF; i += 2) if ($i == "inuse" || $i == "tw") n[part[3]] += $(i + 1) }
  END { for (pid in n) if (n[pid] >= FEW) print pid ":" n[pid] }')
[ -n "$many" ] || exit 0
decimal='function decimal(hex,   i, n) {
  n = 0; for (i = 1; i <= length(hex); i++) n = n * 16 + index("0123456789ABCDEF", substr(hex, i, 1)) - 1
  return n
}'
base=/proc/sys/net/ipv4
files="$base/ip_local_port_range $base/ip_local_reserved_ports $base/tcp_tw_reuse $base/tcp_timestamps"
for one in $many; do
  pid=${one%:*}; enter="nsenter -t $pid -n"
  case " $NETNS " in *"$NETNS_SELF $pid "*) enter= ;; esac
  limits=$($enter grep -sH '' $files | awk -F: -v one="$one" '
    { key = $1; sub(/.*\//, "", key); value[key] = $2 }
    END {
      split(value["ip_local_port_range"], range, /[ \t]+/); usable = range[2] - range[1] + 1
      n = split(value["ip_local_reserved_ports"], kept, ",")
      for (i = 1; i <= n; i++) {
        if (split(kept[i], end, "-") < 2) end[2] = end[1]
        low = end[1] + 0; if (low < range[1] + 0) low = range[1] + 0
        high = end[2] + 0; if (high > range[2] + 0) high = range[2] + 0
        if (end[1] != "" && high >= low) usable -= high - low + 1
      }
      split(one, part, ":")
      if (range[1] != "") {
        print part[1], range[1], range[2], usable, value["tcp_tw_reuse"], value["tcp_timestamps"], part[2]
      }
    }')
  [ -n "$limits" ] || continue
  echo "range $limits"
  set -- $limits
  [ $(( $7 * 2 )) -ge "$4" ] || continue
  cat "/proc/$pid/net/tcp" "/proc/$pid/net/tcp6" 2>/dev/null | awk -v limits="$limits" "$decimal"'
    BEGIN { split(limits, limit, " "); low = limit[2] + 0; high = limit[3] + 0; half = limit[4] / 2 }
    $1 ~ /^[0-9]+:$/ && $4 != "0A" {
      split($2, local, ":"); port = decimal(local[2])
      if (port < low || port > high) next
      key = local[1] " " $3; n[key]++
      if ($4 == "01") open[key]++
      if ($4 == "06") waits[key]++
    }
    END {
      for (key in n) if (n[key] >= half) print "group", limit[1], key, n[key], open[key] + 0, waits[key] + 0
    }'
done
:
"""
).replace("FEW", str(FEW))

_WORDS = {"range": 7, "group": 6}
_LOOPBACK = 2


def parse(readings: Sequence[Reading], seen: Seen) -> PortsFacts:
    """Read ranges and groups. Raises ParseError."""
    insist(seen, "netns")
    ids, body = split_netns(readings[-1].text)
    spaces = joined(seen, "netns")
    known = spaces.namespaces if isinstance(spaces, NetnsFacts) else {}
    labels = {inode: known[inode].label if inode in known else f"net:[{inode}]" for inode in ids.values()}
    ranges: dict[str, PortRange] = {}
    groups: list[PortGroup] = []
    for line in body.splitlines():
        kind, *words = line.split(" ")
        if len(words) != _WORDS.get(kind) or number(words[0]) not in ids:
            raise ParseError(f"expected a range of ports or a group of connections, got {line[:60]!r}")
        inode = ids[number(words[0])]
        if kind == "range":
            low, high, usable, tw_reuse, timestamps, sockets = map(number, words[1:])
            ranges[inode] = PortRange(
                netns_label=labels[inode],
                low=low,
                high=high,
                usable=usable,
                tw_reuse=tw_reuse,
                timestamps=timestamps,
                sockets=sockets,
            )
        elif inode in ranges:
            groups.append(_group(inode, ranges[inode], words[1:]))
        else:
            raise ParseError(f"a group of connections without a range: {line[:60]!r}")
    return PortsFacts(namespaces=ranges, groups=sorted(groups, key=lambda group: -group.blocked)[:SHOWN])


def _group(inode: str, limits: PortRange, words: Sequence[str]) -> PortGroup:
    local, (remote, port) = address(words[0]), _split(words[1])
    used, established, time_wait = map(number, words[2:])
    loopback = ipaddress.ip_address(remote).is_loopback
    given_away = limits.timestamps and (limits.tw_reuse == 1 or (limits.tw_reuse == _LOOPBACK and loopback))
    return PortGroup(
        netns=inode,
        netns_label=limits.netns_label,
        local=local,
        remote=f"[{remote}]:{port}" if ":" in remote else f"{remote}:{port}",
        used=used,
        established=established,
        time_wait=time_wait,
        blocked=used - time_wait if given_away else used,
        usable=limits.usable,
    )


def _split(word: str) -> tuple[str, int]:
    head, _, port = word.partition(":")
    if not re.fullmatch(r"[0-9A-F]{4}", port):
        raise ParseError(f"expected ADDRESS:PORT in hexadecimal, got {word[:50]!r}")
    return address(head), int(port, 16)


def address(word: str) -> str:
    """An address of /proc/net/tcp or tcp6: 32-bit words in the host's byte order, taken to be little-endian."""
    if not re.fullmatch(r"[0-9A-F]{8}|[0-9A-F]{32}", word):
        raise ParseError(f"expected an address in hexadecimal, got {word[:50]!r}")
    raw = b"".join(bytes.fromhex(word[at : at + 8])[::-1] for at in range(0, len(word), 8))
    if len(raw) == 4:  # noqa: PLR2004 - IPv4
        return str(ipaddress.IPv4Address(raw))
    six = ipaddress.IPv6Address(raw)
    return str(six.ipv4_mapped or six)


PROBE = Probe(
    name="ports",
    question="Do outgoing connections run out of local ports?",
    script=SCRIPT,
    parse=parse,
    facts=PortsFacts,
    scope=Scope.NETNS,
    root=True,
    cost=Cost.MODERATE,
    timeout=10.0,
    max_bytes=1_048_576,
    after=("netns",),
)
