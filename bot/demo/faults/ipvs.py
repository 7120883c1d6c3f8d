"""A director whose table disagrees with its servers, keeps connections too long, or is answered another way."""

from typing import Final

from bot.demo.faults.fault import Fault, Step

VIP: Final = "@NET@.220"

# Only unloading the module empties the table of connections at once; services and timeouts are put back.
EMPTY: Final = """\
timeouts=$(ipvsadm -L --timeout | sed 's/[^0-9 ]//g')
ipvsadm -Sn >/run/ipvs.saved
ipvsadm -C
modprobe -r ip_vs_wrr ip_vs_rr ip_vs
modprobe -a ip_vs ip_vs_rr ip_vs_wrr
ipvsadm -R </run/ipvs.saved
ipvsadm --set $timeouts
"""


def _member(name: str, server: str, shows: str) -> Fault:
    """One more real server of the cache's service, which is none."""
    service = f"-t {VIP}:6379 -r {server}"
    return Fault(
        name,
        "ipvs",
        "lb-1",
        shows,
        make=(
            Step("lb-1", f"ipvsadm -Ln | grep -q ' {server} ' || ipvsadm -a {service} -m"),
            Step("client-1", f"load {name} calls {VIP} 6379 5"),
        ),
        heal=(
            Step("client-1", f"unload {name}"),
            Step("lb-1", f"! ipvsadm -Ln | grep -q ' {server} ' || ipvsadm -d {service}"),
        ),
    )


def _table(name: str, shows: str, make: str, heal: str) -> Fault:
    """What is meant to be so, though it looks wrong."""
    return Fault(name, "ipvs", "lb-1", shows, (Step("lb-1", make),), (Step("lb-1", heal),), harmless=True)


def _filter(name: str, shows: str, make: str, *, harmless: bool = False) -> Fault:
    """A setting of the reverse path filter on the real server whose requests come through a tunnel."""
    far = "net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.vx0.rp_filter=2"
    return Fault(
        name,
        "ipvs",
        "web-3",
        shows,
        make=(Step("web-3", f"sysctl -qw {make}"), Step("client-1", f"load {name} calls {VIP} 8080 5")),
        heal=(Step("client-1", f"unload {name}"), Step("web-3", f"sysctl -qw {far}")),
        harmless=harmless,
    )


FAULTS: Final = (
    _member(
        "stale-real-server",
        "@BACK@.223:8000",
        "a real server beside the right one where nothing listens: every second connection is refused",
    ),
    _member(
        "dead-real-server",
        "@BACK@.240:6379",
        "a real server beside the right one at an address that nobody has: every second connection hangs in SYN_RECV",
    ),
    _table(
        "drained-real-server",
        "a real server at weight 0, on purpose",
        f"ipvsadm -e -t {VIP}:80 -r @BACK@.223:80 -m -w 0",
        f"ipvsadm -e -t {VIP}:80 -r @BACK@.223:80 -m -w 1",
    ),
    _table(
        "two-ports",
        "a service with two ports of one real server, and both answer",
        f"""\
ipvsadm -Ln | grep -q ' {VIP}:443 ' || ipvsadm -A -t {VIP}:443 -s rr
for port in 80 6379; do
    ipvsadm -Ln -t {VIP}:443 | grep -q " @BACK@.222:$port " || ipvsadm -a -t {VIP}:443 -r @BACK@.222:$port -m
done
""",
        f"! ipvsadm -Ln | grep -q ' {VIP}:443 ' || ipvsadm -D -t {VIP}:443",
    ),
    Fault(
        "long-fin-timeout",
        "ipvs",
        "lb-1",
        "connections by the hundred in FIN_WAIT for up to 15 minutes: the director's tcpfin timeout is 900 s",
        make=(
            Step("lb-1", "ipvsadm --set 900 900 300"),
            Step("client-1", f"load long-fin-timeout parted {VIP} 80 600"),
        ),
        heal=(
            Step("client-1", "unload long-fin-timeout"),
            Step("lb-1", "ipvsadm --set 900 120 300\n" + EMPTY),
        ),
    ),
    Fault(
        "time-wait-heavy",
        "ipvs",
        "lb-1",
        "connections by the thousand in TIME_WAIT in the director's table, from clients that make one for each request",
        make=(Step("client-1", f"load time-wait-heavy hung_up {VIP} 80 1500"),),
        heal=(Step("client-1", "unload time-wait-heavy"), Step("lb-1", EMPTY)),
    ),
    Fault(
        "tunnel-mtu",
        "ipvs",
        "web-3",
        "the tunnel's MTU leaves no room for its headers: 1450 over a link of 1450",
        make=(Step("web-3", "ip link set eth1 mtu 1450"),),
        heal=(Step("web-3", "ip link set eth1 mtu 1500"),),
    ),
    _filter(
        "strict-rp-filter",
        "IPReversePathFilter rises on the real server behind the tunnel, and its half of the connections hangs",
        "net.ipv4.conf.vx0.rp_filter=1",
    ),
    _filter(
        "strict-rp-filter-everywhere",
        "the same by conf.all, with 0 on the interface itself: the larger of the two is in force",
        "net.ipv4.conf.vx0.rp_filter=0 net.ipv4.conf.all.rp_filter=1",
    ),
    _filter(
        "loose-rp-filter",
        "rp_filter is 1 on the interface and 2 for all, so the loose one is in force and drops nothing",
        "net.ipv4.conf.all.rp_filter=2 net.ipv4.conf.vx0.rp_filter=1",
        harmless=True,
    ),
)
