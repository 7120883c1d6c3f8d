"""Empty a transmit queue that does not move, or take the shaper away that holds it. The link stays up throughout.

`flush` sets txqueuelen to another value and back, for which the kernel takes every queue of the interface out of
service for a moment and empties it: the sockets that waiting packets pinned are freed. A driver that has stopped its
queue for good has it stopped still. `default` removes a shaper, and the kernel's own discipline takes its place.
"""

import re
from typing import Literal

from pydantic import Field

from bot.actions._plan import entered, known, namespace
from bot.core.action import Action, Params, Refused
from bot.core.change import Check, Compare, Plan
from bot.core.report import Risk
from bot.core.snapshot import Snapshot
from bot.probes.links import LinksFacts
from bot.probes.netns import Namespace, NetnsFacts
from bot.probes.qdisc import Qdisc, QdiscFacts

DEVICE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@-]{0,14}")
WORDS = re.compile(r"[A-Za-z0-9_.+ -]{0,200}")
SIMPLE = frozenset({"tbf"})
"""Shapers of one piece, which can be put back as they were from what tc tells of them."""

ROOT = "tc qdisc show dev \"$1\" | sed -n '/ root /{s/ refcnt [0-9]*//;p}'"
"""sh: the discipline at the root of the interface $1, without the count of its users."""

THERE_AND_BACK = 'ip link set dev "$1" txqueuelen "$2" && ip link set dev "$1" txqueuelen "$3"'
"""sh: one step, so that nothing comes between."""


class QdiscReset(Params):
    """Which queue, and how."""

    netns: str = Field(min_length=1, max_length=32)
    """"host", or the inode of a network namespace, decimal."""
    device: str = Field(max_length=15)
    """Interface."""
    how: Literal["flush", "default"]
    """"flush": empty the queues and leave all as it is set up. "default": remove the shaper at the root."""


def plan(params: QdiscReset, snapshot: Snapshot) -> Plan | Refused:
    """Plan the reset of a queue that was seen."""
    if not DEVICE.fullmatch(params.device):
        return Refused(f"{params.device!r} is not a plain name of an interface")
    spaces, queues = known(snapshot, "netns", NetnsFacts), known(snapshot, "qdisc", QdiscFacts)
    blind = next((facts for facts in (spaces, queues) if isinstance(facts, Refused)), None)
    if blind is not None:
        return blind
    assert isinstance(spaces, NetnsFacts)
    assert isinstance(queues, QdiscFacts)
    space = namespace(spaces, params.netns)
    if space is None:
        return Refused(f"there is no network namespace {params.netns} on this host")
    found = [queue for queue in queues.queues if queue.netns == space.id and queue.device == params.device]
    if not found:
        return Refused(f"no queue of {params.device} was seen in {space.label}")
    flush = params.how == "flush"
    return _flush(params.device, space, found, snapshot) if flush else _default(params.device, space, found)


def _flush(device: str, space: Namespace, queues: list[Qdisc], snapshot: Snapshot) -> Plan | Refused:
    links = known(snapshot, "links", LinksFacts)
    if isinstance(links, Refused):
        return links
    link = next((link for link in links.links if link.name == device), None)
    if not space.host or link is None:
        return Refused(f"the length of {device}'s queue was not read: it is read on the host's own interfaces only")
    _, target = entered(space)
    index = Check(about=f"index of {device}", argv=("cat", f"/sys/class/net/{device}/ifindex"), expect=str(link.index))
    length = Check(
        about=f"txqueuelen of {device}",
        argv=("cat", f"/sys/class/net/{device}/tx_queue_len"),
        expect=str(link.tx_queue_len),
    )
    seen = (*target, index, length)
    waiting = sum(queue.qlen for queue in queues)
    return Plan(
        steps=(("sh", "-c", THERE_AND_BACK, "sh", device, str(link.tx_queue_len + 1), str(link.tx_queue_len)),),
        precondition=seen,
        inverse=(("ip", "link", "set", "dev", device, "txqueuelen", str(link.tx_queue_len)),),
        verify=seen,
        risk=Risk.MEDIUM,
        summary=f"empty the transmit queues of {device} ({waiting} packets wait)",
        impact=f"the packets that wait ({waiting}) are lost and their sockets freed; the link of {device} stays up",
        not_fixed=(
            "what stopped the queue: a driver that missed a wake-up keeps it stopped, and packets gather again until "
            "the driver is reset or the kernel replaced; the packets do not come back"
        ),
    )


def _default(device: str, space: Namespace, queues: list[Qdisc]) -> Plan | Refused:
    root = queues[0]
    if len(queues) > 1 or root.parent != "root":
        return Refused(f"{device} has a tree of queues, which netdiag could not put back as it was")
    if root.kind not in SIMPLE or root.handle == "0:" or not WORDS.fullmatch(root.spec):
        return Refused(f"{root.kind} at the root of {device} is no shaper that netdiag could put back as it was")
    enter, target = entered(space)
    shaper = Check(
        about=f"queue discipline of {device}",
        argv=(*enter, "sh", "-c", ROOT, "sh", device),
        expect=f"qdisc {root.kind} {root.handle} root {root.spec}",
    )
    again = ("tc", "qdisc", "replace", "dev", device, "root", "handle", root.handle, root.kind, *root.spec.split())
    return Plan(
        steps=((*enter, "tc", "qdisc", "del", "dev", device, "root"),),
        precondition=(*target, shaper),
        inverse=((*enter, *again),),
        verify=(*target, shaper.model_copy(update={"compare": Compare.DIFFERS})),
        risk=Risk.MEDIUM,
        summary=f"remove the shaper of {device} in {space.label}: {root.kind} {root.spec}",
        impact=f"the packets that wait ({root.qlen}) are lost and their sockets freed; nothing shapes {device} now",
        not_fixed="whatever set the shaper up may do so again; its limit may have had a reason",
    )


ACTION = Action(
    name="qdisc.reset",
    title="Reset a transmit queue",
    params=QdiscReset,
    reads=("netns", "qdisc", "links"),
    plan=plan,
)
