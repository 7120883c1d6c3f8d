"""Where do changes and the audit log live, so that neither is ever without the other?"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self

import structlog
from sqlalchemy import select

from bot.adapters.store import rows, tables
from bot.adapters.store.begin import Begun, begin
from bot.adapters.store.keys import Keys, load_keys
from bot.adapters.store.line import Line
from bot.adapters.store.past import PastStore
from bot.adapters.store.place import Place, prepare
from bot.adapters.store.seal import Seal
from bot.adapters.store.upgrade import upgrade
from bot.adapters.store.writing import Writing
from bot.core.approval import Decision, Moved, Record, State, busy, stamp
from bot.core.audit import Entry, Event, Head, Verification, Verifier
from bot.core.halt import HALT, Halt, Switched
from bot.core.retention import Retention
from bot.engine.ports import Clock, Decide, JournalDown

log = structlog.get_logger()

PREFIX = 6
"""Characters of a change's id that are enough to name it."""


class Store:
    """The journal in a database (`ports.Journal`), with its signing key in the state directory.

    `history` is the fleet's past in the same database (`sweep_ports.History`).
    """

    def __init__(self, begun: Begun, place: Place, keys: Keys, clock: Clock, retention: Retention) -> None:
        self._place, self._keys, self._clock = place, keys, clock
        self.epoch, self.schema = begun.epoch, begun.schema
        self._line = Line(begun.engine)
        self._seal = Seal(place.path, keys, begun.epoch)
        self.history = PastStore(self._line, retention)

    @classmethod
    async def open(
        cls, state: Path, clock: Clock, *, url: str | None = None, retention: Retention | None = None
    ) -> Self:
        """Open the store of a state directory; begin it when it is new, upgrade it when it is of an older schema.

        The database is `netdiag.db` in the state directory, or `url` (SQLAlchemy, async driver); the signing key is
        always a file there. Where the disk cannot be written, reads go on and every write is JournalDown; so it is
        where an upgrade is not possible. Raises ConfigError when the database or the key is not ours, from a newer
        version or damaged.
        """
        place = prepare(state)
        keys = load_keys(state)
        store = cls(await begin(place, url), place, keys, clock, retention or Retention())
        await store._upgrade(None if url else place.database)
        await store._open_log()
        return store

    async def close(self) -> None:
        """Close every connection; safe to call twice."""
        await self._line.engine.dispose()

    # --- changes -------------------------------------------------------------------------------------------------

    async def create(self, record: Record, events: Sequence[Event]) -> None:
        """Store a new change and its events, atomically. Raises JournalDown, also when the id is taken."""
        async with self._write() as writing:
            await writing.put(record, events, born=True)

    async def transact(self, change: str, decide: Decide) -> Decision:
        """Load, decide, store and log in one transaction; see `ports.Journal.transact`."""
        async with self._write() as writing:
            record = await writing.record(change)
            decision = decide(record)
            if isinstance(decision, Moved) and decision.record.state is State.CLAIMED:
                other = await writing.in_flight(record.change.host, but=change)
                decision = decision if other is None else busy(record, other, self._clock.now())
            if isinstance(decision, Moved):
                await writing.put(decision.record, decision.events)
            elif decision.events:
                await writing.append(decision.events)
            return decision

    async def get(self, change: str) -> Record | None:
        """One change by id or unambiguous prefix."""
        column = tables.changes.c.id
        exact = select(tables.changes).where(column == change)
        wide = select(tables.changes).where(column.startswith(change, autoescape=True)).limit(2)
        async with self._line.read() as connection:
            row = await rows.one(connection, exact)
            if row is not None:
                return rows.record(row)
            found = await rows.every(connection, wide) if len(change) >= PREFIX else []
            return rows.record(found[0]) if len(found) == 1 else None

    async def list(self, *, states: Sequence[str] = (), host: str | None = None, limit: int = 200) -> Sequence[Record]:
        """Changes, newest first."""
        wanted = select(tables.changes).order_by(tables.changes.c.born.desc()).limit(limit)
        if states:
            wanted = wanted.where(tables.changes.c.state.in_(states))
        if host is not None:
            wanted = wanted.where(tables.changes.c.host == host)
        async with self._line.read() as connection:
            return [rows.record(row) for row in await rows.every(connection, wanted)]

    async def changed_since(self, serial: int) -> Sequence[tuple[int, Record]]:
        """Records written after `serial`, oldest first."""
        column = tables.changes.c.serial
        async with self._line.read() as connection:
            found = await rows.every(connection, select(tables.changes).where(column > serial).order_by(column))
            return [(row["serial"], rows.record(row)) for row in found]

    # --- schema ---------------------------------------------------------------------------------------------------

    async def _upgrade(self, database: Path | None) -> None:
        """Bring a store of an older schema to this program's, with its entry in the log, in one transaction.

        Where that cannot be, the store is left whole and is only read.
        """
        if self.schema == tables.SCHEMA:
            return
        try:
            async with self._write() as writing:
                upgraded = await upgrade(writing.connection, database, self._clock.now())
                if upgraded is not None:
                    data = {"from": upgraded.before, "to": upgraded.after, "copy": upgraded.copy}
                    await writing.append([Event("StoreUpgraded", "system:store", stamp(self._clock.now()), data=data)])
        except (JournalDown, OSError) as fault:
            why = f"the store is of schema {self.schema}, this netdiag needs {tables.SCHEMA}, and cannot be upgraded"
            self._line.outdated = f"{why} ({fault}): it is only read"
            log.warning("store.outdated", schema=self.schema, why=str(fault))
            return
        self.schema = tables.SCHEMA
        if upgraded is not None:
            log.info("store.upgraded", before=upgraded.before, after=upgraded.after, copy=upgraded.copy)

    # --- the audit log -------------------------------------------------------------------------------------------

    async def append(self, events: Sequence[Event]) -> None:
        """Append events that move no change."""
        if events:
            async with self._write() as writing:
                await writing.append(events)

    async def _open_log(self) -> None:
        """The first entry of a new log, signed like every other: a log without one was taken away."""
        async with self._line.read() as connection:
            end = await rows.one(connection, select(tables.tail.c.seq))
        if end is not None and end["seq"] == 0:
            async with self._write() as writing:
                if (await writing.lock())["seq"] == 0:  # unless another process was first
                    opened = Event("LogOpened", "system:store", stamp(self._clock.now()), data={"epoch": self.epoch})
                    await writing.append([opened])

    async def entries(self, *, first: int = 1) -> AsyncIterator[Entry]:
        """The chain in order, read in pages so that a long log needs no memory and blocks nobody."""
        while True:
            wanted = select(tables.audit).where(tables.audit.c.seq >= first).order_by(tables.audit.c.seq).limit(500)
            async with self._line.read() as connection:
                found = await rows.every(connection, wanted)
            for row in found:
                body = row["body"]  # text, where somebody edited it by hand
                content = body if isinstance(body, bytes) else str(body).encode()
                yield Entry(row["seq"], row["prev"], content, row["hash"], self.epoch)
            if not found:
                return
            first = found[-1]["seq"] + 1

    async def heads(self) -> Sequence[Head]:
        """Every signed head, oldest first."""
        async with self._line.read() as connection:
            found = await rows.every(connection, select(tables.heads).order_by(tables.heads.c.seq))
            return [Head(self.epoch, row["seq"], row["hash"], row["signature"]) for row in found]

    async def head(self) -> Head | None:
        """The newest signed head: what is anchored elsewhere. None when nothing was signed yet."""
        async with self._line.read() as connection:
            row = await rows.one(connection, select(tables.heads).order_by(tables.heads.c.seq.desc()).limit(1))
            return None if row is None else Head(self.epoch, row["seq"], row["hash"], row["signature"])

    async def verify(self, anchors: Sequence[Head] = (), *, first: int = 1, key: bytes | None = None) -> Verification:
        """Hold the stored log against its signatures, the heads remembered beside it, and anchors kept elsewhere.

        `key` is the public key kept elsewhere; without it the one in the state directory is believed.
        """
        outside = (*self._seal.all(), *anchors)
        verifier = Verifier(await self.heads(), key or self._keys.public, outside, first)
        async for entry in self.entries(first=first):
            if not verifier.take(entry):
                break
        return verifier.result()

    @property
    def outdated(self) -> str:
        """Why this store, of an older schema, is only read; "" where it is of this program's."""
        return self._line.outdated

    @property
    def public_key(self) -> bytes:
        """The log's public key, raw."""
        return self._keys.public

    # --- small values --------------------------------------------------------------------------------------------

    async def remember(self, kind: str, key: str, value: Mapping[str, Any]) -> bool:
        """Keep a value once; False when it was there already."""
        async with self._write() as writing:
            await writing.lock()
            if await rows.memory(writing.connection, kind, key) is not None:
                return False
            await writing.remember(kind, key, value, self._clock.now())
            return True

    async def recall(self, kind: str, key: str) -> Mapping[str, Any] | None:
        """A remembered value."""
        async with self._line.read() as connection:
            return await rows.memory(connection, kind, key)

    async def replace(self, kind: str, key: str, value: Mapping[str, Any]) -> None:
        """Set a value, new or not."""
        async with self._write() as writing:
            await writing.lock()
            await writing.remember(kind, key, value, self._clock.now())

    # --- the kill switch -----------------------------------------------------------------------------------------

    async def halted(self) -> str:
        """Why nothing may be sent, or "": the kill switch, or a file `halt` in the state directory."""
        file = self._place.halt
        if file is not None:
            return file
        switch = await self.recall(*HALT)
        return Halt.model_validate(switch).words if switch else ""

    async def switch(self, decide: Callable[[Halt | None], Switched]) -> Switched:
        """Set or clear the kill switch by a pure decision (`bot.core.halt`), stored with its events."""
        async with self._write() as writing:
            await writing.lock()
            known = await rows.memory(writing.connection, *HALT)
            switched = decide(Halt.model_validate(known) if known else None)
            if switched.moved:
                value = switched.halt.model_dump() if switched.halt else {}
                await writing.remember(*HALT, value, self._clock.now())
            await writing.append(switched.events)
            return switched

    # --- transactions --------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def _write(self) -> AsyncIterator[Writing]:
        """One writing transaction, serialised against every other; what it signed is remembered once it is durable."""
        consequence = ": no change may start"
        unsealed = self._seal.catch_up()
        if unsealed:
            raise JournalDown(f"{unsealed}{consequence}")
        async with self._line.write(consequence) as connection:
            writing = Writing(connection, self._seal, self.epoch)
            yield writing
        for head in writing.signed:
            self._seal.note(head)
