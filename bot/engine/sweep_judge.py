"""What does a run of a sweep come to: a report with what was proposed, and a digest for its channel, stored at once?"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import takewhile

from bot.core.canary import asked_for, with_canaries
from bot.core.digest import Digest
from bot.core.fault import Fault
from bot.core.faults import left
from bot.core.fire import Fire, Phase, key_of
from bot.core.host import Inventory
from bot.core.insight import judged, strayed
from bot.core.insight_kinds import PLAYBOOK
from bot.core.missed import missed
from bot.core.moved import moved
from bot.core.news import RATE_CAP
from bot.core.past import Past
from bot.core.playbook import Playbook
from bot.core.report import HostReport, Report, Status
from bot.core.scene import Scene
from bot.core.snapshot import Snapshot
from bot.core.sweep import Sweep
from bot.core.tell import COLUMNS, digest
from bot.core.window import why_inside
from bot.engine import sweep_evidence
from bot.engine.annals import REMEMBERED, Annals, changed
from bot.engine.offers import offered, waiting
from bot.engine.ports import Clock, Journal
from bot.engine.reading import Errand, reported
from bot.engine.recall import recall, roles, set_by_netdiag
from bot.engine.remedy import Remedy
from bot.engine.sweep_ports import History, Visited
from bot.engine.sweep_room import Room

UNDONE = (Phase.MISSED, Phase.SKIPPED, Phase.FAILED)
MOST_UNDONE = 500
INSIGHTS = tuple(sorted(set(PLAYBOOK.values())))
"""The playbooks of what only the past and the fleet tell."""


@dataclass(frozen=True, slots=True)
class Judge:
    """Judges what was read. Every method raises JournalDown."""

    inventory: Inventory
    playbooks: Mapping[str, Playbook]
    journal: Journal
    clock: Clock
    annals: Annals
    remedy: Remedy
    room: Room

    async def judged(
        self, sweep: Sweep, fire: Fire, task: Errand, hosts: Sequence[HostReport], seen: Mapping[str, Snapshot]
    ) -> tuple[Fire | None, Report]:
        """Everything that the run comes to, stored in one transaction; None when it is another process's by now."""
        at, history = self.clock.now(), self.annals.history
        names = [host.name for host in task.hosts]
        known, away = await self.annals.known(names, at), await self.annals.left(self.inventory, at)
        past, hosts = await self._insights(sweep, task, hosts, at)
        after = self.annals.after(known, task, hosts, INSIGHTS, at, sweep.tuning)
        after += tuple(left(fault, at) for fault in away)
        report = reported(task, hosts, at)
        scene = await self._scene(sweep, fire, task, report, after, at)
        said = digest(replace(scene, moved=moved(hosts, past, at, sweep.tuning.horizon)))
        said = with_canaries(said, _offering(report, seen))
        report = await self._proposed(task, report, said, seen)
        if sweep.channel:
            await sweep_evidence.keep(self.journal, fire, report, said)  # before the digest: whoever tells it has both
        done = replace(fire, phase=Phase.JUDGED, digest=said)
        visited = Visited(at, task.run, report.hosts, changed((*known, *away), after), sweep.name)
        return (done if await history.judged(done, visited) else None), report

    async def _insights(
        self, sweep: Sweep, task: Errand, hosts: Sequence[HostReport], at: datetime
    ) -> tuple[Past, Sequence[HostReport]]:
        """What was known before, and the reports with what only that and the fleet tell."""
        known = roles(task.hosts)
        past = await recall(self.annals.history, hosts, known, at)
        # a large fleet takes seconds: beside the loop, which serves others meanwhile
        odd = await asyncio.to_thread(strayed, hosts, past, known, at)
        by_netdiag = await set_by_netdiag(self.journal, odd)
        told = await asyncio.to_thread(judged, hosts, past, known, at, sweep.tuning.horizon, by_netdiag=by_netdiag)
        return past, told

    async def _scene(  # noqa: PLR0917 - a run, and what it found
        self, sweep: Sweep, fire: Fire, task: Errand, report: Report, faults: Sequence[Fault], at: datetime
    ) -> Scene:
        history, names = self.annals.history, [host.name for host in task.hosts]
        statuses = await history.statuses(names, sweep=sweep.name, last=COLUMNS - 1)
        before = await history.fires(sweep.name, phases=(Phase.TOLD, Phase.JUDGED), limit=COLUMNS)
        past = [run for run in before if run.due != fire.due and run.digest is not None]
        return Scene(
            sweep=sweep,
            due=fire.due,
            begun=task.begun,
            now=at,
            report=report,
            hosts={host.name: host for host in task.hosts},
            faults=faults,
            silences=await history.silences(now=at),
            maintenance=self.annals.maintenance(task.hosts, at),
            quiet=why_inside(sweep.quiet_hours, at),
            capped=await self.room.full(sweep, key_of(fire), at),
            before=past[0].digest if past else None,
            statuses={name: [Status(status) for _, status in found] for name, found in statuses.items()},
            missed=missed(await undone(history, sweep, fire), tuple(takewhile(_held_back, past)), at),
        )

    async def _proposed(self, task: Errand, report: Report, said: Digest, seen: Mapping[str, Snapshot]) -> Report:
        """The report with a proposal for each offer of what is news."""
        news = asked_for(said)
        if not any(host in seen for host, _ in news):
            return report
        standing = await waiting(self.journal, self.clock)
        named = {host.name: host for host in task.hosts}
        hosts = []
        for host in report.hosts:
            found = [finding for finding in host.findings if (host.host, finding.fingerprint) in news]
            if found and host.host in seen:
                made = await offered(
                    self.remedy, self.playbooks, named[host.host], seen[host.host], found, task.ask.actor, task.run,
                    standing,
                )  # fmt: skip
                host = host.model_copy(update={"proposals": made})  # noqa: PLW2901 - the same host, with its proposals
            hosts.append(host)
        return report.model_copy(update={"hosts": tuple(hosts)})


async def undone(history: History, sweep: Sweep, fire: Fire) -> Sequence[Fire]:
    """The runs before this one that did not happen, and of which nobody was told yet. Raises JournalDown."""
    found = await history.fires(sweep.name, phases=UNDONE, since=fire.due - REMEMBERED, limit=MOST_UNDONE)
    return [run for run in found if not run.told and run.due <= fire.due]


def _held_back(fire: Fire) -> bool:
    return fire.digest is not None and any(part.why.startswith(RATE_CAP) for part in fire.digest.held)


def _offering(report: Report, seen: Mapping[str, Snapshot]) -> frozenset[tuple[str, str]]:
    """Where something could be done about a finding, and enough was kept to plan it."""
    return frozenset(
        (host.host, finding.fingerprint)
        for host in report.hosts
        if host.host in seen
        for finding in host.findings
        if finding.offers
    )
