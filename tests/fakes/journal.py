"""A journal in memory: the same contract as the real store (tests/adapters/store/test_contract.py), no disk."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from bot.core.approval import IN_FLIGHT, Decision, Moved, Record, State, busy
from bot.core.audit import Entry, Event, Verification, chain, genesis, verify
from bot.core.halt import HALT, Halt, Switched
from bot.core.passing import PASSING
from bot.engine.ports import Clock, Decide, JournalDown

EPOCH = "00000000-0000-4000-8000-000000000000"


class MemoryJournal:
    """`ports.Journal` in memory. Set `down` to a reason and every write raises JournalDown; reads go on."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.down = ""
        self.records: dict[str, Record] = {}
        self.serials: dict[str, int] = {}
        self.log: list[Entry] = []
        self.events: list[Event] = []
        self.memory: dict[tuple[str, str], Mapping[str, Any]] = {}
        self.ages: dict[tuple[str, str], datetime] = {}
        self._turn = asyncio.Lock()

    def _write(self, events: Sequence[Event]) -> None:
        if self.down:
            raise JournalDown(self.down)
        prev = self.log[-1].hash if self.log else genesis(EPOCH)
        self.log.extend(chain(prev, events, len(self.log), EPOCH))
        self.events.extend(events)

    def _put(self, record: Record, events: Sequence[Event]) -> None:
        if not events:
            raise JournalDown(f"change {record.change.id} would move without an audit entry")
        self._write(events)
        # Through JSON and back, as a database would: nothing survives that could not be stored.
        self.records[record.change.id] = Record.model_validate_json(record.model_dump_json(by_alias=True))
        self.serials[record.change.id] = max(self.serials.values(), default=0) + 1

    async def create(self, record: Record, events: Sequence[Event]) -> None:
        if record.change.id in self.records:
            raise JournalDown(f"change {record.change.id} exists")
        self._put(record, events)

    async def transact(self, change: str, decide: Decide) -> Decision:
        async with self._turn:
            if self.down:
                raise JournalDown(self.down)
            record = self.records[change]
            decision = decide(record)
            if isinstance(decision, Moved) and decision.record.state is State.CLAIMED:
                other = self._in_flight(record)
                decision = decision if other is None else busy(record, other, self.clock.now())
            if isinstance(decision, Moved):
                self._put(decision.record, decision.events)
            elif decision.events:
                self._write(decision.events)
            return decision

    def _in_flight(self, record: Record) -> str | None:
        return next(
            (
                other.change.id
                for other in self.records.values()
                if other.state in IN_FLIGHT
                and other.change.host == record.change.host
                and other.change.id != record.change.id
            ),
            None,
        )

    async def get(self, change: str) -> Record | None:
        if change in self.records:
            return self.records[change]
        found = [record for key, record in self.records.items() if key.startswith(change)]
        return found[0] if len(found) == 1 and len(change) >= 6 else None

    async def list(self, *, states: Sequence[str] = (), host: str | None = None, limit: int = 200) -> Sequence[Record]:
        found = [
            record
            for record in reversed(self.records.values())
            if (not states or record.state in states) and host in (None, record.change.host)
        ]
        return found[:limit]

    async def changed_since(self, serial: int) -> Sequence[tuple[int, Record]]:
        late = sorted((number, key) for key, number in self.serials.items() if number > serial)
        return [(number, self.records[key]) for number, key in late]

    async def append(self, events: Sequence[Event]) -> None:
        if events:
            self._write(events)

    async def entries(self, *, first: int = 1) -> AsyncIterator[Entry]:
        for entry in self.log[first - 1 :]:
            yield entry

    async def verify(self) -> Verification:
        return verify(self.log)

    async def remember(self, kind: str, key: str, value: Mapping[str, Any]) -> bool:
        if self.down:
            raise JournalDown(self.down)
        if (kind, key) in self.memory:
            return False
        self.memory[kind, key] = dict(value)
        self.ages[kind, key] = self.clock.now()
        return True

    async def recall(self, kind: str, key: str) -> Mapping[str, Any] | None:
        return self.memory.get((kind, key))

    async def replace(self, kind: str, key: str, value: Mapping[str, Any]) -> None:
        if self.down:
            raise JournalDown(self.down)
        self.memory[kind, key] = dict(value)
        self.ages[kind, key] = self.clock.now()

    def age(self, before: datetime) -> int:
        """Drop what goes with age and was set before; how many went. `MemoryHistory.thin` calls it."""
        gone = [place for place, at in self.ages.items() if place[0] in PASSING and at < before]
        for place in gone:
            del self.memory[place], self.ages[place]
        return len(gone)

    async def halted(self) -> str:
        known = self.memory.get(HALT)
        return Halt.model_validate(known).words if known else ""

    async def switch(self, decide: Callable[[Halt | None], Switched]) -> Switched:
        known = self.memory.get(HALT)
        switched = decide(Halt.model_validate(known) if known else None)
        self._write(switched.events)
        if switched.moved:
            self.memory[HALT] = switched.halt.model_dump() if switched.halt else {}
        return switched
