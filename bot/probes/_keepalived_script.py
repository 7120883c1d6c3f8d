"""How is a host asked about keepalived? The `keepalived` probe's shell. (`_`: no probe.)

Its processes are found in the first sample; the later one reads the same. Sections of a reading stand below `-- WHAT`.
"""

from bot.core.probe import Gather

# Comments, passwords and whole lines that may hold secrets stay on the host; so do virtual servers, which are no VRRP.
_FILTER = r"""
  { sub(/^[ \t]+/, "") }
  /^[#!]/ || !NF { next }
  !depth && $1 ~ /^(virtual_server|real_server)/ { inside = 1 }
  { opened = gsub(/[{]/, "{"); closed = gsub(/[}]/, "}"); depth += opened - closed }
  inside { if (depth <= 0 && closed) { inside = 0; depth = 0 } next }
  $1 ~ /^(auth_pass|script|notify.*|smtp.*|misc_path|password)$/ { if (/[}]/) print "}"; next }
  { print substr($0, 1, 300) }"""

GATHER = Gather(
    ("/etc/keepalived/keepalived.conf",),
    first=("pid/stat",),
    awk=r"""
function keepalived(   k, n, pids) {
  n = SAMPLE == 1 ? processes() : 0
  for (k = 1; k <= n; k++) if (NAME[PROC[k]] ~ /^keepalived(_vrrp)?$/) pids = pids " " PROC[k]
  if (pids != "") carry("keepalived" pids)
  for (k = 1; k <= LINES; k++) if (CARRIED[k] ~ /^keepalived /) pids = substr(CARRIED[k], 11)
  if (pids == "" && !ROWS["/etc/keepalived/keepalived.conf"]) say("absent")
  else ask("keepalived" pids)
}
""",
)

SCRIPT = (
    r"""
set -- $PLAN; shift; pids="$*"
own=/etc/keepalived/keepalived.conf
files= links= fds= nets=
for pid in $pids; do
  at=/proc/$pid
  files="$files $at/stat $at/status $at/schedstat $at/cgroup" links="$links $at/ns/net" fds="$fds $at/fd"
  nets="$nets $at/net/netstat $at/net/raw $at/net/raw6 $at/net/igmp $at/net/igmp6"
done
set -- /proc/stat /proc/pressure/cpu
for pid in $pids; do
  while IFS=: read -r id controllers path; do
    case ,$controllers, in
    ,,) group=/sys/fs/cgroup$path; [ -d "$group" ] || group=/sys/fs/cgroup/unified$path ;;
    *,cpu,* | *,freezer,*) group=/sys/fs/cgroup/$controllers$path ;;
    *) continue ;;
    esac
    case " $* " in *" $group/cpu.stat "*) continue ;; esac # parent and child share it, and it counts once
    set -- "$@" "$group/cpu.stat" "$group/cgroup.events" "$group/freezer.state"
  done <"/proc/$pid/cgroup"
done
echo "-- process"
[ -z "$pids" ] || grep -sHE '^[0-9]+ |^(non)?voluntary_ctxt|^[0-9]*:' $files
echo "-- net"
[ -z "$pids" ] || grep -sHE '^IpExt:|:0070 |^[0-9]+[[:space:]]|^[[:space:]]+[0-9A-F]{8} ' $nets
echo "-- host"
grep -shE '^(cpu |some |nr_throttled|frozen 1|FROZEN)' "$@"
echo "-- links"
spaces=
if [ -n "$pids" ]; then
  rows=$(ls -ln $links | awk '
    { split($(NF - 2), part, "/"); id = substr($NF, 6); sub(/]$/, "", id); print part[3], id }')
  printf '%s\n' "$rows"
  spaces=$(printf '%s\n' "$rows" | awk '!($2 in seen) { seen[$2] = 1; print $2, $1 }')
  ls -ln $fds 2>/dev/null | awk '
    /^\/proc\/[0-9]+\/fd:$/ { split($0, part, "/"); pid = part[3] }
    $NF ~ /^socket:\[/ { print "holds", pid, substr($NF, 9, length($NF) - 9) }'
else
  spaces="$NETNS_SELF self"
fi
set -- $spaces
while [ $# -ge 2 ]; do
  enter="nsenter -t $2 -n"; [ "$1" != "$NETNS_SELF" ] || enter=
  echo "-- addresses $1"
  $enter ip -o addr show || [ ! -d "/proc/$2" ] || exit 1
  shift 2
done
[ "$SAMPLE" = 1 ] || exit 0
emit() ( # pid, root, path, depth; in a shell of its own, so that the names are its own, too
  [ "$4" -lt 4 ] && [ -f "$2$3" ] || return 0
  echo "-- file $1 $3"
  text=$(head -c 200000 "$2$3" | awk '"""
    + _FILTER
    + r"""')
  printf '%s\n' "$text"
  set +f
  printf '%s\n' "$text" | while read -r word path rest; do
    case $word in include*) ;; *) continue ;; esac
    path=${path#\"}; path=${path%\"}
    case $path in /*) ;; *) path=${3%/*}/$path ;; esac
    for file in "$2"$path; do emit "$1" "$2" "${file#"$2"}" $(( $4 + 1 )); done
  done
)
for pid in $pids; do
  file=$own next=
  for word in $(tr '\000' '\n' <"/proc/$pid/cmdline"); do
    if [ -n "$next" ]; then file=$word next=; continue; fi
    case $word in
    -f | --use-file) next=1 ;;
    --use-file=*) file=${word#*=} ;;
    -f?*) file=${word#-f} ;;
    esac
  done
  case $file in /*) ;; *) file=$(readlink "/proc/$pid/cwd")/$file ;; esac
  emit "$pid" "/proc/$pid/root" "$file" 0
done
[ -n "$pids" ] || emit 0 "" $own 0
:
"""
)
