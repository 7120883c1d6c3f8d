"""What may every front end ask of netdiag? One desk: diagnose, approve, deny, revert, halt, resume."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from bot.core import outline
from bot.core.across import Aside, aside, probes_across
from bot.core.approval import Decision, Record, stamp
from bot.core.ask import Ask, Progress
from bot.core.audit import Event
from bot.core.diagnosis import complete
from bot.core.errors import AskError, nearest
from bot.core.halt import Switched
from bot.core.host import Host, Inventory
from bot.core.params import check_params
from bot.core.playbook import Playbook, probes_of
from bot.core.pods import HostPods, PodsReport
from bot.core.pods_words import summary
from bot.core.policy import Actor, Standing
from bot.core.report import Finding, HostReport, Proposal, Report
from bot.core.selector import select
from bot.core.snapshot import Snapshot, Visit
from bot.engine import halt
from bot.engine.diagnose import Observer, judge, read_all
from bot.engine.pods import PROBES, table
from bot.engine.ports import Clock, Journal, JournalDown
from bot.engine.remedy import Remedy

RUN_MEMORY = "run"


@dataclass(frozen=True, slots=True)
class DutyDesk:
    """Serves `ports.Desk` over an inventory, the playbooks, the journal and the remedy."""

    inventory: Inventory
    playbooks: Mapping[str, Playbook]
    observer: Observer
    journal: Journal
    remedy: Remedy
    clock: Clock
    concurrency: int = 64

    async def diagnose(self, ask: Ask, tell: Callable[[Progress], None]) -> Report:
        """Read the hosts, judge, and store each proposal as a pending change.

        Raises AskError for an unknown target, playbook or parameter, before any host is touched.
        """
        hosts = select(self.inventory, ask.target)
        playbooks = self.chosen(ask.playbooks)
        check_params(playbooks, ask.params)
        run = f"r{self.clock.token()[:10]}"
        begun = self.clock.now()
        done: dict[str, HostReport] = {}
        kept, shared = dict[str, Aside](), probes_across(playbooks)
        tell(Progress(run, 0, len(hosts), "reading " + _few([host.name for host in hosts])))

        async def each(host: Host, seen: Visit) -> None:
            report = judge(host, seen, playbooks, ask.params)
            if isinstance(seen, Snapshot):
                proposals = await self._propose(host, seen, report.findings, ask.actor, run)
                report = report.model_copy(update={"proposals": proposals})
            if shared:
                kept[host.name] = aside(host, seen, shared, self.clock.now())
            done[host.name] = report
            tell(Progress(run, len(done), len(hosts), f"{host.name}: {report.status}"))

        await read_all(self.observer, hosts, probes_of(playbooks), at_once=self.concurrency, each=each)
        run_of = tuple(kept.values())
        for name, here in kept.items():
            done[name] = complete(playbooks, done[name], here, run_of, ask.params)
        report = Report(
            run=run,
            started=stamp(begun),
            seconds=round((self.clock.now() - begun).total_seconds(), 3),
            asker=ask.actor.key,
            target=ask.target,
            playbooks=tuple(playbook.name for playbook in playbooks),
            hosts=tuple(done[host.name] for host in hosts),
        )
        await self._log(ask, report)
        return report.model_copy(update={"summary": outline.summary(report)})

    async def pods(self, ask: Ask, tell: Callable[[Progress], None]) -> PodsReport:
        """Read the hosts, and give each as a table of its network namespaces and pods. Raises AskError."""
        hosts = select(self.inventory, ask.target)
        run, begun = f"r{self.clock.token()[:10]}", self.clock.now()
        done: dict[str, HostPods] = {}
        tell(Progress(run, 0, len(hosts), "reading " + _few([host.name for host in hosts])))

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
        with suppress(JournalDown):  # reading goes on without a log: only changes stop
            await self.journal.append([Event("HostsRead", ask.actor.key, report.started, None, data)])
        return report

    def chosen(self, names: Sequence[str]) -> tuple[Playbook, ...]:
        """The playbooks named, or all of them. Raises AskError with the nearest name."""
        for name in names:
            if name not in self.playbooks:
                raise AskError(
                    f'no playbook "{name}"{nearest(name, self.playbooks)}; `netdiag playbooks list` shows all'
                )
        return tuple(self.playbooks[name] for name in dict.fromkeys(names or self.playbooks))

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

    async def _propose(
        self, host: Host, seen: Snapshot, findings: Sequence[Finding], actor: Actor, run: str
    ) -> tuple[Proposal, ...]:
        """One proposal per distinct offer of the root causes; symptoms that a root cause explains wait for its cure."""
        proposals: dict[str, Proposal] = {}
        for finding in findings:
            if finding.explained_by is not None:
                continue
            for offer in finding.offers:
                key = f"{offer.action} {sorted(offer.params.items())}"
                if key not in proposals:
                    revision = self.playbooks[finding.playbook].revision
                    proposals[key] = await self.remedy.propose(finding, offer, seen, host, actor, run, revision)
        return tuple(proposals.values())

    async def _log(self, ask: Ask, report: Report) -> None:
        """Remember the run and log it. A store that is down never keeps a diagnosis from the one who asked."""
        summary: dict[str, Any] = {
            "target": report.target,
            "playbooks": list(report.playbooks),
            "params": dict(ask.params),  # the effect of a change is measured with the same ones
            "hosts": {
                host.host: {"status": host.status, "findings": [f.id for f in host.findings]} for host in report.hosts
            },
        }
        event = Event("HostsRead", ask.actor.key, report.started, None, {"run": report.run, **summary})
        try:
            await self.journal.append([event])
            await self.journal.replace(
                RUN_MEMORY, report.run, {"asker": ask.actor.key, "started": report.started, **summary}
            )
        except JournalDown:
            # Reading goes on (only mutations stop); the proposals above have already been refused for the same reason.
            return


def _few(names: Sequence[str], limit: int = 4) -> str:
    shown = ", ".join(names[:limit])
    return shown if len(names) <= limit else f"{shown} and {len(names) - limit} more"
