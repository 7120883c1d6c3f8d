"""How is a host asked about its listening sockets? The `listen_queues` probe's shell. (`_`: no probe.)

`GATHER` decides by counters where a queue can be worth a look, `TABLES` looks how many wait at each listener there, and
`SCRIPT` enters a namespace only where that is not enough.
"""

from bot.core.probe import Gather
from bot.probes._text import need

MATTERS = 12
"""Where no more connections than this are there or were ever made, and none was ever dropped, no queue can be worth a
look: backlogs below 16 are tiny by design, and 13 is what nearly fills one of 16."""
HEAD = 440
"""Bytes of a table that are read at first, of all by one program: its title, a listener, and the state of what stands
behind it, in either family. For each further row the kernel walks on in the machine's whole table of connections."""

GATHER = Gather(
    ("net/netstat",),
    first=("net/sockstat", "net/sockstat6", "net/snmp"),
    skips="^MPTcpExt:",
    between=("waiting", "drops"),
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
      if (id in again || (id in before ? before[id] : "0/0") != drops) ask((never ? "peep " : "enter ") id " " PID[i])
      continue
    }
    if (!never) carry("drops " id " " drops)
    four = listen_queues_used(net(i, "sockstat")); six = listen_queues_used(net(i, "sockstat6"))
    if (!(four + six)) continue
    ask("used " id " " PID[i] ":" four + six)
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

TABLES = r"""
waits() { # table, how many; whether as many wait at one of the listeners
  # They stand before the connections, and read takes one row at a time from the kernel, which would walk the machine's
  # whole table for more. Half-open ones stand among them on kernels before 4.4.
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
heads() { # table, how many, ...: puts into $crowd the tables with a listener at which as many wait
  crowd=' ' table= paths=
  for word in "$@"; do case $word in /*) paths="$paths $word" ;; esac; done
  set -f; IFS=$nl
  for line in $(unset IFS; head -c HEAD $paths /dev/null 2>/dev/null) '==>  <=='; do
    case $line in
      "==> "*)
        while [ -n "$table" ] && [ $# -gt 2 ] && [ "$1" != "$table" ]; do shift 2; done # tables that are gone
        [ "$1" != "$table" ] || { unset IFS; reached "$2" && crowd="$crowd$table "; IFS=$nl; }
        table=${line#==> } table=${table% <==} most=0 size=0 over= ;;
      *) size=$(( size + ${#line} + 1 )); [ -n "$over" ] || { IFS=' '; row $line; IFS=$nl; } ;;
    esac
  done
  set +f; unset IFS
}
row() { # its words; without a sixth it was cut
  case $4${6:+.} in
    0A.) n=$(( 0x${5#*:} )); [ $n -le $most ] || most=$n ;;
    03. | st. | '' | *[!.]) ;;
    *) over=yes ;;
  esac
}
reached() { # how many; a table that was cut within its listeners, or among half-open ones, is read on
  [ "$most" -lt "$1" ] || return 0
  [ -z "$over" ] && [ $size -ge HEAD ] && waits "$table" "$1"
}
""".replace("HEAD", str(HEAD))
"""`heads TABLE N…`: puts into $crowd those of /proc/PID/net/tcp where at least N connections wait at one listener."""

SCRIPT = (
    need("ss", "awk", "head")
    + r"""
nl='
'
"""
    + TABLES
    + r"""
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
tables=
set -- $PLAN
while [ $# -ge 3 ]; do
  case $1 in wait4*) tables="$tables /proc/$3/net/tcp ${1#*:}" ;; esac
  case $1 in wait6:* | wait46:*) tables="$tables /proc/$3/net/tcp6 ${1#*:}" ;; esac
  shift 3
done
crowd=
[ -z "$tables" ] || heads $tables
all=$(
  set -- $PLAN
  while [ $# -ge 3 ]; do
    case $1 in
      enter | peep) look "$1" "$2" "$3" ;;
      wait*) case $crowd in *" /proc/$3/net/tcp "* | *" /proc/$3/net/tcp6 "*) look enter "$2" "$3" ;; esac ;;
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
