"""What must be read of the past to tell what is new? No more than the insights need: a fleet's history is large."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from bot.core.ahead import worth
from bot.core.approval import State
from bot.core.drift import Deed, deeds
from bot.core.host import Host
from bot.core.past import Past
from bot.core.report import HostReport
from bot.core.trend import LOOK_BACK
from bot.engine.ports import Journal
from bot.engine.sweep_ports import History

ROLE = "role"
"""The label whose value makes hosts each other's peers."""
CHANGES: Final = 200
"""The newest changes of one host that are looked through for who set its kernel settings."""
SETTLED: Final = (State.DONE, State.UNKNOWN)
"""Changes in one of these may have set something."""


def roles(hosts: Sequence[Host]) -> Mapping[str, str]:
    """The role of each host that has one."""
    return {host.name: host.labels[ROLE] for host in hosts if ROLE in host.labels}


async def recall(history: History, hosts: Sequence[HostReport], known: Mapping[str, str], now: datetime) -> Past:
    """What `core.insight` compares these reports with, as it was before them. `known` are the hosts' roles.

    Of the measures only those near enough to a limit are read. Raises JournalDown.
    """
    since = now - LOOK_BACK
    series = {
        (host.host, measure.key): await history.series(host.host, measure.key, since=since)
        for host in hosts
        for measure in worth(host)
    }
    names = [host.host for host in hosts if host.failure is None]
    subjects = [f"host:{name}" for name in names] + sorted({f"role:{known[name]}" for name in names if name in known})
    return Past(series, await history.settings(names), await history.norms(subjects))


async def set_by_netdiag(journal: Journal, hosts: Sequence[str]) -> Sequence[Deed]:
    """The kernel settings of these hosts that netdiag set, however long ago; of each the newest first. Raises
    JournalDown.
    """
    found = [await journal.list(states=SETTLED, host=host, limit=CHANGES) for host in hosts]
    return [deed for records in found for deed in deeds(records)]
