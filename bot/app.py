"""Which concrete parts is netdiag made of? The composition root: the only file that names adapters to the engine."""

import asyncio
import os
import pwd
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import dropwhile
from pathlib import Path

from bot import actions, probes
from bot.adapters.files.inventory import load_inventory
from bot.adapters.files.playbooks import load_playbooks
from bot.adapters.files.policy import FilePolicy
from bot.adapters.slack import Catalog, SlackFront, Tuning, connect
from bot.adapters.ssh import HostShell
from bot.adapters.store import Store, read_public
from bot.core import audit
from bot.core.approval import State, stamp
from bot.core.audit import Entry, Event, Head, Verification
from bot.core.errors import ConfigError
from bot.core.halt import Switched
from bot.core.host import Inventory
from bot.core.policy import Actor, Standing, usergroups
from bot.core.selector import select
from bot.engine.desk import DutyDesk
from bot.engine.diagnose import Observer
from bot.engine.halt import halt, resume
from bot.engine.inspect import Inspected, Tell, inspect
from bot.engine.ports import Directory, JournalDown, Shell
from bot.engine.remedy import Remedy
from bot.settings import Settings


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
    """The operating-system user of this process: by real user id, not by an environment variable."""
    name = pwd.getpwuid(os.getuid()).pw_name
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
        return (
            ("Hosts", f"{len(self.inventory.hosts)} in the inventory, {len(self.desk.playbooks)} playbooks"),
            (
                "Changes",
                f"{waiting} waiting for approval" + (f"; {self.remedy.trouble}" if self.remedy.trouble else ""),
            ),
        )

    async def export_audit(self, first: int) -> str:
        """The chain as JSON lines, then one line per signed head."""
        lines = [audit.to_line(entry) async for entry in self.journal.entries(first=first)]
        lines += [head.line() for head in await self.journal.heads() if head.seq >= first]
        return "".join(line + "\n" for line in lines)


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
    shell = HostShell(inventory)
    directory = Accounts()
    observer = Observer(shell, clock, catalog, settings.window, inventory.expect)
    remedy = Remedy(
        journal=journal,
        policy=policy,
        directory=directory,
        shell=shell,
        clock=clock,
        inventory=inventory,
        actions=deeds,
        playbooks=playbooks,
        observer=observer,
    )
    desk = DutyDesk(inventory, playbooks, observer, journal, remedy, clock, settings.concurrency)
    try:
        yield App(settings, inventory, desk, remedy, journal, directory, shell, clock)
    finally:
        await shell.close()
        await journal.close()


async def serving(app: App, *, stop: asyncio.Event, ready: asyncio.Event) -> None:
    """Serve Slack, and carry out approved changes, until `stop`. `ready` is set once Slack has greeted the bot.

    Raises ConfigError at once when Slack refuses the tokens or cannot be reached.
    """
    settings = app.settings
    assert settings.slack_bot_token is not None
    assert settings.slack_app_token is not None
    policy = FilePolicy(settings.inventory)
    api, directory = connect(
        settings.slack_bot_token.get_secret_value(),
        settings.slack_app_token.get_secret_value(),
        settings.slack_api_url,
        lambda: usergroups(policy.policy()),
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
    async with asyncio.TaskGroup() as tasks:
        driving = tasks.create_task(app.remedy.drive())
        await front.run(stop, ready)
        driving.cancel()


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
