"""Which hosts does a demo fleet have, what runs on them, and which names and addresses are theirs?

Everything follows from the instance number, so two fleets side by side never share a name, and whoever finds the
remains of a killed fleet knows what to remove. Hosts beside the numbered ones come in parts, see `bot.demo.parts`.
"""

from collections.abc import Mapping, Sequence
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
    """A program under /etc/init.d: `words` is its command, and `settings` what /etc/default/NAME says besides.

    A first word that ends in .py is one of our programs.
    """

    name: str
    words: tuple[str, ...]
    settings: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Role:
    """What a host is for: its labels, its services, and the crowd that calls it.

    `crowd` is (kind, server's address or "" for the host's own, port, numbers…), see programs/crowd.py; `routes` are
    networks behind the host. In texts, @NET@ stands for the first three numbers of the fleet's addresses and @BACK@ for
    those of its back network.
    """

    labels: Mapping[str, str]
    services: tuple[Service, ...] = ()
    crowd: tuple[str, ...] = ()
    routes: tuple[str, ...] = ()
    memory: int = 0
    """Megabytes of a user-mode-linux guest with a kernel of its own; 0: namespaces of this machine's kernel."""
    modules: tuple[str, ...] = ()
    """Kernel modules that a guest loads when it starts."""
    back: bool = False
    """Whether it has a second leg, eth1, in the back network."""
    links: tuple[str, ...] = ()
    """More of its own network, as lines for `ip -batch`."""
    sysctls: tuple[str, ...] = ()
    start: str = ""
    """Shell lines run once when it starts, after its network and before its services."""
    files: Mapping[str, str] = field(default_factory=dict)
    """More files of its disk: path without the leading slash, and text."""
    balances: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Virtual services that it is meant to have, with their real servers: what the inventory expects."""


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
    {"role": "legacy"},
    (Service("legacy-api", ("hoard.py", "legacy-api", "9000", "1024", "128")),),
    ("leak", "", "9000", "300", "60"),
)
ROLES: Final = (IDLE, BUSY, SHOP, LEAKY)


@dataclass(frozen=True, slots=True)
class Leg:
    """One link of a host: its name there, its address and MAC, and the switch's bridge and port at the other end."""

    name: str
    address: str
    mac: str
    bridge: str
    port: str


@dataclass(frozen=True, slots=True)
class Node:
    """One host of the fleet; its first leg is the way in."""

    name: str
    role: Role
    legs: tuple[Leg, ...]

    @property
    def address(self) -> str:
        """Where its sshd listens."""
        return self.legs[0].address

    @property
    def mac(self) -> str:
        """Of the first leg."""
        return self.legs[0].mac

    @property
    def port(self) -> str:
        """The switch's end of the first leg."""
        return self.legs[0].port

    @property
    def guest(self) -> bool:
        """Whether it has a kernel of its own."""
        return self.role.memory > 0


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
    def net(self) -> str:
        """The first three numbers of the fleet's addresses, out of the range for benchmarks of networks (RFC 2544)."""
        return f"198.18.{self.instance}"

    @property
    def back(self) -> str:
        """The same of its back network, which the machine has no leg in."""
        return f"198.19.{self.instance}"

    @property
    def block(self) -> str:
        """The fleet's addresses."""
        return f"{self.net}.0/24"

    @property
    def here(self) -> str:
        """The machine's address in the fleet's network."""
        return f"{self.net}.1"

    @property
    def outside(self) -> str:
        """The switch's address: where the crowd calls from, and the hosts' gateway to nowhere."""
        return f"{self.net}.2"

    def fill(self, text: str) -> str:
        """The text with the fleet's own numbers in it."""
        return text.replace("@NET@", self.net).replace("@BACK@", self.back)


def plan(instance: int, hosts: int, posts: Sequence[tuple[str, int, Role]] = ()) -> Plan:
    """The fleet of that number with so many numbered hosts (0 to 200), and `posts`: (name, last number, role).

    Hosts after the fourth are idle ones. Raises ValueError for a number of hosts that cannot be had.
    """
    if not 0 <= hosts <= HOSTS_AT_MOST or not (hosts or posts):
        raise ValueError(f"a demo fleet has 1 to {HOSTS_AT_MOST} hosts, not {hosts}")
    numbered = [
        (f"node-{number}", 10 + number, ROLES[number - 1] if number <= len(ROLES) else IDLE)
        for number in range(1, hosts + 1)
    ]
    return Plan(instance, tuple(_node(instance, *post) for post in (*numbered, *posts)))


def _node(instance: int, name: str, number: int, role: Role) -> Node:
    nets = ("198.18", "198.19") if role.back else ("198.18",)
    legs = (
        Leg(
            name=f"eth{leg}",
            address=f"{net}.{instance}.{number}",
            mac=f"02:6e:64:{instance:02x}:{leg:02x}:{number:02x}",
            bridge=f"br{leg}",
            port=f"port{number}" if leg == 0 else f"port{number}.{leg}",
        )
        for leg, net in enumerate(nets)
    )
    return Node(name, role, tuple(legs))
