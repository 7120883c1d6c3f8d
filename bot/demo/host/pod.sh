#!/bin/sh
# A container runtime in miniature: one nested set of namespaces behind a veth, named and placed as a real one would.
# Usage: pod.sh start|stop NAME. /etc/default/NAME sets POD, NAMESPACE, UID_, ADDRESS, GATEWAY, SYSCTLS, COMMAND.
set -eu
PATH=/usr/sbin:/usr/bin:/sbin:/bin
action=$1 name=$2
. "/etc/default/$name"
run=/run/pods/$name
port=veth-$name
slice=/sys/fs/cgroup/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod$(echo "$UID_" | tr - _).slice

# A namespace can outlive its processes (half-open connections hold it), so its link goes by name, and first.
stop() {
    ip link delete "$port" 2>/dev/null || :
    rm -rf "$run" "/var/log/pods/${NAMESPACE}_${POD}_$UID_"
    rm -f /var/log/containers/"${POD}_${NAMESPACE}_$name"-*.log
    for scope in "$slice"/*.scope; do
        tries=50
        while [ -d "$scope" ] && ! rmdir "$scope" 2>/dev/null && [ $tries -gt 0 ]; do
            sleep 0.1
            tries=$((tries - 1))
        done
    done
}

start() {
    stop
    id=$(od -An -v -tx1 -N32 /dev/urandom | tr -d ' \n')
    mkdir -p "$run" /var/log/containers "/var/log/pods/${NAMESPACE}_${POD}_$UID_/$name"
    log=/var/log/pods/${NAMESPACE}_${POD}_$UID_/$name/0.log
    : >"$log"
    ln -s "$log" "/var/log/containers/${POD}_${NAMESPACE}_$name-$id.log"
    scope=
    if [ -w /sys/fs/cgroup/cgroup.procs ]; then
        scope=$slice/cri-containerd-$id.scope
        mkdir -p "$scope"
    fi
    mkfifo "$run/go"
    # The first of the two stays outside, in the node's network and group, as a runtime's shim does.
    setsid unshare --uts --ipc --mount --pid --fork --kill-child --propagation private \
        unshare --net /bin/sh /etc/netdiag-demo/pod.sh inside "$name" "$scope" <"$run/go" >>"$log" 2>&1 &
    exec 3>"$run/go"
    tries=250
    while [ ! -s "$run/pid" ]; do
        tries=$((tries - 1))
        [ $tries -gt 0 ] || { echo "$name: the container did not start" >&2; exit 1; }
        sleep 0.02
    done
    pid=$(cat "$run/pid")
    ip link add "$port" type veth peer name eth0 netns "$pid"
    ip address add "$GATEWAY/24" dev "$port"
    ip link set "$port" up
    nsenter -t "$pid" -n ip -batch - <<EOF
link set lo up
address add $ADDRESS/24 dev eth0
link set eth0 up
route add default via $GATEWAY
EOF
    # shellcheck disable=SC2086 # words on purpose
    nsenter -t "$pid" -n sysctl -qw $SYSCTLS
    echo "$pid" >"/run/$name.pid"
    echo go >&3
    exec 3>&-
}

# PID 1 of the container until its program takes over.
inside() {
    read -r pid _ </proc/self/stat # this /proc is still the node's
    [ -z "$3" ] || echo 0 >"$3/cgroup.procs"
    echo "$pid" >"$run/pid.new"
    mv "$run/pid.new" "$run/pid"
    echo "$POD" >"$run/hostname"
    mount --bind "$run/hostname" /etc/hostname
    mount -t proc -o nosuid,nodev,noexec proc /proc
    hostname "$POD" 2>/dev/null || echo "$POD" >/proc/sys/kernel/hostname
    read -r word
    [ "$word" = go ] || exit 1
    # shellcheck disable=SC2086 # words on purpose
    HOSTNAME=$POD exec unshare --cgroup $COMMAND </dev/null
}

case $action in
start) start ;;
stop) stop ;;
inside) inside "$@" ;;
esac
