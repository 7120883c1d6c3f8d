#!/bin/sh
# PID 1 of a demo host: waits for its network, starts its services, keeps sshd running, reaps what nobody waits for.
mkdir -p /run/sshd /run/lock
echo "pid $1"
read -r word # the network is there: said by the one who made it
[ "$word" = go ] || exit 1
exec </dev/null >>/var/log/boot.log 2>&1
ip -batch /etc/netdiag-demo/network
sysctl -qp /etc/netdiag-demo/sysctl
. /etc/netdiag-demo/env
for service in $SERVICES; do "/etc/init.d/$service" start; done
while :; do
    "$SSHD" -D -e &
    wait $!
    sleep 1
done
