"""Do outgoing connections run out of local ports?

Every connection from one address to one address and port takes a local port of its own, and TIME_WAIT keeps it for a
minute. Only namespaces with many TCP sockets are entered for their port range, and only where these could fill half of
it are the connections counted, on the host.
"""

import ipaddress
import re
from collections.abc import Sequence

from bot.core.probe import Cost, Facts, Gather, ParseError, Probe, Reading, Scope, Seen
from bot.probes._text import insist, joined, need, number, split_netns
from bot.probes.netns import NetnsFacts

FEW, FEW_INSIDE = 64, 1000
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


_USABLE = r"""
function ports_range(pid, range, kept, reuse, stamps, sockets,   word, end, n, i, usable, low, high, kept_of) {
  if (split(range, word) < 2) return ""
  usable = word[2] - word[1] + 1; n = split(kept, kept_of, ",")
  for (i = 1; i <= n; i++) {
    if (split(kept_of[i], end, "-") < 2) end[2] = end[1]
    low = end[1] + 0; if (low < word[1] + 0) low = word[1] + 0
    high = end[2] + 0; if (high > word[2] + 0) high = word[2] + 0
    if (end[1] != "" && high >= low) usable -= high - low + 1
  }
  return pid " " word[1] " " word[2] " " usable " " reuse " " stamps " " sockets
}
"""

_AT = "/proc/sys/net/ipv4/"

GATHER = Gather(
    (
        "net/sockstat", "net/sockstat6", f"{_AT}ip_local_port_range", f"{_AT}ip_local_reserved_ports",
        f"{_AT}tcp_tw_reuse", f"{_AT}tcp_timestamps",
    ),
    awk=(
        r"""
function ports(   i, n, at, range, word) {
  spaces()
  at = "/proc/sys/net/ipv4/"
  for (i = 1; i <= SPACES; i++) {
    n = ports_used(net(i, "sockstat")) + ports_used(net(i, "sockstat6"))
    if (i != OWN) { if (n >= INSIDE) ask("enter " PID[i] " " n); continue }
    if (n < FEW) continue
    range = ports_range(PID[i], ROW[at "ip_local_port_range", 1], ROW[at "ip_local_reserved_ports", 1], \
      ROW[at "tcp_tw_reuse", 1], ROW[at "tcp_timestamps", 1], n)
    if (range == "") continue
    split(range, word); say("range " range)
    if (n * 2 >= word[4]) ask("look " range)
  }
}
function ports_used(path,   k, i, n, word, used) {
  for (k = 1; k <= ROWS[path]; k++) if (ROW[path, k] ~ /^TCP6?: /) {
    n = split(ROW[path, k], word)
    for (i = 2; i < n; i += 2) if (word[i] == "inuse" || word[i] == "tw") used += word[i + 1]
  }
  return used + 0
}
""".replace("INSIDE", str(FEW_INSIDE)).replace("FEW", str(FEW))
        + _USABLE
    ),
)  # fmt: skip

SCRIPT = (
    need("grep", "awk", "cat")
    + r"""
decimal='function decimal(hex,   i, n) {
  n = 0; for (i = 1; i <= length(hex); i++) n = n * 16 + index("0123456789ABCDEF", substr(hex, i, 1)) - 1
  return n
}'
base=/proc/sys/net/ipv4
usable='USABLE'
files="$base/ip_local_port_range $base/ip_local_reserved_ports $base/tcp_tw_reuse $base/tcp_timestamps"
look() { # a namespace whose sockets can hold half of its range
  cat "/proc/$1/net/tcp" "/proc/$1/net/tcp6" 2>/dev/null | awk -v limits="$*" "$decimal"'
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
}
enter() { # pid, sockets
  limits=$(nsenter -t "$1" -n grep -sH '' $files | awk -F: -v pid="$1" -v n="$2" '
    { key = $1; sub(/.*\//, "", key); value[key] = $2 }
    END {
      print ports_range(pid, value["ip_local_port_range"], value["ip_local_reserved_ports"], value["tcp_tw_reuse"],
        value["tcp_timestamps"], n)
    }'"$usable")
  [ -n "$limits" ] || return 0
  echo "range $limits"
  set -- $limits
  [ $(( $7 * 2 )) -lt "$4" ] || look "$@"
}
set -- $PLAN
while [ $# -ge 3 ]; do
  if [ "$1" = enter ]; then enter "$2" "$3"; shift 3
  else look "$2" "$3" "$4" "$5" "$6" "$7" "$8"; shift 8
  fi
done
:
""".replace("USABLE", _USABLE)
)

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
    gather=GATHER,
)
