"""How is the network stack of each namespace tuned?

A namespace has its own values of most keys, and they are seen only from within: entering one costs two processes. They
matter where something is wrong, so only such namespaces are entered, at the end of the visit, when it is known: where
the kernel ever dropped or refused for want of room, where segments were sent again meanwhile, where somebody waits to
be accepted, and where there are very many sockets. Keys that exist for the whole kernel (tcp_mem,
netdev_max_backlog) stand under the host's namespace.
"""

import re
from collections.abc import Sequence

from bot.core.probe import Cost, Facts, Gather, ParseError, Probe, Reading, Sampling, Scope, Seen
from bot.core.text import neutral
from bot.probes._text import insist, need

KEYS = (
    "net.core.somaxconn",
    "net.core.netdev_budget",
    "net.core.netdev_budget_usecs",
    "net.core.netdev_max_backlog",
    "net.core.rmem_max",
    "net.core.wmem_max",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.tcp_abort_on_overflow",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_max_orphans",
    "net.ipv4.tcp_max_syn_backlog",
    "net.ipv4.tcp_max_tw_buckets",
    "net.ipv4.tcp_mem",
    "net.ipv4.tcp_mtu_probing",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.tcp_timestamps",
    "net.ipv4.tcp_tw_reuse",
    "net.ipv4.tcp_wmem",
    "net.ipv4.udp_mem",
    "net.ipv4.conf.all.rp_filter",
    "net.ipv4.conf.default.rp_filter",
    "net.ipv4.neigh.default.gc_thresh1",
    "net.ipv4.neigh.default.gc_thresh2",
    "net.ipv4.neigh.default.gc_thresh3",
    "net.ipv6.neigh.default.gc_thresh1",
    "net.ipv6.neigh.default.gc_thresh2",
    "net.ipv6.neigh.default.gc_thresh3",
    "net.netfilter.nf_conntrack_buckets",
    "net.netfilter.nf_conntrack_count",
    "net.netfilter.nf_conntrack_max",
)
"""What is read, where the kernel has it."""

_ROOT = "/proc/sys/"


class SysctlFacts(Facts):
    """Kernel parameters under net., per namespace."""

    namespaces: dict[str, dict[str, str]]
    """By namespace id, then by dotted key; values as the kernel prints them, blanks as one space. Namespaces other
    than the host's in which nothing is amiss are left out, and so are keys that a namespace does not have."""


MANY = 1000
"""TCP sockets, TIME_WAIT among them, from which their limits matter."""

_AMISS = {
    ("netstat", "TcpExt"): (
        "ListenOverflows", "ListenDrops", "TCPReqQFullDrop", "TCPReqQFullDoCookies", "SyncookiesSent",
        "SyncookiesFailed", "TCPTimeWaitOverflow", "IPReversePathFilter",
    ),
    ("snmp", "Udp"): ("RcvbufErrors",),
}  # fmt: skip
"""Counters that stay at 0 where nothing is amiss."""

_PATHS = tuple(_ROOT + key.replace(".", "/") for key in KEYS)

GATHER = Gather(
    ("net/sockstat", "net/netstat", "net/snmp", "net/snmp6", *_PATHS),
    awk=r"""
function sysctl_net(   i, k, n, again, before, watched, waits, word, path) {
  for (k = 1; k <= LINES; k++) {
    split(CARRIED[k], word)
    if (word[1] == "watched") watched = 1
    if (word[1] == "sent") before[word[2]] = word[3]
    if (word[1] == "waiting") waits[word[2]] = 1
  }
  if (SAMPLE == 1) carry("watched")
  for (i = 1; i <= SPACES; i++) if (i != OWN) {
    again = counter(net(i, "snmp"), "Tcp", "RetransSegs") + 0
    if (SAMPLE == 1) { if (again > 0) carry("sent " ID[i] " " again); continue }
    if (!watched || again > before[ID[i]] + 0 || ID[i] in waits || sysctl_net_amiss(i)) ask(ID[i] " " PID[i])
  }
  if (!OWN) return
  say("in " ID[OWN])
  n = split("PATHS", path)
  for (k = 1; k <= n; k++) if (ROWS[path[k]]) say(path[k] ":" ROW[path[k], 1])
}
function sysctl_net_amiss(i,   k, n, name, path, word) {
AMISS
  path = net(i, "snmp6")
  for (k = 1; k <= ROWS[path]; k++)
    if (ROW[path, k] ~ /^Udp6RcvbufErrors/ && split(ROW[path, k], word) && word[2] > 0) return 1
  path = net(i, "sockstat")
  for (k = 1; k <= ROWS[path]; k++)
    if (ROW[path, k] ~ /^TCP: / && split(ROW[path, k], word)) return word[3] + word[7] >= MANY
  return 0
}
""".replace("PATHS", " ".join(_PATHS))
    .replace("MANY", str(MANY))
    .replace(
        "AMISS",
        "".join(
            f'  path = net(i, "{file}"); n = split("{" ".join(names)}", name)\n'
            f'  for (k = 1; k <= n; k++) if (counter(path, "{group}", name[k]) > 0) return 1\n'
            for (file, group), names in _AMISS.items()
        ),
    ),
)

SCRIPT = (
    need("grep")
    + f"keys='{' '.join(_PATHS)}'\n"
    + r"""
set -- $PLAN
while [ $# -ge 2 ]; do
  echo "in $1"; nsenter -t "$2" -n grep -sH '' $keys
  status=$?
  [ $status -le 2 ] || exit $status
  shift 2
done
:
"""
)


def parse(readings: Sequence[Reading], seen: Seen) -> SysctlFacts:
    """Read `in NAMESPACE` and the `path:value` lines below. Raises ParseError for anything else."""
    insist(seen, "netns")
    found: dict[str, dict[str, str]] = {}
    here: dict[str, str] | None = None
    for line in readings[-1].text.splitlines():
        if entered := re.fullmatch(r"in (\d{1,20})", line):
            here = found.setdefault(entered[1], {})
            continue
        path, colon, value = line.partition(":")
        if here is None or not colon or not path.startswith(_ROOT):
            raise ParseError(f"expected /proc/sys/KEY:VALUE in a namespace, got {line[:60]!r}")
        here[path.removeprefix(_ROOT).replace("/", ".")] = " ".join(neutral(value).split())
    for inode, values in found.items():
        if "net.core.somaxconn" not in values and values:
            raise ParseError(f"no net.core.somaxconn in namespace {inode}")
    found = {inode: values for inode, values in found.items() if values}
    if not found:
        raise ParseError("no kernel parameters")
    return SysctlFacts(namespaces=found)


PROBE = Probe(
    name="sysctl_net",
    question="How is the network stack of each namespace tuned?",
    script=SCRIPT,
    parse=parse,
    facts=SysctlFacts,
    scope=Scope.NETNS,
    sampling=Sampling.LAST,
    root=True,
    cost=Cost.MODERATE,
    timeout=10.0,
    max_bytes=1_048_576,
    after=("netns",),
    gather=GATHER,
)
