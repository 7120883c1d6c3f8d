"""Stop a service and start it again."""

from bot.actions._service import ServiceParams, as_seen, running, started_anew, told
from bot.core.action import Action, Refused
from bot.core.change import Plan
from bot.core.report import Risk
from bot.core.snapshot import Snapshot


def plan(params: ServiceParams, snapshot: Snapshot) -> Plan | Refused:
    """Plan a restart; afterwards the service must run, and not be the one that ran before."""
    found = running(params, snapshot)
    if isinstance(found, Refused):
        return found
    manager, unit = found
    return Plan(
        steps=(told(manager, unit, "restart"),),
        precondition=as_seen(manager, unit),
        verify=started_anew(manager, unit),
        risk=Risk.HIGH,
        summary=f"restart {unit.name} (main process {unit.main_pid})",
        impact="every connection of the service is dropped, and it does not answer until it is up again",
        not_fixed="a restart cannot be taken back, and what made the service need one may come again",
    )


ACTION = Action(name="service.restart", title="Restart a service", params=ServiceParams, reads=("units",), plan=plan)
