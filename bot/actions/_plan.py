"""What do actions share: facts of the right kind, and checks that name a process or a service for good?"""

from typing import TypeVar

from bot.core.action import Refused
from bot.core.change import Argv, Check, Compare
from bot.core.probe import Facts, Unknown
from bot.core.snapshot import Snapshot
from bot.probes.netns import Namespace, NetnsFacts

F = TypeVar("F", bound=Facts)

START_TIME = r'{ sub(/.*\) /, ""); print $20 }'
"""awk: field 22 of /proc/PID/stat, counted behind the command's name, which may hold blanks and brackets."""

GENERATION = (
    "for file in /run/$1.pid /run/$1d.pid /run/$1/*.pid /run/*/$1.pid /run/*/$1d.pid; do"
    ' [ -f "$file" ] && read -r pid rest <"$file" && [ -r "/proc/$pid/stat" ] || continue;'
    ' printf %s: "$pid"; exec awk \'' + START_TIME + '\' "/proc/$pid/stat";'
    " done; exit 1"
)
"""sh: "PID:START" of the main process of the service $1, from its pid file; fails when it does not run."""


def known(snapshot: Snapshot, probe: str, kind: type[F]) -> F | Refused:
    """The newest facts of a probe, or a refusal that says why there is no evidence to plan with."""
    facts = snapshot.facts(probe)
    if isinstance(facts, Unknown):
        return Refused(f"no evidence to plan with: {facts.reason}")
    if not isinstance(facts, kind):
        return Refused(f"no evidence to plan with: {probe} answered {type(facts).__name__}")
    return facts


def same_process(pid: int, start_time: int) -> Check:
    """The process is still the one that was seen: a pid may be given out again, a pid with its start time not."""
    return Check(
        about=f"start time of process {pid}", argv=("awk", START_TIME, f"/proc/{pid}/stat"), expect=str(start_time)
    )


def namespace(facts: NetnsFacts, wanted: str) -> Namespace | None:
    """The network namespace of that inode, or the host's own for "host"."""
    if wanted == "host":
        return next((space for space in facts.namespaces.values() if space.host), None)
    return facts.namespaces.get(wanted)


def entered(space: Namespace) -> tuple[Argv, tuple[Check, ...]]:
    """What goes before a command that shall run in that namespace, and the checks that it is still that one."""
    if space.host:
        return (), (in_namespace("self", space.id, "the host"),)
    here = in_namespace(str(space.pid), space.id, space.label), same_process(space.pid, space.start_time)
    return ("nsenter", "-t", str(space.pid), "-n"), here


def in_namespace(pid: str, namespace: str, label: str) -> Check:
    """The process (a pid, or "self") is in that network namespace."""
    return Check(
        about=f"network namespace of {label}", argv=("readlink", f"/proc/{pid}/ns/net"), expect=f"net:[{namespace}]"
    )


def generation(service: str, seen: str, compare: Compare = Compare.EQUALS) -> Check:
    """The main process of a service without systemd, as pid and start time."""
    return Check(
        about=f"main process of {service}", argv=("sh", "-c", GENERATION, "sh", service), expect=seen, compare=compare
    )


def shown(unit: str, name: str, value: str, compare: Compare = Compare.EQUALS) -> Check:
    """A property of a systemd unit. Not `--value`: systemd 219 does not know it."""
    return Check(
        about=f"{name} of {unit}",
        argv=("systemctl", "show", "-p", name, unit),
        expect=f"{name}={value}",
        compare=compare,
    )
