#!/bin/sh
### BEGIN INIT INFO
# Provides:          demo service
# Required-Start:    $network
# Required-Stop:     $network
# Default-Start:     2 3 4 5
# Default-Stop:      0 1 6
# Short-Description: A service of the demo fleet, named by this file and set up in /etc/default
### END INIT INFO
# /etc/default/NAME sets COMMAND, optionally POD (it runs in one) and RELOAD (the signal that reloads it)
# and READY (a path that is there once it serves).
PATH=/usr/sbin:/usr/bin:/sbin:/bin
name=${0##*/}
pidfile=/run/$name.pid
POD='' RELOAD='' READY=''
. "/etc/default/$name"

running() { [ -s "$pidfile" ] && kill -0 "$(cat "$pidfile")" 2>/dev/null; }

start() {
    running && return 0
    if [ -n "$POD" ]; then
        /bin/sh /etc/netdiag-demo/pod.sh start "$name"
    else
        # shellcheck disable=SC2086 # words on purpose
        setsid $COMMAND </dev/null >>"/var/log/$name.log" 2>&1 &
        echo $! >"$pidfile"
        tries=50
        while [ -n "$READY" ] && [ ! -e "$READY" ] && [ $tries -gt 0 ]; do
            sleep 0.1
            tries=$((tries - 1))
        done
    fi
}

stop() {
    if running; then
        kill -TERM "$(cat "$pidfile")"
        tries=50
        while running && [ $tries -gt 0 ]; do
            sleep 0.1
            tries=$((tries - 1))
        done
        ! running || kill -KILL "$(cat "$pidfile")"
    fi
    rm -f "$pidfile"
    [ -z "$POD" ] || /bin/sh /etc/netdiag-demo/pod.sh stop "$name"
}

case ${1-} in
start) start ;;
stop) stop ;;
restart | force-reload)
    stop
    start
    ;;
reload)
    running || { echo "$name is not running" >&2; exit 7; }
    [ -n "$RELOAD" ] || { echo "$name cannot reload; restart it" >&2; exit 3; }
    kill "-$RELOAD" "$(cat "$pidfile")"
    ;;
status)
    if running; then
        echo "$name is running (pid $(cat "$pidfile"))"
    else
        echo "$name is not running"
        exit 3
    fi
    ;;
*)
    echo "Usage: service $name {start|stop|restart|reload|status}" >&2
    exit 2
    ;;
esac
