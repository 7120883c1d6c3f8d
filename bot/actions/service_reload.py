"""Tell a service to read its configuration again, without a restart."""

from bot.actions._plan import shown
from bot.actions._service import ServiceParams, as_seen, running, told
from bot.core.action import Action, Refused
from bot.core.change import Plan
from bot.core.report import Risk
from bot.core.snapshot import Snapshot


def plan(params: ServiceParams, snapshot: Snapshot) -> Plan | Refused:
    """Plan a reload; afterwards the same main process must still run."""
    found = running(params, snapshot)
    if isinstance(found, Refused):
        return found
    manager, unit = found
    seen = as_seen(manager, unit)
    able = (shown(unit.name, "CanReload", "yes"),) if manager == "systemd" else ()
    return Plan(
        steps=(told(manager, unit, "reload"),),
        precondition=(*able, *seen),
        verify=seen,
        risk=Risk.MEDIUM,
        summary=f"reload {unit.name} (main process {unit.main_pid})",
        impact="the service reads its configuration again, as it stands on the host now; connections stay",
        not_fixed="what the service only reads when it starts; a reload cannot be taken back",
    )


ACTION = Action(name="service.reload", title="Reload a service", params=ServiceParams, reads=("units",), plan=plan)
