#!/bin/sh
# PID 1 of a demo host: waits for its network, starts its services, keeps sshd running, reaps what nobody waits for.
# Argument: its PID as the machine counts, or "guest" where its kernel is its own and its network is there already.
mkdir -p /run/sshd /run/lock
if [ "$1" != guest ]; then
    echo "pid $1"
    read -r word # the network is there: said by the one who made it
    [ "$word" = go ] || exit 1
fi
exec 3>&1 </dev/null >>/var/log/boot.log 2>&1
. /etc/netdiag-demo/env
for module in $MODULES; do modprobe "$module"; done
ip -batch /etc/netdiag-demo/network
sysctl -qp /etc/netdiag-demo/sysctl
. /etc/netdiag-demo/start
for service in $SERVICES; do "/etc/init.d/$service" start; done
[ "$1" != guest ] || echo "netdiag guest ready" >&3
exec 3>&-
while :; do
    "$SSHD" -D -e &
    wait $!
    sleep 1
done
