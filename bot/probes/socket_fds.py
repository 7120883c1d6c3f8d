"""Which processes hold sockets, and in which state?

A socket that was reset, or that never was connected, is in no table of the kernel: only a descriptor shows it.
Looking at a descriptor costs the host microseconds, and hosts have many: the sizes of the descriptor tables are read
first. Large tables are walked, for they may leak; so are those of session leaders, for daemons and the first
processes of containers are such, and own the listeners. The others are walked only while a listener has no owner.

A list of connections costs milliseconds for each namespace, however short it is: the kernel walks the hash table of the
whole machine. Only the namespaces of processes that hold many sockets are listed, the others while one of those
sockets was not found; what is listening the kernel tells without that walk.
"""

import re
from collections.abc import Mapping, Sequence

from bot.core.probe import Cost, Facts, ParseError, Probe, Reading, Seen
from bot.core.text import neutral
from bot.probes._cgroup import Membership, membership
from bot.probes._text import by_process, insist, joined, namespace_files, need, number, start_time, stat_fields
from bot.probes.netns import Namespace, NetnsFacts
from bot.probes.units import UnitsFacts

LARGE = 100
"""Descriptor tables above this size are always walked, and the states of more sockets than this in one process are
always read: they may leak."""
SHOWN = 128
"""About how many processes are told one by one: the largest, and every owner of a listener."""


class ProcessSockets(Facts):
    """One process and the sockets that it holds open."""

    pid: int
    """Process id, in the pid namespace of the visit."""
    process: str
    """Its name (comm)."""
    start_time: int
    """Field 22 of /proc/PID/stat: clock ticks since boot; pid and start time name a process for good."""
    age: float
    """Seconds since it began: how long it took to gather what it holds."""
    netns: str
    """Id of the process's own network namespace; its sockets may be of another."""
    netns_label: str
    """What people call that namespace."""
    container: str
    """Its container; empty: none."""
    pod: str
    """Its pod; empty: none."""
    unit: str
    """Its service unit; empty: none. A process in a container has one only if it is that unit's main process."""
    sockets: int
    """Socket descriptors that it holds."""
    by_state: dict[str, int]
    """TCP by state (established, close_wait, listen, …), others by family (udp, unix, netlink, packet, raw, icmp);
    "unread": too few in this process to be worth asking for (`LARGE` or less)."""
    detached: int
    """Descriptors whose socket is in no table of the kernel: reset, or never connected."""
    close_wait_port: int
    """Local port of most of its sockets in CLOSE_WAIT; 0: none, or not known."""
    descriptors: int
    """Descriptors of every kind, files and pipes too, where the kernel tells (6.2 and later); else `sockets`."""
    fd_limit: int
    """Soft limit of open files; 0: not known, or unlimited."""


class SocketFdsFacts(Facts):
    """Sockets by the processes that hold them."""

    processes: list[ProcessSockets]
    """Those that hold sockets, the largest first: about a hundred, and every owner of a listener."""
    total: int
    """Socket descriptors in all tables that were walked."""
    unwalked: int
    """Processes with at most `LARGE` descriptors that there was no reason to walk."""
    listeners: dict[str, int]
    """Inode of each listening socket that has an owner, and the lowest pid that holds it."""


SCRIPT = (
    need("awk", "grep", "find", "ls")
    + namespace_files("sockstat", "sockstat6")
    + f"large={LARGE} shown={SHOWN}\n"
    + r"""
nl='
'
# a kernel before 6.2 gives no sizes: then every table is walked
sizes=$({ stat -c '%s %n' /proc/[0-9]*/fd; grep -sh '' /proc/[0-9]*/stat; } 2>/dev/null | awk -v large=$large '
  $2 ~ /^\/proc\/[0-9]+\/fd$/ { split($2, part, "/"); size[part[3]] = $1; if ($1) told = 1; next }
  { pid = $1; sub(/^.*\) /, ""); if ($4 == pid) leader[pid] = 1 }
  END {
    for (pid in size) {
      path = " /proc/" pid "/fd"
      if (!told || size[pid] > large || size[pid] && pid in leader) now = now path
      else if (size[pid]) { later = later path; n++ }
    }
    print now; print later; print n + 0
  }')
now=${sizes%%"$nl"*}; sizes=${sizes#*"$nl"}; later=${sizes%%"$nl"*}; unwalked=${sizes#*"$nl"}
[ -n "$now$later" ] || now=$(echo /proc/[0-9]*/fd)

# namespaces with more TCP sockets than the listeners that are known already; where none are known, with any
known=
case $CARRY in
*looked*)
  known=yes tcp=; set -f; IFS=$nl
  for line in $CARRY; do case $line in "connected "*) tcp="$tcp ${line#connected }" ;; esac; done
  set +f; unset IFS ;;
*) tcp=$(grep -sHE '^TCP6?: inuse [1-9]' $files /dev/null | awk '
  BEGIN { n = split(ENVIRON["NETNS"], word); for (i = 1; i + 2 <= n; i += 3) id[word[i + 1]] = word[i] }
  { split($1, part, "/"); used[part[3]] = 1 }
  END { for (pid in used) if (pid in id) print id[pid], pid }') ;;
esac
has_ss=; ! command -v ss >/dev/null || has_ss=yes
list() { # "" or "state listening", namespace and pid, ...; marks the rows of ss with their state
  which=$1; shift
  while [ $# -ge 2 ]; do
    enter="nsenter -t $2 -n"; [ "$1" != "$NETNS_SELF" ] || enter=
    if [ -z "$has_ss" ]; then grep -sH '' "/proc/$2/net/tcp" "/proc/$2/net/tcp6"
    elif [ -z "$which" ]; then $enter ss -tane
    else $enter ss -Htne $which | while IFS= read -r row; do printf 'LISTEN %s\n' "$row"; done
    fi
    shift 2
  done
}
split_by() { # namespaces; puts those of $tcp that are among them into $near, the rest into $far
  near= far= among=" $1 "
  set -- $tcp
  while [ $# -ge 2 ]; do
    case $among in *" $1 "*) near="$near $1 $2" ;; *) far="$far $1 $2" ;; esac
    shift 2
  done
}
fat() { # namespaces of the processes that hold many sockets
  links=$(printf '%s\n' "$sockets" | awk -v large=$large '
    NF == 2 { n[$1]++ } END { for (pid in n) if (n[pid] > large) print "/proc/" pid "/ns/net" }')
  [ -z "$links" ] || ls -ln $links 2>/dev/null | awk '
    match($NF, /[0-9]+/) { id = substr($NF, RSTART, RLENGTH); if (!(id in told)) { told[id] = 1; print id } }'
}
tables() { # of the namespaces that are among ("in") or not ("") those of the fat
  tables= how_among=$1
  set -- $NETNS
  while [ $# -ge 3 ]; do
    case $among in *" $1 "*) here=in ;; *) here= ;; esac
    [ "$here" != "$how_among" ] || for name in unix netlink packet raw raw6 udp udp6 udplite udplite6 icmp icmp6; do
      tables="$tables /proc/$2/net/$name"
    done
    shift 3
  done
  grep -sH '' $tables /dev/null
}
with_find() { find "$@" -printf '%p %l\n'; } # GNU; half the cost
with_ls() { ls -ln "$@"; }
walk() { # how, directories; prints "pid inode" of every socket
  "$@" 2>/dev/null | awk '
    /^\/proc\/[0-9]+\/fd:$/ { split($0, part, "/"); at = part[3]; next }
    $NF ~ /^socket:\[[0-9]+\]$/ {
      pid = at; if (/^\/proc\//) { split($1, part, "/"); pid = part[3] }
      print pid, substr($NF, 9, length($NF) - 9)
    }'
}
# Sockets by holder and state. Rows that name a table are unforgeable; the path in a row of `unix` may pretend to be
# anything, so what TCP says of an inode stands.
sum_up() { # whether everything was listed
  awk -v shown=$shown -v large=$large -v whole="$1" '
    BEGIN {
      split("established syn_sent syn_recv fin_wait_1 fin_wait_2 time_wait close", hex)
      split("close_wait last_ack listen closing", more)
      for (i = 1; i <= 7; i++) { name[i] = hex[i]; if (i < 5) name[substr("89AB", i, 1)] = more[i] }
      name["ESTAB"] = "established"
      n = split("netlink raw raw6 udp udp6 udplite udplite6 icmp icmp6 tcp tcp6", kinds)
      for (i = 1; i <= n; i++) column[kinds[i]] = 10
      column["unix"] = 7; column["packet"] = 9
      n = split(ENVIRON["CARRY"], line, "\n")
      for (i = 1; i <= n; i++) { split(line[i], word); if (word[1] == "listens") state[word[3]] = "listen" }
    }
    $0 == "-" { tables = 1; next }
    !tables && NF == 2 { total++; holder[total] = $1; socket[total] = $2; held[$2] = 1; next }
    /^\/proc\/[0-9]+\/net\/[a-z0-9]+:/ {
      at = index($0, ":"); kind = substr($0, 1, at - 1); sub(/.*\//, "", kind); $0 = substr($0, at + 1)
      inode = $column[kind]
      if (!(inode in held) || inode in state) next
      if (kind ~ /^tcp/) kind = name[substr($4, 2, 1)]; else sub(/(lite)?6?$/, "", kind)
      state[inode] = kind
      next
    }
    tables && match($0, / ino:[0-9]+/) {
      inode = substr($0, RSTART + 5, RLENGTH - 5)
      if (!($1 in name)) { s = tolower($1); gsub(/-/, "_", s); name[$1] = s }
      if (inode in held || $1 == "LISTEN") state[inode] = name[$1]
      if (inode in held && $1 == "CLOSE-WAIT") { s = $4; sub(/.*:/, "", s); port[inode] = s + 0 }
    }
    END {
      for (i = 1; i <= total; i++) sockets[holder[i]]++
      for (i = 1; i <= total; i++) {
        pid = holder[i]; inode = socket[i]
        if (inode in state) s = state[inode]
        else if (whole || sockets[pid] > large) { s = "detached"; detached++ }
        else s = "unread"
        if (!((pid, s) in count)) states[pid] = states[pid] " " s
        count[pid, s]++
        if (inode in port) {
          q = port[inode]
          if (++tally[pid, q] > tally[pid, chief[pid]] + 0 || chief[pid] == "") chief[pid] = q
        }
        if (s == "listen" && (!(inode in owner) || pid + 0 < owner[inode] + 0)) owner[inode] = pid
      }
      for (inode in state) if (state[inode] == "listen" && !(inode in owner)) lost++
      print "detached", detached + 0; print "lost", lost + 0; print "total", total + 0
      for (inode in owner) { print "owner", inode, owner[inode]; wanted[owner[inode]] = 1 }
      for (least = 1; ; least *= 2) {
        n = 0; for (pid in sockets) if (sockets[pid] >= least) n++
        if (n <= shown) break
      }
      for (pid in sockets) if (sockets[pid] >= least || pid in wanted) {
        row = "holds " pid; n = split(states[pid], each)
        if (pid in chief) row = row " close_wait_port=" chief[pid]
        for (i = 1; i <= n; i++) row = row " " each[i] "=" count[pid, each[i]]
        print row
      }
    }'
}
how=with_find
sockets=$(walk $how $now)
[ -n "$sockets" ] || { how=with_ls; sockets=$(walk $how $now); }
split_by "$(echo $(fat))" # sets $among, too
rows=$(list "" $near 2>/dev/null)
if [ -z "$known" ]; then
  if [ -n "$has_ss" ]; then rows=$rows$nl$(list "state listening" $far 2>/dev/null)
  else rows=$rows$nl$(list "" $far); far=
  fi
fi
[ "$among" = "  " ] || rows=$rows$nl$(tables in)
found=$(printf '%s\n' "$sockets" - "$rows" | sum_up "")
again=
# a listener without an owner, or sockets that are in no table: whose they are takes a look at everybody
adrift=
case $CARRY in *adrift*) adrift=yes ;; esac
case $found in *"lost 0$nl"*) everybody=$adrift ;; *) everybody=yes ;; esac
[ -z "$everybody" ] || [ -z "$later" ] || { sockets=$sockets$nl$(walk $how $later); unwalked=0 again=yes; }
# What is in no list of its own namespace is detached, or belongs to another one. The kernel counts how many TCP sockets
# are in no list at all: only when it has fewer are the lists of all others read.
whole=
detached=${found#detached }; detached=${detached%%"$nl"*}
if [ "$detached" != 0 ] && [ -z "$adrift" ]; then
  [ "$detached" -le "$(grep -shE '^TCP6?: inuse' $files /dev/null | awk '
    { inuse += $3; for (i = 4; i < NF; i++) if ($i == "alloc") alloc = $(i + 1) }
    END { print alloc - inuse + 0 }')" ] || whole=yes
else whole=$adrift
fi
[ -z "$whole" ] || {
  again=yes
  rows=$rows$nl$(tables "")
  [ -z "$far" ] || rows=$rows$nl$(list "" $far 2>/dev/null)
}
[ -z "$again" ] || found=$(printf '%s\n' "$sockets" - "$rows" | sum_up "$whole")
printf 'unwalked %s\n%s\n\n' "$unwalked" "$found"
# who could accept from a queue that is nearly full
case $CARRY in *queued*) printf '%s\n' "$sockets" | awk '
  BEGIN { n = split(ENVIRON["CARRY"], line, "\n")
    for (i = 1; i <= n; i++) { split(line[i], word); if (word[1] == "queued") queued[word[3]] = 1 } }
  NF == 2 && $2 in queued && m++ < 64 { print "accepts", $2, $1 }' >&4 ;;
esac
files= links=
set -- $found
while [ $# -gt 0 ]; do
  if [ "$1" = holds ]; then
    files="$files /proc/$2/stat /proc/$2/limits /proc/$2/cgroup"; links="$links /proc/$2/ns/net /proc/$2/fd"
  fi
  shift
done
[ -n "$files" ] || exit 0
grep -sHE '^([0-9]+ \(|Max open files|0:|[0-9]+:[^:]*(name=systemd|memory|pids|cpu))' $files
echo
ls -ldn $links 2>/dev/null
:
"""
)

_TICKS = 100  # USER_HZ: the unit of /proc, the same on every architecture that Linux still runs on but Alpha
_STATE = re.compile(r"([a-z][a-z0-9_]{0,30})=(\d{1,12})")
_TABLE = re.compile(r"d\S{9,11} +\d{1,6} +\d{1,10} +\d{1,10} +(\d{1,10}) .{0,40} /proc/(\d{1,10})/fd")
_LINK = re.compile(r".{0,120} /proc/(\d{1,10})/ns/net -> net:\[(\d{1,20})\]")


def parse(readings: Sequence[Reading], seen: Seen) -> SocketFdsFacts:
    """Join the holders with their processes' own files. Raises ParseError."""
    insist(seen, "netns")
    head, gap, rest = readings[-1].text.partition("\n\n")
    if not gap or not head.startswith("unwalked "):
        raise ParseError(f"expected unwalked and the holders, got {head[:60]!r}")
    total, unwalked, owners, held = _holders(head.splitlines())
    details, _, links = rest.partition("\n\n")
    of_pid = {int(link[1]): link[2] for line in links.splitlines() if (link := _LINK.fullmatch(line))}
    sizes = {int(table[2]): int(table[1]) for line in links.splitlines() if (table := _TABLE.fullmatch(line))}
    stats, limits, groups = _details(details.strip("\n").splitlines())
    spaces, units = joined(seen, "netns"), joined(seen, "units")
    namespaces = spaces.namespaces if isinstance(spaces, NetnsFacts) else {}
    services = units.of_pid if isinstance(units, UnitsFacts) else {}
    mains = {unit.main_pid for unit in units.units.values()} if isinstance(units, UnitsFacts) else set()
    processes = []
    for pid, states in held.items():
        if pid not in stats:
            continue  # it ended while we looked
        command, fields = stats[pid]
        detached, port = states.pop("detached", 0), states.pop("close_wait_port", 0)
        sockets = sum(states.values()) + detached
        netns = of_pid.get(pid, "")
        member = membership(groups.get(pid, ()))
        # a unit around containers is not the unit of what runs in them; one whose main process this is, is
        foreign = (member.container or member.pod) and pid not in mains
        unit = "" if foreign else services.get(str(pid), "") or member.unit
        processes.append(
            ProcessSockets(
                pid=pid,
                process=neutral(command, 64),
                start_time=start_time(fields),
                age=max(0.0, round(readings[-1].uptime - start_time(fields) / _TICKS, 1)),
                netns=netns,
                sockets=sockets,
                by_state=states,
                detached=detached,
                close_wait_port=port,
                descriptors=max(sizes.get(pid, 0), sockets),
                fd_limit=limits.get(pid, 0),
                **_names(netns, member, unit, namespaces),
            )
        )
    processes.sort(key=lambda p: (-p.sockets, p.pid))
    return SocketFdsFacts(processes=processes, total=total, unwalked=unwalked, listeners=owners)


def _holders(lines: Sequence[str]) -> tuple[int, int, dict[str, int], dict[int, dict[str, int]]]:
    total = unwalked = 0
    told = False
    owners: dict[str, int] = {}
    held: dict[int, dict[str, int]] = {}
    for line in lines:
        match line.split():
            case ["unwalked", n]:
                unwalked = number(n)
            case ["detached" | "lost", _]:
                pass
            case ["total", n]:
                total, told = total + number(n), True
            case ["owner", inode, pid]:
                owners[str(number(inode))] = number(pid)
            case ["holds", pid, *pairs]:
                found = [_STATE.fullmatch(pair) for pair in pairs]
                if not all(found):
                    raise ParseError(f"expected state=count, got {line[:60]!r}")
                held[number(pid)] = {pair[1]: int(pair[2]) for pair in found if pair}
            case _:
                raise ParseError(f"expected total, owner or holds, got {line[:60]!r}")
    if not told:
        raise ParseError("no total of sockets")
    return total, unwalked, owners, held


def _details(
    lines: Sequence[str],
) -> tuple[dict[int, tuple[str, list[str]]], dict[int, int], dict[int, list[str]]]:
    stats: dict[int, tuple[str, list[str]]] = {}
    limits: dict[int, int] = {}
    groups: dict[int, list[str]] = {}
    for pid, file, text in by_process(lines):
        if file == "stat":
            _, command, fields = stat_fields(text)
            stats[pid] = command, fields
        elif file == "limits":
            limits[pid] = open_files(text)
        else:
            groups.setdefault(pid, []).append(text)
    return stats, limits, groups


def open_files(line: str) -> int:
    """The soft limit in `Max open files  1024  4096  files`; 0: unlimited. Raises ParseError."""
    words = line.removeprefix("Max open files").split()
    if len(words) < 2 or not line.startswith("Max open files"):  # noqa: PLR2004 - soft and hard
        raise ParseError(f"expected Max open files, got {line[:60]!r}")
    return 0 if words[0] == "unlimited" else number(words[0])


def _names(netns: str, member: Membership, unit: str, namespaces: Mapping[str, Namespace]) -> dict[str, str]:
    space = namespaces.get(netns)
    inside = space is not None and not space.host
    return {
        "netns_label": space.label if space is not None else f"net:[{netns}]",
        "container": (space.container if space is not None and inside else "") or member.container[:12],
        "pod": (space.pod if space is not None and inside else "") or member.pod,
        "unit": neutral(unit, 128),
    }


PROBE = Probe(
    name="socket_fds",
    question="Which processes hold sockets, and in which state?",
    script=SCRIPT,
    parse=parse,
    facts=SocketFdsFacts,
    root=True,
    cost=Cost.HEAVY,
    timeout=20.0,
    max_bytes=1_048_576,
    after=("units", "netns"),
)
