"""Ask one process to end: the one that was seen, never another that was given its number since."""

from pydantic import Field

from bot.actions._plan import known, same_process
from bot.core.action import Action, Params, Refused
from bot.core.change import Check, Plan
from bot.core.report import Risk
from bot.core.snapshot import Snapshot
from bot.probes.socket_fds import SocketFdsFacts
from bot.probes.units import UnitsFacts

KEPT = frozenset(
    {
        "systemd", "init", "sshd", "sshd-session", "dbus-daemon", "dbus-broker", "systemd-logind", "systemd-journal",
        "systemd-udevd", "containerd", "containerd-shim", "dockerd", "crio", "conmon", "kubelet", "kube-proxy", "pause",
        "catatonit", "keepalived", "NetworkManager", "systemd-network", "agetty", "login", "sudo",
    }
)  # fmt: skip
"""Programs that carry others, or the way into the host: they are restarted by their manager, never ended like this."""

TERM = 'kill -TERM "$1"'
STATE = (
    'read -r line 2>/dev/null <"/proc/$1/stat" || { echo ended; exit; };'
    ' set -- "$1" "$2" ${line##*) };'
    ' [ "$3" != Z ] && [ "${22}" = "$2" ] && echo runs || echo ended'
)
"""sh: whether process $1 that began at $2 still runs; a zombie has ended."""


class ProcessTerminate(Params):
    """Which process."""

    pid: int = Field(gt=1)
    """Its number, in the pid namespace of the visit."""
    start_time: int = Field(gt=0)
    """When it began, in clock ticks since boot: with the number it names a process for good."""


def plan(params: ProcessTerminate, snapshot: Snapshot) -> Plan | Refused:
    """Plan a SIGTERM; afterwards the process must be gone."""
    facts = known(snapshot, "socket_fds", SocketFdsFacts)
    if isinstance(facts, Refused):
        return facts
    units = known(snapshot, "units", UnitsFacts)
    if isinstance(units, Refused):
        return units  # it might be a service's, which its manager must restart
    process = next((process for process in facts.processes if process.pid == params.pid), None)
    if process is None or process.start_time != params.start_time:
        return Refused(f"there is no process {params.pid} that began at {params.start_time}: it is another one now")
    if process.process in KEPT:
        return Refused(f"{process.process} is never ended by netdiag: others hang on it, or the way into the host")
    if process.unit:
        return Refused(f"{process.process} belongs to {process.unit}: restart that, so that its manager starts it anew")
    pid, began = str(process.pid), str(process.start_time)
    about = f"whether {process.process}[{pid}] runs"
    where = process.pod or process.container or process.netns_label
    return Plan(
        steps=(("sh", "-c", TERM, "sh", pid),),
        precondition=(same_process(process.pid, process.start_time),),
        verify=(Check(about=about, argv=("sh", "-c", STATE, "sh", pid, began), expect="ended"),),
        risk=Risk.HIGH,
        summary=f"end {process.process}[{pid}] in {where}",
        impact=f"all of its connections are dropped; nothing starts it again unless {where} does by itself",
        not_fixed="a process cannot be brought back, and what made it leak is in its program",
    )


ACTION = Action(
    name="process.terminate", title="End a process", params=ProcessTerminate, reads=("socket_fds", "units"), plan=plan
)
