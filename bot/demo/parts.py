"""Which hosts stand beside the numbered ones where more than listen queues is to be shown, and broken?

A part is a few hosts that belong together: `Fleet.up(directory, hosts=0, parts=["ipvs"])`. What can be broken on each
is in `bot.demo.faults`.
"""

import shutil
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from bot.demo import machine
from bot.demo.plan import Role, Service

Post = tuple[str, int, Role]
"""A host's name, the last number of its addresses, and what it is for."""

GUEST: Final = 128  # megabytes, of which the guest's kernel leaves about 100

VIP: Final = "@NET@.220"
"""Of the services that the director balances, and 443, which nobody serves yet."""

MEANT: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        f"{VIP}:80/tcp": ("@BACK@.222:80", "@BACK@.223:80"),
        f"{VIP}:443/tcp": ("@BACK@.222:80", "@BACK@.222:6379"),
        f"{VIP}:6379/tcp": ("@BACK@.222:6379",),
        f"{VIP}:8080/tcp": ("@BACK@.223:80", "10.77.0.4:80"),
    }
)
# Answers to what came by the back network leave by it, through the director, which turns the addresses back.
BY_THE_BACK: Final = (
    "rule add from @BACK@.0/24 lookup 100",
    "route add @BACK@.0/24 dev eth1 table 100",
    "route add default via @BACK@.221 dev eth1 table 100",
)
DIRECTOR: Final = Role(
    {"role": "director"},
    memory=GUEST,
    modules=("ip_vs", "ip_vs_rr", "ip_vs_wrr", "vxlan"),
    back=True,
    links=(
        f"address add {VIP}/32 dev eth0",
        "link add vx0 type vxlan id 77 local @BACK@.221 remote @BACK@.224 dstport 4789 dev eth1",
        "address add 10.77.0.1/24 dev vx0",
        "link set vx0 up",
    ),
    sysctls=("net.ipv4.ip_forward=1", "net.ipv4.conf.all.rp_filter=0"),
    start=f"""\
ipvsadm -C
ipvsadm -A -t {VIP}:80 -s rr
ipvsadm -a -t {VIP}:80 -r @BACK@.222:80 -m
ipvsadm -a -t {VIP}:80 -r @BACK@.223:80 -m
ipvsadm -A -t {VIP}:6379 -s rr
ipvsadm -a -t {VIP}:6379 -r @BACK@.222:6379 -m
ipvsadm -A -t {VIP}:8080 -s rr
ipvsadm -a -t {VIP}:8080 -r @BACK@.223:80 -m
ipvsadm -a -t {VIP}:8080 -r 10.77.0.4:80 -m
""",
    balances=MEANT,
)
WEB: Final = Service("web", ("api.py", "80"))
CACHE: Final = Service("cache", ("api.py", "6379"))
LOOSE: Final = ("net.ipv4.conf.all.rp_filter=0", "net.ipv4.conf.eth1.rp_filter=0")
REAL: Final = Role({"role": "web"}, (WEB,), back=True, links=BY_THE_BACK, sysctls=LOOSE)
REAL_CACHE: Final = Role({"role": "web"}, (WEB, CACHE), back=True, links=BY_THE_BACK, sysctls=LOOSE)
# Requests reach this one in a tunnel, and its answers leave by the back network: asymmetric, and fine while nobody
# filters by the reverse path.
REAL_FAR: Final = Role(
    {"role": "web"},
    (WEB,),
    back=True,
    links=(
        "link add vx0 type vxlan id 77 local @BACK@.224 remote @BACK@.221 dstport 4789 dev eth1",
        "address add 10.77.0.4/24 dev vx0",
        "link set vx0 up",
        *BY_THE_BACK,
        "rule add from 10.77.0.0/24 lookup 100",
        "route add 10.77.0.0/24 dev vx0 table 100",
    ),
    sysctls=(*LOOSE, "net.ipv4.conf.vx0.rp_filter=2"),
)
CLIENT: Final = Role({"role": "client"}, sysctls=("net.ipv4.tcp_tw_reuse=0",))

GATEWAY_VIP: Final = "@NET@.230"


def _gateway(priority: int) -> Role:
    return Role(
        {"role": "gateway"},
        (
            Service("syslog", ("syslog.py",), {"READY": "/dev/log"}),
            Service("tracked", ("api.py", "8080")),
            Service("keepalived", ("/usr/sbin/keepalived", "-n", "-D", "-P", "-p", "/run/keepalived-main.pid")),
        ),
        files={
            "etc/keepalived/keepalived.conf": f"""\
global_defs {{
    router_id lab
    script_user root
    enable_script_security
    vrrp_garp_master_refresh 30
}}
vrrp_script tracked {{
    script "/bin/sh /etc/netdiag-demo/tracked.sh"
    interval 1
    timeout 2
    fall 2
    rise 2
    weight -60
}}
vrrp_instance VI_1 {{
    state BACKUP
    interface eth0
    virtual_router_id 51
    priority {priority}
    advert_int 1
    virtual_ipaddress {{
        {GATEWAY_VIP}/24 dev eth0
    }}
    track_script {{
        tracked
    }}
}}
""",
        },
    )


QUEUE: Final = Role({"role": "queue"}, back=True, sysctls=("net.ipv4.conf.all.rp_filter=0",))
SMALL: Final = Role(
    {"role": "memory"},
    (Service("hoard", ("hoard.py", "hoard", "9000", "8192", "511")),),
    memory=96,
    sysctls=("net.ipv4.tcp_mem=900 1200 1800",),
)
HOARDER: Final = Role({"role": "client"}, (Service("hoard", ("hoard.py", "hoard", "9000", "8192", "511")),))
SPARE_GUEST: Final = Role(
    {"role": "lab"},
    (Service("web", ("api.py", "80")),),
    memory=GUEST,
    modules=("dummy", "veth"),
    back=True,
    sysctls=("net.ipv4.conf.all.rp_filter=0", "net.ipv4.tcp_syncookies=1"),
    start="""\
modprobe bonding max_bonds=0
ip -batch - <<EOF
link add bond1 type bond mode active-backup miimon 100
link add b0 type veth peer name b0p
link add b1 type veth peer name b1p
link set b0 master bond1
link set b1 master bond1
link set b0p up
link set b1p up
link set bond1 up
address add 10.66.0.1/24 dev bond1
EOF
""",
    files={"etc/resolv.conf": "nameserver @NET@.238\n"},
)
ALL_ROUND: Final = Role(
    {"role": "client"},
    (WEB, Service("hoard", ("hoard.py", "hoard", "9000", "8192", "511")), Service("dns", ("dns.py", "@NET@.238"))),
    back=True,
    sysctls=("net.ipv4.tcp_tw_reuse=0", "net.ipv4.conf.all.rp_filter=0"),
)

PARTS: Final[Mapping[str, Sequence[Post]]] = MappingProxyType(
    {
        # A director with real IPVS, three real servers, one of them behind a tunnel, and a client.
        "ipvs": (
            ("lb-1", 221, DIRECTOR),
            ("web-1", 222, REAL_CACHE),
            ("web-2", 223, REAL),
            ("web-3", 224, REAL_FAR),
            ("client-1", 225, CLIENT),
        ),
        # Two keepalived that share an address, each with a process to look after.
        "vrrp": (("gw-1", 231, _gateway(150)), ("gw-2", 232, _gateway(100))),
        # A host with a second leg, whose transmit queue can be stopped.
        "queue": (("queue-1", 235, QUEUE),),
        # A guest with so little memory that TCP's share of it can be used up, and a server that reads nothing.
        "memory": (("mem-1", 236, SMALL), ("client-3", 239, HOARDER)),
        # A guest of its own kernel for everything that is the machine's on other hosts, and a client.
        "kernel": (("lab-1", 237, SPARE_GUEST), ("client-2", 238, ALL_ROUND)),
    }
)
FULL: Final = ("ipvs", "vrrp")
"""What `netdiag demo --full` adds."""

TOOLS: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {"ipvs": {"ipvsadm": "ipvsadm"}, "vrrp": {"keepalived": "keepalived"}}
)
"""What a part needs on the machine besides: tool and package."""


def availability(names: Sequence[str] = ()) -> str | None:
    """Why a fleet with these parts cannot be had on this machine, with the remedy; None when it can."""
    reason = machine.availability()
    if reason is not None:
        return reason
    needed = {tool: package for name in names for tool, package in TOOLS.get(name, {}).items()}
    missing = {tool: package for tool, package in needed.items() if shutil.which(tool, path=machine.PATH) is None}
    if missing:
        return f"{', '.join(missing)} missing; install: {' '.join(sorted(set(missing.values())))}"
    guests = any(role.memory for _, _, role in posts(names))
    return machine.guest_availability() if guests else None


def posts(names: Sequence[str]) -> tuple[Post, ...]:
    """The hosts of parts. Raises ValueError for a part that is none."""
    unknown = [name for name in names if name not in PARTS]
    if unknown:
        raise ValueError(f"no part {unknown[0]!r} of a fleet; there are {', '.join(PARTS)}")
    return tuple(post for name in dict.fromkeys(names) for post in PARTS[name])
