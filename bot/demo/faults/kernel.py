"""What is full, lost or too small in one kernel: shown on a guest, where it is not this machine's."""

from typing import Final

from bot.demo.faults.fault import Fault, Order, Step

LAB: Final = "lab-1"
CLIENT: Final = "client-2"


def _kernel(name: str, shows: str, make: str, heal: str, *, traffic: str = "", after: str = "") -> Fault:
    """Shell lines on the guest, and traffic from the client that is started last and ended first.

    `after` is done on the client when all is healed.
    """
    made: tuple[Step | Order, ...] = (Step(LAB, make),) if make else ()
    healed: tuple[Step | Order, ...] = (Step(LAB, heal),) if heal else ()
    if traffic:
        made = (*made, Step(CLIENT, f"load {name} {traffic}"))
        healed = (Step(CLIENT, f"unload {name}"), *healed)
    if after:
        healed = (*healed, Step(CLIENT, after))
    return Fault(name, "kernel", LAB, shows, made, healed)


def _setting(
    name: str, shows: str, key: str, value: str, *, load: str = "", traffic: str = "", after: str = "", then: str = ""
) -> Fault:
    """One sysctl of the guest, put back as it was."""
    saved = f"/run/was-{key}"
    make = f"[ -e {saved} ] || sysctl -n {key} >{saved}\nsysctl -qw '{key}={value}'\n"
    heal = f'[ ! -e {saved} ] || sysctl -qw "{key}=$(cat {saved})"\nrm -f {saved}\n{then}\n'
    if load:
        make, heal = f"{make}load {name} {load}\n", f"unload {name}\n{heal}"
    return _kernel(name, shows, make, heal, traffic=traffic, after=after)


# The way in is not tracked, so that it stays open. (The guest's kernel has no IPv4 tables of nftables.)
TRACK: Final = """\
iptables-legacy -t raw -F
iptables-legacy -t raw -A PREROUTING -p tcp --dport 22 -j CT --notrack
iptables-legacy -t raw -A OUTPUT -p tcp --sport 22 -j CT --notrack
iptables-legacy -F INPUT
iptables-legacy -A INPUT -m conntrack --ctstate INVALID
sysctl -qw net.netfilter.nf_conntrack_max=64
"""
UNTRACK: Final = """\
[ ! -e /proc/sys/net/netfilter/nf_conntrack_max ] || {
    sysctl -qw net.netfilter.nf_conntrack_max=65536
    iptables-legacy -t raw -F
    iptables-legacy -F INPUT
    modprobe -r xt_CT xt_conntrack nf_conntrack iptable_raw iptable_filter
}
"""
FEW: Final = """\
ip neigh replace @NET@.1 lladdr \
    "$(ip neigh show @NET@.1 dev eth0 | sed 's/.*lladdr \\([^ ]*\\).*/\\1/')" dev eth0 nud permanent
sysctl -qw net.ipv4.neigh.default.gc_thresh1=2 net.ipv4.neigh.default.gc_thresh2=4 \
    net.ipv4.neigh.default.gc_thresh3=8
load neighbour-overflow strangers @BACK@ 9
"""
MANY: Final = """\
unload neighbour-overflow
sysctl -qw net.ipv4.neigh.default.gc_thresh3=1024 net.ipv4.neigh.default.gc_thresh2=512 \
    net.ipv4.neigh.default.gc_thresh1=128
ip neigh flush dev eth1
"""
SKEW: Final = """\
[ -e /run/was-clock ] || {
    echo $(($(date +%s) - $(cut -d. -f1 /proc/uptime))) >/run/was-clock
    date -s "@$(($(date +%s) + 300))" >/dev/null
}
"""
UNSKEW: Final = """\
[ ! -e /run/was-clock ] || date -s "@$(($(cat /run/was-clock) + $(cut -d. -f1 /proc/uptime)))" >/dev/null
rm -f /run/was-clock
"""

FAULTS: Final = (
    _kernel(
        "conntrack-full",
        "nf_conntrack_count at nf_conntrack_max, drops in /proc/net/stat/nf_conntrack, 'table full' in the log",
        TRACK,
        UNTRACK,
        traffic="sources @NET@.237 9 200",
    ),
    _kernel(
        "neighbour-overflow",
        "table_fulls rises in /proc/net/stat/arp_cache, 'neighbor table overflow' in the log",
        FEW,
        MANY,
    ),
    _setting(
        "time-wait-overflow",
        "TCPTimeWaitOverflow rises: tcp_max_tw_buckets is too small for the calls that end here",
        "net.ipv4.tcp_max_tw_buckets",
        "10",
        load="calls 127.0.0.1 80 20",
    ),
    _setting(
        "orphans",
        "TCP orphan near tcp_max_orphans, 'too many orphaned sockets' in the log",
        "net.ipv4.tcp_max_orphans",
        "16",
        load="orphans @NET@.238 9000 20",
        after="service hoard restart",
    ),
    _kernel(
        "udp-receive-errors",
        "RcvbufErrors rises: the program behind the port does not read",
        "load udp-receive-errors sink 5353",
        "unload udp-receive-errors",
        traffic="trickle @NET@.237 5353 200",
    ),
    _kernel(
        "syn-flood",
        "SyncookiesSent rises, 'Possible SYN flooding' in the log: calls from addresses that are nobody's",
        "",
        "service web restart",  # the kernel says it once for each listener
        traffic="syns @NET@.237 80 1500",
    ),
    _setting(
        "syn-queue-drops",
        "ListenDrops rises without ListenOverflows: no cookies, and a small backlog of half-open calls",
        "net.ipv4.tcp_syncookies",
        "0",
        traffic="syns @NET@.237 80 1500",
        then="service web restart",
    ),
    _kernel(
        "retransmits",
        "RetransSegs rises against OutSegs: the second leg loses every fifth packet",
        "tc qdisc replace dev eth1 root netem loss 20%\nload retransmits talk @BACK@.238 80",
        "unload retransmits\ntc qdisc del dev eth1 root 2>/dev/null || :",
    ),
    _kernel(
        "bond-degraded",
        "one of two legs of bond1 is down in /proc/net/bonding/bond1, and its failures are counted",
        "ip link set b1p down\nbecomes 'grep -q \"MII Status: down\" /proc/net/bonding/bond1'",
        "ip link set b1p up\nbecomes '! grep -q \"MII Status: down\" /proc/net/bonding/bond1'",
    ),
    _setting(
        "softnet-drops",
        "the second column of /proc/net/softnet_stat rises: netdev_max_backlog is too small for what arrives at once",
        "net.core.netdev_max_backlog",
        "1",
        load="bursts 127.0.0.1 80",
    ),
    _kernel("clock-off", "the clock is five minutes ahead", SKEW, UNSKEW),
    Fault(
        "mtu-black-hole",
        "kernel",
        LAB,
        "large packets to the client are lost without a word, so calls hang that say much; small ones pass",
        make=(
            Step("switch", "ip link set br1 mtu 1500; ip link set port238.1 mtu 1300"),
            # Whole segments, as a card without offloads sends them: what is cut later is not seen to be too large.
            Step(LAB, "ethtool -K eth1 tso off gso off\nload mtu-black-hole talk @BACK@.238 80"),
        ),
        heal=(
            Step(LAB, "unload mtu-black-hole\nethtool -K eth1 gso on tso on"),
            Step("switch", "ip link set port238.1 mtu 1500"),
        ),
    ),
    Fault(
        "dead-resolver",
        "kernel",
        LAB,
        "the name server in /etc/resolv.conf does not answer",
        make=(Step(CLIENT, "service dns stop"),),
        heal=(Step(CLIENT, "service dns start"),),
    ),
    Fault(
        "duplicate-address",
        "kernel",
        LAB,
        "two hosts answer for the address of its second leg",
        make=(Step(CLIENT, "ip address replace @BACK@.237/24 dev eth1"),),
        heal=(
            Step(CLIENT, "! ip address show dev eth1 | grep -q @BACK@.237/ || ip address del @BACK@.237/24 dev eth1"),
        ),
    ),
    Fault(
        "ephemeral-ports-gone",
        "kernel",
        CLIENT,
        "a narrow ip_local_port_range full of TIME_WAIT: new calls fail with EADDRNOTAVAIL",
        make=(
            Step(
                CLIENT,
                """\
sysctl -qw 'net.ipv4.ip_local_port_range=40000 40060'
load ephemeral-ports-gone used_up @NET@.237 80
""",
            ),
        ),
        heal=(
            Step(
                CLIENT,
                "unload ephemeral-ports-gone\nsysctl -qw 'net.ipv4.ip_local_port_range=32768 60999'",
            ),
        ),
    ),
    Fault(
        "no-default-route",
        "kernel",
        CLIENT,
        "no default route, and OutNoRoutes rises",
        make=(Step(CLIENT, "ip route del default 2>/dev/null || :\nload no-default-route trickle 192.0.2.1 9 20"),),
        heal=(Step(CLIENT, "unload no-default-route\nip route replace default via @NET@.2"),),
    ),
)
