"""How does the past become coarser with age, without any writer waiting long for it?

A little at a time: one transaction takes one day of a few series, and between two of them whoever wants to approve a
change has its turn. Nothing depends on having been called before: what an interrupted call left, the next one does.
"""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from operator import itemgetter

from sqlalchemy import ColumnElement, Table, delete, exists, func, literal, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.adapters.store import rows
from bot.adapters.store import tables as small
from bot.adapters.store.line import Line
from bot.adapters.store.moments import micro
from bot.adapters.store.past import series, tables
from bot.adapters.store.past.put import upsert
from bot.core.fault import OVER
from bot.core.passing import PASSING
from bot.core.retention import DAY, HOUR, Retention, coarser, floor

CHUNK = 5_000
"""Rows of one transaction, at most."""
TOGETHER = 40
"""Series of one transaction: a day of theirs, seen every quarter of an hour, is some 4000 rows."""

Aged = tuple[int, int]
"""A series' number, and the begin (microseconds) of the oldest day of which it has points that are too fine."""


Old = tuple[str, Table, ColumnElement[bool]]
"""What it is called, where it is, and which rows of it are too old."""


async def thin(line: Line, keep: Retention, now: datetime) -> Mapping[str, int]:
    """See `History.thin`."""
    gone = {"measures": await _measures(line, keep, now)}
    old = [*_old(keep, now), *[part async for part in _visits(line, keep, now)], *_memory(keep, now)]
    gone.update(dict.fromkeys((name for name, _table, _which in old), 0))
    gone.setdefault("visits", 0)
    for name, table, which in await _there(line, old):
        gone[name] += await _drop(line, keep, table, which)
    gone["digests"] = await _digests(line, keep, now)
    return gone


async def _there(line: Line, old: Sequence[Old]) -> Sequence[Old]:
    """Those of which there is anything: one look at all of them, so that most calls keep no writer waiting."""
    looks = [select(literal(1)).select_from(table).where(which).exists() for _name, table, which in old]
    async with line.read_past() as connection:
        found = (await connection.execute(select(*(look.label(f"l{n}") for n, look in enumerate(looks))))).one()
    return [part for part, there in zip(old, found, strict=True) if there]


def _old(keep: Retention, now: datetime) -> Iterator[Old]:
    year, over = _before(now, keep.fires), tables.faults.c.stage.in_([stage.value for stage in OVER])
    yield "faults", tables.faults, over & (tables.faults.c.ended < _before(now, keep.faults))
    yield "fires", tables.fires, tables.fires.c.due < year
    yield "silences", tables.silences, tables.silences.c.until < year
    yield "pauses", tables.pauses, tables.pauses.c.until < year
    yield "settings", tables.settings, tables.settings.c.seen < year
    yield "norms", tables.norms, tables.norms.c.learnt < _before(now, keep.daily)


async def _drop(line: Line, keep: Retention, table: Table, old: ColumnElement[bool]) -> int:
    """Drop what is old, some thousand rows at a time; how many went."""
    key = tuple_(*table.primary_key)
    some = delete(table).where(key.in_(select(*table.primary_key).where(old).limit(CHUNK)))
    gone = 0
    while gone < keep.batch:
        async with line.alone() as connection:
            went = (await connection.execute(some)).rowcount
        gone += went
        if went < CHUNK:
            break
    return gone


def _memory(keep: Retention, now: datetime) -> Iterator[Old]:
    """Small values of messages and runs, kind by kind: what stays is not even looked at."""
    value = small.memory.c
    for kind in PASSING:
        yield "memory", small.memory, (value.kind == kind) & (value.at < _before(now, keep.fires))


async def _visits(line: Line, keep: Retention, now: datetime) -> AsyncIterator[Old]:
    """Visits are kept by sweep and time: one range of the primary key for each sweep, never a scan."""
    name, column = None, tables.visits.c.sweep
    while True:
        following = select(func.min(column)).where(column > name) if name is not None else select(func.min(column))
        async with line.read_past() as connection:
            name = (await connection.execute(following)).scalar()
        if name is None:
            return
        yield "visits", tables.visits, (column == name) & (tables.visits.c.at < _before(now, keep.visits))


async def _digests(line: Line, keep: Retention, now: datetime) -> int:
    """A run is known for longer than what was told of it."""
    old = (tables.fires.c.due < _before(now, keep.visits)) & tables.fires.c.digest.is_not(None)
    if not await _there(line, [("digests", tables.fires, old)]):
        return 0
    async with line.alone() as connection:
        return (await connection.execute(update(tables.fires).where(old).values(digest=None))).rowcount


# --- measures ------------------------------------------------------------------------------------------------------


async def _measures(line: Line, keep: Retention, now: datetime) -> int:
    gone = 0
    for fine, coarse, age in ((0, HOUR, keep.raw), (HOUR, DAY, keep.hourly), (DAY, None, keep.daily)):
        cut = micro(floor(now - timedelta(seconds=age), DAY))
        while pending := await _pending(line, fine, cut):
            for day, aged in groupby(pending, key=itemgetter(1)):
                numbers = [number for number, _ in aged]
                for begin in range(0, len(numbers), TOGETHER):
                    if gone >= keep.batch:
                        return gone
                    async with line.alone() as connection:
                        gone += await _merge(connection, numbers[begin : begin + TOGETHER], day, fine, coarse)
    await _forget(line)
    return gone


async def _pending(line: Line, fine: int, cut: int) -> Sequence[Aged]:
    """Which series have points that are too fine, the longest overdue first."""
    point = tables.points.c
    oldest = select(func.min(point.at)).where(point.series == tables.series.c.id, point.step == fine).scalar_subquery()
    async with line.read_past() as connection:
        found = (await connection.execute(select(tables.series.c.id, oldest))).all()
    day = DAY * series.SECOND
    aged = [(number, at // day * day) for number, at in found if at is not None and at < cut]
    return sorted(aged, key=itemgetter(1, 0))


async def _merge(connection: AsyncConnection, numbers: Sequence[int], day: int, fine: int, coarse: int | None) -> int:
    """Make one day of these series coarser, or drop it; how many rows were too fine."""
    point = tables.points.c
    span = point.series.in_(numbers) & (point.at >= day) & (point.at < day + DAY * series.SECOND)
    if coarse is not None:
        # What is merged already comes along: late points are merged into it.
        wanted = select(tables.points).where(span, point.step.in_((fine, coarse))).order_by(point.series)
        found = groupby(await rows.every(connection, wanted), key=itemgetter("series"))
        merged = [
            series.row(number, made) for number, held in found for made in coarser(map(series.point, held), coarse)
        ]
        await upsert(connection, tables.points, merged)
    return (await connection.execute(delete(tables.points).where(span, point.step == fine))).rowcount


async def _forget(line: Line) -> None:
    """Series of which nothing is left have no name any more."""
    empty = ~exists().where(tables.points.c.series == tables.series.c.id)
    async with line.read_past() as connection:
        found = await rows.one(connection, select(tables.series.c.id).where(empty).limit(1))
    if found is not None:
        async with line.alone() as connection:
            await connection.execute(delete(tables.series).where(empty))


def _before(now: datetime, age: int) -> int:
    return micro(now - timedelta(seconds=age))
