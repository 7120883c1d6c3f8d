"""How is a host asked who holds its sockets? The `socket_fds` probe's shell. (`_`: no probe.)

`GATHER` decides whose descriptor tables are walked: by their sizes, and by who leads a session. `SCRIPT` walks them,
holds what it found against the kernel's lists, and looks further only where something is left over.
"""

from bot.core.gather import SIZES
from bot.core.probe import Gather
from bot.probes._text import need

LARGE = 100
"""Descriptor tables above this size are always walked, and the states of more sockets than this in one process are
always read: they may leak."""
SHOWN = 128
"""About how many processes are told one by one: the largest, and every owner of a listener."""

# A kernel before 6.2 gives no sizes: then every table is walked. `spare` is how many TCP sockets are in no list at all.
GATHER = Gather(
    ("net/sockstat", "net/sockstat6", "pid/stat"),
    more=SIZES,
    awk=r"""
function socket_fds(   i, k, pid, size, told, path, now, fat, left, word, inuse, alloc) {
  processes()
  path = "/proc/sizes"
  for (k = 1; k <= ROWS[path]; k++) {
    i = index(ROW[path, k], " "); pid = substr(ROW[path, k], i + 7) + 0; size[pid] = substr(ROW[path, k], 1, i - 1) + 0
    if (size[pid] > 0) told = 1
    if (size[pid] > LARGE) fat = 1
  }
  for (pid in size) {
    if (told && size[pid] <= LARGE) {
      if (!size[pid]) continue
      split(substr(AFTER[pid], 1, 40), word)
      if (word[4] != pid) { left++; continue }
    }
    now = now " /proc/" pid "/fd"
  }
  ask("now" now); ask("unwalked " left + 0)
  if (fat || !told) ask("fat")
  for (i = 1; i <= SPACES; i++) {
    k = inuse
    path = net(i, "sockstat6"); if (ROW[path, 1] ~ /^TCP6: / && split(ROW[path, 1], word)) inuse += word[3]
    path = net(i, "sockstat")
    for (pid = 1; pid <= ROWS[path]; pid++) if (ROW[path, pid] ~ /^TCP: / && split(ROW[path, pid], word)) {
      inuse += word[3]; alloc = word[9]
    }
    if (inuse > k) ask("tcp " ID[i] " " PID[i])
  }
  ask("spare " (alloc > inuse ? alloc - inuse : 0))
}
""".replace("LARGE", str(LARGE)),
)

SCRIPT = (
    need("awk", "grep", "find", "ls")
    + f"large={LARGE} shown={SHOWN}\n"
    + r"""
nl='
'
now= tcp= unwalked=0 spare=0 fat=
set -f; IFS=$nl
for line in $PLAN; do
  case $line in
    now\ *) now=${line#now } ;;
    tcp\ *) tcp="$tcp ${line#tcp }" ;;
    unwalked\ *) unwalked=${line#unwalked } ;;
    spare\ *) spare=${line#spare } ;;
    fat) fat=yes ;;
  esac
done
# namespaces with more TCP sockets than the listeners that are known already; where none are known, with any
known=
case $CARRY in *looked*)
  known=yes tcp=
  for line in $CARRY; do case $line in "connected "*) tcp="$tcp ${line#connected }" ;; esac; done ;;
esac
set +f; unset IFS
[ -n "$now" ] || [ "$unwalked" != 0 ] || now=$(echo /proc/[0-9]*/fd)
others() { # whose tables were left out
  for table in /proc/[0-9]*/fd; do case " $now " in *" $table "*) ;; *) printf ' %s' "$table" ;; esac; done
}
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
with_find() { exec find "$@" -printf '%h %l\n'; } # GNU; half the cost
with_ls() { exec ls -ln "$@"; }
walk() { # how, directories; prints "pid inode" of every socket
  "$@" 2>/dev/null | awk '
    /^\/proc\/[0-9]+\/fd:$/ { split($0, part, "/"); at = part[3]; next }
    $NF ~ /^socket:\[[0-9]+\]$/ {
      pid = at; if (/^\/proc\//) { split($1, part, "/"); pid = part[3] }
      print pid, substr($NF, 9, length($NF) - 9)
    }'
}
result='
  function tell(   inode, least, n, pid, row, i, each) {
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
  }
  function listening(   n, i, line, word) {
    n = split(ENVIRON["CARRY"], line, "\n")
    for (i = 1; i <= n; i++) { split(line[i], word); if (word[1] == "listens") state[word[3]] = "listen" }
  }'
# The same as `walk` and `sum_up` where no state needs to be read: in one go, without a list of all sockets.
count() { # directories
  with_find "$@" 2>/dev/null | awk -v shown=$shown "$result"'
    BEGIN { listening() }
    $1 != at { at = $1; split(at, part, "/"); pid = part[3] }
    $2 ~ /^socket:\[[0-9]+\]$/ {
      sockets[pid]++; total++; inode = substr($2, 9, length($2) - 9)
      if (!(inode in state)) next
      listens[pid]++
      if (!(inode in owner) || pid + 0 < owner[inode] + 0) owner[inode] = pid
    }
    END {
      for (pid in sockets) {
        if (listens[pid]) { states[pid] = " listen"; count[pid, "listen"] = listens[pid] }
        left = sockets[pid] - listens[pid]
        if (left) { states[pid] = states[pid] " unread"; count[pid, "unread"] = left }
      }
      tell()
    }'
}
# Sockets by holder and state. Rows that name a table are unforgeable; the path in a row of `unix` may pretend to be
# anything, so what TCP says of an inode stands.
sum_up() { # whether everything was listed; in a pipe
  exec awk -v shown=$shown -v large=$large -v whole="$1" "$result"'
    BEGIN {
      split("established syn_sent syn_recv fin_wait_1 fin_wait_2 time_wait close", hex)
      split("close_wait last_ack listen closing", more)
      for (i = 1; i <= 7; i++) { name[i] = hex[i]; if (i < 5) name[substr("89AB", i, 1)] = more[i] }
      name["ESTAB"] = "established"
      n = split("netlink raw raw6 udp udp6 udplite udplite6 icmp icmp6 tcp tcp6", kinds)
      for (i = 1; i <= n; i++) column[kinds[i]] = 10
      column["unix"] = 7; column["packet"] = 9
      listening()
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
      tell()
    }'
}
closely() { # with the states of those sockets that may leak; puts the result into $found
  how=with_find
  sockets=$(walk $how $now)
  [ -n "$sockets" ] || { how=with_ls; sockets=$(walk $how $now); }
  [ -z "$fat" ] || fat=$(echo $(fat))
  split_by "$fat" # sets $among, too
  rows=
  [ -z "$near" ] || rows=$(list "" $near 2>/dev/null)
  if [ -z "$known" ]; then
    if [ -z "$far" ]; then :
    elif [ -n "$has_ss" ]; then rows=$rows$nl$(list "state listening" $far 2>/dev/null)
    else rows=$rows$nl$(list "" $far); far=
    fi
  fi
  [ "$among" = "  " ] || rows=$rows$nl$(tables in)
  found=$(printf '%s\n' "$sockets" - "$rows" | sum_up "")
  again=
  # a listener without an owner, or sockets that are in no table: whose they are takes a look at everybody
  case $found in *"lost 0$nl"*) everybody=$adrift ;; *) everybody=yes ;; esac
  [ -z "$everybody" ] || [ "$unwalked" = 0 ] || { sockets=$sockets$nl$(walk $how $(others)); unwalked=0 again=yes; }
  # What is in no list of its own namespace is detached, or belongs to another one. The kernel counts how many TCP
  # sockets are in no list at all: only when it has fewer are the lists of all others read.
  whole=
  detached=${found#detached }; detached=${detached%%"$nl"*}
  if [ "$detached" != 0 ] && [ -z "$adrift" ]; then
    [ "$detached" -le "$spare" ] || whole=yes
  else whole=$adrift
  fi
  [ -z "$whole" ] || {
    again=yes
    rows=$rows$nl$(tables "")
    [ -z "$far" ] || rows=$rows$nl$(list "" $far 2>/dev/null)
  }
  [ -z "$again" ] || found=$(printf '%s\n' "$sockets" - "$rows" | sum_up "$whole")
}
adrift= queued= calm=$known found=
case $CARRY in *adrift*) adrift=yes calm= ;; esac
case $CARRY in *queued*) queued=yes calm= ;; esac
[ -z "$fat" ] || calm=
[ -z "$calm" ] || found=$(count $now)
case $found in
  *"${nl}total 0"*) calm= ;; # so says another find than GNU's, too
  *"${nl}lost 0$nl"*) ;;
  *) [ "$unwalked" = 0 ] || calm= ;;
esac
[ -n "$calm" ] || closely
printf 'unwalked %s\n%s\n\n' "$unwalked" "$found"
# who could accept from a queue that is nearly full
[ -z "$queued" ] || printf '%s\n' "$sockets" | awk '
  BEGIN { n = split(ENVIRON["CARRY"], line, "\n")
    for (i = 1; i <= n; i++) { split(line[i], word); if (word[1] == "queued") queued[word[3]] = 1 } }
  NF == 2 && $2 in queued && m++ < 64 { print "accepts", $2, $1 }' >&4
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
