"""Load one kernel module, of those that are safe to have."""

from typing import Literal

from bot.actions._plan import known
from bot.core.action import Action, Params, Refused
from bot.core.change import Check, Plan
from bot.core.report import Risk
from bot.core.snapshot import Snapshot
from bot.probes.identity import IdentityFacts

Module = Literal["vhost_net", "br_netfilter", "tcp_bbr", "sch_fq", "8021q", "bonding"]

EFFECT: dict[str, tuple[Risk, str, str]] = {
    "vhost_net": (
        Risk.LOW,
        "nothing changes for what runs: the kernel can carry the network of virtual machines from now on",
        "virtual machines that run keep to their emulation until they are started anew",
    ),
    "br_netfilter": (
        Risk.MEDIUM,
        "packets that pass a bridge pass the host's packet filter too, where bridge-nf-call-iptables is set",
        "the settings net.bridge.bridge-nf-call-*, which appear with the module",
    ),
}
_PLAIN = (Risk.LOW, "nothing changes for what runs", "")

LOADED = 'if [ -d "/sys/module/$1" ]; then echo loaded; else echo absent; fi'


class ModuleLoad(Params):
    """Which module."""

    module: Module
    """Its name: only modules that change nothing by being there can be loaded."""


def plan(params: ModuleLoad, snapshot: Snapshot) -> Plan | Refused:
    """Plan a modprobe, its proof and its way back."""
    machine = known(snapshot, "identity", IdentityFacts)
    if isinstance(machine, Refused):
        return machine
    if machine.uid != 0:
        return Refused("modules are loaded by root, and this visit was not")
    risk, impact, rest = EFFECT.get(params.module, _PLAIN)
    read = Check(about=f"module {params.module}", argv=("sh", "-c", LOADED, "sh", params.module), expect="absent")
    return Plan(
        steps=(("modprobe", params.module),),
        precondition=(read,),
        inverse=(("modprobe", "-r", params.module),),
        verify=(read.model_copy(update={"expect": "loaded"}),),
        risk=risk,
        summary=f"load the kernel module {params.module}",
        impact=impact,
        not_fixed="; ".join(filter(None, (rest, "gone after a reboot, unless /etc/modules-load.d names it"))),
    )


ACTION = Action(name="module.load", title="Load a kernel module", params=ModuleLoad, reads=("identity",), plan=plan)
