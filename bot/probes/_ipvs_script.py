"""How is a director asked about its IPVS? The `ipvs` probe's shell. (`_`: no probe.)

One grep finds the namespaces that have a table; only these are looked into. The first reading enters each of them once
for what does not move in a visit (timeouts, sysctls, local addresses, who keeps the table). Sections of a reading:
the namespaces, the rows of the tables, and lines of `what pid …`.
"""

from bot.core.probe import Gather
from bot.probes._text import SHOW_NETNS, namespace_files, need

MOST_DIALLED = 8
"""Suspicious real servers that are dialled in a reading, and as many beside them."""

# Rows only: the head tells the size of the connection table, and is kept where a service follows it.
_TABLES = r"""
rows=$(grep -sHE '^(TCP|UDP|SCTP|FWM) |^  -> [0-9A-F[]|size=' $files /dev/null | awk '
  { split($0, part, "/"); pid = part[3] }
  /:IP Virtual Server version/ { head[pid] = $0; next }
  pid in head { print head[pid]; delete head[pid] }
  { print }')
printf '%s\n\n' "$rows"
tables=$(printf '%s\n' "$rows" | awk -F/ '$3 != "" && !($3 in seen) { seen[$3]; print $3 }')
[ -n "$tables" ] || exit 0
"""

# One line for each service, real server and state, however many connections there are.
_COUNTED = r"""
counted=$(for pid in $tables; do echo "in $pid"; cat "/proc/$pid/net/ip_vs_conn"; done 2>/dev/null | awk '
  $1 == "in" { pid = $2; next }
  $1 != "Pro" { n[pid " " $1 " " $4 " " $5 " " $6 " " $7 " " $8]++ }
  END { for (key in n) print "conn", key, n[key] }')
[ -z "$counted" ] || printf '%s\n' "$counted"
for pid in $tables; do
  { read -r head; read -r head; read -r totals; } <"/proc/$pid/net/ip_vs_stats" && echo "total" "$pid" $totals
done
"""

_ASKED_ONCE = r"""
inside='
said=$(ipvsadm -Ln --timeout 2>&1) || said=${said:-no timeouts}
echo "timeout $0" $said
# not with read: the kernel gives a sysctl whole or not at all, and read asks for one byte
cd /proc/sys/net/ipv4/vs && grep -sH "" conn_reuse_mode conntrack expire_nodest_conn expire_quiescent_template |
  while IFS=: read -r key value; do echo "sysctl $0 $key $value"; done
# not with "type local", of which busybox makes nothing
for family in 4 6; do ip -$family -o route show table local; done 2>/dev/null | awk -v pid="$0" "
  \$1 == \"local\" { print \"local\", pid, \$2 }"
'
if [ "$SAMPLE" = 1 ]; then
  set -- $NETNS
  space_of= own=
  while [ $# -ge 3 ]; do
    space_of="$space_of $2:$1"; [ "$1" != "$NETNS_SELF" ] || own=$2; shift 3
  done
  devices=
  for pid in $tables; do devices="$devices /proc/$pid/net/dev"; done
  grep -sHoE '^ *(kube-ipvs0|kube-dummy-if|kube-bridge):' $devices /dev/null | awk -F/ '
    { print "owner", $3, /kube-ipvs0/ ? "kube-proxy" : "kube-router" }'
  printf '%s\n' /proc/[0-9]*/comm | xargs grep -sxHE 'keepalived|ldirectord|kube-router|kube-proxy' | head -n 40 |
    while IFS=: read -r file name; do
      pid=${file#/proc/}; pid=${pid%/comm}
      [ "$name" != keepalived ] || grep -sqE '^[[:blank:]]*virtual_server' /proc/"$pid"/root/etc/keepalived/*.conf ||
        continue
      space=$(readlink "/proc/$pid/ns/net"); space=${space#net:[}; space=${space%]}
      for table in $tables; do
        case " $space_of " in *" $table:$space "*) echo "owner $table $name" ;; *) continue ;; esac
        [ "$name" = kube-proxy ] || continue
        # addresses that it was told to leave alone, on its command line or in the configuration that this names
        words=$(tr '\0' '\n' <"/proc/$pid/cmdline")
        file=$(printf '%s\n' "$words" | sed -n 's/^--config=//p')
        {
          printf '%s\n' "$words" | sed -n 's/^--ipvs-exclude-cidrs=//p' | tr ',' '\n'
          [ ! -f "/proc/$pid/root$file" ] ||
            sed -n '/excludeCIDRs:/,/^ *[A-Za-z]*:.*/p; s/.*excludeCIDRs: *\[\(.*\)\].*/\1/p' "/proc/$pid/root$file" |
            tr ',' '\n' | tr -d '" -'
        } | grep -xE '[0-9a-fA-F.:]+/[0-9]+' | head -n 64 | while read -r block; do echo "excluded $table $block"; done
      done
    done
  if [ -e /run/docker/netns/ingress_sbox ]; then
    printf '%s\n' "$rows" | awk -F/ '/:FWM /  && !($3 in told) { told[$3]; print "owner", $3, "docker swarm" }'
  fi
  for pid in $tables; do
    if [ "$pid" = "$own" ]; then sh -c "$inside" "$pid"; else nsenter -t "$pid" -n sh -c "$inside" "$pid"; fi
  done
fi
"""

# Suspicious: TCP by NAT (a directly routed server may listen on the virtual address alone), with weight, and either
# another port than half of its service, another port of its address, or connections most of which did not come about.
# With each goes one more server of its service, to tell a dead server from a dead network.
_DIALLED = r"""
plan=$({ printf '%s\n' "$counted"; printf '%s\n' "$rows"; } | awk -v most=MOST '
  function digit(c) { return index("0123456789ABCDEF", c) - 1 }
  function decimal(hex,   i, n) {
    n = 0; for (i = 1; i <= length(hex); i++) n = n * 16 + digit(substr(hex, i, 1))
    return n
  }
  function split_at(at) { port = at; sub(/.*:/, "", port); host = substr(at, 1, length(at) - length(port) - 1) }
  function dotted(h) {
    if (h ~ /^\[/) return substr(h, 2, length(h) - 2)
    return decimal(substr(h,1,2)) "." decimal(substr(h,3,2)) "." decimal(substr(h,5,2)) "." decimal(substr(h,7,2))
  }
  function place(h, p) { return (h ~ /:/ ? "[" h "]" : h) ":" p }
  $1 == "conn" {
    if ($3 != "TCP" || $8 == "NONE") next
    key = $2 " " place($4, $5) " " place($6, $7); all[key] += $9
    if ($8 == "ESTABLISHED") open[key] += $9
    if ($8 == "SYN_RECV" || $8 == "CLOSE") failed[key] += $9
    next
  }
  {
    pid = substr($1, 7); sub(/\/.*/, "", pid); line = $0; sub(/^[^:]*:/, "", line); n = split(line, word)
    if (word[1] != "->") { service = word[1] == "TCP" ? word[2] : ""; next }
    if (service == "" || word[3] != "Masq" || word[4] < 1) next
    key = pid " " service " " word[2]; order[++rows] = key; split_at(word[2])
    address[key] = host; number[key] = decimal(port); of[key] = pid " " service; same[of[key] " " host]++
    size[of[key]]++; alike[of[key] " " port]++; named[key] = port
  }
  END {
    for (i = 1; i <= rows; i++) {
      key = order[i]
      odd = size[of[key]] > 1 && alike[of[key] " " named[key]] * 2 <= size[of[key]]
      if (odd || same[of[key] " " address[key]] > 1 || (!open[key] && failed[key] * 2 > all[key])) {
        if (dials >= most) continue
        dials++; chosen[key] = 1; wanted[of[key]]++; print key, dotted(address[key]), number[key]
      }
    }
    for (i = 1; i <= rows; i++) {
      key = order[i]
      if (!(key in chosen) && wanted[of[key]] == 1) {
        wanted[of[key]]++; print key, dotted(address[key]), number[key]
      }
    }
  }')
[ -z "$plan" ] || [ "$SAMPLE" != 1 ] || echo 'ipvs suspects' >&4
command -v timeout >/dev/null && { command -v bash >/dev/null || command -v nc >/dev/null; } || {
  echo dialler none; exit 0; }
dial() { # pid service server address port
  enter="nsenter -t $1 -n"
  case " $NETNS " in *"$NETNS_SELF $1 "*) enter= ;; esac
  if command -v bash >/dev/null; then
    said=$($enter timeout 2 bash -c 'exec 3<>"/dev/tcp/$0/$1"' "$4" "$5" 2>&1)
  else
    said=$($enter timeout 2 nc -z -v -w 2 "$4" "$5" 2>&1 </dev/null)
  fi
  case $?:$said in
    0:*) said=accepted ;;
    *refused*) said=refused ;;
    124:* | 137:* | 143:* | *timed\ out*) said=silent ;;
    *[Uu]nreachable* | *No\ route*) said=unreachable ;;
    *) said=failed ;;
  esac
  echo "connect $1 $2 $3 $said"
}
set -- $plan
while [ $# -ge 5 ]; do dial "$1" "$2" "$3" "$4" "$5" & shift 5; done
wait
:
"""

GATHER = Gather(
    ("/proc/net/ip_vs",),
    awk="""
function ipvs() { if (ROWS["/proc/net/ip_vs"]) ask("tables"); else say("absent") }
""",
)

SCRIPT = (
    need("grep", "awk", "cat")
    + SHOW_NETNS
    + namespace_files("ip_vs")
    + _TABLES
    + _COUNTED
    + _ASKED_ONCE
    + _DIALLED.replace("MOST", str(MOST_DIALLED))
)
