"""Where do changes and the audit log live, so that neither is ever without the other?"""

import asyncio
import hashlib
import json
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from sqlalchemy import RowMapping, insert, select, update
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from bot.adapters.store import tables
from bot.adapters.store.connect import READ, connect, sqlite_url
from bot.adapters.store.keys import Keys, load_keys
from bot.adapters.store.place import make_database, prepare
from bot.core.approval import IN_FLIGHT, Decision, Moved, Record, State, busy, stamp
from bot.core.audit import Entry, Event, Head, Verification, chain, genesis, verify
from bot.core.errors import ConfigError
from bot.engine.ports import Clock, Decide, JournalDown

PREFIX = 6
"""Characters of a change's id that are enough to name it."""


class Store:
    """The journal in a database (`ports.Journal`), with its signing key in the state directory."""

    def __init__(self, engine: AsyncEngine, keys: Keys, epoch: str, clock: Clock) -> None:
        self._engine, self._keys, self._clock = engine, keys, clock
        self.epoch = epoch
        self._turn = asyncio.Lock()

    @classmethod
    async def open(cls, state: Path, clock: Clock, *, url: str | None = None) -> Self:
        """Open the store of a state directory, and begin it when it is new.

        The database is `netdiag.db` in the state directory, or `url` (SQLAlchemy, async driver); key and public key
        are always files there. Raises ConfigError when the database is not ours, from a newer version or damaged.
        """
        place = prepare(state)
        keys = load_keys(state, 0o644)
        if url is None:
            make_database(place)
        engine = connect(url or sqlite_url(place.database))
        try:
            epoch = await _begin(engine, clock)
        except (SQLAlchemyError, ConfigError) as fault:
            await engine.dispose()
            if isinstance(fault, ConfigError):
                raise
            raise ConfigError(f"{url or state}: the store cannot be opened ({_words(fault)})") from fault
        return cls(engine, keys, epoch, clock)

    async def close(self) -> None:
        """Close every connection; safe to call twice."""
        await self._engine.dispose()

    # --- changes -------------------------------------------------------------------------------------------------

    async def create(self, record: Record, events: Sequence[Event]) -> None:
        """Store a new change and its events, atomically. Raises JournalDown, also when the id is taken."""
        async with self._write() as connection:
            await self._put(connection, record, events, born=True)

    async def transact(self, change: str, decide: Decide) -> Decision:
        """Load, decide, store and log in one transaction; see `ports.Journal.transact`."""
        async with self._write() as connection:
            await self._lock(connection)
            row = await _one(connection, select(tables.changes).where(tables.changes.c.id == change))
            if row is None:
                raise KeyError(change)
            record = await self._proven(connection, row)
            decision = decide(record)
            if isinstance(decision, Moved) and decision.record.state is State.CLAIMED:
                decision = await self._alone(connection, record, decision)
            if isinstance(decision, Moved):
                await self._put(connection, decision.record, decision.events)
            elif decision.events:
                await self._append(connection, decision.events)
            return decision

    async def get(self, change: str) -> Record | None:
        """One change by id or unambiguous prefix."""
        column = tables.changes.c.id
        exact = select(tables.changes).where(column == change)
        wide = select(tables.changes).where(column.startswith(change, autoescape=True)).limit(2)
        async with self._read() as connection:
            row = await _one(connection, exact)
            if row is not None:
                return _record(row)
            rows = await _all(connection, wide) if len(change) >= PREFIX else []
            return _record(rows[0]) if len(rows) == 1 else None

    async def list(self, *, states: Sequence[str] = (), host: str | None = None, limit: int = 200) -> Sequence[Record]:
        """Changes, newest first."""
        wanted = select(tables.changes).order_by(tables.changes.c.born.desc()).limit(limit)
        if states:
            wanted = wanted.where(tables.changes.c.state.in_(states))
        if host is not None:
            wanted = wanted.where(tables.changes.c.host == host)
        async with self._read() as connection:
            return [_record(row) for row in await _all(connection, wanted)]

    async def changed_since(self, serial: int) -> Sequence[tuple[int, Record]]:
        """Records written after `serial`, oldest first."""
        column = tables.changes.c.serial
        async with self._read() as connection:
            rows = await _all(connection, select(tables.changes).where(column > serial).order_by(column))
            return [(row["serial"], _record(row)) for row in rows]

    # --- the audit log -------------------------------------------------------------------------------------------

    async def append(self, events: Sequence[Event]) -> None:
        """Append events that move no change."""
        if events:
            async with self._write() as connection:
                await self._append(connection, events)

    async def entries(self, *, first: int = 1) -> AsyncIterator[Entry]:
        """The chain in order, read in pages so that a long log needs no memory and blocks nobody."""
        while True:
            wanted = select(tables.audit).where(tables.audit.c.seq >= first).order_by(tables.audit.c.seq).limit(500)
            async with self._read() as connection:
                rows = await _all(connection, wanted)
            for row in rows:
                yield Entry(row["seq"], row["prev"], bytes(row["body"]), row["hash"], self.epoch)
            if not rows:
                return
            first = rows[-1]["seq"] + 1

    async def heads(self) -> Sequence[Head]:
        """Every signed head, oldest first."""
        async with self._read() as connection:
            rows = await _all(connection, select(tables.heads).order_by(tables.heads.c.seq))
            return [Head(self.epoch, row["seq"], row["hash"], row["signature"]) for row in rows]

    async def head(self) -> Head | None:
        """The newest signed head: what is anchored elsewhere. None when nothing was signed yet."""
        async with self._read() as connection:
            row = await _one(connection, select(tables.heads).order_by(tables.heads.c.seq.desc()).limit(1))
            return None if row is None else Head(self.epoch, row["seq"], row["hash"], row["signature"])

    async def verify(self, anchors: Sequence[Head] = (), *, first: int = 1) -> Verification:
        """Hold the stored log against its signatures, this directory's key and anchors kept elsewhere."""
        entries = [entry async for entry in self.entries(first=first)]
        heads = [head for head in await self.heads() if head.seq >= first]
        return verify(entries, heads, self._keys.public, anchors, first=first)

    @property
    def public_key(self) -> bytes:
        """The log's public key, raw."""
        return self._keys.public

    # --- small values --------------------------------------------------------------------------------------------

    async def remember(self, kind: str, key: str, value: Mapping[str, Any]) -> bool:
        """Keep a value once; False when it was there already."""
        async with self._write() as connection:
            await self._lock(connection)
            if await _memory(connection, kind, key) is not None:
                return False
            await connection.execute(insert(tables.memory).values(kind=kind, key=key, value=_json(value)))
            return True

    async def recall(self, kind: str, key: str) -> Mapping[str, Any] | None:
        """A remembered value."""
        async with self._read() as connection:
            return await _memory(connection, kind, key)

    async def replace(self, kind: str, key: str, value: Mapping[str, Any]) -> None:
        """Set a value, new or not."""
        here = (tables.memory.c.kind == kind) & (tables.memory.c.key == key)
        async with self._write() as connection:
            await self._lock(connection)
            done = await connection.execute(update(tables.memory).where(here).values(value=_json(value)))
            if done.rowcount == 0:
                await connection.execute(insert(tables.memory).values(kind=kind, key=key, value=_json(value)))

    # --- inside a transaction ------------------------------------------------------------------------------------

    @asynccontextmanager
    async def _write(self) -> AsyncIterator[AsyncConnection]:
        try:
            async with self._turn, self._engine.begin() as connection:
                yield connection
        except SQLAlchemyError as fault:
            raise JournalDown(f"the store cannot be written ({_words(fault)}): no change may start") from fault

    @asynccontextmanager
    async def _read(self) -> AsyncIterator[AsyncConnection]:
        try:
            async with self._engine.execution_options(**READ).begin() as connection:
                yield connection
        except SQLAlchemyError as fault:
            raise JournalDown(f"the store cannot be read ({_words(fault)})") from fault

    async def _lock(self, connection: AsyncConnection) -> RowMapping:
        row = await _one(connection, select(tables.tail).where(tables.tail.c.id == 1).with_for_update())
        if row is None:
            raise JournalDown("the audit log has no end marker: the store is damaged, restore it from a backup")
        return row

    async def _put(
        self, connection: AsyncConnection, record: Record, events: Sequence[Event], *, born: bool = False
    ) -> None:
        if not events:
            raise JournalDown(f"change {record.change.id} would move without an audit entry")
        text = record.model_dump_json(by_alias=True)
        marked = [replace(event, data={**event.data, "record": _digest(text)}) for event in events]
        seq, serial = await self._append(connection, marked)
        fields = {
            "host": record.change.host,
            "state": record.state.value,
            "serial": serial,
            "record": text,
            "entry": seq,
        }
        if born:
            await connection.execute(insert(tables.changes).values(id=record.change.id, born=serial, **fields))
        else:
            here = tables.changes.c.id == record.change.id
            await connection.execute(update(tables.changes).where(here).values(**fields))

    async def _append(self, connection: AsyncConnection, events: Sequence[Event]) -> tuple[int, int]:
        """Chain the events to the end; the last entry's number and the new serial."""
        end = await self._lock(connection)
        entries = chain(end["hash"], events, end["seq"], self.epoch)
        rows = [
            {"seq": entry.seq, "prev": entry.prev, "hash": entry.hash, "body": entry.body, "change": event.change}
            for entry, event in zip(entries, events, strict=True)
        ]
        await connection.execute(insert(tables.audit), rows)
        last, serial = entries[-1], end["serial"] + 1
        await connection.execute(
            update(tables.tail).where(tables.tail.c.id == 1).values(seq=last.seq, hash=last.hash, serial=serial)
        )
        head = self._keys.sign(Head(self.epoch, last.seq, last.hash))
        if head is not None:
            await connection.execute(
                insert(tables.heads).values(seq=head.seq, hash=head.hash, signature=head.signature)
            )
        return last.seq, serial

    async def _proven(self, connection: AsyncConnection, row: RowMapping) -> Record:
        """The record, if it is the one whose hash the log holds: a row edited by hand approves nothing."""
        entry = await _one(connection, select(tables.audit.c.body).where(tables.audit.c.seq == row["entry"]))
        logged = json.loads(entry["body"]) if entry is not None else {}
        record = _record(row)
        same = logged.get("data", {}).get("record") == _digest(row["record"])
        if not same or (record.change.id, record.change.host, record.state) != (row["id"], row["host"], row["state"]):
            raise JournalDown(f"the stored change {row['id']} is not what the log says: it was edited outside netdiag")
        return record

    async def _alone(self, connection: AsyncConnection, record: Record, decision: Moved) -> Decision:
        other = select(tables.changes.c.id).where(
            tables.changes.c.host == record.change.host,
            tables.changes.c.state.in_([state.value for state in IN_FLIGHT]),
            tables.changes.c.id != record.change.id,
        )
        row = await _one(connection, other.limit(1))
        return decision if row is None else busy(record, row["id"], self._clock.now())


async def _begin(engine: AsyncEngine, clock: Clock) -> str:
    """Make the tables of a new store, and say which log this is."""
    async with engine.begin() as connection:
        await connection.run_sync(tables.metadata.create_all)
        known = {row["key"]: row["value"] for row in await _all(connection, select(tables.meta))}
        if not known:
            known = {"schema": str(tables.SCHEMA), "epoch": str(uuid.uuid4())}
            await connection.execute(
                insert(tables.meta), [{"key": key, "value": value} for key, value in known.items()]
            )
            first = Event("LogOpened", "system:store", stamp(clock.now()), data={"epoch": known["epoch"]})
            (entry,) = chain(genesis(known["epoch"]), [first], 0, known["epoch"])
            await connection.execute(
                insert(tables.audit).values(seq=1, prev=entry.prev, hash=entry.hash, body=entry.body)
            )
            await connection.execute(insert(tables.tail).values(id=1, seq=1, hash=entry.hash, serial=0))
    if int(known["schema"]) > tables.SCHEMA:
        newer = f"the store is of schema {known['schema']}, this program knows {tables.SCHEMA}"
        raise ConfigError(f"{newer}: install the newer netdiag")
    return str(known["epoch"])


async def _one(connection: AsyncConnection, query: Any) -> RowMapping | None:
    return (await connection.execute(query)).mappings().first()


async def _all(connection: AsyncConnection, query: Any) -> Sequence[RowMapping]:
    return (await connection.execute(query)).mappings().all()


async def _memory(connection: AsyncConnection, kind: str, key: str) -> Mapping[str, Any] | None:
    here = (tables.memory.c.kind == kind) & (tables.memory.c.key == key)
    row = await _one(connection, select(tables.memory.c.value).where(here))
    return None if row is None else dict(json.loads(row["value"]))


def _record(row: RowMapping) -> Record:
    return Record.model_validate_json(row["record"])


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(dict(value), ensure_ascii=False, separators=(",", ":"))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _words(fault: BaseException) -> str:
    return str(fault.orig) if isinstance(fault, DBAPIError) and fault.orig is not None else str(fault)
