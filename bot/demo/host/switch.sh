#!/bin/sh
# PID 1 of the namespaces that the fleet's switch and the crowd of clients live in.
set -eu
read -r pid _ </proc/self/stat # this /proc is still the machine's
hostname switch 2>/dev/null || echo switch >/proc/sys/kernel/hostname
mount -t proc -o nosuid,nodev,noexec proc /proc
echo "pid $pid"
read -r word
[ "$word" = go ]
exec </dev/null >/dev/null 2>&1
while :; do sleep 86400; done
