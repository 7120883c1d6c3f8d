#!/bin/sh
# How does a private root become a machine with a kernel of its own? Runs as PID 1 of mount and PID namespaces, in the
# network namespace of the switch, where the links' other ends are.
# Arguments: NAME, DISK, PYTHON, its PREFIX, MODE (overlay|bind), ROOM (of the serial line's ends), MEGABYTES, then for
# each link its PORT and MAC. What it says is the guest's console.
set -eu
name=$1 disk=$2 python=$3 prefix=$4 mode=$5 room=$6 memory=$7
shift 7
. "${0%/*}/root.sh"
private_root
mount -t proc proc /proc
mount -t tmpfs -o nosuid,nodev,mode=755,size=1g tmpfs /dev/shm # the guest's memory is a file there
links='' number=0
while [ $# -gt 1 ]; do
    links="$links vec$number:transport=tap,ifname=$1,depth=128,mac=$2"
    shift 2
    number=$((number + 1))
done
# At its start the kernel would try for most of a second which way of computing RAID 6 is the fastest here.
# Both ends are open for reading and writing, so that neither side ever sees an end of file.
# shellcheck disable=SC2086 # words on purpose
exec linux.uml "mem=${memory}M" "umid=$name" uml_dir=/dev/shm/ rootfstype=hostfs "hostfs=$disk/root" rootflags=/ ro \
    panic=-1 initcall_blacklist=raid6_select_algo con=null con0=null,fd:1 con1=null ssl=null ssl0=fd:3,fd:4 $links \
    init=/bin/sh -- /etc/netdiag-demo/guest.sh 3<>"$room/$name.in" 4<>"$room/$name.out"
