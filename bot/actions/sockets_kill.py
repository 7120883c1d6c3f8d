"""End the TCP connections of one state on one port, in one network namespace.

Their buffers are freed at once; the descriptors stay until the process closes them.
"""

from typing import Literal

from pydantic import Field

from bot.actions._plan import entered, known, namespace
from bot.core.action import Action, Params, Refused
from bot.core.change import Check, Plan
from bot.core.report import Risk
from bot.core.snapshot import Snapshot
from bot.probes.netns import NetnsFacts

SOME = (
    'ss -tn state "$1" "( sport = :$2 )" |'
    ' awk \'NR > 1 { found = 1 } END { if (found) print "some"; else print "none" }\''
)
"""sh: whether there are any, "some" or "none"; the first row is ss's heading."""

IMPACT = {
    "close-wait": "connections whose peers have left already are ended: nobody is waiting for them",
    "fin-wait-2": "connections that the host has closed are ended; a peer that still sends on one gets a reset",
    "established": "every open connection of that port is cut: clients see resets",
}


class SocketsKill(Params):
    """Which connections. A filter is never left out: without one, every socket of the namespace would be ended."""

    netns: str = Field(min_length=1, max_length=32)
    """"host", or the inode of a network namespace, decimal."""
    state: Literal["close-wait", "fin-wait-2", "established"]
    """Connections in this state alone."""
    port: int = Field(ge=1, le=65535)
    """Their local port."""


def plan(params: SocketsKill, snapshot: Snapshot) -> Plan | Refused:
    """Plan `ss -K` with its filter; afterwards none of them must be left."""
    spaces = known(snapshot, "netns", NetnsFacts)
    if isinstance(spaces, Refused):
        return spaces
    space = namespace(spaces, params.netns)
    if space is None:
        return Refused(f"there is no network namespace {params.netns} on this host")
    if params.state == "established" and params.port == 22:  # noqa: PLR2004 - ssh: the way into the host
        return Refused("connections of port 22 are never cut by netdiag: one of them is its own")
    enter, target = entered(space)
    port = str(params.port)
    read = Check(
        about=f"{params.state} on port {port} in {space.label}",
        argv=(*enter, "sh", "-c", SOME, "sh", params.state, port),
        expect="some",
    )
    return Plan(
        steps=((*enter, "ss", "-K", "-tn", "state", params.state, f"( sport = :{port} )"),),
        precondition=(*target, read),
        verify=(*target, read.model_copy(update={"expect": "none"})),
        risk=Risk.HIGH,
        summary=f"end the connections in {params.state} on port {port} in {space.label}",
        impact=IMPACT[params.state],
        not_fixed=(
            "frees the memory of their buffers only: the process keeps its descriptors and goes on leaking; "
            "connections cannot be brought back; a kernel without INET_DIAG_DESTROY ends none"
        ),
    )


ACTION = Action(name="sockets.kill", title="End connections", params=SocketsKill, reads=("netns",), plan=plan)
