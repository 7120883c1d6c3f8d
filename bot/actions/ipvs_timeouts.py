"""Set how long IPVS keeps idle connections, for new entries."""

from pydantic import Field

from bot.actions._plan import entered, known, namespace
from bot.core.action import Action, Params, Refused
from bot.core.change import Check, Plan
from bot.core.report import Risk
from bot.core.snapshot import Snapshot
from bot.probes.ipvs import IpvsFacts, Table
from bot.probes.netns import Namespace, NetnsFacts


class IpvsTimeouts(Params):
    """Which timeouts, in seconds; 0 leaves one as it is."""

    netns: str = Field(min_length=1, max_length=32)
    """"host", or the inode of a network namespace, decimal."""
    tcp: int = Field(default=0, ge=0, le=86_400)
    """An idle ESTABLISHED entry; less than a client's keep-alive period cuts idle connections."""
    tcpfin: int = Field(default=0, ge=0, le=3_600)
    """FIN_WAIT."""
    udp: int = Field(default=0, ge=0, le=3_600)
    """UDP."""


LEAST = {"tcp": 60, "tcpfin": 10, "udp": 10}
"""Shorter than these, entries end while their connections are still used."""


def plan(params: IpvsTimeouts, snapshot: Snapshot) -> Plan | Refused:
    """Plan the write, its read-back and its way back."""
    spaces, facts = known(snapshot, "netns", NetnsFacts), known(snapshot, "ipvs", IpvsFacts)
    if isinstance(spaces, Refused):
        return spaces
    if isinstance(facts, Refused):
        return facts
    space = namespace(spaces, params.netns)
    table = facts.tables.get(space.id) if space else None
    if space is None or table is None:
        return Refused(f"there is no IPVS table in network namespace {params.netns}")
    old = (table.tcp, table.tcpfin, table.udp)
    asked = (params.tcp, params.tcpfin, params.udp)
    new = tuple(wanted or (before or 0) for wanted, before in zip(asked, old, strict=True))
    short = [name for name, least in LEAST.items() if 0 < getattr(params, name) < least]
    reasons = (
        (None in old, f"the timeouts of {space.label} are not known: {table.unread}"),
        (bool(short), f"too short: {', '.join(f'{name} needs at least {LEAST[name]} s' for name in short)}"),
        (new == old, f"nothing to do: the timeouts of {space.label} are {_words(old)} already"),
    )
    fault = next((reason for holds, reason in reasons if holds), "")
    return Refused(fault) if fault else _plan(space, table, new)


def _plan(space: Namespace, table: Table, new: tuple[int, ...]) -> Plan:
    enter, target = entered(space)
    old = (table.tcp, table.tcpfin, table.udp)
    read = Check(
        about=f"IPVS timeouts of {space.label}",
        argv=(*enter, "ipvsadm", "-Ln", "--timeout"),
        expect=f"Timeout (tcp tcpfin udp): {_words(old)}",
    )
    kept = {"kube-proxy": "; kube-proxy sets its own at its start (--ipvs-tcpfin-timeout)"}.get(table.owner, "")
    return Plan(
        steps=((*enter, "ipvsadm", "--set", *map(str, new)),),
        precondition=(*target, read),
        inverse=((*enter, "ipvsadm", "--set", *map(str, old)),),
        verify=(*target, read.model_copy(update={"expect": f"Timeout (tcp tcpfin udp): {_words(new)}"})),
        risk=Risk.LOW,
        summary=f"IPVS timeouts (tcp tcpfin udp) {_words(old)} -> {_words(new)} in {space.label}",
        impact="no connection is interrupted; entries that begin or change their state from now on expire by it",
        not_fixed=(
            "TIME_WAIT stays 120 s, SYN_RECV and CLOSE_WAIT 60 s: no setting changes them; entries that are there run"
            f" out as they began; gone after a reboot{kept}"
        ),
    )


def _words(values: tuple[int | None, ...]) -> str:
    return " ".join(map(str, values))


ACTION = Action(
    name="ipvs.timeouts", title="Set IPVS timeouts", params=IpvsTimeouts, reads=("netns", "ipvs"), plan=plan
)
