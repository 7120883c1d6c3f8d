# Sourced by what breaks a host: keep a program running beside it, and end it.
# `load NAME KIND WORD...` starts programs/load.py once and waits until its load is there; `unload NAME` ends it; `becomes CONDITION` waits.
. /etc/netdiag-demo/env

unload() {
    [ -s "/run/load-$1.pid" ] || return 0
    kill "$(cat "/run/load-$1.pid")" 2>/dev/null || :
    tries=50
    while kill -0 "$(cat "/run/load-$1.pid")" 2>/dev/null && [ $tries -gt 0 ]; do
        sleep 0.1
        tries=$((tries - 1))
    done
    rm -f "/run/load-$1.pid"
}

load() {
    what=$1
    shift
    [ -s "/run/load-$what.pid" ] && kill -0 "$(cat "/run/load-$what.pid")" 2>/dev/null && return 0
    : >"/run/load-$what.out"
    setsid "$PYTHON" -I -S /etc/netdiag-demo/load.py "$@" </dev/null >"/run/load-$what.out" 2>&1 &
    echo $! >"/run/load-$what.pid"
    tries=600
    until grep -q '^ready' "/run/load-$what.out"; do
        tries=$((tries - 1))
        if [ $tries -lt 1 ] || ! kill -0 "$(cat "/run/load-$what.pid")" 2>/dev/null; then
            echo "the load $what is not there: $(tail -n 3 "/run/load-$what.out")" >&2
            unload "$what"
            return 1
        fi
        sleep 0.1
    done
}

# Wait for at most half a minute until a condition, as a line of shell, holds.
becomes() {
    tries=150
    until eval "$1"; do
        tries=$((tries - 1))
        [ $tries -gt 0 ] || { echo "it did not become so: $1" >&2; return 1; }
        sleep 0.2
    done
}
