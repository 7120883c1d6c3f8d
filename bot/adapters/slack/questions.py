"""What is known without reading any host? The journal, the log and the catalog answer."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from bot.adapters.slack import home, talk
from bot.adapters.slack.orders import Orders
from bot.adapters.slack.pieces import Message
from bot.adapters.slack.words import Command, Word
from bot.core.approval import Record, stamp
from bot.core.audit import Entry, Event, Head
from bot.core.policy import Actor
from bot.engine.ports import Clock, Journal, JournalDown
from bot.engine.sweep_ports import Board

HeadOf = Callable[[], Awaitable[Head | None]]
Status = Callable[[], Awaitable[Sequence[tuple[str, str]]]]

LOOKED_BACK = 3_000
"""Entries of the log that a history looks through."""
LISTED = 15


@dataclass(frozen=True, slots=True)
class Questions:
    """Answers `help`, `playbooks`, `changes`, `audit`, `history` and `status`, and fills the Home.

    `head` is the signed end of the log; `status` are the application's own lines (name, value).
    """

    journal: Journal
    clock: Clock
    catalog: talk.Catalog
    head: HeadOf
    status: Status
    orders: Orders
    name: str = "/netdiag"

    async def answer(self, command: Command, actor: Actor) -> Message:
        """The answer to a command that reads no host."""
        now, target = self.clock.now(), command.target
        match command.word:
            case Word.PLAYBOOKS:
                said = talk.playbooks(self.catalog.playbooks)
            case Word.CHANGES:
                said = talk.changes(await self.journal.list(host=target or None, limit=talk.SHOWN), now, target)
            case Word.AUDIT:
                said = talk.audit(await self._audit(actor))
            case Word.HISTORY:
                said = await self._history(target, actor)
            case Word.STATUS:
                said = talk.status(await self.status())
            case _:
                said = talk.help_(self.name)
        return said

    async def home(self, actor: Actor) -> dict[str, object]:
        """The Home view of somebody."""
        now = self.clock.now()
        pending = [record for record in await self.journal.list(states=("pending",)) if _waits(record, now)]
        mine = await self._runs(actor=actor.key)
        try:
            board, silences = await self.orders.board(), await self.orders.silent()
        except JournalDown as fault:
            board, silences = Board(trouble=f"The store cannot be read: {fault}"), ()
        return home.view(pending, mine, board, silences, now, name=self.name)

    async def _audit(self, actor: Actor) -> list[Entry]:
        """The newest entries. Reading the log is an entry of the log, written after the look."""
        newest = (await self._newest(LISTED))[::-1]
        await self._logged(actor, f"the newest {len(newest)} entries")
        return newest

    async def _history(self, target: str, actor: Actor) -> Message:
        runs = await self._runs(host=target)
        records = await self.journal.list(host=target, limit=talk.SHOWN)
        await self._logged(actor, f"the history of {target}")
        return talk.history(target, runs, records, self.clock.now())

    async def _logged(self, actor: Actor, what: str) -> None:
        event = Event("LogRead", actor.key, stamp(self.clock.now()), None, {"what": what})
        try:
            await self.journal.append([event])
        except JournalDown:
            return  # a full disk stops changes, not reading

    async def _runs(self, actor: str = "", host: str = "") -> list[talk.Run]:
        """Runs in the newest part of the log, newest first: of an actor, or what they found on one host alone."""
        found = []
        for entry in reversed(await self._newest(LOOKED_BACK)):
            try:
                event = entry.event()
            except (ValueError, KeyError):
                continue  # netdiag audit verify is what tells a tampered entry
            hosts = event.data.get("hosts")
            if event.kind != "HostsRead" or not isinstance(hosts, dict) or actor not in ("", event.actor):
                continue
            if not host or host in hosts:
                found.append(_run(event, {host: hosts[host]} if host else hosts))
        return found

    async def _newest(self, count: int) -> list[Entry]:
        head = await self.head()
        first = max(1, (head.seq if head is not None else 0) - count + 1)
        return [entry async for entry in self.journal.entries(first=first)][-count:]


def _waits(record: Record, now: datetime) -> bool:
    return datetime.fromisoformat(record.change.expires) > now


def _run(event: Event, hosts: dict[str, object]) -> talk.Run:
    told = [host for host in hosts.values() if isinstance(host, dict)]
    findings = [str(name) for host in told for name in host.get("findings") or ()]
    worst = sorted({str(host.get("status", "?")) for host in told}, key=_badness)
    status = worst[0] if worst else "?"
    return talk.Run(str(event.data.get("run", "")), event.at, event.actor, status, tuple(dict.fromkeys(findings)))


def _badness(status: str) -> int:
    return {"critical": 0, "warning": 1, "unknown": 2, "ok": 3}.get(status, 4)
