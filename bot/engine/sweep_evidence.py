"""What of a run's report does its digest need, so that a process that never saw the run tells it whole?

The reports of the hosts with news, kept until the sweep's next news: one place for each sweep, so nothing grows.
"""

from bot.core.digest import Digest
from bot.core.fire import Fire
from bot.core.report import Report
from bot.engine.ports import Journal

EVIDENCE = "sweep-evidence"
MOST = 60
"""Hosts whose reports are kept; of the others the digest says enough."""


async def keep(journal: Journal, fire: Fire, report: Report, said: Digest) -> None:
    """Keep the evidence of what a digest tells. Raises JournalDown."""
    names = dict.fromkeys(place.host for item in said.items for place in item.places)
    hosts = {host.host: host for host in report.hosts}
    told = tuple(hosts[name] for name in names if name in hosts)[:MOST]
    if told:
        kept = report.model_copy(update={"hosts": told}).model_dump(mode="json", by_alias=True)
        await journal.replace(EVIDENCE, fire.sweep, {"run": report.run, "report": kept})


async def kept(journal: Journal, fire: Fire) -> Report | None:
    """The evidence of a stored digest; None when there is none, or that of a later run is in its place. Raises
    JournalDown.
    """
    found = await journal.recall(EVIDENCE, fire.sweep)
    if not found or fire.digest is None or found.get("run") != fire.digest.run:
        return None
    return Report.model_validate(found["report"])
