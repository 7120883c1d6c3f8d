"""Who carries approved changes out, and when?

One loop per process: it takes what is approved, what other processes approved, what nobody settled, and lets die what
is too old. Several loops over one journal are safe: a claim is one transaction, and a host has one change at a time.
"""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from datetime import timedelta
from typing import Any

import structlog

from bot.core.approval import FINAL, IN_FLIGHT, Effect, Record, State, expire, moment, stamp
from bot.core.errors import AskError, NetdiagError
from bot.engine.bench import Bench
from bot.engine.carry import Held, carry_out, keep
from bot.engine.effect import check_effect
from bot.engine.ports import JournalDown
from bot.engine.reconcile import reconcile

HEART = ("worker", "drive")
BEAT = 5.0
ALIVE = 20.0
"""Seconds after its last heartbeat that a bot is taken for alive."""

RECONCILE = 10.0
AT_ONCE = 8
EFFECT_WITHIN = timedelta(days=1)
"""How long after a change its effect is still worth a look, when nobody looked at once."""

GRACE = 30.0
"""Seconds that a loop which is told to end waits for the changes it is carrying out."""

PATIENCE = 60.0
"""The longest pause, in seconds, before a change that was held back is tried again."""

log = structlog.get_logger()


class Patience:
    """When may a change that was held back be tried again? After 1, 2, 4, … seconds, at most `PATIENCE`."""

    def __init__(self) -> None:
        self._waits: dict[str, tuple[float, float]] = {}

    def ready(self, change: str, now: float) -> bool:
        """Whether its pause is over."""
        return change not in self._waits or now >= self._waits[change][1]

    def wait(self, change: str, now: float, known: float = 0.0) -> None:
        """It was held back again; `known` seconds, where it is known when it can be carried out."""
        if known:
            self._waits[change] = 0.5, now + known
            return
        pause = min(PATIENCE, 2 * self._waits.get(change, (0.5, 0.0))[0])
        self._waits[change] = pause, now + pause

    def forget(self, changes: set[str]) -> None:
        """Drop what is not waiting any more."""
        self._waits = {change: wait for change, wait in self._waits.items() if change in changes}


async def drive(bench: Bench) -> None:
    """Carry out approved changes until cancelled. A journal that is down, or a broken policy, pauses and is logged."""
    try:
        await _drive(bench, Patience())
    finally:
        with suppress(JournalDown):  # then nobody sees the heartbeat either
            await stop(bench)


async def _drive(bench: Bench, patience: Patience) -> None:
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(_every(bench, BEAT, "heartbeat", lambda: beat(bench)))
        tasks.create_task(_every(bench, RECONCILE, "settle", lambda: settle_what_is_left(bench)))
        at_work: dict[str, asyncio.Task[None]] = {}
        try:
            while True:
                bench.wake.clear()
                await _guarded(bench, "start", lambda: _start(bench, tasks, at_work, patience))
                await _nap(bench, bench.pause)
        except asyncio.CancelledError:
            # What is on its way to a host is brought to its end: that is shorter than settling it afterwards.
            if running := [task for task in at_work.values() if not task.done()]:
                await asyncio.wait(running, timeout=GRACE)
            raise


async def _start(
    bench: Bench, tasks: asyncio.TaskGroup, at_work: dict[str, asyncio.Task[None]], patience: Patience
) -> None:
    """Give every ready change of a free host its task; a host has one at a time."""
    await expire_old(bench)
    waiting = await bench.journal.list(states=[State.APPROVED])
    patience.forget({record.change.id for record in waiting})
    for gone in bench.troubles.keys() - {record.change.id for record in waiting} - {"heartbeat", "settle", "start"}:
        del bench.troubles[gone]
    busy = {record.change.host for record in await bench.journal.list(states=sorted(IN_FLIGHT))}
    busy |= {host for host, task in at_work.items() if not task.done()}
    now = asyncio.get_running_loop().time()
    for record in reversed(waiting):  # the oldest first
        host = record.change.host
        if host in busy or len([task for task in at_work.values() if not task.done()]) >= AT_ONCE:
            continue
        if patience.ready(record.change.id, now):
            busy.add(host)
            at_work[host] = tasks.create_task(_one(bench, record.change.id, patience))


async def _one(bench: Bench, change: str, patience: Patience) -> None:
    async def work() -> None:
        done = await drive_one(bench, change)
        if isinstance(done, Held):
            log.info("change.held", change=change, why=done.why)
            patience.wait(change, asyncio.get_running_loop().time(), done.again)

    if not await _guarded(bench, change, work):
        patience.wait(change, asyncio.get_running_loop().time())
    bench.wake.set()


async def drive_one(bench: Bench, change: str) -> Record | Held:
    """Carry one approved change out and look at its effect. Raises AskError, ConfigError, JournalDown."""
    done = await carry_out(bench, change)
    if isinstance(done, Record) and done.state is State.DONE:
        return await check_effect(bench, done)
    return done


async def finish(bench: Bench, change: str) -> Record:
    """Wait until a living bot has carried the change out, or do it here when none lives; for the terminal.

    Returns the record as it is in the end. One that stays APPROVED says in `reason` why it could not be carried out.
    """
    while True:
        record = await bench.journal.get(change)
        if record is None:
            raise AskError(f'no change "{change}"')
        if _finished(record) or record.state is State.PENDING:
            return record
        if await alive(bench):
            await asyncio.sleep(bench.pause / 2)
            continue
        if record.state is State.APPROVED:
            done = await drive_one(bench, change)
            if isinstance(done, Held) and done.again:
                await asyncio.sleep(min(done.again, PATIENCE))
                continue
            if isinstance(done, Held) and done.record.state is State.APPROVED:
                return done.record.model_copy(update={"reason": done.why})
            continue
        if record.state is State.DONE:
            return await check_effect(bench, record)
        before = record
        await settle_what_is_left(bench)
        record = await bench.journal.get(change) or before
        if record.state is State.UNKNOWN and bench.clock.now() > moment(record.deadline or stamp(bench.clock.now())):
            return record
        await asyncio.sleep(bench.pause)


def _finished(record: Record) -> bool:
    return record.state in FINAL and (record.state is not State.DONE or bool(record.effect_note))


async def settle_what_is_left(bench: Bench) -> None:
    """Store held outcomes, settle what others left behind, and look at effects that nobody has looked at."""
    for record, result in list(bench.unwritten.values()):
        await keep(bench, record, result)
    await reconcile(bench)
    for record in await bench.journal.list(states=[State.DONE], limit=50):
        settled = moment(record.settled_at or record.change.created)
        age = bench.clock.now() - settled
        if not record.effect_note and record.effect is Effect.NOT_CHECKED and age < EFFECT_WITHIN:
            await check_effect(bench, record)


async def expire_old(bench: Bench) -> None:
    """Let die what was not claimed in time."""
    now = bench.clock.now()
    for record in await bench.journal.list(states=[State.PENDING, State.APPROVED]):
        if now >= moment(record.change.expires):
            await bench.journal.transact(record.change.id, lambda at: expire(at, now))


async def beat(bench: Bench) -> None:
    """Say that this process carries changes out."""
    await bench.journal.replace(*HEART, {"owner": bench.owner, "at": stamp(bench.clock.now())})


async def alive(bench: Bench) -> bool:
    """Whether some other process carries changes out."""
    heart = await bench.journal.recall(*HEART)
    if heart is None or heart.get("owner") == bench.owner or not heart.get("at"):
        return False
    return bench.clock.now() - moment(str(heart["at"])) < timedelta(seconds=ALIVE)


async def stop(bench: Bench) -> None:
    """Say that this process carries nothing out any more."""
    heart = await bench.journal.recall(*HEART)
    if heart is not None and heart.get("owner") == bench.owner:
        await bench.journal.replace(*HEART, {"owner": bench.owner, "at": ""})


async def _every(bench: Bench, pause: float, name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    while True:
        await _guarded(bench, name, work)
        await asyncio.sleep(pause)


async def _guarded(bench: Bench, name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> bool:
    """Do it; a journal that is down or a configuration that is broken is logged once, and no reason to end."""
    try:
        await work()
    except (JournalDown, NetdiagError) as fault:
        if bench.troubles.get(name) != str(fault):
            log.warning("changes.paused", what=name, why=str(fault))
        bench.troubles[name] = str(fault)
        return False
    bench.troubles.pop(name, None)
    return True


async def _nap(bench: Bench, pause: float) -> None:
    try:
        async with asyncio.timeout(pause):
            await bench.wake.wait()
    except TimeoutError:
        return
