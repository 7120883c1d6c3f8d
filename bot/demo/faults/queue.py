"""Transmit queues that do not move, and one that merely moves slowly."""

from typing import Final

from bot.demo.faults.fault import Fault, Order, Step

FAULTS: Final = (
    Fault(
        "stuck-queue",
        "queue",
        "queue-1",
        "sockets used by the thousand that no process owns; a leaf queue of eth1 with a backlog that does not shrink",
        make=(
            Step(
                "queue-1",
                """\
tc qdisc show dev eth1 | grep -q tbf || {
    "$PYTHON" -I -S -c 'import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("@BACK@.2", 9))'
    for _ in 1 2 3 4 5 6 7 8 9 10; do
        ip neigh show @BACK@.2 dev eth1 | grep -q lladdr && break
        sleep 0.1
    done
    ip neigh replace @BACK@.2 lladdr "$(ip neigh show @BACK@.2 dev eth1 | sed 's/.*lladdr \\([^ ]*\\).*/\\1/')" \
        dev eth1 nud permanent
    tc qdisc replace dev eth1 root tbf rate 8bit burst 1600 limit 480000
}
load stuck-queue pinned @BACK@.2 9 3000
""",
            ),
        ),
        heal=(
            Step(
                "queue-1",
                """\
unload stuck-queue
tc qdisc del dev eth1 root 2>/dev/null || :
ip neigh del @BACK@.2 dev eth1 2>/dev/null || :
""",
            ),
        ),
    ),
    Fault(
        "slow-queue",
        "queue",
        "queue-1",
        "a leaf queue of eth1 that always holds a few packets, and moves",
        make=(
            Step(
                "queue-1",
                """\
tc qdisc show dev eth1 | grep -q tbf || tc qdisc replace dev eth1 root tbf rate 64kbit burst 1600 limit 30000
load slow-queue trickle @BACK@.2 9 20
""",
            ),
        ),
        heal=(
            Step(
                "queue-1",
                """\
unload slow-queue
tc qdisc del dev eth1 root 2>/dev/null || :
""",
            ),
        ),
        harmless=True,
    ),
    Fault(
        "link-flaps",
        "queue",
        "queue-1",
        "carrier_changes of eth1 rises: its link comes and goes",
        make=(Order("pulse", {"host": "queue-1", "kind": "carrier", "on": 0.5, "off": 0.5}),),
        heal=(Order("still", {"host": "queue-1", "kind": "carrier"}),),
    ),
)
