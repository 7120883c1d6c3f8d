"""What does a host do by itself when it is changed? The sh functions that every host program is composed of.

Plain POSIX sh (dash, bash, busybox ash) and small tools that every userland has; nothing is installed on the host.
`docs/changes.md` tells the life of a change; `core.transaction` composes programs of these functions.

What is easy to get wrong, and therefore is so here:

- A step may start a daemon that inherits every descriptor. The lock's descriptor is closed for it, or the host would
  stay locked for as long as that daemon lives; but a process of ours keeps holding the lock until the step is over,
  even when the program itself was killed.
- busybox's `timeout` leaves a watcher behind for up to a second, with every descriptor it was given.
- A step gets the usual umask: what it writes, and a daemon that it starts, is not ours to hide.
- Signals are caught and not ignored: what is ignored would stay ignored in a daemon that a step starts.
- Text that came from the host leaves only in hex, so it can neither forge nor break the answer.
- Redirections that may fail are tried in a subshell first: in dash a failed `exec` ends the program.
"""

FUNCTIONS = r"""
umask 077
set -f
unset IFS
export LC_ALL LANG PATH
trap : HUP INT TERM PIPE
E="$LEDGER/$ID"
W="$LEDGER/.work"
P=

tell() { P="$P$*
"; }

hex() { h=$(od -An -v -tx1 | tr -d ' \n'); printf '%s' "${h:--}"; }

# answer EXIT WORD...: the one framed answer, and the end.
answer() {
  code=$1; shift
  tell result "$@"
  printf 'netdiag-answer %s %s\n%snetdiag-end %s\n' "$NONCE" "${#P}" "$P" "$NONCE"
  exit "$code"
}

refuse() { answer 11 refused "$1" "$(printf '%s' "$2" | hex)"; }

need() {
  for tool in "$@"; do
    command -v "$tool" >/dev/null 2>&1 || refuse tools "this host has no $tool command"
  done
  timeout -s KILL 5 true >/dev/null 2>&1 || refuse tools 'this host has no timeout command that knows -s KILL'
}

# keep FILE: standard input into FILE, on the disk or not at all.
keep() { dd of="$1.new" conv=fsync 2>"$W/dd" && mv -f "$1.new" "$1" 2>>"$W/dd"; }

ledger() {
  said=$( { mkdir -p "$W" && : >"$W/dd"; } 2>&1 ) && printf ledger | keep "$W/probe" ||
    refuse ledger "the ledger $LEDGER cannot be written as uid $(id -u): ${said:-$(head -c 300 "$W/dd")}"
}

# born PID: its start time in clock ticks (stat field 22), nothing when there is no such process or it has ended.
born() {
  { read -r line <"/proc/$1/stat"; } 2>/dev/null || return 1
  set -- ${line##*) }
  [ "$1" != Z ] || return 1
  printf '%s' "${20}"
}

self() {
  read -r line </proc/self/stat
  read -r boot </proc/sys/kernel/random/boot_id
  ME="${line%% *} $(born "${line%% *}") $boot"
}

# alive "PID START BOOT": is that very process still there?
alive() {
  set -- $1
  read -r boot </proc/sys/kernel/random/boot_id
  [ "$#" = 3 ] && [ "$3" = "$boot" ] && [ "$(born "$1")" = "$2" ]
}

# lock SECONDS: one change at a time on this host. flock goes with its process; without flock a symbolic link
# names its owner, and only the holder of a second link may remove what a dead owner left.
lock() {
  n=$1 WAITED=
  ( : >>"$LOCK" ) 2>/dev/null || refuse lock "the lock $LOCK cannot be opened as uid $(id -u)"
  if command -v flock >/dev/null 2>&1; then
    exec 9>>"$LOCK"
    until flock -n 9; do
      WAITED=yes
      [ "$n" -gt 0 ] || { exec 9>&-; return 1; }
      n=$((n - 1)); sleep 1
    done
    return 0
  fi
  self
  until ln -s "$ME" "$LOCK.owner" 2>/dev/null; do
    owner=$(readlink "$LOCK.owner")
    if [ -n "$owner" ] && ! alive "$owner" && ln -s "$ME" "$LOCK.breaker" 2>/dev/null; then
      [ "$(readlink "$LOCK.owner")" != "$owner" ] || rm -f "$LOCK.owner"
      rm -f "$LOCK.breaker"
      continue
    fi
    WAITED=yes
    [ "$n" -gt 0 ] || return 1
    n=$((n - 1)); sleep 1
  done
  trap unlock EXIT
}

unlock() {
  exec 9>&-
  [ -z "${ME:-}" ] || [ "$(readlink "$LOCK.owner")" != "$ME" ] || rm -f "$LOCK.owner"
}

clock() {
  now=$(date +%s)
  apart=$((now - BOT_NOW))
  [ "$apart" -le "$SKEW" ] && [ "$apart" -ge "-$SKEW" ] ||
    refuse clock "the host's clock is $apart s off the bot's (at most $SKEW s): set its time, then ask again"
  [ "$now" -le "$NOT_AFTER" ] || refuse late "the program came $((now - NOT_AFTER)) s after its deadline"
}

facts() {
  read -r boot </proc/sys/kernel/random/boot_id
  tell time "$(date +%s)"
  tell boot "$(printf '%s' "$boot" | hex)"
}

# recall: does the ledger know this change, and what does it say? STATE is "none" where a program died at once.
recall() {
  [ -d "$E" ] || return 1
  STATE=none AT=0
  { read -r STATE AT <"$E/state"; } 2>/dev/null || { STATE=none; AT=0; }
}

# put STATE: the ledger's word on this change.
put() { printf '%s %s\n' "$1" "$(date +%s)" | keep "$E/state"; }

enter() {
  mkdir "$E" 2>"$W/dd" && CHANGE | keep "$E/change" && UNDO | keep "$E/undo" && put "$1" || {
    said=$(head -c 300 "$W/dd" 2>/dev/null)
    rm -rf "$E"
    refuse ledger "the ledger $LEDGER cannot be written: ${said:-no space}"
  }
  timeout -s KILL 10 sync "$E" "$LEDGER" >/dev/null 2>&1 9>&-
}

flat() { set -- $1; FLAT=$*; }

# check KIND INDEX equals|differs EXPECTED ARGV...: a read holds when it ended with 0 and printed what is expected.
check() {
  kind=$1 index=$2 compare=$3 expected=$4
  shift 4
  timeout -s KILL "$LOOK" "$@" >"$W/out" 2>"$W/err" </dev/null 9>&-
  status=$?
  flat "$(head -c 65536 "$W/out" | tr -d '\000')"
  same=differs
  [ "x$FLAT" != "x$expected" ] || same=equals
  holds=0
  [ "$status" != 0 ] || [ "$same" != "$compare" ] || holds=1
  tell look "$kind" "$index" "$holds" "$status" "$(printf '%s' "$FLAT" | head -c 2048 | hex)" \
    "$(head -c 512 "$W/err" | hex)"
  [ "$holds" = 1 ]
}

# act KIND INDEX ARGV...: run one step to its end; its output goes to a file, for a daemon may keep it open.
act() {
  kind=$1 index=$2
  shift 2
  ( umask 022; timeout -s KILL "$STEP" "$@" </dev/null >"$W/act" 2>&1 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-; exit "$?" )
  ACTED=$?
  SAID=$(tail -c 1024 "$W/act" | hex)
  rm -f "$W/act"
  tell "$kind" "$index" "$ACTED" "$SAID"
  return "$ACTED"
}

# eventually N FUNCTION: try up to N times, a second apart; only the last readings are told.
eventually() {
  before=$P tries=$1
  until P=$before; "$2"; do
    tries=$((tries - 1))
    [ "$tries" -gt 0 ] || return 1
    sleep 1
  done
}

# take_back STATE: run the inverse where the target is still the target; what is read afterwards decides.
take_back() {
  if SAME && INVERSE && eventually "$SETTLE" PRE; then
    put "$1"
    return 0
  fi
  put unrestored
  return 1
}
"""
