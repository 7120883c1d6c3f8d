"""How is a host asked about its sockets and their memory? The `sockstat` probe's shell. (`_`: no probe.)

Counts are read at both ends of the visit. Who holds TCP's memory is asked in the last sample, where it is near its
limit: of every namespace that has TCP sockets.
"""

from bot.core.probe import Gather
from bot.probes._text import need

NEAR = 70
"""Percent of `tcp_mem`'s pressure threshold from which the holders of the memory are looked for."""

ADRIFT = 100
"""Sockets of a namespace that are in no table, from which others look deeper into it (beyond 30 % of all)."""

_AT = "/proc/sys/net/ipv4/"

# A process's size in kilobytes and in pages gives the size of a page. Rows of `protocols` without sockets are skipped.
GATHER = Gather(
    ("net/sockstat", "net/sockstat6", "net/protocols"),
    first=(
        "/proc/meminfo", f"{_AT}tcp_rmem", f"{_AT}tcp_mem", f"{_AT}udp_mem", f"{_AT}tcp_max_orphans",
        "/proc/sys/kernel/osrelease", "/proc/self/statm", "/proc/self/status",
    ),
    skips="^([^M]|M[^e])[A-Za-z_()0-9]*: +[0-9]+( kB)?$|^[A-Za-z0-9_-]+ +[0-9]+ {3,}0 |^(UDPLITE|RAW|FRAG)6?: ",
    awk=r"""
function sockstat(   i, k, path, used, listed, pressure, memory, word, tcp) {
  spaces()
  for (k = 1; k <= LINES; k++) if (split(CARRIED[k], word) && word[1] == "pressure") pressure = word[3]
  for (i = 1; i <= SPACES; i++) {
    used = listed = ""; path = net(i, "protocols")
    for (k = 1; k <= ROWS[path]; k++) if (split(ROW[path, k], word) && word[3] !~ /^-/) listed += word[3]
    path = net(i, "sockstat")
    for (k = 1; k <= ROWS[path]; k++) if (ROW[path, k] ~ /^(sockets|TCP|UDP): / && split(ROW[path, k], word)) {
      say(path ":" ROW[path, k])
      if (word[1] == "sockets:") used = word[3]
      if (word[1] == "TCP:") { tcp[i] += word[3]; memory = word[11] }
    }
    path = net(i, "sockstat6")
    for (k = 1; k <= ROWS[path]; k++) if (ROW[path, k] ~ /^(TCP6|UDP6): / && split(ROW[path, k], word)) {
      say(path ":" ROW[path, k])
      if (word[1] == "TCP6:") tcp[i] += word[3]
    }
    if (used == "" || listed == "") continue
    say(net(i, "protocols") ":sockets: listed " listed)
    if (SAMPLE == 1 && used - listed > LEAST && used - listed > 0.3 * used) carry("adrift " ID[i] " " PID[i])
  }
  if (SAMPLE == 1) { sockstat_machine(); return }
  if (pressure != "" && memory * 100 > pressure * NEAR) for (i = 1; i <= SPACES; i++) if (tcp[i]) ask(ID[i] " " PID[i])
}
function sockstat_machine(   k, n, at, file, path, word, size) {
  path = "/proc/meminfo"
  for (k = 1; k <= ROWS[path]; k++) if (ROW[path, k] ~ /^Mem(Total|Available): /) say(path ":" ROW[path, k])
  at = "/proc/sys/net/ipv4/"; n = split("tcp_rmem tcp_mem udp_mem tcp_max_orphans", file)
  for (k = 1; k <= n; k++) if (ROWS[at file[k]]) say(at file[k] ":" ROW[at file[k], 1])
  if (split(ROW[at "tcp_mem", 1], word) == 3) carry("pressure x " word[2])
  if (match(ROW["/proc/sys/kernel/osrelease", 1], /^[0-9.]+/))
    say("kernel " substr(ROW["/proc/sys/kernel/osrelease", 1], 1, RLENGTH))
  path = "/proc/self/status"
  for (k = 1; k <= ROWS[path]; k++) if (split(ROW[path, k], word) && word[1] == "VmSize:") size = word[2]
  split(ROW["/proc/self/statm", 1], word); say("page " size " " word[1])
}
""".replace("NEAR", str(NEAR)).replace("LEAST", str(ADRIFT)),
)  # fmt: skip

SCRIPT = (
    need("awk", "grep")
    + r"""
command -v ss >/dev/null || exit 0
held=$(
  set -- $PLAN
  while [ $# -ge 2 ]; do
    enter="nsenter -t $2 -n"; [ "$1" != "$NETNS_SELF" ] || enter=
    echo "in $1"; $enter ss -tanmp || exit
    shift 2
  done | awk '
    $1 == "in" { id = $2; next }
    /^[A-Z]/ && $1 != "State" {
      state = $1; pid = 0; row = $0
      if (sub(/^.*,pid=/, "", row)) pid = row + 0
      key = id " " pid; sockets[key]++
      if (state == "CLOSE-WAIT") waiting[key]++
    }
    match($0, /skmem:\([^()]*\)/) {
      n = split(substr($0, RSTART + 7, RLENGTH - 8), part, ",")
      for (i = 1; i <= n; i++) {
        if (part[i] ~ /^r[0-9]/) { unread[key] += substr(part[i], 2); all[key] += substr(part[i], 2) }
        if (part[i] ~ /^w[0-9]/) { unsent[key] += substr(part[i], 2); all[key] += substr(part[i], 2) }
        if (part[i] ~ /^f[0-9]/) all[key] += substr(part[i], 2)
      }
    }
    END {
      for (least = 1; ; least *= 2) {
        n = 0; for (key in all) if (all[key] >= least) n++
        if (n <= 30) break
      }
      for (key in all) if (all[key] >= least)
        printf "holds %s %d %d %d %d %d\n", key, sockets[key], all[key], unread[key], unsent[key], waiting[key]
    }') || exit 0
printf '\n%s\n' "$held"
files=
set -- $held
while [ $# -ge 8 ]; do files="$files /proc/$3/stat /proc/$3/cgroup"; shift 8; done
grep -sH '' $files /dev/null
:
"""
)
