"""What the processes of the many-processes tests do: approve, claim and count the same changes at the same time."""

import asyncio
import os
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from multiprocessing.queues import Queue
from multiprocessing.synchronize import Barrier
from pathlib import Path

from bot.adapters.store import Store
from bot.core import approval
from bot.core.approval import Decision, Declined, Ground, Moved, Record
from bot.core.audit import Event
from bot.core.policy import Standing
from tests.fakes.approval import HOST, ground
from tests.fakes.clock import FakeClock

PATIENCE = 120


def on(record: Record) -> Ground:
    return ground(host=HOST.model_copy(update={"name": record.change.host}))


def approver(  # noqa: PLR0917 - a process takes its arguments by position
    state: Path, ids: Sequence[str], me: Standing, everybody: Sequence[Standing], gate: Barrier, out: Queue, uid: int
) -> None:
    """Vote for each change and try to claim it, all processes beginning each turn together."""
    fresh = {standing.actor.key: standing for standing in everybody}

    owner = str(os.getpid())

    async def turns(store: Store) -> None:
        said: Counter[str] = Counter()
        for ident in ids:
            gate.wait(PATIENCE)
            said[_word(await store.transact(ident, lambda record: approval.approve(record, me, on(record))))] += 1
            claimed = await store.transact(ident, lambda record: approval.claim(record, fresh, on(record), owner=owner))
            said[_word(claimed)] += 1
        out.put(dict(said))

    _run(state, gate, uid, turns)


def counter(state: Path, ident: str, times: int, gate: Barrier, uid: int) -> None:
    """Read a number in the record and write it back plus one: every lost update is missing at the end."""

    async def turns(store: Store) -> None:
        for _ in range(times):
            await store.transact(ident, lambda record: _one_more(record, ident))

    _run(state, gate, uid, turns)


def caller(state: Path, ident: str, times: int, gate: Barrier, uid: int) -> None:
    """Open the store, count one, close it again, all processes opening it in the same moment."""
    group = state.stat().st_gid

    async def whole() -> None:
        await _become(uid, group)
        for _ in range(times):
            gate.wait(PATIENCE)
            store = await Store.open(state, FakeClock())
            await store.transact(ident, lambda record: _one_more(record, ident))
            await store.close()

    asyncio.run(whole())


def _one_more(record: Record, ident: str) -> Decision:
    moved = record.model_copy(update={"fence": record.fence + 1})
    return Moved(moved, (Event("Counted", f"system:{os.getpid()}", "2030-05-13T09:00:00Z", ident),))


def _word(decision: Decision) -> str:
    return decision.reason if isinstance(decision, Declined) else decision.events[0].kind


def _run(state: Path, gate: Barrier, uid: int, turns: Callable) -> None:
    group = state.stat().st_gid if uid else 0

    async def whole() -> None:
        if uid:
            await _become(uid, group)
        gate.wait(PATIENCE)
        store = await Store.open(state, FakeClock())
        await turns(store)
        await store.close()

    asyncio.run(whole())


async def _become(uid: int, gid: int) -> None:
    with tempfile.TemporaryDirectory() as warm:  # everything is imported before the right to read it is given up
        await (await Store.open(Path(warm) / "state", FakeClock())).close()
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)
    os.umask(0o077)
