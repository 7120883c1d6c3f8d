"""Which hosts does a demo fleet have, what runs on them, and which names and addresses are theirs?

Everything follows from the instance number, so two fleets side by side never share a name, and whoever finds the
remains of a killed fleet knows what to remove.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

INSTANCES: Final = 255
HOSTS_AT_MOST: Final = 200
ROUTE_METRIC: Final = 1_000_000  # of the unreachable route: it counts only when the fleet's own link is gone

POD: Final = "shop-6d4cf56db6-x7k2p"
POD_NAMESPACE: Final = "web"
POD_UID: Final = "3f0c9a52-7be1-4a8e-9d0b-5c1e6f7a2d43"
POD_ADDRESS: Final = "10.244.3.10"
POD_GATEWAY: Final = "10.244.3.1"
POD_NETWORK: Final = "10.244.3.0/24"


@dataclass(frozen=True, slots=True)
class Service:
    """A program under /etc/init.d: the words after the interpreter, and what /etc/default/NAME says besides."""

    name: str
    words: tuple[str, ...]
    settings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Role:
    """What a host is for: its labels, its services, and the crowd that calls it.

    `crowd` is (kind, server's address or "" for the host's own, port, numbers…), see programs/crowd.py; `routes` are
    networks behind the host.
    """

    labels: Mapping[str, str]
    services: tuple[Service, ...] = ()
    crowd: tuple[str, ...] = ()
    routes: tuple[str, ...] = ()


IDLE: Final = Role({"role": "spare"})
BUSY: Final = Role({"role": "api"}, (Service("api", ("api.py", "8080")),), ("hold", "", "8080", "1500"))
SHOP: Final = Role(
    {"role": "ingress"},
    (
        Service(
            "shop",
            ("shop.py", "80", "6"),
            {
                "POD": POD,
                "NAMESPACE": POD_NAMESPACE,
                "UID_": POD_UID,
                "ADDRESS": POD_ADDRESS,
                "GATEWAY": POD_GATEWAY,
                "SYSCTLS": "net.core.somaxconn=128",  # as kernels before 5.4 gave every new namespace
                "RELOAD": "HUP",
            },
        ),
    ),
    ("dial", POD_ADDRESS, "80", "600"),
    (POD_NETWORK,),
)
LEAKY: Final = Role(
    {"role": "legacy"}, (Service("legacy-api", ("legacy_api.py", "9000")),), ("leak", "", "9000", "300", "60")
)
ROLES: Final = (IDLE, BUSY, SHOP, LEAKY)


@dataclass(frozen=True, slots=True)
class Node:
    """One host of the fleet. `mac` is its leg's, `port` the switch's end of that leg."""

    name: str
    role: Role
    address: str
    mac: str
    port: str


@dataclass(frozen=True, slots=True)
class Plan:
    """A whole fleet. `leg` is the one link that it puts into the machine's own network namespace."""

    instance: int
    nodes: tuple[Node, ...]

    @property
    def leg(self) -> str:
        """The machine's link to the fleet."""
        return f"netdiag{self.instance}"

    @property
    def block(self) -> str:
        """The fleet's addresses, out of the range for benchmarks of networks (RFC 2544)."""
        return f"198.18.{self.instance}.0/24"

    @property
    def here(self) -> str:
        """The machine's address in the fleet's network."""
        return f"198.18.{self.instance}.1"

    @property
    def outside(self) -> str:
        """The switch's address: where the crowd calls from, and the hosts' gateway to nowhere."""
        return f"198.18.{self.instance}.2"


def plan(instance: int, hosts: int) -> Plan:
    """The fleet of that number with so many hosts (1 to 200); hosts after the fourth are idle ones.

    Raises ValueError for a number of hosts that cannot be had.
    """
    if not 1 <= hosts <= HOSTS_AT_MOST:
        raise ValueError(f"a demo fleet has 1 to {HOSTS_AT_MOST} hosts, not {hosts}")
    return Plan(
        instance,
        tuple(
            Node(
                name=f"node-{number}",
                role=ROLES[number - 1] if number <= len(ROLES) else IDLE,
                address=f"198.18.{instance}.{10 + number}",
                mac=f"02:6e:64:{instance:02x}:00:{number:02x}",
                port=f"port{number}",
            )
            for number in range(1, hosts + 1)
        ),
    )
