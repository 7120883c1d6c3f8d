#!/bin/sh
# How does a fresh set of namespaces become a host of its own? Runs as its PID 1 until the root is private.
# Arguments: NAME, DISK (a directory with upper/, work/, root/), PYTHON, its PREFIX, CGROUPS (yes|no), MODE (overlay|bind).
# Says on standard output "weak TEXT" for each thing that could not be had, and when all is done "pid N", as the machine
# counts; anything else is a complaint, and then it ends.
set -eu
name=$1 disk=$2 python=$3 prefix=$4 cgroups=$5 mode=$6

read -r pid _ </proc/self/stat # this /proc is still the machine's
hostname "$name" 2>/dev/null || echo "$name" >/proc/sys/kernel/hostname
. "${0%/*}/root.sh"
private_root

mount -t proc -o nosuid,nodev,noexec proc proc
mount -t sysfs -o ro,nosuid,nodev,noexec sysfs sys
if [ "$cgroups" = yes ]; then
    mount -t cgroup2 -o nosuid,nodev,noexec cgroup2 sys/fs/cgroup || echo "weak no cgroup tree inside $name"
fi
# What is not a namespace's own must not be set from here: everything but net.* is the machine's.
mount --bind proc/sys proc/sys
mount --bind proc/sys/net proc/sys/net
mount -o remount,bind,ro proc/sys
mount -t tmpfs -o nosuid,nodev,mode=755,size=16m tmpfs run
mount -t tmpfs -o nosuid,nodev,mode=1777,size=16m tmpfs tmp
mount -t tmpfs -o nosuid,mode=755,size=1m tmpfs dev

device() { mknod -m 666 "dev/$1" c "$2" "$3" 2>/dev/null || { : >"dev/$1" && mount --bind "/dev/$1" "dev/$1"; }; }
device null 1 3
device zero 1 5
device full 1 7
device random 1 8
device urandom 1 9
device tty 5 0
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts dev/pts
mount -t tmpfs -o nosuid,nodev,mode=1777,size=8m tmpfs dev/shm
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
ln -s fd/0 dev/stdin
ln -s fd/1 dev/stdout
ln -s fd/2 dev/stderr

pivot_root . mnt
cd /
umount -l /mnt
exec setpriv --bounding-set=-sys_module,-sys_rawio,-sys_boot,-sys_time,-mknod /bin/sh /etc/netdiag-demo/init.sh "$pid"
