"""Which concrete parts is netdiag made of? The composition root: the only file that names adapters to the engine."""

import asyncio
import os
import pwd
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import dropwhile
from pathlib import Path

import structlog
from pydantic import SecretStr

from bot import actions, probes
from bot.adapters.files.alerts import FileAlerts
from bot.adapters.files.inventory import load_inventory
from bot.adapters.files.playbooks import load_playbooks
from bot.adapters.files.policy import FilePolicy
from bot.adapters.files.sweeps import FilePlan
from bot.adapters.slack import Catalog, SlackFront, Tuning, connect
from bot.adapters.ssh import HostShell
from bot.adapters.store import Store, read_public
from bot.adapters.store.place import DATABASE
from bot.core import audit
from bot.core.approval import State, stamp
from bot.core.audit import Entry, Event, Head, Verification
from bot.core.chronicle import titles
from bot.core.errors import ConfigError
from bot.core.halt import Switched
from bot.core.host import Inventory
from bot.core.past import HostPast
from bot.core.policy import Actor, Standing, usergroups
from bot.core.selector import select
from bot.engine.alerts import Alerts
from bot.engine.annals import Annals
from bot.engine.chronicle import Chronicle
from bot.engine.desk import DutyDesk
from bot.engine.diagnose import Observer
from bot.engine.halt import halt, resume
from bot.engine.inspect import Inspected, Tell, inspect
from bot.engine.levels import Levels
from bot.engine.meter import Meter, NoMeter
from bot.engine.metered import MeteredShell
from bot.engine.ports import Directory, JournalDown, Shell
from bot.engine.remedy import Remedy
from bot.engine.scheduler import Scheduler
from bot.engine.silences import Silences
from bot.engine.sweep import Sweeper
from bot.engine.sweep_carry import SweepBench
from bot.engine.sweep_desk import Rounds
from bot.engine.sweep_ports import Herald, Painter
from bot.settings import Settings

log = structlog.get_logger()


class SystemClock:
    """The machine's clock and the kernel's randomness."""

    def now(self) -> datetime:
        """UTC, aware."""
        return datetime.now(UTC)

    def token(self, bits: int = 128) -> str:
        """A random lowercase token of at least `bits` bits, hex digits."""
        return secrets.token_hex((bits + 7) // 8)


class Accounts:
    """Serves `ports.Directory`: operating-system accounts for the terminal, and whatever front ends add by kind."""

    def __init__(self) -> None:
        self.others: dict[str, Directory] = {}

    async def standing(self, key: str) -> Standing:
        """The standing of `kind:id`. A terminal user must still exist; an unknown kind may decide nothing."""
        kind, _, name = key.partition(":")
        if kind in self.others:
            return await self.others[kind].standing(key)
        if kind == "terminal":
            return Standing(Actor("terminal", name, name), fault=_account_fault(name))
        return Standing(Actor("schedule", name, name), fault=f"nobody can be asked about {kind!r} identities here")


def _account_fault(name: str) -> str:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return f"there is no user {name} on this machine"
    return ""


def terminal_actor() -> Actor:
    """The operating-system user of this process: by real user id, not by an environment variable.

    A user id without a name (containers have such) may read, and decide nothing: there is no such user.
    """
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        name = f"uid-{os.getuid()}"
    return Actor("terminal", name, name)


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
    journal = await Store.open(settings.state, clock, url=settings.store)
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


async def serving(app: App, *, stop: asyncio.Event, ready: asyncio.Event) -> None:
    """Serve Slack, carry out approved changes and keep the sweeps, until `stop`. `ready` is set once Slack has greeted
    the bot.

    Raises ConfigError at once when Slack refuses the tokens or cannot be reached, or the plan of sweeps is faulty.
    """
    from bot.adapters.chart import ChartPainter  # noqa: PLC0415 - drawing loads only where somebody looks

    settings = app.settings
    assert settings.slack_bot_token is not None
    assert settings.slack_app_token is not None
    policy = app.policy
    app.plans.load()  # a fault in it is told now, not when the first run is missing
    api, directory = connect(
        settings.slack_bot_token.get_secret_value(),
        settings.slack_app_token.get_secret_value(),
        settings.slack_api_url,
        lambda: usergroups(policy.policy()),
        lambda method, outcome: app.meter.count("slack_calls", method=method, outcome=outcome),
    )
    app.directory.others["slack"] = directory
    catalog = Catalog(
        hosts=tuple(app.inventory.hosts),
        groups=tuple(app.inventory.groups),
        playbooks={name: playbook.title for name, playbook in app.desk.playbooks.items()},
    )
    front = SlackFront(
        api,
        desk=app.desk,
        journal=app.journal,
        clock=app.clock,
        catalog=catalog,
        directory=directory,
        head=app.journal.head,
        status=app.status,
        tuning=Tuning(audit_channel=settings.slack_audit_channel or "", pages=settings.findings_url or ""),
    )
    painter = ChartPainter()
    keeper = Scheduler(app.sweeping(front.herald, painter))
    front.attach(
        sweeps=Rounds(keeper.bench, lambda: keeper),
        silences=app.silences(),
        picture=Chronicle(app.journal.history, painter, app.clock, measured(app), zone_of(app)).picture,
    )
    routes = FileAlerts(settings.inventory)
    routes.routing()  # and in this one, before Alertmanager is refused for it
    intake = Alerts(app.desk, app.journal, front.herald, app.clock, app.inventory, routes, app.meter)
    async with reachable(app, policy, front, intake), asyncio.TaskGroup() as tasks:
        telling = [tasks.create_task(kept(work, ready)) for work in (keeper.run, intake.run)]
        loops = [tasks.create_task(app.remedy.drive()), *telling, tasks.create_task(ended(telling, stop))]
        await front.run(stop, ready)
        for loop in loops:
            loop.cancel()


def zone_of(app: App) -> str:
    """The time zone of pictures that are no sweep's: the one of the first sweep of the plan."""
    return next((sweep.zone for sweep in app.plans.plan().sweeps.values()), "UTC")


def measured(app: App) -> Mapping[str, tuple[str, str]]:
    """Title and unit of every measure that some playbook keeps."""
    return titles(app.desk.playbooks.values())


async def kept(work: Callable[[], Awaitable[None]], ready: asyncio.Event) -> None:
    """Keep sweeps, or take alerts, from the moment on that somebody can be told."""
    await ready.wait()
    await work()


async def ended(telling: "Sequence[asyncio.Task[None]]", stop: asyncio.Event) -> None:
    """Leave what is under way to the next process, before the chat is closed."""
    await stop.wait()
    for task in telling:
        task.cancel()


@asynccontextmanager
async def reachable(app: App, policy: FilePolicy, front: SlackFront, intake: Alerts) -> AsyncIterator[None]:
    """Alerts, figures and health over HTTP while the block runs, where an address is set. Raises ConfigError."""
    from bot.adapters.http import Metrics, alerts, listening, pulse, scrape  # noqa: PLC0415 - only where it is wanted

    settings, meter = app.settings, app.meter
    if settings.http_listen is None or not isinstance(meter, Metrics):
        yield
        return
    checks = _checks(app, policy, front, intake)
    levels = Levels(
        meter,
        app.journal,
        app.clock,
        head=app.journal.head,
        size=lambda: _size(settings),
        queues={
            "slack": lambda: front.waiting,
            "alerts": lambda: intake.intake.waiting,
            "alert_groups": lambda: intake.intake.open,
        },
        checks=checks,
        history=app.journal.history,
        sweeps=lambda: app.plans.plan().sweeps,
    )
    alive, is_ready = pulse(checks)
    there = FileAlerts(settings.inventory)
    routes = {
        ("POST", "/alerts"): alerts(secret(settings.alerts_token), intake.take, there=lambda: there.there),
        ("GET", "/metrics"): scrape(meter, secret(settings.metrics_token), levels.refresh),
        ("GET", "/healthz"): alive,
        ("GET", "/readyz"): is_ready,
    }
    async with listening(settings.http_listen, routes, meter) as port:
        log.info("http.listening", listen=settings.http_listen, port=port)
        yield


def secret(token: SecretStr | None) -> str | None:
    """The words of a secret."""
    return token.get_secret_value() if token is not None else None


def _checks(
    app: App, policy: FilePolicy, front: SlackFront, intake: Alerts
) -> Mapping[str, Callable[[], Awaitable[str]]]:
    """Why the bot cannot do its work, by part; "" where it can."""

    async def slack() -> str:
        return "" if await front.connected() else "not connected to Slack"

    async def store() -> str:
        try:
            await app.journal.replace("health", "written", {"at": stamp(app.clock.now())})
        except JournalDown as fault:
            return str(fault)
        return ""

    async def readable() -> str:
        return _broken(policy.policy)

    async def alerts() -> str:
        return _broken(intake.routes.routing) or intake.trouble

    async def sweeps() -> str:
        app.plans.plan()
        return app.plans.trouble

    return {"slack": slack, "store": store, "policy": readable, "sweeps": sweeps, "alerts": alerts}


def _broken(read: Callable[[], object]) -> str:
    try:
        read()
    except ConfigError as fault:
        return str(fault)
    return ""


def _size(settings: Settings) -> int | None:
    """Bytes of the SQLite store; None where it is another database."""
    if settings.store is not None:
        return None
    files = (settings.state / name for name in (DATABASE, f"{DATABASE}-wal"))
    return sum(file.stat().st_size for file in files if file.exists())


async def switched(settings: Settings, reason: str | None = None) -> tuple[Switched, str]:
    """Set the kill switch as the operating-system user (with a reason), or ask to clear it (without one); and why
    nothing is sent now, or "". Raises ConfigError, JournalDown.
    """
    clock, policy = SystemClock(), FilePolicy(settings.inventory)
    standing = await Accounts().standing(terminal_actor().key)
    journal = await Store.open(settings.state, clock, url=settings.store)
    try:
        if reason is None:
            done = await resume(journal, policy, clock, standing)
        else:
            done = await halt(journal, policy, clock, standing, reason)
        return done, await journal.halted()
    finally:
        await journal.close()


async def drawn(past: HostPast, zone: str = "UTC") -> bytes | None:
    """A host's past as a PNG; None where nothing is known of it, or it cannot be drawn (the log says why)."""
    from bot.adapters.chart import ChartPainter  # noqa: PLC0415 - drawing is loaded only when needed

    picture = await ChartPainter().history(past, zone=zone)
    return picture.png if picture else None


async def verification(
    settings: Settings, *, file: Path | None, anchors: Path | None, key: Path | None, first: int
) -> Verification:
    """Verify the stored log, or an export. Raises ConfigError for files that cannot be read."""
    outside = audit.anchors(_text(anchors)) if anchors else ()
    public = read_public(key) if key else None
    if file is not None:
        entries, heads = _exported(_text(file), str(file))
        asked = dropwhile(lambda entry: entry.seq < first, entries)
        return audit.verify(asked, heads, public, outside, first=first)
    journal = await Store.open(settings.state, SystemClock(), url=settings.store)
    try:
        return await journal.verify(outside, first=first, key=public)
    finally:
        await journal.close()


def _exported(text: str, name: str) -> tuple[list[Entry], Sequence[Head]]:
    lines = text.split("\n")  # an entry may hold what only looks like the end of a line
    entries = []
    for number, line in enumerate(lines, 1):
        if not line.startswith("{"):
            continue
        try:
            entries.append(audit.from_line(line))
        except ValueError as fault:
            raise ConfigError(f"{name}:{number}: {fault}; make a new one with `netdiag audit export`") from None
    return entries, audit.anchors("\n".join(line for line in lines if not line.startswith("{")))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError as fault:
        raise ConfigError(f"{path}: cannot be read ({fault.strerror})") from None


async def checked(settings: Settings, target: str, tell: Tell) -> Sequence[tuple[str, Inspected]]:
    """Connect to the target's hosts and say what each lacks; `tell` hears how far it is."""
    inventory = load_inventory(settings.inventory)
    shell = HostShell(inventory)
    try:
        return await inspect(shell, select(inventory, target), SystemClock(), at_once=settings.concurrency, tell=tell)
    finally:
        await shell.close()
