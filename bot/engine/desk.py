"""What may every front end ask of netdiag? One desk: diagnose, approve, deny, revert, halt, resume."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from bot.core.approval import Decision, Record, stamp
from bot.core.ask import Ask, Progress
from bot.core.audit import Event
from bot.core.errors import AskError
from bot.core.halt import Switched
from bot.core.host import Host, Inventory
from bot.core.playbook import Playbook
from bot.core.pods import HostPods, PodsReport
from bot.core.pods_words import summary
from bot.core.policy import Standing
from bot.core.report import HostReport, Report
from bot.core.selector import select
from bot.core.snapshot import Snapshot, Visit
from bot.engine import halt
from bot.engine.annals import Annals, Held
from bot.engine.diagnose import Observer, read_all
from bot.engine.offers import offered, waiting
from bot.engine.pods import PROBES, table
from bot.engine.ports import Clock, Journal, JournalDown
from bot.engine.reading import errand, few, read, refused_keys, remember, reported, run_id
from bot.engine.remedy import Remedy

NOBODY = frozenset({"alert"})
"""Actors that no person is: what waits already is not proposed for them again, nor what is put off."""


@dataclass(frozen=True, slots=True)
class DutyDesk:
    """Serves `ports.Desk` over an inventory, the playbooks, the journal and the remedy.

    What it sees goes into the annals, where there are any: no sweep tells a channel again what an answer told it.
    """

    inventory: Inventory
    playbooks: Mapping[str, Playbook]
    observer: Observer
    journal: Journal
    remedy: Remedy
    clock: Clock
    concurrency: int = 64
    annals: Annals | None = None

    async def diagnose(self, ask: Ask, tell: Callable[[Progress], None]) -> Report:
        """Read the hosts, judge, and store each proposal as a pending change.

        Raises AskError for an unknown target, playbook or parameter, before any host is touched.
        """
        run = ask.run or run_id(self.clock)
        task = errand(self.inventory, self.playbooks, ask, run, self.clock.now())
        nobody = ask.actor.kind in NOBODY
        standing = await waiting(self.journal, self.clock) if nobody else None
        held = await self._held(task.hosts) if nobody else None

        async def each(host: Host, seen: Visit, report: HostReport) -> HostReport:
            if not isinstance(seen, Snapshot):
                return report
            proposals = await offered(
                self.remedy, self.playbooks, host, seen, report.findings, ask.actor, task.run, standing, held
            )
            return report.model_copy(update={"proposals": proposals})

        hosts = await read(self.observer, task, tell, at_once=self.concurrency, each=each)
        report = reported(task, hosts, self.clock.now())
        await remember(self.journal, ask, report)
        if self.annals is not None:
            await self.annals.answered(task, report)
        return report

    async def _held(self, hosts: Sequence[Host]) -> Held | None:
        """Why nothing is proposed on which host for which finding, where nobody asked."""
        return await self.annals.held(hosts, self.clock.now()) if self.annals is not None else None

    async def pods(self, ask: Ask, tell: Callable[[Progress], None]) -> PodsReport:
        """Read the hosts, and give each as a table of its network namespaces and pods. Raises AskError."""
        hosts = select(self.inventory, ask.target)
        run, begun = run_id(self.clock), self.clock.now()
        done: dict[str, HostPods] = {}
        tell(Progress(run, 0, len(hosts), "reading " + few([host.name for host in hosts])))

        async def each(host: Host, seen: Visit) -> None:
            done[host.name] = table(host, seen)
            tell(Progress(run, len(done), len(hosts), f"{host.name}: {summary(done[host.name])}"))

        await read_all(self.observer, hosts, PROBES, at_once=self.concurrency, each=each)
        report = PodsReport(
            run=run,
            started=stamp(begun),
            seconds=round((self.clock.now() - begun).total_seconds(), 3),
            asker=ask.actor.key,
            target=ask.target,
            hosts=tuple(done[host.name] for host in hosts),
        )
        data = {"run": run, "target": ask.target, "view": "pods", "hosts": list(done)}
        event = Event("HostsRead", ask.actor.key, report.started, None, data)
        with suppress(JournalDown):  # reading goes on without a log: only changes stop
            await self.journal.append([event, *refused_keys(ask.actor, report)])
        return report

    async def approve(self, change: str, standing: Standing) -> Decision:
        """Cast a vote on a change. Raises AskError for an unknown change."""
        return await self.remedy.approve(await self._id(change), standing)

    async def deny(self, change: str, standing: Standing, reason: str) -> Decision:
        """Deny a change. Raises AskError for an unknown change."""
        return await self.remedy.deny(await self._id(change), standing, reason)

    async def revert(self, change: str, standing: Standing) -> Record:
        """Propose the inverse of a change that is in force. Raises AskError when there is nothing to revert."""
        return await self.remedy.revert(await self._id(change), standing)

    async def halt(self, standing: Standing, reason: str) -> Switched:
        """Set the kill switch: no change is sent any more. Raises ConfigError (policy), JournalDown."""
        return await halt.halt(self.journal, self.remedy.policy, self.clock, standing, reason)

    async def resume(self, standing: Standing) -> Switched:
        """Ask to clear the kill switch; changes go on at once when it is. Raises as `halt`."""
        switched = await halt.resume(self.journal, self.remedy.policy, self.clock, standing)
        self.remedy.wake.set()
        return switched

    async def _id(self, change: str) -> str:
        record = await self.journal.get(change)
        if record is None:
            raise AskError(f'no change "{change}"; `netdiag changes list` shows all')
        return record.change.id
