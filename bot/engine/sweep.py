"""How is one run of a sweep carried out? Read, judge, propose, store, tell: each of them once.

What was judged is stored, with its digest, before anybody hears of it; a process that dies after that tells the stored
digest, under the same key, and the message that stands is edited. Before the telling, what the channel has meanwhile
heard from elsewhere is taken out of it.
"""

import asyncio
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import takewhile

import structlog

from bot.core.approval import stamp
from bot.core.ask import Ask, Progress
from bot.core.canary import asked_for, with_canaries
from bot.core.digest import Digest
from bot.core.fault import Fault
from bot.core.faults import left
from bot.core.fire import Fire, Phase
from bot.core.heard import heard, still
from bot.core.host import Host, Inventory
from bot.core.insight import judged
from bot.core.insight_kinds import PLAYBOOK
from bot.core.missed import missed
from bot.core.moved import moved
from bot.core.news import RATE_CAP
from bot.core.outline import plural, roots
from bot.core.past import Past
from bot.core.playbook import Playbook
from bot.core.policy import Actor
from bot.core.report import HostReport, Report, Status
from bot.core.scene import Scene
from bot.core.snapshot import Snapshot, Visit
from bot.core.sweep import Quiet, Sweep
from bot.core.tell import COLUMNS, digest
from bot.core.window import why_inside
from bot.engine.annals import REMEMBERED, Annals, changed
from bot.engine.diagnose import Observer
from bot.engine.offers import offered, waiting
from bot.engine.ports import Clock, Journal, JournalDown
from bot.engine.quota import Quota
from bot.engine.reading import Errand, errand, read, remember, reported
from bot.engine.recall import recall, roles, set_by_netdiag
from bot.engine.remedy import Remedy
from bot.engine.sweep_ports import Herald, Painter, Picture, Receipt, Visited

log = structlog.get_logger()

UNDONE = (Phase.MISSED, Phase.SKIPPED, Phase.FAILED)
MOST_UNDONE = 500
INSIGHTS = tuple(sorted(set(PLAYBOOK.values())))
"""The playbooks of what only the past and the fleet tell."""


@dataclass
class Sweeper:
    """Serves `sweep_ports.Runs`."""

    inventory: Inventory
    playbooks: Mapping[str, Playbook]
    observer: Observer
    journal: Journal
    clock: Clock
    annals: Annals
    remedy: Remedy
    herald: Herald
    painter: Painter | None = None
    concurrency: int = 64
    _down: set[str] = field(default_factory=set)
    """Channels that were told that the store is down."""
    _telling: asyncio.Lock = field(default_factory=asyncio.Lock)
    """One digest is told after the other, so that the second knows what the first told; answers do not wait for it."""

    @property
    def quota(self) -> Quota:
        """The cap on messages."""
        return Quota(self.journal)

    async def run(self, sweep: Sweep, fire: Fire, *, tell: Callable[[Progress], None] | None = None) -> Fire:
        """From RUNNING to the end: comes back TOLD, JUDGED when the chat did not take it, or as it was when another
        process has taken it over. Raises AskError before any host is touched, and JournalDown, of which the channel is
        told once.
        """
        run = fire.run or run_of(fire)
        begun = fire.begun or self.clock.now()
        actor = Actor("schedule", sweep.name, sweep.title or sweep.name, sweep.owner)
        ask = Ask(actor, sweep.target, sweep.playbooks, sweep.params, sweep.channel)
        task = errand(self.inventory, self.playbooks, ask, run, begun, sweep.timeout)
        try:
            done = await self._run(sweep, replace(fire, run=run, begun=begun), task, tell)
        except JournalDown as fault:
            await self.trouble(sweep, str(fault))
            raise
        await self._up(sweep)
        return done

    async def retell(self, sweep: Sweep, fire: Fire) -> Fire:
        """Tell the stored digest of a run that is JUDGED: it comes back TOLD, or as it was. Raises JournalDown."""
        async with self._telling:
            return await self._told(sweep, fire, None)

    async def trouble(self, sweep: Sweep, why: str) -> None:
        """Tell the sweep's channel that nothing is swept because the store is down: once, until a run went well."""
        if sweep.channel in self._down or not sweep.enabled:
            return
        self._down.add(sweep.channel)
        log.error("sweep.store.down", sweep=sweep.name, fault=why)
        if sweep.channel:
            lines = (why, "No sweep runs until it is back; what is missed meanwhile is told then.")
            await self.herald.say(
                sweep.channel, f"store-down:{stamp(self.clock.now())}", "Sweeps stand still: the store is down", lines
            )

    async def _up(self, sweep: Sweep) -> None:
        if sweep.channel in self._down:
            self._down.discard(sweep.channel)
            log.info("sweep.store.up", sweep=sweep.name)
            if sweep.channel:
                key = f"store-up:{stamp(self.clock.now())}"
                await self.herald.say(sweep.channel, key, "The store is back: sweeps go on", ())

    # --- reading -------------------------------------------------------------------------------------------------

    async def _run(self, sweep: Sweep, fire: Fire, task: Errand, tell: Callable[[Progress], None] | None) -> Fire:
        receipt = await self._begin(sweep, fire, task)
        seen: dict[str, Snapshot] = {}

        async def each(host: Host, visit: Visit, report: HostReport) -> HostReport:
            if isinstance(visit, Snapshot) and any(finding.offers for finding in roots(report)):
                seen[host.name] = visit  # only what may be proposed from is kept until the end
            return report

        pulse = _Pulse(self.herald, sweep, receipt, tell)
        async with asyncio.TaskGroup() as tasks:
            beating = tasks.create_task(pulse.run())
            hosts = await read(self.observer, task, pulse.heard, at_once=self.concurrency, each=each)
            beating.cancel()
        async with self.annals.turn:
            mine, report = await self._judged(sweep, fire, task, hosts, seen)
            if mine is None:
                log.warning("sweep.taken.over", sweep=sweep.name, due=stamp(fire.due))
                return fire
        await remember(self.journal, task.ask, report)
        async with self._telling:
            return await self._told(sweep, mine, report)

    async def _begin(self, sweep: Sweep, fire: Fire, task: Errand) -> Receipt | None:
        """The parent message, where every run of the sweep has one and one may be posted now."""
        now, key = self.clock.now(), key_of(fire)
        if not sweep.channel or sweep.quiet is Quiet.SILENT or why_inside(sweep.quiet_hours, now):
            return None
        if not await self._room(sweep, key, now, share=2):
            return None
        await self.quota.spend(sweep.channel, key, now)
        start = Progress(task.run, 0, len(task.hosts), f"reading {plural(len(task.hosts), 'host')}")
        return await self.herald.begin(sweep, task.run, key, start)

    async def _room(self, sweep: Sweep, key: str, now: datetime, *, share: int = 1) -> bool:
        """Whether the channel may have one more message; messages that may turn out to say nothing get half of all."""
        used = await self.quota.used(sweep.channel, now)
        return used * share < self.annals.plans.plan().messages_per_hour or await self.quota.spent(
            sweep.channel, key, now
        )

    # --- judging -------------------------------------------------------------------------------------------------

    async def _judged(
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
        done = replace(fire, phase=Phase.JUDGED, digest=said)
        visited = Visited(at, task.run, report.hosts, changed((*known, *away), after), sweep.name)
        return (done if await history.judged(done, visited) else None), report

    async def _insights(
        self, sweep: Sweep, task: Errand, hosts: Sequence[HostReport], at: datetime
    ) -> tuple[Past, Sequence[HostReport]]:
        """What was known before, and the reports with what only that and the fleet tell."""
        known = roles(task.hosts)
        past = await recall(self.annals.history, hosts, known, at)
        by_netdiag = await set_by_netdiag(self.journal)
        return past, judged(hosts, past, known, at, sweep.tuning.horizon, by_netdiag=by_netdiag)

    async def _scene(  # noqa: PLR0917 - a run, and what it found
        self, sweep: Sweep, fire: Fire, task: Errand, report: Report, faults: Sequence[Fault], at: datetime
    ) -> Scene:
        history, names = self.annals.history, [host.name for host in task.hosts]
        statuses = await history.statuses(names, sweep=sweep.name, last=COLUMNS - 1)
        before = await history.fires(sweep.name, phases=(Phase.TOLD, Phase.JUDGED), limit=COLUMNS)
        past = [run for run in before if run.due != fire.due and run.digest is not None]
        capped = ""
        if sweep.channel and not await self._room(sweep, key_of(fire), at):
            capped = f"{self.annals.plans.plan().messages_per_hour} messages an hour in this channel"
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
            capped=capped,
            before=past[0].digest if past else None,
            statuses={name: [Status(status) for _, status in found] for name, found in statuses.items()},
            missed=missed(await self._undone(sweep, fire), tuple(takewhile(_held_back, past)), at),
        )

    async def _undone(self, sweep: Sweep, fire: Fire) -> Sequence[Fire]:
        """The runs before this one that did not happen, and of which nobody was told yet."""
        since = fire.due - REMEMBERED
        found = await self.annals.history.fires(sweep.name, phases=UNDONE, since=since, limit=MOST_UNDONE)
        return [run for run in found if not run.told and run.due <= fire.due]

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

    # --- telling -------------------------------------------------------------------------------------------------

    async def _told(self, sweep: Sweep, fire: Fire, report: Report | None) -> Fire:
        """The stored digest to its channel, and what it knows then; as it was when the chat did not take it."""
        assert fire.digest is not None, "a run that was judged has a digest"
        now, history, key = self.clock.now(), self.annals.history, key_of(fire)
        hosts = sorted({part.host for part in fire.digest.heard})
        faults = await self.annals.known(hosts, fire.due) if hosts else ()
        said = still(fire.digest, faults, sweep.channel)
        if await self._worth(sweep, key, said, now):
            await self.quota.spend(sweep.channel, key, now)
            pictures = await self._pictures(sweep, said)
            if not await self.herald.tell(sweep, key, said, report=report, pictures=pictures):
                log.warning("sweep.not.told", sweep=sweep.name, due=stamp(fire.due))
                return fire
        await history.put_faults(heard(faults, said.heard, sweep.channel))
        if said.missed:
            for run in await self._undone(sweep, fire):
                await history.move(replace(run, told=True))
        done = replace(fire, phase=Phase.TOLD, ended=now)
        await history.move(done)
        log.info("sweep.told", sweep=sweep.name, due=stamp(fire.due), items=len(said.items), quiet=said.quiet)
        return done

    async def _worth(self, sweep: Sweep, key: str, said: Digest, now: datetime) -> bool:
        """Whether a message is posted, or the one that was begun is finished."""
        if not sweep.channel:
            return False
        if not said.quiet or await self.quota.spent(sweep.channel, key, now):
            return True
        if sweep.quiet is Quiet.SILENT or why_inside(sweep.quiet_hours, now):
            return False
        return await self._room(sweep, key, now, share=2)

    async def _pictures(self, sweep: Sweep, said: Digest) -> Sequence[Picture]:
        if self.painter is None or said.quiet:
            return ()
        return await self.painter.digest(said, title=sweep.title or sweep.name, zone=sweep.zone)


def key_of(fire: Fire) -> str:
    """What the run's message is called for ever."""
    return f"sweep:{fire.sweep}:{stamp(fire.due)}"


def run_of(fire: Fire) -> str:
    """The run's id: the same for whoever carries it out, so that what was proposed before a crash stays with it."""
    return f"r{hashlib.sha256(key_of(fire).encode()).hexdigest()[:10]}"


def _held_back(fire: Fire) -> bool:
    return fire.digest is not None and any(part.why.startswith(RATE_CAP) for part in fire.digest.held)


@dataclass
class _Pulse:
    """Progress on its way to the chat: the newest, as fast as the chat takes it, and none when nobody listens."""

    herald: Herald
    sweep: Sweep
    receipt: Receipt | None
    tell: Callable[[Progress], None] | None
    newest: Progress | None = None
    wake: asyncio.Event = field(default_factory=asyncio.Event)

    def heard(self, progress: Progress) -> None:
        """Take in how far the run is."""
        self.newest = progress
        self.wake.set()
        if self.tell is not None:
            self.tell(progress)

    async def run(self) -> None:
        """Pass it on until cancelled."""
        while self.receipt is not None:
            await self.wake.wait()
            self.wake.clear()
            if self.newest is not None:
                await self.herald.progress(self.sweep, self.receipt, self.newest)


def _offering(report: Report, seen: Mapping[str, Snapshot]) -> frozenset[tuple[str, str]]:
    """Where something could be done about a finding, and enough was kept to plan it."""
    return frozenset(
        (host.host, finding.fingerprint)
        for host in report.hosts
        if host.host in seen
        for finding in host.findings
        if finding.offers
    )
