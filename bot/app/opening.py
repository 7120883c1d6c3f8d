"""Which concrete parts is netdiag made of, whoever uses it?"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import structlog

from bot import actions, probes
from bot.adapters.files.inventory import load_inventory
from bot.adapters.files.playbooks import load_playbooks
from bot.adapters.files.policy import FilePolicy
from bot.adapters.files.sweeps import FilePlan
from bot.adapters.ssh import HostShell
from bot.adapters.store import Store
from bot.app.here import Accounts, SystemClock
from bot.core import audit
from bot.core.approval import State, stamp
from bot.core.audit import Event
from bot.core.host import Inventory
from bot.core.policy import Actor
from bot.engine.annals import Annals
from bot.engine.desk import DutyDesk
from bot.engine.diagnose import Observer
from bot.engine.meter import Meter, NoMeter
from bot.engine.metered import MeteredShell
from bot.engine.ports import JournalDown, Shell
from bot.engine.remedy import Remedy
from bot.engine.silences import Silences
from bot.engine.sweep import Sweeper
from bot.engine.sweep_carry import SweepBench
from bot.engine.sweep_ports import Herald, Painter
from bot.settings import Settings

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class App:
    """Everything wired together, for the front ends."""

    settings: Settings
    inventory: Inventory
    desk: DutyDesk
    remedy: Remedy
    journal: Store
    directory: Accounts
    shell: Shell
    clock: SystemClock
    meter: Meter
    policy: FilePolicy
    plans: FilePlan
    annals: Annals

    def sweeping(self, herald: Herald, painter: Painter | None = None) -> SweepBench:
        """What sweeps are kept with, told by `herald` with pictures by `painter`."""
        runs = Sweeper(
            inventory=self.inventory,
            playbooks=self.desk.playbooks,
            observer=self.desk.observer,
            journal=self.journal,
            clock=self.clock,
            annals=self.annals,
            remedy=self.remedy,
            herald=herald,
            painter=painter,
            concurrency=self.settings.concurrency,
        )
        return SweepBench(
            plans=self.plans,
            history=self.journal.history,
            runs=runs,
            journal=self.journal,
            policy=self.policy,
            clock=self.clock,
            owner=self.remedy.owner,
            herald=herald,
        )

    def silences(self) -> Silences:
        """Who silences what."""
        return Silences(
            self.journal.history, self.journal, self.policy, self.clock, self.inventory, self.desk.playbooks
        )

    async def log_read(self, actor: Actor, what: str) -> str:
        """Reading the log is an entry of the log; why it is not, where the store cannot be written: reading goes on."""
        try:
            await self.journal.append([Event("LogRead", actor.key, stamp(self.clock.now()), None, {"what": what})])
        except JournalDown as fault:
            return str(fault)
        return ""

    async def status(self) -> Sequence[tuple[str, str]]:
        """What an operator wants to know at a glance, as label and words."""
        waiting = len(await self.journal.list(states=[State.PENDING]))
        self.plans.plan()
        trouble = f"; {self.plans.trouble}" if self.plans.trouble else ""
        return (
            ("Hosts", f"{len(self.inventory.hosts)} in the inventory, {len(self.desk.playbooks)} playbooks"),
            (
                "Changes",
                f"{waiting} waiting for approval" + (f"; {self.remedy.trouble}" if self.remedy.trouble else ""),
            ),
            ("Sweeps", f"{len(self.plans.plan().sweeps)} in the plan{trouble}"),
        )

    async def export_audit(self, first: int) -> str:
        """The chain as JSON lines, then one line per signed head."""
        lines = [audit.to_line(entry) async for entry in self.journal.entries(first=first)]
        lines += [head.line() for head in await self.journal.heads() if head.seq >= first]
        return "".join(line + "\n" for line in lines)


def metered(settings: Settings) -> Meter:
    """Where figures go: to whoever scrapes them, when somebody can."""
    if settings.http_listen is None:
        return NoMeter()
    from bot.adapters.http import Metrics  # noqa: PLC0415 - a server's libraries load only where there is one

    return Metrics()


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[App]:
    """The application over `settings`; closes connections and the store at the end. Raises ConfigError."""
    clock = SystemClock()
    inventory = load_inventory(settings.inventory)
    catalog, deeds = probes.catalog(), actions.catalog()
    playbooks = load_playbooks(settings.playbooks, catalog, deeds)
    policy = FilePolicy(settings.inventory)
    policy.policy()  # a fault in it is told now, not at the first click
    journal = await Store.open(settings.state, clock, url=settings.store, retention=settings.retention)
    shell, meter = HostShell(inventory), metered(settings)
    directory = Accounts()
    visits = MeteredShell(shell, meter, "visit")
    observer = Observer(visits, clock, catalog, settings.window, inventory.expect)
    remedy = Remedy(
        journal=journal,
        policy=policy,
        directory=directory,
        shell=MeteredShell(shell, meter, "change"),
        clock=clock,
        inventory=inventory,
        actions=deeds,
        playbooks=playbooks,
        observer=observer,
    )
    plans = FilePlan(settings.inventory, inventory, playbooks, policy.policy)
    annals = Annals(journal.history, clock, plans)
    desk = DutyDesk(inventory, playbooks, observer, journal, remedy, clock, settings.concurrency, annals)
    try:
        yield App(settings, inventory, desk, remedy, journal, directory, shell, clock, meter, policy, plans, annals)
    finally:
        await shell.close()
        await journal.close()
