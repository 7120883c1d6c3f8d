"""Does every listening TCP socket accept what connects to it?

Entering a namespace and asking there costs milliseconds, and hosts have hundreds. So the first sample enters only
those where somebody waits: their counters tell where a queue can be as good as full (`MATTERS`), and the head of
/proc/PID/net/tcp how many wait at each listener of those (its limit it does not tell). The later samples enter where
somebody waited or where the namespace's listen counters moved; elsewhere the first reading stands. Which process holds
a listener is asked only where somebody waits, or where connections were ever dropped.
"""

import re
from collections.abc import Mapping, Sequence

from bot.core.probe import Cost, Facts, Gather, ParseError, Probe, Reading, Sampling, Scope, Seen
from bot.core.text import neutral
from bot.probes._text import insist, joined, need, number
from bot.probes.netns import Namespace, NetnsFacts
from bot.probes.socket_fds import ProcessSockets, SocketFdsFacts

MATTERS = 12
"""Where no more connections than this are there or were ever made, and none was ever dropped, no queue can be worth a
look: backlogs below 16 are tiny by design, and 13 is what nearly fills one of 16."""


class Listener(Facts):
    """One listening TCP socket; sockets that share a port (SO_REUSEPORT) are one each."""

    netns: str
    """Id of its namespace."""
    netns_label: str
    """What people call that namespace: "host", a container, a pod."""
    local: str
    """Address and port: "0.0.0.0:80", "[::]:80"."""
    address: str
    """The address alone, without brackets; "*" is every address of both families."""
    port: int
    """TCP port."""
    recv_q: int
    """Connections that wait to be accepted. More than `send_q` means that the queue is full and drops."""
    send_q: int
    """The queue's limit: the smaller of the application's backlog and somaxconn when it called listen()."""
    inode: int
    """The socket's inode: the same socket as long as it stays the same. 0: not asked for, because nobody waits in this
    namespace and nothing was ever dropped."""
    drops: int | None
    """Packets that this very socket dropped so far (sk_drops of `ss -m`); None where `ss` does not tell."""
    pid: int
    """A process that holds it; 0: none was found."""
    process: str
    """That process's name; empty: none was found."""
    container: str
    """Its container; empty: none."""
    pod: str
    """Its pod; empty: none."""
    unit: str
    """Its service unit; empty: none."""


class ListenFacts(Facts):
    """The listening TCP sockets of the host, and of its containers where somebody waits, or connections are dropped."""

    listeners: list[Listener]
    """Ordered by namespace, port and address."""


GATHER = Gather(
    ("net/netstat",),
    first=("net/sockstat", "net/sockstat6", "net/snmp"),
    skips="^MPTcpExt:",
    awk=r"""
function listen_queues(   i, k, id, word, before, again, four, six, made, open, reset, most, drops, never, path) {
  for (k = 1; k <= LINES; k++) {
    split(CARRIED[k], word)
    if (word[1] == "drops") before[word[2]] = word[3]
    if (word[1] == "waiting") again[word[2]] = 1
  }
  for (i = 1; i <= SPACES; i++) {
    id = ID[i]; path = net(i, "netstat")
    drops = counter(path, "TcpExt", "ListenOverflows") "/" counter(path, "TcpExt", "ListenDrops")
    never = drops == "0/0"
    if (SAMPLE > 1) {
      if (id in again || id in before && before[id] != drops) ask((never ? "peep " : "enter ") id " " PID[i])
      continue
    }
    four = listen_queues_used(net(i, "sockstat")); six = listen_queues_used(net(i, "sockstat6"))
    if (!(four + six)) continue
    carry("drops " id " " drops); ask("used " id " " PID[i] ":" four + six)
    if (i == OWN) { ask((never ? "peep " : "enter ") id " " PID[i]); continue }
    # who waits was made here, and is established or was reset: with fewer there is no queue worth a look
    path = net(i, "snmp"); made = counter(path, "Tcp", "PassiveOpens")
    open = counter(path, "Tcp", "CurrEstab"); reset = counter(path, "Tcp", "EstabResets"); most = MATTERS + 1
    if (open != "" && reset != "") most = open + reset
    if (made != "" && made < most) most = made
    if (most <= MATTERS && never) continue
    # with as many as that at one listener its queue may be as good as full, and where it once was, with one
    k = never ? MATTERS + 1 : 1
    ask("wait" (four + reset > k ? "4" : "") (six + reset > k ? "6" : "") ":" k " " id " " PID[i])
  }
}
function listen_queues_used(path,   k, word, used) {
  for (k = 1; k <= ROWS[path]; k++) if (ROW[path, k] ~ /^TCP6?: inuse / && split(ROW[path, k], word)) used += word[3]
  return used + 0
}
""".replace("MATTERS", str(MATTERS)),
)

SCRIPT = (
    need("ss", "awk")
    + r"""
nl='
'
waits() { # table, how many; whether as many wait at one of the listeners. They stand before the connections, and read
  # takes one row at a time from the kernel, which would walk the machine's whole table for more. Half-open ones stand
  # among them on kernels before 4.4.
  rows=0
  while read -r slot local peer state queues rest; do
    case $state in
      0A) [ $(( 0x${queues#*:} )) -lt "$2" ] || return 0 ;;
      03) [ $rows -lt 300 ] || return 0 ;;
      st | rem_address | local_address) ;;
      *) return 1 ;;
    esac
    rows=$(( rows + 1 ))
  done <"$1"
  return 1
}
# `state listening`, not `-l`: the latter makes the kernel walk the table of connections, too
look() { # how, namespace, pid
  how=$1; shift
  enter="nsenter -t $2 -n"; [ "$1" != "$NETNS_SELF" ] || enter=
  # -e tells whose a socket is, and costs more than all the rest
  if [ "$how" = peep ] && rows=$($enter ss -HOtnm state listening 2>/dev/null); then
    case $nl$rows in *"$nl"[1-9]*) ;; *) printf 'in %s\n%s\n' "$1" "$rows"; return ;; esac
  fi
  rows=$($enter ss -HOtnem state listening 2>/dev/null) || rows=$($enter ss -tnem state listening) || {
    [ ! -d "/proc/$2" ] || exit 1
    return 0
  }
  printf 'in %s\n%s\n' "$1" "$rows"
}
all=$(
  set -- $PLAN
  while [ $# -ge 3 ]; do
    case $1 in
      enter | peep) look "$1" "$2" "$3" ;;
      wait*)
        how=; least=${1#*:}
        case $1 in wait4*) ! waits "/proc/$3/net/tcp" "$least" || how=enter ;; esac
        case $how$1 in wait*6:*) ! waits "/proc/$3/net/tcp6" "$least" || how=enter ;; esac
        [ -z "$how" ] || look enter "$2" "$3" ;;
    esac
    shift 3
  done
) || exit
printf '%s\n' "$all"
[ "$SAMPLE" = 1 ] || exit 0
{ printf '%s\n' "$PLAN"; printf '%s\n' "$all"; } | awk '
  $1 == "enter" || $1 == "peep" || $1 ~ /^wait/ { next }
  $1 == "used" { split($3, part, ":"); pid[$2] = part[1]; used[$2] = part[2]; next }
  $1 == "in" { id = $2; next }
  ($1 ~ /^[1-9]/ || $1 == "LISTEN" && $2 > 0) && !(id in told) { told[id] = 1; print "waiting", id, "-" }
  /^[0-9]|^LISTEN/ { known[id]++ }
  match($0, / ino:[0-9]+/) {
    inode = substr($0, RSTART + 5, RLENGTH - 5); print "listens", id, inode
    at = $1 == "LISTEN" ? 2 : 1
    if ($at > 0 && $at >= 0.8 * $(at + 1)) print "queued", id, inode
  }
  END { print "looked"; for (id in used) if (used[id] > known[id]) print "connected", id, pid[id] }' >&4
:
"""
)

_INODE = re.compile(r"(?:^|\s)ino:(\d{1,12})(?=\s|$)")
_DROPS = re.compile(r"skmem:\([^()]{0,200},d(\d{1,20})\)")


def parse(readings: Sequence[Reading], seen: Seen) -> ListenFacts:
    """The listeners as of the last reading: each namespace as it was last entered. Raises ParseError."""
    insist(seen, "netns")
    rows: dict[str, list[str]] = {}
    for reading in readings:
        rows.update(_by_namespace(reading.text.splitlines()))
    spaces = joined(seen, "netns")
    namespaces = spaces.namespaces if isinstance(spaces, NetnsFacts) else {}
    owners = joined(seen, "socket_fds")
    listeners = [
        _owned(listener(row, inode), namespaces.get(inode), owners if isinstance(owners, SocketFdsFacts) else None)
        for inode, found in rows.items()
        for row in whole_rows(found)
    ]
    return ListenFacts(listeners=sorted(listeners, key=lambda q: (q.netns_label != "host", q.netns, q.port, q.local)))


def _by_namespace(lines: Sequence[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    here: list[str] | None = None
    for line in lines:
        if entered := re.fullmatch(r"in (\d{1,20})", line):
            here = found.setdefault(entered[1], [])
        elif line.strip():
            if here is None:
                raise ParseError(f"expected a namespace, got {line[:60]!r}")
            here.append(line)
    return found


def whole_rows(lines: Sequence[str]) -> list[str]:
    """`ss` rows without the header; a row that an old `ss` went on with on the next line is one row again."""
    rows: list[str] = []
    for line in lines:
        if line.startswith(("State", "Netid", "Recv-Q")):
            continue
        if line[:1] in (" ", "\t") and rows:
            rows[-1] += line
        else:
            rows.append(line)
    return rows


def listener(row: str, netns: str = "") -> Listener:
    """One row of `ss -tnem state listening`, which may name the state, without its owner. Raises ParseError."""
    words = row.removeprefix("LISTEN").split(maxsplit=4)
    if len(words) < 4:  # noqa: PLR2004 - two queues, two addresses
        raise ParseError(f"expected a listening socket, got {row[:80]!r}")
    address, colon, port = words[2].rpartition(":")
    if not colon or not port.isdecimal():
        raise ParseError(f"expected address:port, got {words[2][:60]!r}")
    rest = words[4] if len(words) > 4 else ""  # noqa: PLR2004 - what follows the addresses
    inode = _INODE.search(rest)
    drops = _DROPS.findall(rest)
    return Listener(
        netns=netns,
        netns_label=f"net:[{netns}]",
        local=neutral(words[2], 80),
        address=neutral(address.strip("[]"), 60),
        port=number(port),
        recv_q=number(words[0]),
        send_q=number(words[1]),
        inode=int(inode[1]) if inode else 0,
        drops=int(drops[-1]) if drops else None,
        pid=0,
        process="",
        container="",
        pod="",
        unit="",
    )


def _owned(found: Listener, space: Namespace | None, sockets: SocketFdsFacts | None) -> Listener:
    """The listener with its namespace's label and its owner's names."""
    names: dict[str, object] = {}
    if space is not None:
        names = {"netns_label": space.label}
        if not space.host:
            names |= {"container": space.container, "pod": space.pod, "unit": space.unit}
    owner = _owner(found.inode, sockets)
    if owner is not None:
        names |= {"pid": owner.pid, "process": owner.process}
        names |= {key: value for key in ("container", "pod", "unit") if (value := getattr(owner, key))}
    return found.model_copy(update=names)


def _owner(inode: int, sockets: SocketFdsFacts | None) -> ProcessSockets | None:
    if sockets is None or not inode:
        return None
    pid = sockets.listeners.get(str(inode))
    by_pid: Mapping[int, ProcessSockets] = {process.pid: process for process in sockets.processes}
    return by_pid.get(pid) if pid is not None else None


PROBE = Probe(
    name="listen_queues",
    question="Does every listening TCP socket accept what connects to it?",
    script=SCRIPT,
    parse=parse,
    facts=ListenFacts,
    scope=Scope.NETNS,
    sampling=Sampling.MOMENTARY,
    root=True,
    cost=Cost.MODERATE,
    timeout=10.0,
    max_bytes=1_048_576,
    after=("units", "netns", "socket_fds"),
    gather=GATHER,
)
