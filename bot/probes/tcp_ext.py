"""What did TCP, and what is below and beside it, count in each network namespace while we watched?

The counters of /proc/net/netstat, snmp and snmp6, read at both ends of the window. TCP's go by the kernel's own names;
those of IP, ICMP and UDP by nstat's, with the group before the name (IpOutNoRoutes), for the groups share names.
"""

from collections.abc import Mapping, Sequence

from bot.core.probe import Cost, Facts, Gather, ParseError, Probe, Reading, Sampling, Scope, Seen
from bot.probes._text import by_process, insist, names, number, split_netns

_GAUGES = frozenset({"RtoAlgorithm", "RtoMin", "RtoMax", "MaxConn", "CurrEstab", "IpForwarding", "IpDefaultTTL"})
_PREFIXED = ("Ip", "Icmp", "Udp")
SIX = (
    "Ip6InReceives", "Ip6OutRequests", "Ip6InNoRoutes", "Ip6OutNoRoutes", "Ip6InTooBigErrors", "Ip6OutDiscards",
    "Ip6ReasmReqds", "Ip6ReasmFails", "Ip6ReasmTimeout", "Ip6FragFails", "Icmp6InPktTooBigs", "Icmp6OutPktTooBigs",
    "Udp6InDatagrams", "Udp6NoPorts", "Udp6InErrors", "Udp6RcvbufErrors", "Udp6SndbufErrors",
)  # fmt: skip
"""What is read of snmp6, which has a line for each of a hundred counters."""
_WORD = 1 << 32
_NEAR = 1 << 28


class Counters(Facts):
    """The counters of one namespace, by name (ListenOverflows, IpOutNoRoutes, UdpRcvbufErrors, Ip6ReasmFails, …)."""

    value: dict[str, int]
    """Since the namespace was made; CurrEstab and the Rto limits are momentary. From the groups Tcp, TcpExt, IpExt,
    Ip, Icmp, Udp and, where the kernel has IPv6, the chief ones of Ip6, Icmp6 and Udp6."""
    delta: dict[str, int]
    """Growth within the window. A counter that went backwards was reset: it is left out."""
    rate: dict[str, float]
    """`delta` per second of the host's own clock."""


class TcpExtFacts(Facts):
    """TCP's counters, per namespace."""

    seconds: float
    """The window: host seconds between the two readings."""
    namespaces: dict[str, Counters]
    """By namespace id. A namespace that was not there at both ends of the window is left out."""


# snmp6 becomes rows as the others have them. Headers are told once for all namespaces: they are the longest part and
# always the same.
GATHER = Gather(
    ("net/netstat", "net/snmp", "net/snmp6"),
    skips=(
        "^Icmp6(In|Out)([^P]|P[^k])|^Ip6In([^RNT]|NoE|Tr)|^Ip6Out[^RND]|^Ip6(ReasmO|FragO|FragC)|^Udp6(Out|Mem|InC|Ign)|"
        "^UdpLite6|^(Udp|Icmp)Lite:|^IcmpMsg:|^MPTcpExt:"
    ),
    awk=r"""
function tcp_ext(   i, k, n, part, path, line, name, shown, wanted, names, values, word) {
  spaces()
  n = split("SIX", word)
  for (k = 1; k <= n; k++) wanted[word[k]] = 1
  for (i = 1; i <= SPACES; i++) {
    for (part = 1; part <= 2; part++) {
      path = net(i, part == 1 ? "netstat" : "snmp"); n = ROWS[path]
      for (k = 1; k < n; k++) {
        line = ROW[path, k]; name = substr(line, 1, index(line, ":"))
        if (name !~ /^(Tcp|TcpExt|Ip|IpExt|Icmp|Udp):$/ || index(ROW[path, k + 1], name) != 1) continue
        if (line != shown[name]) { shown[name] = line; say(line) }
        say(path ":" ROW[path, ++k])
      }
    }
    path = net(i, "snmp6"); n = ROWS[path]; names = values = ""
    for (k = 1; k <= n; k++) {
      split(ROW[path, k], word)
      if (word[1] in wanted) { names = names " " word[1]; values = values " " word[2] }
    }
    if (names == "") continue
    if (names != shown["Six:"]) { shown["Six:"] = names; say("Six:" names) }
    say(path ":Six:" values)
  }
}
""".replace("SIX", " ".join(SIX)),
)


def parse(readings: Sequence[Reading], seen: Seen) -> TcpExtFacts:
    """Hold the last reading against the first. Raises ParseError for a row that does not fit its header."""
    insist(seen, "netns")
    first, last = readings[0], readings[-1]
    seconds = last.uptime - first.uptime
    if seconds <= 0:
        raise ParseError(f"{seconds:.2f} seconds between two readings")
    before, after = _counters(first.text), _counters(last.text)
    return TcpExtFacts(
        seconds=round(seconds, 2),
        namespaces={inode: compare(before[inode], after[inode], seconds) for inode in after if inode in before},
    )


def compare(before: Mapping[str, int], after: Mapping[str, int], seconds: float) -> Counters:
    """What grew, and how fast. A 32-bit counter that passed its end has grown; any other that fell was reset."""
    delta: dict[str, int] = {}
    for name, value in after.items():
        if name in _GAUGES or name not in before:
            continue
        grown = value - before[name]
        if grown < 0 and _WORD - _NEAR <= before[name] < _WORD and value < _NEAR:
            grown += _WORD
        if grown >= 0:
            delta[name] = grown
    return Counters(value=dict(after), delta=delta, rate={name: round(n / seconds, 3) for name, n in delta.items()})


def _counters(text: str) -> dict[str, dict[str, int]]:
    pids, body = split_netns(text)
    headers: dict[str, list[str]] = {}
    found: dict[str, dict[str, int]] = {}
    for line in body.splitlines():
        if not line.startswith("/proc/"):
            words = line.split()
            if not words or not words[0].endswith(":"):
                raise ParseError(f"expected a header, got {line[:60]!r}")
            headers[words[0]] = words[1:]
            continue
        for pid, _, row in by_process([line]):
            group, *values = row.split() or [""]
            if group not in headers or len(headers[group]) != len(values):
                raise ParseError(f"{group} {len(values)} values for {len(headers.get(group, ()))} columns")
            if pid not in pids:
                raise ParseError(f"process {pid} was not asked")
            counters = found.setdefault(pids[pid], {})
            prefix = group[:-1] if group[:-1] in _PREFIXED else ""
            counters.update({prefix + name: number(n) for name, n in zip(headers[group], values, strict=True)})
    if not found:
        raise ParseError("no counters")
    for counters in found.values():
        names(counters, "ListenOverflows", "ListenDrops", "PassiveOpens", "CurrEstab")
    return found


PROBE = Probe(
    name="tcp_ext",
    question="What did TCP, IP, ICMP and UDP count in each network namespace while we watched?",
    script="",
    parse=parse,
    facts=TcpExtFacts,
    scope=Scope.NETNS,
    sampling=Sampling.COUNTER,
    root=True,
    cost=Cost.MODERATE,
    max_bytes=4_194_304,
    after=("netns",),
    gather=GATHER,
)
