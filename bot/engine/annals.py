"""What became of the faults after a run, and which of them did a channel hear of?

Whoever read hosts writes here: sweeps and asks of one process take turns, so that none of them judges by faults that
another is about to change, and nothing is told twice in one channel.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import structlog

from bot.core.fault import OVER, Fault
from bot.core.faults import Asked, Look, live, look
from bot.core.heard import answered, shown
from bot.core.host import Host, Inventory
from bot.core.report import HostReport, Report
from bot.core.silence import silenced
from bot.core.sweep import Tuning
from bot.core.window import why_inside
from bot.engine.ports import Clock, JournalDown
from bot.engine.reading import Errand
from bot.engine.sweep_ports import History, PlanSource, Visited

log = structlog.get_logger()

Held = Callable[[Host, str], str]
"""Why something of a host and a finding is put off; "" where nothing is."""
REMEMBERED = timedelta(days=30)
"""A fault that comes back within this time is one that was opened again; later it is a new one."""


@dataclass
class Annals:
    """The history as sweeps and asks write it."""

    history: History
    clock: Clock
    plans: PlanSource
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def known(self, hosts: Sequence[str], at: datetime) -> Sequence[Fault]:
        """The hosts' faults: those that are there, and those resolved lately. Raises JournalDown."""
        return await self.history.faults(hosts=hosts, since=at - REMEMBERED)

    async def left(self, inventory: Inventory, at: datetime) -> Sequence[Fault]:
        """The faults of hosts that are not in the inventory any more: those that are there, and those that came to
        their end lately. Raises JournalDown.
        """
        return await self.history.faults(outside=inventory.hosts, since=at - REMEMBERED)

    def after(  # noqa: PLR0917 - what was known, what was read, how and when
        self,
        known: Sequence[Fault],
        task: Errand,
        hosts: Sequence[HostReport],
        also: Sequence[str],
        at: datetime,
        tuning: Tuning,
    ) -> tuple[Fault, ...]:
        """The faults after a run; what is seen under maintenance changes none. `also` names playbooks that are no files
        but were judged.
        """  # fmt: skip
        by_host: dict[str, list[Fault]] = {}
        for fault in known:
            by_host.setdefault(fault.host, []).append(fault)
        under = self.maintenance(task.hosts, at)
        looked = asked(task, also)
        looks: list[Look] = [
            look(report, looked, by_host.get(report.host, ())) for report in hosts if report.host not in under
        ]
        return live(known, looks, at, tuning)

    def maintenance(self, hosts: Sequence[Host], at: datetime) -> Mapping[str, str]:
        """Why which hosts are under maintenance."""
        windows = self.plans.plan().maintenance
        found = {host.name: why_inside(windows, at, host) for host in hosts}
        return {name: why for name, why in found.items() if why}

    async def held(self, hosts: Sequence[Host], at: datetime) -> Held:
        """Why nothing is told or proposed of which host and finding, in words: maintenance, or a silence. Raises
        JournalDown.
        """
        under, silences = self.maintenance(hosts, at), await self.history.silences(now=at)

        def why(host: Host, finding: str) -> str:
            if host.name in under:
                return f"maintenance: {under[host.name]}"
            over = silenced(silences, host, finding, at)
            return f"silenced by {over.owner}: {over.why}" if over is not None else ""

        return why

    async def shown(self, report: Report, channel: str) -> None:
        """Keep that a channel was shown a report, once it was: it is no news to sweeps there. Raises JournalDown."""
        async with self.turn:
            at = self.clock.now()
            seen = {
                (host.host, sight.fingerprint)
                for host in report.hosts
                for sight in look(host, Asked({}), ()).sights.values()
                if not sight.under
            }
            known = await self.known([host.host for host in report.hosts], at)
            there = [fault for fault in known if fault.stage not in OVER and (fault.host, fault.fingerprint) in seen]
            await self.history.put_faults(shown(there, channel, at))

    async def answered(self, task: Errand, report: Report) -> None:
        """Keep what an ask saw, and that its channel was told. A store that is down keeps no answer from anybody."""
        async with self.turn:
            at = self.clock.now()
            try:
                known = await self.known([host.name for host in task.hosts], at)
                after = self.after(known, task, report.hosts, (), at, self._strictest())
                if task.ask.channel:
                    after = answered(after, task.ask.channel, at)
                await self.history.visited(Visited(at, task.run, report.hosts, changed(known, after)))
            except JournalDown as fault:
                log.warning("annals.answer.not.kept", run=task.run, fault=str(fault))

    def _strictest(self) -> Tuning:
        """How many looks an ask's counts towards: as many as the most patient sweep wants."""
        tunings = [sweep.tuning for sweep in self.plans.plan().sweeps.values()]
        return replace(
            Tuning(),
            open_after=max((tuning.open_after for tuning in tunings), default=1),
            resolve_after=max((tuning.resolve_after for tuning in tunings), default=1),
        )


def asked(task: Errand, also: Sequence[str] = ()) -> Asked:
    """What an errand looks for: each playbook with those parameters that were given, and what is `also` judged."""
    given = task.ask.params
    books: dict[str, Mapping[str, str]] = {
        book.name: {key: value for key, value in given.items() if key in book.params} for book in task.playbooks
    }
    hangs = {"target": task.ask.target, "playbooks": " ".join(sorted(books))}
    return Asked(books, dict.fromkeys(also, hangs))


def changed(before: Sequence[Fault], after: Sequence[Fault]) -> tuple[Fault, ...]:
    """The faults that are not as they were."""
    known = {(fault.host, fault.fingerprint): fault for fault in before}
    return tuple(fault for fault in after if known.get((fault.host, fault.fingerprint)) != fault)
