"""How is the network stack of each namespace tuned?

A namespace has its own values of most keys, and they are seen only from within: every namespace with TCP sockets is
entered once. Keys that exist for the whole kernel (tcp_mem, netdev_max_backlog) stand under the host's namespace.
"""

import re
from collections.abc import Sequence

from bot.core.probe import Cost, Facts, ParseError, Probe, Reading, Scope, Seen
from bot.core.text import neutral
from bot.probes._text import insist, namespace_files, need

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
    """By namespace id, then by dotted key; values as the kernel prints them, blanks as one space. Namespaces
    without TCP sockets are left out, and so are keys that a namespace does not have."""


SCRIPT = (
    need("grep")
    + namespace_files("sockstat", "sockstat6")
    + "keys='"
    + " ".join(_ROOT + key.replace(".", "/") for key in KEYS)
    + r"""'
busy=$(grep -sHE '^TCP6?: inuse [1-9]' $files /dev/null)
set -- $NETNS
while [ $# -ge 3 ]; do
  if [ "$1" = "$NETNS_SELF" ]; then
    echo "in $1"; grep -sH '' $keys
  else
    case $busy in *"/proc/$2/net/"*) echo "in $1"; nsenter -t "$2" -n grep -sH '' $keys ;; esac
  fi
  status=$?
  [ $status -le 2 ] || exit $status
  shift 3
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
    root=True,
    cost=Cost.MODERATE,
    timeout=10.0,
    max_bytes=1_048_576,
    after=("netns",),
)
