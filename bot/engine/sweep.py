"""How is one run of a sweep carried out? Read, judge, propose, store, tell: each of them once.

What was judged is stored, with its digest, before anybody hears of it; a process that dies after that tells the stored
digest, under the same key, and the message that stands is edited. Before the telling, what the channel has meanwhile
heard from elsewhere is taken out of it.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import structlog

from bot.core.approval import stamp
from bot.core.ask import Ask, Progress
from bot.core.digest import Digest
from bot.core.fire import Fire, Phase, key_of, run_of
from bot.core.heard import only
from bot.core.host import Host, Inventory
from bot.core.outline import plural, roots
from bot.core.playbook import Playbook
from bot.core.policy import Actor
from bot.core.report import HostReport, Report
from bot.core.snapshot import Snapshot, Visit
from bot.core.sweep import Sweep
from bot.engine import sweep_evidence
from bot.engine.annals import Annals
from bot.engine.diagnose import Observer
from bot.engine.ports import Clock, Journal, JournalDown
from bot.engine.reading import Errand, errand, read, remember
from bot.engine.remedy import Remedy
from bot.engine.sweep_judge import Judge, undone
from bot.engine.sweep_ports import Herald, Painter, Picture, Receipt
from bot.engine.sweep_pulse import Pulse
from bot.engine.sweep_room import Room

log = structlog.get_logger()


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
    def room(self) -> Room:
        """The cap on messages."""
        return Room(self.journal, self.annals.plans)

    @property
    def judge(self) -> Judge:
        """Who judges what was read."""
        return Judge(self.inventory, self.playbooks, self.journal, self.clock, self.annals, self.remedy, self.room)

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
            key = f"store-down:{stamp(self.clock.now())}"
            if await self.herald.say(sweep.channel, key, "Sweeps stand still: the store is down", lines) is None:
                self._down.discard(sweep.channel)  # nobody heard it: it is told at the next look

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

        pulse = Pulse(self.herald, sweep, receipt, tell)
        async with asyncio.TaskGroup() as tasks:
            beating = tasks.create_task(pulse.run())
            hosts = await read(self.observer, task, pulse.heard, at_once=self.concurrency, each=each)
            beating.cancel()
        async with self.annals.turn:
            mine, report = await self.judge.judged(sweep, fire, task, hosts, seen)
            if mine is None:
                log.warning("sweep.taken.over", sweep=sweep.name, due=stamp(fire.due))
                return fire
        await remember(self.journal, task.ask, report)
        async with self._telling:
            return await self._told(sweep, mine, report)

    async def _begin(self, sweep: Sweep, fire: Fire, task: Errand) -> Receipt | None:
        """The parent message, where every run of the sweep has one and one may be posted now."""
        now, key = self.clock.now(), key_of(fire)
        if not await self.room.begin(sweep, key, now):
            return None
        await self.room.quota.spend(sweep.channel, key, now)
        start = Progress(task.run, 0, len(task.hosts), f"reading {plural(len(task.hosts), 'host')}")
        return await self.herald.begin(sweep, task.run, key, start)

    # --- telling -------------------------------------------------------------------------------------------------

    async def _told(self, sweep: Sweep, fire: Fire, report: Report | None) -> Fire:
        """The stored digest to its channel, without what that has heard from elsewhere; as it was when the chat did not
        take it. What is told is noted before, so that of any number of processes one tells it.
        """
        assert fire.digest is not None, "a run that was judged has a digest"
        now, history, key = self.clock.now(), self.annals.history, key_of(fire)
        said = only(fire.digest, await history.tell(sweep.channel, fire.digest.heard))
        if await self.room.worth(sweep, key, said, now):
            await self.room.quota.spend(sweep.channel, key, now)
            pictures = await self._pictures(sweep, said)
            report = report or await sweep_evidence.kept(self.journal, fire)
            if not await self.herald.tell(sweep, key, said, report=report, pictures=pictures):
                log.warning("sweep.not.told", sweep=sweep.name, due=stamp(fire.due))
                await history.untell(sweep.channel, said.heard)
                return fire
        if said.missed:
            for run in await undone(history, sweep, fire):
                await history.move(replace(run, told=True))
        done = replace(fire, phase=Phase.TOLD, ended=now)
        await history.move(done)
        log.info("sweep.told", sweep=sweep.name, due=stamp(fire.due), items=len(said.items), quiet=said.quiet)
        return done

    async def _pictures(self, sweep: Sweep, said: Digest) -> Sequence[Picture]:
        if self.painter is None or said.quiet:
            return ()
        return await self.painter.digest(said, title=sweep.title or sweep.name, zone=sweep.zone)
