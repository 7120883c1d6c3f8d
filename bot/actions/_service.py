"""How is a service told to reload or restart, whatever manages it?

Neither can be taken back: a process that ran before is not the one that runs afterwards, and a configuration that was
read is in force. So both are irreversible, and the policy asks for them as for a high risk (`docs/changes.md`).
"""

import re

from pydantic import Field

from bot.actions._plan import generation, known, same_process, shown
from bot.core.action import Params, Refused
from bot.core.change import Argv, Check, Compare
from bot.core.snapshot import Snapshot
from bot.probes.units import Unit, UnitsFacts

NAME = re.compile(r"[A-Za-z0-9:_.@][A-Za-z0-9:_.@\\-]{0,254}")

TOLD = {
    "systemd": ("systemctl", "{verb}", "{unit}"),
    "sysv": ("service", "{unit}", "{verb}"),
    "openrc": ("rc-service", "{unit}", "{verb}"),
}


class ServiceParams(Params):
    """Which service."""

    unit: str = Field(min_length=1, max_length=255)
    """As the service manager names it: "nginx.service" under systemd, "nginx" elsewhere."""


def running(params: ServiceParams, snapshot: Snapshot) -> tuple[str, Unit] | Refused:
    """The manager and the unit, which must be known to the host and active."""
    facts = known(snapshot, "units", UnitsFacts)
    if isinstance(facts, Refused):
        return facts
    if facts.manager not in TOLD:
        return Refused("this host has no service manager that netdiag knows (systemd, init scripts, OpenRC)")
    unit = facts.units.get(params.unit)
    if unit is None or not NAME.fullmatch(params.unit):
        return Refused(f"there is no service {params.unit!r} on this host")
    if not unit.active or not unit.main_pid:
        return Refused(f"{unit.name} does not run: there is nothing to reload or restart")
    if not unit.invocation:
        return Refused(f"{unit.name} cannot be told from its next start: its start was not read")
    return facts.manager, unit


def told(manager: str, unit: Unit, verb: str) -> Argv:
    """The command that tells the manager to do it."""
    return tuple(word.format(verb=verb, unit=unit.name) for word in TOLD[manager])


def as_seen(manager: str, unit: Unit) -> tuple[Check, ...]:
    """The service still runs as it did when it was seen: not restarted, the same main process."""
    if manager == "systemd":
        return (
            shown(unit.name, "ActiveState", "active"),
            shown(unit.name, "MainPID", str(unit.main_pid)),
            shown(unit.name, "InvocationID", unit.invocation),
        )
    start_time = int(unit.invocation.partition(":")[2])
    return (same_process(unit.main_pid, start_time), generation(unit.name, unit.invocation))


def started_anew(manager: str, unit: Unit) -> tuple[Check, ...]:
    """The service runs, and was started after it was seen."""
    if manager == "systemd":
        return (
            shown(unit.name, "ActiveState", "active"),
            shown(unit.name, "InvocationID", unit.invocation, Compare.DIFFERS),
        )
    return (generation(unit.name, unit.invocation, Compare.DIFFERS),)
