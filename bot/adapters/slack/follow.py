"""How do the cards in Slack keep up with the changes in the journal?

The journal is followed by its serial. A change gets one card in the thread of its run; the card is edited as the
change goes on, and the thread is told once of each end. What Slack did not take is tried again.
"""

import asyncio
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import aiohttp
import structlog
from slack_sdk.errors import SlackApiError

from bot.adapters.slack.api import Posted, SlackApi
from bot.adapters.slack.card import card, expired, headline
from bot.adapters.slack.memory import FOLLOWED, NOTE, TOKEN, Card, Thread, Verdict
from bot.adapters.slack.pieces import Message, fallback, line, rich, run, who
from bot.adapters.slack.refusal import NO_PLACE, UNREACHABLE, code
from bot.adapters.slack.since import since
from bot.adapters.slack.talk import told
from bot.core.approval import Effect, Record, State
from bot.engine.ports import Clock, Journal

log = structlog.get_logger()

EVERY = 1.5
"""Seconds between two looks into the journal when nobody wakes the loop."""
GONE = frozenset({"message_not_found", "channel_not_found", "is_archived", "cant_update_message", "edit_window_closed"})
"""Slack will never take this edit: there is nothing to try again."""
ENDS = frozenset({State.FAILED, State.STALE, State.UNKNOWN, State.DENIED, State.EXPIRED, State.REVERTED})
OPEN = ("pending", "approved")
TRIES = 20


@dataclass
class Follower:
    """Serves the cards. `mutated` is called when a change came to an end (the log is anchored then)."""

    api: SlackApi
    journal: Journal
    clock: Clock
    mutated: Callable[[], None] = lambda: None
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    _held: set[str] = field(default_factory=set)
    _again: dict[str, int] = field(default_factory=dict)
    _waiting: dict[str, Record] = field(default_factory=dict)
    _locks: dict[str, asyncio.Lock] = field(default_factory=dict)
    _parents: asyncio.Lock = field(default_factory=asyncio.Lock)
    _serial: int = 0

    def hold(self, run_id: str) -> None:
        """Post no card of this run yet: its findings come first."""
        self._held.add(run_id)

    def drop(self, run_id: str) -> None:
        """The run has no thread: its changes are decided elsewhere, or expire."""
        self._held.discard(run_id)

    async def release(self, run_id: str) -> None:
        """Post the cards of this run now, in the order in which they were proposed."""
        self._held.discard(run_id)
        records = [record for record in await self.journal.list(limit=500) if record.run == run_id]
        for record in reversed(records):
            await self._shown(record)

    async def run(self) -> None:
        """Follow the journal for ever."""
        kept = await self.journal.recall(FOLLOWED, "serial") or {}
        self._serial = int(kept.get("serial", 0))
        self._again = dict.fromkeys(kept.get("again", ()), 0)
        self._waiting = {record.change.id: record for record in await self.journal.list(states=OPEN, limit=500)}
        while True:
            try:
                await self.look()
            except Exception:
                log.exception("slack.follow.failed")  # the journal is down, say: the next look may find it up
            self.wake.clear()
            try:
                await asyncio.wait_for(self.wake.wait(), EVERY)
            except TimeoutError:
                continue

    async def look(self) -> None:
        """One look: what changed, what is to be tried again, and what expired meanwhile."""
        before = (self._serial, tuple(self._again))
        changed = await self.journal.changed_since(self._serial)
        for _, record in changed:
            self._waiting.pop(record.change.id, None)
            if record.state in OPEN:
                self._waiting[record.change.id] = record
        over = [key for key, record in self._waiting.items() if expired(record, self.clock.now())]
        for key in over:
            del self._waiting[key]
        newest = {record.change.id: record for _, record in changed}
        for key in [*self._again, *over]:
            found = newest.get(key) or await self.journal.get(key)
            if found is not None:
                newest[key] = found
        for record in newest.values():
            if record.run not in self._held:
                await self._shown(record)
        self._serial = max([self._serial, *(serial for serial, _ in changed)])
        if (self._serial, tuple(self._again)) != before:
            await self.journal.replace(FOLLOWED, "serial", {"serial": self._serial, "again": list(self._again)})

    async def _shown(self, record: Record) -> None:
        """The card shows the record; a failure concerns this card alone and is tried again."""
        key = record.change.id
        try:
            async with self._locks.setdefault(key, asyncio.Lock()):
                # Read again under the lock: who waited for it may hold an older record than the card already shows.
                record = await self.journal.get(key) or record
                await self._show(record)
        except SlackApiError as error:
            fault = code(error)
            if fault in GONE or fault in NO_PLACE:
                log.warning("slack.card.gone", change=key, fault=fault)
                self._again.pop(key, None)
                await self._tell_asker(record, fault)
                return
            self._later(key, fault)
        except (*UNREACHABLE, aiohttp.ClientError) as error:
            self._later(key, code(error))
        else:
            self._again.pop(key, None)
            if record.state not in (State.PENDING, State.APPROVED, State.CLAIMED, State.INTENT):
                self._locks.pop(key, None)

    def _later(self, key: str, fault: str) -> None:
        tries = self._again.get(key, 0) + 1
        log.warning("slack.card.later", change=key, fault=fault, tries=tries)
        if tries < TRIES:
            self._again[key] = tries
        else:
            self._again.pop(key, None)

    async def _show(self, record: Record) -> None:
        thread = await Thread.of(self.journal, record.run)
        receipt = await Card.of(self.journal, record.change.id)
        if receipt is None and thread is None:
            return
        if receipt is None or not receipt.ts:
            if thread is None:
                return
            receipt = await self._post(record, thread, receipt)
        message = card(record, receipt.token, self.clock.now())
        if _print(message) != receipt.shown:
            await self.api.update(Posted(receipt.channel, receipt.ts), message)
            await replace(receipt, shown=_print(message)).keep(self.journal, record.change.id)
        await self._note(record, receipt)
        if record.state is State.DONE and (record.effect is not Effect.NOT_CHECKED or record.reverted_by):
            await self._retell(record.run)

    async def _retell(self, run: str) -> None:
        """The parent message of the run says what became of its causes."""
        async with self._parents:
            verdict = await Verdict.of(self.journal, run)
            if verdict is None:
                return
            records = [record for record in await self.journal.list(limit=500) if record.run == run]
            message = since(verdict, records[::-1])
            if message is None or _print(message) == verdict.shown:
                return
            try:
                await self.api.update(Posted(verdict.channel, verdict.ts), message)
            except SlackApiError as error:
                if code(error) not in GONE:
                    raise
                log.warning("slack.parent.gone", run=run, fault=code(error))
            await replace(verdict, shown=_print(message)).keep(self.journal, run)

    async def _post(self, record: Record, thread: Thread, begun: Card | None) -> Card:
        """Post the card. The token is written down first: a card begun before a crash is looked for, not doubled."""
        change = record.change.id
        receipt = begun or Card(self.clock.token())
        message = card(record, receipt.token, self.clock.now())
        posted = None
        if begun is not None:
            posted = await self.api.sought(thread.channel, thread.ts, _key(change))
        else:
            await self.journal.replace(TOKEN, receipt.token, {"change": change})
            await receipt.keep(self.journal, change)
        shown = "" if posted is not None else _print(message)
        if posted is None:
            posted = await self.api.post(thread.channel, message, key=_key(change), thread=thread.ts)
        receipt = Card(receipt.token, posted.channel, posted.ts, thread.ts, shown)
        await receipt.keep(self.journal, change)
        return receipt

    async def _note(self, record: Record, receipt: Card) -> None:
        """Tell the thread of an end once: an edit alone reaches nobody."""
        ended = record.state in ENDS or (record.state is State.DONE and record.effect is not Effect.NOT_CHECKED)
        if not ended and record.state is not State.DONE:
            return
        self.mutated()
        key = f"{record.change.id}:{record.state}:{record.effect}"
        if not ended or not await self.journal.remember(NOTE, key, {}):
            return
        message = note(record, *headline(record, self.clock.now()))
        loud = record.state is State.UNKNOWN
        thread = receipt.thread or receipt.ts
        await self.api.post(receipt.channel, message, key=f"note:{key}", thread=thread, broadcast=loud)

    async def _tell_asker(self, record: Record, fault: str) -> None:
        thread = await Thread.of(self.journal, record.run)
        if thread is not None and thread.respond:
            remedy = NO_PLACE.get(fault, "Ask again where I may post.")
            title = f"Change {record.change.id} could not be shown ({fault})"
            await self.api.respond(thread.respond, told(title, remedy))


def note(record: Record, shape: str, words: str) -> Message:
    """One line for the thread: what became of a change, addressed to the one who asked."""
    said = record.effect_note or record.reason
    summary = f"{record.change.host}: {record.change.plan.summary}"
    asker = [who(record.asker), run(" ")] if record.asker.startswith("slack:") else []
    body = line(*asker, run(f"{shape} {words}: ", bold=True), run(summary, most=300), run(f". {said}" if said else " "))
    return Message(fallback(f"{shape} {words}", summary, said), (rich(body),))


def _key(change: str) -> str:
    return f"card:{change}"


def _print(message: Message) -> str:
    return hashlib.sha256(json.dumps(message.body(), sort_keys=True).encode()).hexdigest()[:32]
