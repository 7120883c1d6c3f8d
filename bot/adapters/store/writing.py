"""What happens inside one writing transaction, so that a record never moves without its entry in the log?"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.adapters.store import rows, tables
from bot.adapters.store.moments import micro
from bot.adapters.store.seal import Seal
from bot.core.approval import IN_FLIGHT, Record
from bot.core.audit import Event, Head, chain
from bot.engine.ports import JournalDown


@dataclass(slots=True)
class Writing:
    """One transaction. `signed` are the heads to remember outside the database once it is committed."""

    connection: AsyncConnection
    seal: Seal
    epoch: str
    signed: list[Head] = field(default_factory=list)

    async def lock(self) -> RowMapping:
        """The end of the log, held until the transaction ends: every writer stands in this line."""
        row = await rows.one(self.connection, select(tables.tail).where(tables.tail.c.id == 1).with_for_update())
        if row is None:
            raise JournalDown("the audit log has no end marker: the store is damaged, restore it from a backup")
        return row

    async def record(self, change: str) -> Record:
        """The stored record, if it is the one whose hash the log holds: a row edited by hand approves nothing.

        Raises KeyError when there is none.
        """
        await self.lock()
        row = await rows.one(self.connection, select(tables.changes).where(tables.changes.c.id == change))
        if row is None:
            raise KeyError(change)
        entry = await rows.one(self.connection, select(tables.audit.c.body).where(tables.audit.c.seq == row["entry"]))
        logged = json.loads(entry["body"])["data"].get("record") if entry is not None else None
        record = rows.record(row)
        columns = (record.change.id, record.change.host, record.state)
        if logged != rows.fingerprint(row["record"]) or columns != (row["id"], row["host"], row["state"]):
            raise JournalDown(f"the stored change {change} is not what the log says: it was edited outside netdiag")
        return record

    async def in_flight(self, host: str, *, but: str) -> str | None:
        """The change that is being applied to this host, other than `but`."""
        states = [state.value for state in IN_FLIGHT]
        other = select(tables.changes.c.id).where(
            tables.changes.c.host == host, tables.changes.c.state.in_(states), tables.changes.c.id != but
        )
        row = await rows.one(self.connection, other.limit(1))
        return None if row is None else str(row["id"])

    async def put(self, record: Record, events: Sequence[Event], *, born: bool = False) -> None:
        """Store a record, and its events with the record's hash in each."""
        if not events:
            raise JournalDown(f"change {record.change.id} would move without an audit entry")
        text = record.model_dump_json(by_alias=True)
        marked = [replace(event, data={**event.data, "record": rows.fingerprint(text)}) for event in events]
        seq, serial = await self.append(marked)
        fields = {"host": record.change.host, "state": record.state.value, "serial": serial, "record": text}
        if born:
            added = insert(tables.changes).values(id=record.change.id, born=serial, entry=seq, **fields)
            await self.connection.execute(added)
        else:
            here = tables.changes.c.id == record.change.id
            await self.connection.execute(update(tables.changes).where(here).values(entry=seq, **fields))

    async def append(self, events: Sequence[Event]) -> tuple[int, int]:
        """Chain the events to the end; the last entry's number and the new serial."""
        end = await self.lock()
        await self._unbroken()
        entries = chain(end["hash"], events, end["seq"], self.epoch)
        values = [
            {"seq": entry.seq, "prev": entry.prev, "hash": entry.hash, "body": entry.body, "change": event.change}
            for entry, event in zip(entries, events, strict=True)
        ]
        await self.connection.execute(insert(tables.audit), values)
        last, serial = entries[-1], end["serial"] + 1
        fields = {"seq": last.seq, "hash": last.hash, "serial": serial}
        await self.connection.execute(update(tables.tail).where(tables.tail.c.id == 1).values(**fields))
        head = self.seal.sign(last.seq, last.hash)
        if head is not None:
            signed = {"seq": head.seq, "hash": head.hash, "signature": head.signature}
            await self.connection.execute(insert(tables.heads).values(**signed))
            self.signed.append(head)
        return last.seq, serial

    async def remember(self, kind: str, key: str, value: Mapping[str, Any], now: datetime) -> None:
        """Set a small value, new or not; its age counts from now."""
        here = (tables.memory.c.kind == kind) & (tables.memory.c.key == key)
        fields = {"value": rows.compact(value), "at": micro(now)}
        done = await self.connection.execute(update(tables.memory).where(here).values(**fields))
        if done.rowcount == 0:
            await self.connection.execute(insert(tables.memory).values(kind=kind, key=key, **fields))

    async def _unbroken(self) -> None:
        known = self.seal.newest
        if known is None:
            return
        row = await rows.one(self.connection, select(tables.audit.c.hash).where(tables.audit.c.seq == known.seq))
        if row is None or row["hash"] != known.hash:
            raise JournalDown(
                f"entry {known.seq} of the log is not what was signed: cut off, rewritten or an old backup. "
                "See `netdiag audit verify`; if the backup is wanted, move heads.log away"
            )
