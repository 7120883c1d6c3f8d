"""What does a command want that needs only some of the parts?"""

from collections.abc import Sequence
from itertools import dropwhile
from pathlib import Path

import structlog

from bot.adapters.files.inventory import load_inventory
from bot.adapters.files.policy import FilePolicy
from bot.adapters.ssh import HostShell
from bot.adapters.store import Store, read_public
from bot.app.here import Accounts, SystemClock, terminal_actor
from bot.core import audit
from bot.core.audit import Entry, Head, Verification
from bot.core.errors import ConfigError
from bot.core.halt import Switched
from bot.core.past import HostPast
from bot.core.selector import select
from bot.engine.halt import halt, resume
from bot.engine.inspect import Inspected, Tell, inspect
from bot.settings import Settings

log = structlog.get_logger()


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
