"""To whom does TCP send again, and is it large packets alone that do not arrive?

Nothing is looked at but a counter, until it rises. Then the namespaces where it rose are entered for the connections
that send again just now. Where full-sized segments hang towards a peer, that peer is asked for an echo twice: with a
small packet and with one of the connection's own size, neither to be fragmented.
"""

import re
from collections.abc import Mapping, Sequence

from bot.core.probe import Cost, Facts, Gather, ParseError, Probe, Reading, Sampling, Scope, Seen
from bot.core.text import neutral
from bot.probes._text import insist, joined, need, number, split_netns
from bot.probes.netns import NetnsFacts

SHOWN = 100


class Retransmitting(Facts):
    """One connection that had to send again."""

    netns: str
    """Id of its namespace."""
    netns_label: str
    """What people call that namespace."""
    state: str
    """"ESTAB", "SYN-SENT", …, as `ss` has it."""
    local: str
    """Address and port here."""
    peer: str
    """Address and port there."""
    peer_address: str
    """The address alone, without brackets."""
    send_q: int
    """Bytes that the peer has not acknowledged."""
    tries: int
    """How often the oldest segment was sent again by now; 0: the last loss is made good."""
    resent: int
    """Segments sent again since the connection began."""
    mss: int
    """Largest segment, in bytes."""
    pmtu: int
    """What the kernel believes the path takes, in bytes."""


class Path(Facts):
    """Whether small and large packets reach a peer."""

    netns: str
    """Id of the namespace that asked."""
    netns_label: str
    """What people call that namespace."""
    address: str
    """The peer."""
    size: int
    """Bytes of the large packet: the path's MTU as the kernel believes it."""
    answered: dict[str, bool]
    """Whether an echo of 84 bytes ("small") and one of `size` bytes ("large") came back. Either is left out where the
    host's ping could not ask, or the kernel knew that the path does not take so much."""


class TcpRetransmitsFacts(Facts):
    """Connections that send again, worst first."""

    connections: list[Retransmitting]
    """Of the namespaces where retransmissions rose within the visit; about a hundred at most."""
    more: int
    """Such connections that are not told one by one."""
    paths: list[Path]
    """The peers that were asked for an echo, at most three for each namespace."""


_FOUND = r"""
  function field(name, at, rest) {
    at = index($0, " " name ":"); if (!at) return 0
    rest = substr($0, at + length(name) + 2); sub(/[ ,].*/, "", rest); return rest + 0
  }
  /^[[:blank:]]/ { held = held $0; next }
  { line = $0; if (held != "") look(); held = line }  # look() takes $0 for itself
  END { if (held != "") look(); if (n > shown) print "more", id, n - shown }
  function look(again, total, part) {
    $0 = held
    again = 0; if (match($0, /timer:\(on,[^,]*,[0-9]+\)/)) {
      again = substr($0, RSTART, RLENGTH); sub(/.*,/, "", again); again += 0
    }
    total = 0; if (match($0, / retrans:[0-9]+\/[0-9]+/)) {
      split(substr($0, RSTART, RLENGTH), part, "/"); total = part[2] + 0
    }
    if (!again && !total || n++ >= shown) return
    print "row", id, $1, $3, $4, $5, again, total, field("mss"), field("pmtu")
  }
"""

# Connections that hang send again ever more rarely: one is enough, unless there are many to look at.
GATHER = Gather(
    ("net/snmp",),
    awk=r"""
function tcp_retransmits(   i, path, again, before, word) {
  spaces()
  for (i = 1; i <= LINES; i++) { split(CARRIED[i], word); if (word[1] == "resent") before[word[2]] = word[3] }
  for (i = 1; i <= SPACES; i++) {
    path = net(i, "snmp"); again = counter(path, "Tcp", "RetransSegs") + 0
    if (SAMPLE == 1) { if (again > 0) carry("resent " ID[i] " " again); continue }
    if (again - before[ID[i]] >= (counter(path, "Tcp", "CurrEstab") > 2000 ? 3 : 1)) ask(ID[i] " " PID[i])
  }
}
""",
)

SCRIPT = (
    need("ss", "grep", "awk")
    + f"shown={SHOWN}\n"
    + r"""
# two packets of each size; whoever answers one of them is reached
echo_of() { # namespace, address, size of the packet with its headers
  family=-4; head=28; case $2 in *:*) family=-6; head=48 ;; esac
  said=$($enter ping $family -n -q -c 2 -i 0.3 -W 1 -M do -s $(( $3 - head )) "$2" 2>&1); status=$?
  case $said in *'essage too long'*) status=2 ;; *transmitted*) ;; *) status=2 ;; esac
  echo "echo $1 $2 $3 $status"
}
set -- $PLAN
while [ $# -ge 2 ]; do
  enter="nsenter -t $2 -n"; [ "$1" != "$NETNS_SELF" ] || enter=
  rows=$($enter ss -HOtino state connected 2>/dev/null || $enter ss -tino state connected) || {
    [ ! -d "/proc/$2" ] || exit 1
    rows=
  }
  rows=$(printf '%s\n' "$rows" | grep -v '^State' | awk -v id="$1" -v shown=$shown '"""
    + _FOUND
    + r"""')
  printf '%s\n' "$rows"
  # established, sent again three times and more, and more waiting than one segment holds
  for path in $(printf '%s\n' "$rows" | awk '
    $1 == "row" && $3 == "ESTAB" && $7 >= 3 && $4 >= $9 && $9 > 0 && $10 >= 576 {
      peer = $6; sub(/:[0-9]+$/, "", peer); gsub(/[][]/, "", peer); sub(/^::ffff:/, "", peer)
      if (!((peer) in told) && n++ < 3) { told[peer] = 1; print peer "," $10 }
    }'); do
    command -v ping >/dev/null || { echo "echo $1 ${path%,*} ${path#*,} 127"; continue; }
    echo_of "$1" "${path%,*}" "${path#*,}" &
    echo_of "$1" "${path%,*}" 84 &
  done
  wait
  shift 2
done
:
"""
)

_ROW = re.compile(
    r"row (\d{1,20}) ([A-Z0-9-]{1,20}) (\d{1,12}) (\S{3,90}) (\S{3,90}) (\d{1,6}) (\d{1,12}) (\d{1,6}) (\d{1,9})"
)
_ECHO = re.compile(r"echo (\d{1,20}) ([0-9A-Fa-f:.]{3,50}(?:%\S{1,32})?) (\d{1,9}) (\d{1,3})")
_MORE = re.compile(r"more (\d{1,20}) (\d{1,12})")
_SMALL = 84
_ANSWERS = {"0": True, "1": False}
"""What ping's exit status says of the path; anything else says something of ping."""


Echoes = dict[tuple[str, str], dict[int, bool | None]]
"""By namespace and address: whether a packet of that size came back."""


def parse(readings: Sequence[Reading], seen: Seen) -> TcpRetransmitsFacts:
    """Read what the last look found. Raises ParseError."""
    insist(seen, "netns")
    if len(readings) < 2:  # noqa: PLR2004 - the first reading only remembers
        raise ParseError("one reading, and nothing to hold it against")
    _pids, body = split_netns(readings[-1].text)
    spaces = joined(seen, "netns")
    found = spaces.namespaces if isinstance(spaces, NetnsFacts) else {}
    labels = {inode: space.label for inode, space in found.items()}
    connections: list[Retransmitting] = []
    echoes: Echoes = {}
    more = 0
    for line in body.splitlines():
        if not line.strip():
            continue
        if row := _ROW.fullmatch(line):
            connections.append(_connection(row, labels))
        elif echo := _ECHO.fullmatch(line):
            echoes.setdefault((echo[1], neutral(echo[2], 60)), {})[number(echo[3])] = _ANSWERS.get(echo[4])
        elif left := _MORE.fullmatch(line):
            more += number(left[2])
        else:
            raise ParseError(f"expected a connection or an echo, got {line[:60]!r}")
    connections.sort(key=lambda one: (-one.tries, -one.resent, one.netns, one.peer, one.local))
    return TcpRetransmitsFacts(
        connections=connections[:SHOWN], more=more + max(0, len(connections) - SHOWN), paths=_paths(echoes, labels)
    )


def _connection(row: "re.Match[str]", labels: Mapping[str, str]) -> Retransmitting:
    address = row[5].rpartition(":")[0].strip("[]")
    return Retransmitting(
        netns=row[1],
        netns_label=labels.get(row[1], f"net:[{row[1]}]"),
        state=row[2],
        local=neutral(row[4], 80),
        peer=neutral(row[5], 80),
        peer_address=neutral(address, 60),
        send_q=number(row[3]),
        tries=number(row[6]),
        resent=number(row[7]),
        mss=number(row[8]),
        pmtu=number(row[9]),
    )


def _paths(echoes: Echoes, labels: Mapping[str, str]) -> list[Path]:
    found = []
    for (netns, address), answers in echoes.items():
        size = max(answers)
        if size == _SMALL:
            continue
        named = {"small": answers.get(_SMALL), "large": answers[size]}
        found.append(
            Path(
                netns=netns,
                netns_label=labels.get(netns, f"net:[{netns}]"),
                address=address,
                size=size,
                answered={name: answer for name, answer in named.items() if answer is not None},
            )
        )
    return found


PROBE = Probe(
    name="tcp_retransmits",
    question="To whom does TCP send again, and is it large packets alone that do not arrive?",
    script=SCRIPT,
    parse=parse,
    facts=TcpRetransmitsFacts,
    scope=Scope.NETNS,
    sampling=Sampling.COUNTER,
    root=True,
    cost=Cost.MODERATE,
    timeout=12.0,
    max_bytes=262_144,
    after=("netns",),
    gather=GATHER,
)
