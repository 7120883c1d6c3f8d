"""Does every transmit queue move what it holds?

Queue disciplines of the host's own namespace, and of others where sockets are adrift (`sockstat` says so): closed
sockets whose packets wait in a queue that does not move. A namespace that was not entered is not told of.

Its text is read and not its JSON (`tc -j`): that costs a host as much CPU, is a third longer (10.4 kB for 60 queues
instead of 8.1), does not name the device of a single one, and is not there before iproute2 4.17, so that text would
have to be read as well.
"""

import re
from collections.abc import Mapping, Sequence

from bot.core.probe import Facts, NoEvidence, ParseError, Probe, Reading, Sampling, Scope, Seen
from bot.core.text import neutral
from bot.probes._text import insist, joined, number
from bot.probes.links import Link, LinksFacts
from bot.probes.netns import NetnsFacts

_NO_QUEUE = frozenset({"noqueue", "noop", "clsact", "ingress", "mq", "mqprio", "multiq"})
"""Kinds that hold no packets of their own; mq and its like repeat the sums of their children."""


class Qdisc(Facts):
    """One queue discipline that holds packets itself: a leaf, by `tc -s qdisc`."""

    netns: str
    """Id of its namespace."""
    netns_label: str
    """What people call that namespace."""
    host: bool
    """Whether that is the host's own."""
    device: str
    """Interface."""
    kind: str
    """"pfifo_fast", "fq_codel", "fq", "tbf", …"""
    handle: str
    """Its handle ("8003:"), "0:" for those that the kernel made by itself."""
    parent: str
    """"root", or its place below another one: ":1" is the first hardware queue under mq, "1:11" a class."""
    spec: str
    """How it was set up, in the words of `tc qdisc add`: "rate 8bit burst 1600b limit 480000b"; empty for defaults."""
    qlen: int
    """Packets that wait in it at the end of the window."""
    qlen_before: int
    """Packets that waited in it at the beginning."""
    backlog: str
    """Bytes that wait, as `tc` rounds them."""
    limit: int
    """Packets that it may hold, where it tells; 0: bounded otherwise (by bytes, by txqueuelen)."""
    packets: int
    """Packets that left it within the window; one packet of many segments counts as one."""
    drops: int
    """Packets that it dropped within the window."""
    overlimits: int
    """Times within the window that it held a packet back by its own rule."""
    requeues: int
    """Times within the window that the driver gave a packet back."""
    drops_ever: int
    """Packets dropped since it was made: history."""
    driver: str
    """Driver of its interface; empty for one of software, or in another namespace than the host's."""
    carrier: bool | None
    """Whether its interface has a link, where that was read."""


class QdiscFacts(Facts):
    """Queue disciplines that hold packets."""

    seconds: float
    """The window: host seconds between the two readings."""
    entered: list[str]
    """Ids of the namespaces that were looked at."""
    queues: list[Qdisc]
    """Leaves that were there at both ends of the window; those that hold packets first."""


SCRIPT = r"""
# by its path: a busybox sh may have a tc of its own, which tells no statistics
for tc in /usr/sbin/tc /sbin/tc /usr/bin/tc /bin/tc; do [ ! -x $tc ] || break; done
[ -x $tc ] || { echo "tc: not found" >&2; exit 127; }
nl='
'
far=
case $CARRY in *adrift*)
  set -f; IFS=$nl
  for line in $CARRY; do case $line in "adrift "*) far="$far ${line#adrift }" ;; esac; done
  set +f; unset IFS ;;
esac
echo "in $NETNS_SELF"
$tc -s qdisc show || exit
set -- $far
while [ $# -ge 2 ]; do
  [ "$1" = "$NETNS_SELF" ] || ! rows=$(nsenter -t "$2" -n $tc -s qdisc show) || printf 'in %s\n%s\n' "$1" "$rows"
  shift 2
done
:
"""

_HEAD = re.compile(
    r"qdisc (?P<kind>[\w-]{1,32}) (?P<handle>[0-9a-f]{1,8}:)(?: \[\w{1,20}\])? dev (?P<device>\S{1,40}) "
    r"(?:(?P<root>root)|parent (?P<parent>[0-9a-f:]{1,12}))?(?P<rest>.{0,600})"
)
_SENT = re.compile(
    r"\s*Sent (\d{1,20}) bytes (\d{1,20}) pkts? \(dropped (\d{1,20}), overlimits (\d{1,20}) requeues (\d{1,20})\)\s*"
)
_BACKLOG = re.compile(r"\s*backlog (\d{1,20}[KMGT]?b) (\d{1,12})p requeues \d{1,20}\s*")
_LIMIT = re.compile(r"\blimit (\d{1,12})p\b")
_NOISE = re.compile(r"^(?: refcnt \d{1,10})?(?: bands \d.*)?")


def parse(readings: Sequence[Reading], seen: Seen) -> QdiscFacts:
    """Hold the last reading against the first. Raises ParseError."""
    insist(seen, "netns")
    first, last = readings[0], readings[-1]
    seconds = last.uptime - first.uptime
    if seconds <= 0:
        raise ParseError(f"{seconds:.2f} seconds between two readings")
    before, after = rows(first.text), rows(last.text)
    spaces, links = joined(seen, "netns"), joined(seen, "links")
    by_name = {link.name: link for link in links.links} if isinstance(links, LinksFacts) else {}
    found = []
    for netns, leaves in after.items():
        space = spaces.namespaces.get(netns) if isinstance(spaces, NetnsFacts) else None
        host = space.host if space is not None else netns == next(iter(after))
        label = space.label if space is not None else f"net:[{netns}]"
        for key, row in leaves.items():
            was = before.get(netns, {}).get(key)
            if was is not None:
                link = by_name.get(row["device"]) if host else None
                found.append(_qdisc(row, was, netns=netns, label=label, host=host, link=link))
    found.sort(key=lambda queue: (-queue.qlen, queue.netns, queue.device))
    return QdiscFacts(seconds=round(seconds, 2), entered=list(after), queues=found)


def rows(text: str) -> dict[str, dict[tuple[str, str, str], Mapping[str, str]]]:
    """By namespace, the leaves of `tc -s qdisc` by device, parent and handle. Raises ParseError, NoEvidence."""
    found: dict[str, list[dict[str, str]]] = {}
    here: list[dict[str, str]] | None = None
    for line in text.splitlines():
        if entered := re.fullmatch(r"in (\d{1,20})", line):
            here = found.setdefault(entered[1], [])
        elif head := _HEAD.match(line):
            if here is None:
                raise ParseError(f"expected a namespace, got {line[:60]!r}")
            here.append({key: value or "" for key, value in head.groupdict().items()})
        elif not here:
            if line.strip():
                raise ParseError(f"expected a queue discipline, got {line[:60]!r}")
        elif sent := _SENT.fullmatch(line):
            here[-1] |= dict(zip(("bytes", "packets", "drops", "overlimits", "requeues"), sent.groups(), strict=True))
        elif queued := _BACKLOG.fullmatch(line):
            here[-1] |= {"backlog": queued[1], "qlen": queued[2]}
        # other lines are a discipline's own statistics
    for disciplines in found.values():
        if any("packets" not in row or "qlen" not in row for row in disciplines):
            raise NoEvidence("tc tells no statistics here (a small one, of busybox?)")
    if not found:
        raise ParseError("no namespace")
    return {netns: _leaves(disciplines) for netns, disciplines in found.items()}


def _leaves(disciplines: Sequence[Mapping[str, str]]) -> dict[tuple[str, str, str], Mapping[str, str]]:
    above = {(row["device"], row["parent"].partition(":")[0] + ":") for row in disciplines if row["parent"]}
    return {
        (row["device"], row["parent"] or "root", row["handle"]): row
        for row in disciplines
        if row["kind"] not in _NO_QUEUE and (row["handle"] == "0:" or (row["device"], row["handle"]) not in above)
    }


def _qdisc(
    row: Mapping[str, str], was: Mapping[str, str], *, netns: str, label: str, host: bool, link: Link | None
) -> Qdisc:
    def grown(key: str) -> int:
        return max(0, number(row[key]) - number(was[key]))

    limit = _LIMIT.search(row["rest"])
    return Qdisc(
        netns=netns,
        netns_label=label,
        host=host,
        device=neutral(row["device"], 40),
        kind=row["kind"],
        handle=row["handle"],
        parent=row["parent"] or "root",
        spec=neutral(_NOISE.sub("", row["rest"]).strip(), 200),
        qlen=number(row["qlen"]),
        qlen_before=number(was["qlen"]),
        backlog=row["backlog"],
        limit=int(limit[1]) if limit else 0,
        packets=grown("packets"),
        drops=grown("drops"),
        overlimits=grown("overlimits"),
        requeues=grown("requeues"),
        drops_ever=number(row["drops"]),
        driver=link.driver if link is not None else "",
        carrier=link.carrier if link is not None else None,
    )


PROBE = Probe(
    name="qdisc",
    question="Does every transmit queue move what it holds?",
    script=SCRIPT,
    parse=parse,
    facts=QdiscFacts,
    scope=Scope.NETNS,
    sampling=Sampling.COUNTER,
    root=True,
    max_bytes=524_288,
    after=("netns", "sockstat", "links"),
)
