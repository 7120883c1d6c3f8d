"""What does each program do on a host: apply, confirm, inquire, and undo by itself when nobody confirms?

Each is the `main` of a program that is composed with the functions of `core.hostside` and with the change's own.
"""

APPLY = r"""
# lasting: may a process of ours outlive the session it was started in?
lasting() {
  case $(cat /proc/self/cgroup 2>/dev/null) in
    *session-*.scope*)
      case $(timeout -s KILL 5 loginctl show-session -p KillUserProcesses 2>/dev/null 9>&-) in
        *=yes) refuse unarmed "logind ends processes with their session (KillUserProcesses=yes), and with them the\
 automatic revert: name the login user in KillExcludeUsers= of logind.conf" ;;
      esac ;;
  esac
}

arm() {
  setsid "$SH" "$E/undo" </dev/null >/dev/null 2>&1 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&- &
  n=0
  until [ -s "$E/deadman" ]; do
    n=$((n + 1))
    [ "$n" -le 30 ] || { put void; refuse unarmed 'the automatic revert could not be started'; }
    sleep 0.1 2>/dev/null || sleep 1
  done
}

# failed WHY: a reversible change is taken back at once; either way the host says what state it is in.
failed() {
  if [ -n "$REVERSIBLE" ]; then
    take_back failed && answer 13 failed "$1" restored
  else
    put unrestored
    eventually 1 PRE
  fi
  answer 13 failed "$1" unrestored
}

main() {
  need timeout od tr dd mv head tail date mkdir sleep cat id $REVERSIBLE
  lock "$WAIT" || refuse busy "another change is at work on this host ($LOCK is held)"
  ledger
  facts
  clock
  if recall; then answer 12 seen "$STATE" "$AT"; fi
  PRE || { enter stale; answer 10 stale; }
  [ -z "$REVERSIBLE" ] || lasting
  enter intent
  [ -z "$REVERSIBLE" ] || arm
  # The machine may have slept while it was read.
  [ "$(date +%s)" -le "$NOT_AFTER" ] || { put void; refuse late 'the deadline passed while the host was read'; }
  put begun || refuse ledger "the ledger $LEDGER cannot be written"
  STEPS || failed step
  eventually "$SETTLE" POST || failed verify
  put applied || failed ledger
  answer 0 applied
}
"""

CONFIRM = r"""
main() {
  need timeout od tr dd mv head date cat id
  lock "$WAIT" || refuse busy "another change is at work on this host ($LOCK is held)"
  ledger
  facts
  recall || answer 12 seen absent 0
  case $STATE in applied | confirmed) ;; *) answer 12 seen "$STATE" "$AT" ;; esac
  POST || answer 14 unverified
  [ "$STATE" = confirmed ] || put confirmed || refuse ledger "the ledger $LEDGER cannot be written"
  answer 0 confirmed
}
"""

INQUIRE = r"""
main() {
  need timeout od tr dd mv head date cat id
  lock "$WAIT" || refuse busy "another change is at work on this host ($LOCK is held)"
  ledger
  facts
  if recall; then
    # We hold the lock, so its program is over: what had not begun never will.
    case $STATE in none | intent) put void ;; esac
  else
    # A program that is still under way must find the change as seen.
    STATE=absent AT=0
    enter void
  fi
  { read -r DEADMAN <"$E/deadman"; } 2>/dev/null && alive "$DEADMAN" && tell armed yes || tell armed no
  PRE
  POST
  answer 0 told "$STATE" "$AT"
}
"""

DEADMAN = r"""
# Run by itself unless confirmed in time; by hand: sh undo now
main() {
  if [ "${1:-}" != now ]; then
    self
    printf '%s\n' "$ME" >"$E/deadman"
    sleep "$WITHIN"
    until lock 60; do :; done
    # The program was at work until now: the time to confirm begins when it ends.
    if [ -n "$WAITED" ]; then unlock; sleep "$WITHIN"; until lock 60; do :; done; fi
  else
    lock 60 || { echo "another change is at work: $LOCK is held"; exit 1; }
  fi
  recall
  case $STATE in
    none | intent) [ "${1:-}" = now ] || put failed ;;
    begun | applied) take_back reverted ;;
    confirmed | unrestored) [ "${1:-}" != now ] || take_back reverted ;;
  esac
  printf '%s' "$P" >"$E/log"
  recall
  [ "${1:-}" != now ] || echo "$STATE"
}
"""
