"""What has the kernel complained about, and how long ago?

Only lines about the network's known troubles are read, each distinct one once with its count: the host does the
filtering. The kernel limits its own rate, so counts are lower bounds, and a kind that is absent excludes nothing:
some drivers and paths never say a word.
"""

import re
from collections.abc import Mapping, Sequence

from bot.core.probe import Cost, Facts, ParseError, Probe, Reading, Seen
from bot.core.text import neutral
from bot.probes._text import need

MOST = 400
"""Distinct lines that a visit reads; the newest of a host that has more."""


class KernelEvent(Facts):
    """One complaint: all lines of one kind about one subject."""

    kind: str
    """What: a key of `KINDS` ("tcp-out-of-memory", "conntrack-full", "neighbour-overflow", "tx-timeout", …)."""
    device: str
    """Interface that it is about; empty: none named. Of several that became promiscuous the latest."""
    driver: str
    """Driver of that interface, where the line names it; empty otherwise."""
    queue: int | None
    """Transmit queue, where the line names one."""
    table: str
    """Table that overflowed: "arp_cache", "ndisc_cache", "nf_conntrack"; for conntrack of a container also its
    namespace: "nf_conntrack in 4026532321". Empty: none."""
    port: str
    """Port of a listener, or its address and port on newer kernels; empty: none."""
    subject: str
    """Whatever else the line is about: an address, a process, a server; empty: none."""
    count: int
    """Lines in the log; the kernel may have kept back many more."""
    first_seconds_ago: float | None
    """Age of the oldest of them; None where the log has no times."""
    last_seconds_ago: float | None
    """Age of the newest of them; None where the log has no times."""
    text: str
    """The newest line."""


class KernelLogFacts(Facts):
    """The kernel's complaints about the network. They are the whole machine's: also of the containers' namespaces."""

    source: str
    """"dmesg" or "journal"."""
    covers_seconds: float | None
    """How far back the log reaches; None where it has no times or is empty."""
    events: list[KernelEvent]
    """Newest first."""


_DEV = r"(?P<device>[^\s:,()]{1,32})"

KINDS: Mapping[str, str] = {
    "tcp-out-of-memory": r"TCP: out of memory",
    "orphans": r"TCP: too many (?:of )?orphaned sockets",
    "tw-overflow": r"TCP: time wait bucket table overflow",
    "conntrack-full": r"(?P<table>nf_conntrack|ip_conntrack): table full(?: in netns (?P<netns>\d{1,20}))?, dropping",
    "neighbour-overflow": r"(?P<table>arp_cache|ndisc_cache): neighbor table overflow|Neighbour table overflow",
    "syn-flood": r"Possible SYN flooding on port (?P<port>\S{1,60}?)\. +(?P<subject>Sending cookies|Dropping request)",
    "tx-timeout": (
        r"NETDEV WATCHDOG: (?:(?P<device>[^\s:()]{1,32}) \((?P<driver>[^()]{1,40})\)|CPU: \d+): "
        r"transmit queue (?P<queue>\d{1,5}),? timed out"
    ),
    "tx-hang": (
        r"Detected Hardware Unit Hang|Detected Tx Unit Hang|Found a Tx that wasn't completed|tx_timeout: \d+"
        r"|lost tx completions is above the threshold"
    ),
    "link-down": r"NIC Link is Down|Link is Down|link down|link status definitely down|link becomes not ready",
    "link-up": r"NIC Link is Up|Link is Up|link status definitely up|link becomes ready",
    "checksum": r"hw csum failure",
    "martian": rf"martian (?:source|destination) .{{0,100}}(?:,|from .{{0,60}}) on dev {_DEV}",
    "device-held": rf"unregister_netdevice: waiting for {_DEV} to become free",
    "duplicate-address": r"IPv6 duplicate address (?P<subject>\S{1,60}) .{0,60}detected|duplicate address detected",
    "own-address": rf"received packet on {_DEV} with own address as source address",
    "promiscuous": rf"(?:device )?{_DEV}:? entered promiscuous mode",
    "route-cache-full": r"Route cache is full",
    "clock-unstable": (
        r"Marking clocksource '?(?P<subject>[\w-]{1,30})'? as unstable|clocksource (?P<other>\S{1,30}) unstable"
    ),
    "task-hung": r"task (?P<subject>.{1,60}) blocked for more than \d+ seconds",
    "nfs-silent": r"nfs: server (?P<subject>\S{1,100}) not responding",
    "oom-kill": r"Out of memory: Kill(?:ed)? process \d+ \((?P<subject>.{1,40}?)\)|Memory cgroup out of memory: Kill",
}
"""What a line of each kind says; the first that fits decides."""

# What is looked at: short and literal, for it is held against the whole log.
_ROUGH = (
    "TCP: (out of memory|too many|time wait)|conntrack: table full|eighbou?r table overflow|SYN flooding|"
    "NETDEV WATCHDOG|Unit Hang|Tx that wasn|tx_timeout:|lost tx completions|[Ll]ink (is )?([Dd]own|[Uu]p)|"
    "link (becomes|status)|csum failure|martian |waiting for .* to become free|duplicate address|own address as|"
    "entered promiscuous|Route cache is full|[Cc]locksource.* unstable|blocked for more than|not responding|"
    "ut of memory: Kill"
)

SCRIPT = (
    need("awk")
    + r"""
complaints='
    NR == 1 { # it tells how far back the log reaches
      if ($0 == "!") { none = 1; exit }
      print source " " substr($0, 1, 200)
    }
    # the first line may be a complaint, too: a log that was cleared, or has come round, begins anywhere
    /ROUGH/ {
      time = "-"; text = substr($0, 1, 600)
      if (match(text, /\[ *[0-9]+\.[0-9]+\]/)) {
        time = substr(text, RSTART + 1, RLENGTH - 2); sub(/^ +/, "", time)
        text = substr(text, RSTART + RLENGTH)
      }
      sub(/^ *(\[ *[TC][0-9]+\])? */, "", text)
      key = text
      if (key ~ /martian/) sub(/source .*on dev/, "source * on dev", key)
      if (key ~ /Tx that/) sub(/index [0-9]+/, "", key)
      if (key ~ /timed out [0-9]+ ms/) sub(/timed out [0-9]+ ms/, "timed out", key)
      if (key ~ /entered promiscuous/) key = "promiscuous" # every bridge port says it
      if (key ~ /^IPv6: ADDRCONF/) next
      if (!(key in count)) { first[key] = time; order[++n] = key }
      count[key]++; last[key] = time; shown[key] = text; at[key] = NR
    }
    END {
      if (none || some && !NR) exit 1
      if (!NR) print source " "
      least = 0
      if (n > MOST) { # the newest ones
        for (i = 1; i <= n; i++) seen[at[order[i]]] = 1
        for (i = NR; i > 0; i--) if (i in seen && ++m == MOST) { least = i; break }
      }
      for (i = 1; i <= n; i++) {
        key = order[i]
        if (at[key] >= least) print count[key], first[key], last[key], substr(shown[key], 1, 400)
      }
    }'
# one system call for the whole log, where this dmesg knows it, instead of one for each line
dmesg -S 2>/dev/null | awk -v source=dmesg -v some=yes "$complaints" && exit
{ dmesg || echo "!"; } | awk -v source=dmesg "$complaints" && exit
command -v journalctl >/dev/null || exit 1
{ journalctl -k -b -q --no-pager -o short-monotonic || echo "!"; } | awk -v source=journal "$complaints"
""".replace("ROUGH", _ROUGH).replace("MOST", str(MOST))
)

_TIME = re.compile(r"\[\s*(\d{1,12}\.\d{1,9})\]")
_ROW = re.compile(r"(\d{1,10}) (-|\d{1,12}\.\d{1,9}) (-|\d{1,12}\.\d{1,9}) (.*)")
_NAMED = re.compile(
    r"(?:^|[\s:])(?P<device>[A-Za-z][\w.@-]{0,31}):? +(?:NETDEV WATCHDOG|NIC Link|Link is|link |Detected|hw csum|"
    r"Found a Tx|tx_timeout|The number of lost|\(slave|IPv6 duplicate)"
)
_SLAVE = re.compile(r"\(slave (?P<device>[^()\s]{1,32})\)|for (?:active )?interface (?P<other>[^\s,]{1,32})")
_DRIVER = re.compile(r"^(?P<driver>[a-z][\w-]{1,20}) [\da-f]{4}:[\da-f]{2}:[\da-f]{2}\.\d ")
_COMPILED = {kind: re.compile(pattern) for kind, pattern in KINDS.items()}


def parse(readings: Sequence[Reading], _seen: Seen) -> KernelLogFacts:
    """Read the source with its first line, then a count, two times and a line each. Raises ParseError."""
    reading = readings[-1]
    head, _, body = reading.text.partition("\n")
    source, _, oldest = head.partition(" ")
    if source not in ("dmesg", "journal"):
        raise ParseError(f"expected dmesg or journal and its first line, got {head[:60]!r}")
    began = _TIME.search(oldest[:200])
    found: dict[tuple[object, ...], KernelEvent] = {}
    for line in body.splitlines():
        row = _ROW.fullmatch(line)
        if row is None:
            raise ParseError(f"expected a count, two times and a line, got {line[:60]!r}")
        event = classify(row[4])
        if event is None:
            continue
        ages = [None if at == "-" else max(0.0, round(reading.uptime - float(at), 1)) for at in (row[2], row[3])]
        event = event.model_copy(
            update={"count": int(row[1]), "first_seconds_ago": ages[0], "last_seconds_ago": ages[1]}
        )
        key = (event.kind, event.device, event.queue, event.table, event.port, event.subject)
        found[key] = _merged(found[key], event) if key in found else event
    return KernelLogFacts(
        source=source,
        covers_seconds=None if began is None else max(0.0, round(reading.uptime - float(began[1]), 1)),
        events=sorted(found.values(), key=lambda event: (event.last_seconds_ago is None, event.last_seconds_ago or 0)),
    )


def classify(text: str) -> KernelEvent | None:
    """What a line of the log complains about, as one event of now; None when it is none of `KINDS`."""
    text = text[:400]
    for kind, pattern in _COMPILED.items():
        said = pattern.search(text)
        if said is not None:
            return _event(kind, said.groupdict(), text)
    return None


def _event(kind: str, parts: Mapping[str, str | None], text: str) -> KernelEvent:
    named = _SLAVE.search(text) if kind.startswith("link-") else None
    named = named or _NAMED.search(text)
    device = parts.get("device") or (named and (named["device"] or named.groupdict().get("other"))) or ""
    driver = parts.get("driver") or ((bus := _DRIVER.match(text)) and bus["driver"]) or ""
    table = parts.get("table") or ("arp_cache" if kind == "neighbour-overflow" else "")
    where = parts.get("netns")
    queue = parts.get("queue")
    return KernelEvent(
        kind=kind,
        device=neutral(device, 32),
        driver=neutral(driver, 40),
        queue=int(queue) if queue else None,
        table=f"{table} in {where}" if where else table,
        port=neutral(parts.get("port") or "", 60),
        subject=neutral(parts.get("subject") or parts.get("other") or "", 100),
        count=1,
        first_seconds_ago=None,
        last_seconds_ago=None,
        text=neutral(text, 300),
    )


def _merged(one: KernelEvent, other: KernelEvent) -> KernelEvent:
    firsts = [age for age in (one.first_seconds_ago, other.first_seconds_ago) if age is not None]
    lasts = [age for age in (one.last_seconds_ago, other.last_seconds_ago) if age is not None]
    newest = other if lasts and other.last_seconds_ago == min(lasts) else one
    return newest.model_copy(
        update={
            "count": one.count + other.count,
            "first_seconds_ago": max(firsts, default=None),
            "last_seconds_ago": min(lasts, default=None),
        }
    )


PROBE = Probe(
    name="kernel_log",
    question="What has the kernel complained about, and how long ago?",
    script=SCRIPT,
    parse=parse,
    facts=KernelLogFacts,
    root=True,
    cost=Cost.MODERATE,
    timeout=10.0,
)
