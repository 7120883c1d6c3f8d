"""How are the hosts, the crowd and this machine wired together?

One bridge in the switch's namespace. The machine gets one leg; each host one; and a route that refuses the fleet's
addresses when the leg is gone, so that nothing meant for a demo host ever leaves the machine.
"""

from collections.abc import Iterable
from pathlib import Path

from bot.demo.machine import run
from bot.demo.plan import ROUTE_METRIC, Node, Plan


def batch(lines: Iterable[str], pid: int | None = None) -> None:
    """Run `ip` commands, all or an error, in the network namespace of a process or in our own."""
    inside = [] if pid is None else ["nsenter", "-t", str(pid), "-n"]
    run([*inside, "ip", "-batch", "-"], stdin="\n".join(lines) + "\n")


def build(fleet: Plan, switch: int, machine: int) -> None:
    """Make the switch and the machine's leg. `switch` and `machine` are processes in those namespaces."""
    batch(
        [
            "link set lo up",
            "link add br0 type bridge stp_state 0 forward_delay 0 mcast_snooping 0",
            f"address add {fleet.outside}/24 dev br0",
            "link set br0 up",
            "link add br1 type bridge stp_state 0 forward_delay 0 mcast_snooping 0",
            f"address add {fleet.back}.2/24 dev br1",
            "link set br1 up",
            f"link add up0 type veth peer name {fleet.leg} netns {machine}",
            "link set up0 master br0 up",
            *(f"route add {net} via {node.address}" for node in fleet.nodes for net in node.role.routes),
        ],
        switch,
    )
    # Where the bridge hands frames to a firewall, that is the machine's rule set applied to somebody else's packets.
    quiet = "for f in /proc/sys/net/bridge/bridge-nf-call-*; do [ ! -e $f ] || echo 0 >$f; done"
    run(["nsenter", "-t", str(switch), "-n", "sh", "-c", quiet])
    six = Path(f"/proc/sys/net/ipv6/conf/{fleet.leg}/disable_ipv6")
    if six.exists():
        six.write_text("1")
    batch(
        [
            f"route add unreachable {fleet.block} metric {ROUTE_METRIC}",
            f"address add {fleet.here}/24 dev {fleet.leg}",
            f"link set {fleet.leg} up",
            # Known for good: a host that was cut off is a silent one, and not one that "has no route".
            *(f"neighbour add {node.address} lladdr {node.mac} nud permanent dev {fleet.leg}" for node in fleet.nodes),
        ]
    )


def attach(nodes: Iterable[tuple[Node, int]], switch: int) -> None:
    """Give hosts their legs, each with a process in its namespace (a guest has none, its legs are taps).

    They are set up by the hosts themselves.
    """
    batch(
        (
            line
            for node, host in nodes
            for leg in node.legs
            for line in (
                f"tuntap add dev {leg.port} mode tap"
                if node.guest
                else f"link add {leg.port} type veth peer name {leg.name} address {leg.mac} netns {host}",
                f"link set {leg.port} master {leg.bridge} up",
            )
        ),
        switch,
    )


def of_host(fleet: Plan, node: Node) -> str:
    """What a host does to its own network when it starts, as a batch of `ip`."""
    legs = (f"address add {leg.address}/24 dev {leg.name}\nlink set {leg.name} up" for leg in node.legs)
    links = (fleet.fill(line) for line in node.role.links)
    return "\n".join(("link set lo up", *legs, f"route add default via {fleet.outside}", *links, ""))


def detach(node: Node, switch: int) -> None:
    """Take a host's legs away by name: its namespace may outlive its processes."""
    for leg in node.legs:
        run(["nsenter", "-t", str(switch), "-n", "ip", "link", "delete", leg.port], check=False)
