r"""What shell does a visit run on a host, around the scripts of the probes? POSIX sh: dash, bash, busybox ash.

`LIB` is shared by the two ways in which sections are asked: `TRAY` (all together, under one cap of time and one of
bytes) and `HEAD` (each alone, under its own). The nonce travels on standard input only.
"""

from bot.core.gather import ALONE, AWK, FILES

MAX_NETNS = 512
"""Network namespaces that a visit reads; a host with more has no complete evidence."""

_NOW = r"""nl='
'
now() { read -r up rest </proc/uptime; up_frac=${up#*.}; cs=$(( ${up%.*} * 100 + 1$up_frac - 100 )); }
wait_until() {
  now; due=$(( began + $1 )); [ $due -ge $(( last + $2 )) ] || due=$(( last + $2 )); left=$(( due - cs ))
  if [ $left -gt 0 ]; then
    frac=$(( left % 100 + 100 )); sleep $(( left / 100 )).${frac#1} || sleep $(( left / 100 + 1 ))
  fi
  now; last=$cs
}
"""

# One ls for all links and, where they are wanted, for the sizes of the descriptor tables (told since Linux 6.2).
# A link that cannot be read prints no arrow. Nothing but numbers and these paths gets into what is evaluated.
_NETNS = r"""namespaces() { # puts them into $NETNS, for a shell that is process $1
  NETNS= NETNS_TOTAL=0 NETNS_SELF= NETNS_UNREAD=
  tables=; [ -z "$sized" ] || tables=$(printf ' %s/fd' /proc/[0-9]*)
  eval "$(ls -lnd $(printf ' %s/ns/net' /proc/[0-9]*) $tables | awk -v self="$1" -v most="MOST" '
    $NF ~ /^net:\[[0-9]+\]$/ {
      split($(NF - 2), part, "/"); pid = part[3] + 0; id = substr($NF, 6, length($NF) - 6)
      if (!(id in least)) { total++; least[id] = pid } else if (pid < least[id]) least[id] = pid
      count[id]++; if (pid == self) own = id
      next
    }
    $NF ~ /^\/proc\/[0-9]+\/ns\/net$/ { split($NF, part, "/"); if (unread++ < 50) pids = pids part[3] " "; next }
    $NF ~ /^\/proc\/[0-9]+\/fd$/ { table[++tables] = $5 + 0 " " $NF }
    END {
      print "NETNS_TOTAL=" total + 0 " NETNS_SELF=" own " NETNS_UNREAD=\047" pids "\047"; printf "NETNS=\047"
      for (id in least) if (shown++ < most) print id, least[id], count[id]
      printf "\047\nSIZES=\047"
      for (i = 1; i <= tables; i++) print "/proc/sizes:" table[i]
      print "\047"
    }')"
  NETNS=${NETNS%"$nl"} SIZES=${SIZES%"$nl"}
  export NETNS NETNS_TOTAL NETNS_SELF NETNS_UNREAD
}
""".replace("MOST", str(MAX_NETNS))

LIB = _NOW + _NETNS + FILES

TRAY = r"""keep() { [ ${#CARRY} -gt 64000 ] || { CARRY=$CARRY$1$nl; printf 'c %s\n' "$1" >&6; }; }
begin() { now; printf '\n%s+ %s %s %s\n%s' "$mark" "$1" "$SAMPLE" "$up" "$2"; }
finish() { now; printf '\n%s- %s %s %s 0\n%s=\n' "$mark" "$1" "$SAMPLE" "$up" "$mark"; finished "$1"; }
finished() { echo "done $1 $SAMPLE" >&6; told="$told$1 "; }
stirred() { # words: whether one of them is carried
  for word in "$@"; do case $CARRY in *"$word"*) return 0 ;; esac; done
  return 1
}
gather() { # patterns, lines to skip, more lines, names, names that only look; what they ask for is kept
  [ -n "$4$5" ] || return 0
  program=$awk_lib run=start\(\)$nl
  for name in $4; do eval "program=\$program\$awk_$name"; run="$run$name(); shut(\"$name\")$nl"; done
  for name in $5; do eval "program=\$program\$awk_$name"; run="$run$name(); glance()$nl"; done
  files_of "$1"; now
  code=$({ echo "$mark $up"; grep -sHvE "$2" $files /dev/null; eval "$3"; } 3>&- 6>&- |
    awk "$program END {$nl$run print \"whole=yes\" >CODE$nl}" 9>&1 >&3 3>&- 6>&-)
  case $nl$code in *"${nl}whole=yes") eval "$code" ;; esac
}
one() { # a section among others in one shell, without caps of its own; what ends badly is asked again, alone
  case $told in *" $1 "*) return ;; esac
  eval "script=\$ask_$1 begun=\${begun_$1-} PLAN=\${plan_$1-} gathers=\${awk_$1:+yes}"
  eval "word=\${word_$1-} idle=\${idle_$1-}"
  [ -z "$gathers" ] || [ -n "$PLAN" ] || return
  begin "$1" "$begun"
  [ -z "$word" ] || stirred "$word" || { echo "$idle"; finish "$1"; return; }
  said=$(
    exec 4>&1 >&3 3>&- 6>&-
    eval "unset mark name word idle script said code told program run whole begun gathers awk_lib awk_$1 begun_$1 \
      plan_$1 sized SIZES tables files each ofall file found n up up_frac cs rest due left frac began last nl${nl}set --
      $script"
  ) || return
  finish "$1"
  [ -z "$said" ] || {
    set -f; IFS=$nl; set -- $said; unset IFS; set +f
    for line in "$@"; do keep "$line"; done
  }
}
calm() { # number, names: a sample in which there is nothing new to find, for those that the one before told of
  SAMPLE=$1
  for name in $2; do
    case $told in *" $name "*) ;; *) continue ;; esac
    begin "$name"; finish "$name"
  done
}
sample() { # number, patterns, lines to skip, more lines, names that gather, names that only look, all names
  export SAMPLE="$1" CARRY
  told=' '
  gather "$2" "$3" "$4" "$5" "$6"
  for name in $7; do one "$name"; done
  for name in $5; do unset "begun_$name" "plan_$name"; done
}
"""

HEAD = r"""PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C
export PATH LC_ALL
unset ENV BASH_ENV CDPATH GREP_OPTIONS POSIXLY_CORRECT IFS SIZES sized
exec 3>&1 </dev/null 2>/dev/null
eval "$lib"
watched() { # seconds script: where there is no timeout(1), or busybox's, which keeps the pipes open for another second
  own=; ! command -v setsid >/dev/null || own=setsid
  $own sh -c "$2" 3>&- & child=$!
  (
    exec >/dev/null 2>&1 3>&- 4>&- 5>&-
    trap 'kill "$nap"; exit' TERM
    sleep "$1" & nap=$!; wait "$nap"
    kill -TERM "${own:+-}$child"; sleep 1; kill -KILL "${own:+-}$child"
  ) & dog=$!
  wait "$child"; ended=$?
  { kill -TERM "$dog"; [ -z "$own" ] || kill -KILL "-$child"; } 2>/dev/null
  return "$ended"
}
likely() { # whether timeout(1) is GNU's, as far as files tell; otherwise it has to be asked
  # a shell that is known to take its tools from PATH: busybox's prefers its own
  [ /proc/self/exe -ef /bin/dash ] || [ /proc/self/exe -ef /bin/bash ] || return
  IFS=:; set -- $PATH; unset IFS
  for at in "$@"; do [ ! -x "$at/timeout" ] || break; done
  at=$at/timeout
  [ -f "$at" ] && [ -x "$at" ] && [ ! -L "$at" ] || return
  # busybox and its like are one file by many names
  for dir in "$@"; do
    for name in busybox toybox coreutils cat sh; do [ ! "$at" -ef "$dir/$name" ] || return; done
    [ ! /proc/self/exe -ef "$dir/busybox" ] || return
  done
}
sure() { # which it is, by its own word
  cap= guessed=
  case $(timeout --help) in *--kill-after*) cap='timeout -k 1' ;; esac
}
tray() { # seconds, bytes, what to ask
  [ -n "$cap" ] || { alone=yes; return; }
  # KILL: after TERM, timeout(1) waits for the shell only, and not for what ignores TERM below it. The program goes
  # through the environment, for bash reads a script from a pipe byte by byte.
  told=$( {
    echo "$mark" |
      lib=$lib asks=$asks steps=$tray_lib$3 timeout -s KILL "$1" sh -c '
        read -r mark; self=$$ program=$lib$asks$steps; unset lib asks steps; exec 3>&1 </dev/null; eval "$program"
        echo end >&6' 6>&4 4>&- 3>&- |
      { head -c "$2" >&3; line=; if IFS= read -r line || [ -n "$line" ]; then echo over >&4; fi; }
  } 4>&1 )
  told=$nl$told$nl
  case $told in *"${nl}over$nl"*) told= alone=yes ;; *"${nl}end$nl"*) ;; *) alone=yes ;; esac
  set -f; IFS=$nl
  for line in $told; do
    case $line in c\ *) [ ${#CARRY} -gt 64000 ] || CARRY=$CARRY${line#c }$nl ;; esac
  done
  set +f; unset IFS
}
complain() {
  n=0
  while [ $n -lt 6 ] && IFS= read -r line; do printf 'e %.400s\n' "$line"; line=; n=$(( n + 1 )); done
  [ -z "$line" ] || printf 'e %.400s\n' "$line"
  [ $n -lt 6 ] || exec cat >/dev/null
}
take() { # what a section said of itself: its status, the head of its standard error, and what it carries
  status= errors=; set -f; IFS=$nl
  for line in $said; do
    case $line in
      s\ *) status=${line#s } ;;
      e\ *) errors=$errors$nl${line#e } ;;
      *) [ ${#CARRY} -gt 64000 ] || CARRY=$CARRY$line$nl ;;
    esac
  done
  set +f; unset IFS
}
section() { # name sample seconds bytes
  case $told in *"${nl}done $1 $2$nl"*) return ;; esac
  [ -z "$guessed" ] || sure
  [ -z "$asks" ] || { eval "$asks"; asks=; }
  [ -z "$spaces" ] || { namespaces "$self"; spaces=; }
  eval "AWK=\${awk_$1-} FILES=\${files_$1-} SKIPS=\${skips_$1-} MORE=\${more_$1-} script=\$ask_$1"
  [ -z "$AWK" ] || { AWK="$awk_lib$AWK END { start(); $1(); alone() }"; script=$gather_alone$nl$script; }
  now; printf '\n%s+ %s %s %s\n' "$mark" "$1" "$2" "$up"
  export SAMPLE="$2" CARRY AWK FILES SKIPS MORE
  said=$( { { {
    if [ -n "$cap" ]; then $cap "$3" sh -c "$script" 3>&-; else watched "$3" "$script"; fi
    printf 's %s\n' "$?" >&4; } 2>&5 5>&- | head -c "$4" >&3; } 5>&1 | complain; } 4>&1 )
  take
  now; printf '\n%s- %s %s %s %s%s\n%s=\n' "$mark" "$1" "$2" "$up" "${status:-lost}" "$errors" "$mark"
}
as_root() { [ "$uid" != 0 ] || section "$@"; }
pause() { [ -z "$alone" ] || wait_until "$@"; }
CARRY= alone= told=
read -r self rest </proc/self/stat
while read -r key uid euid rest; do [ "$key" != Uid: ] || break; done </proc/self/status
uid=$euid
renice -n 19 -p "$self" >&2
if likely; then cap='timeout -k 1' guessed=yes; else sure; fi
"""

GATHER = {"awk_lib": AWK, "gather_alone": ALONE}
"""What a visit with a `Gather` needs besides, by variable."""
