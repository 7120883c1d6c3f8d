#!/bin/sh
# The first program of a user-mode-linux guest: makes a root of its own that can be written, names its links, and goes on
# as the PID 1 of any demo host. What it says is on the guest's console.
set -eu
PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C HOME=/
export PATH LC_ALL HOME
unset TERM
mount -t proc proc /proc
modprobe overlay
mount -t tmpfs -o mode=755 tmpfs /mnt
mkdir /mnt/upper /mnt/work /mnt/root
mount -t overlay overlay -o lowerdir=/,upperdir=/mnt/upper,workdir=/mnt/work /mnt/root
cd /mnt/root
pivot_root . mnt
cd /
mount -t proc -o nosuid,nodev,noexec proc /proc
umount -l /mnt
mount -t sysfs -o nosuid,nodev,noexec sysfs /sys
mount -t cgroup2 -o nosuid,nodev,noexec cgroup2 /sys/fs/cgroup
mount -t devtmpfs devtmpfs /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts -o ptmxmode=0666,mode=620 devpts /dev/pts
mount -t tmpfs -o nosuid,nodev,mode=1777,size=8m tmpfs /dev/shm
mount -t tmpfs -o nosuid,nodev,mode=755,size=16m tmpfs /run
mount -t tmpfs -o nosuid,nodev,mode=1777,size=16m tmpfs /tmp
hostname "$(cat /etc/hostname)"
for link in /sys/class/net/vec*; do
    [ ! -e "$link" ] || ip link set "${link##*/}" name "eth${link##*/vec}"
done
. /etc/netdiag-demo/env
setsid sh -c 'while :; do "$0" -I -S /etc/netdiag-demo/agent.py /dev/ttyS0; sleep 1; done' "$PYTHON" </dev/null >/var/log/agent.log 2>&1 &
exec /bin/sh /etc/netdiag-demo/init.sh guest
