"""How are measures kept over time, and read back for a whole fleet at once?"""

import asyncio
import gc
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from operator import attrgetter
from typing import Any

from sqlalchemy import ColumnElement, RowMapping, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.adapters.store import rows
from bot.adapters.store.moments import micro, moment
from bot.adapters.store.past import tables
from bot.adapters.store.past.put import upsert
from bot.core.past import Point
from bot.core.report import HostReport
from bot.core.retention import DAY, HOUR, taken

STEPS = (DAY, HOUR, 0)
"""Coarse ones first: they are the older ones."""
SECOND = 1_000_000

Key = tuple[str, str]
_COLUMNS = ("series", "at", "step", "count", "mean", "low", "high", "limit")


async def put(connection: AsyncConnection, hosts: Sequence[HostReport], at: datetime) -> None:
    """The measures of these visits."""
    found = {(host.host, key): point for host in hosts for key, point in taken(host, at).items()}
    ids = await _ids(connection, {host for host, _ in found})
    new = sorted(found.keys() - ids.keys())
    if new:
        await connection.execute(insert(tables.series), [{"host": host, "key": key} for host, key in new])
        ids = await _ids(connection, {host for host, _ in found})
    await upsert(connection, tables.points, [row(ids[key], point) for key, point in found.items()])


async def keys(connection: AsyncConnection, host: str) -> Sequence[str]:
    """See `History.keys`."""
    return sorted(key for _, key in await _ids(connection, {host}))


async def read(
    connection: AsyncConnection, hosts: Sequence[str], since: datetime, key: str | None = None
) -> Mapping[Key, Sequence[Point]]:
    """Every series of these hosts, or those of one key. A point that reaches over `since` is in."""
    asked: ColumnElement[bool] = tables.series.c.host.in_(hosts)
    if key is not None:
        asked &= tables.series.c.key == key
    with _uncollected():
        return await _read(connection, asked, since)


async def _read(
    connection: AsyncConnection, asked: ColumnElement[bool], since: datetime
) -> Mapping[Key, Sequence[Point]]:
    found: list[Any] = []
    for step in STEPS:
        # One range of the primary key for each series and step, never a scan; and no text, which costs more than all
        # the numbers when a fleet's two days are a million points.
        edge = micro(since) - step * SECOND + (1 if step else 0)
        joined = tables.series.join(tables.points, tables.points.c.series == tables.series.c.id)
        wanted = select(*(tables.points.c[name] for name in _COLUMNS)).select_from(joined)
        wanted = wanted.where(asked, tables.points.c.step == step, tables.points.c.at >= edge)
        found += (await connection.execute(wanted)).all()
    named = {one.id: (one.host, one.key) for one in await connection.execute(select(tables.series).where(asked))}
    return await asyncio.to_thread(_series, named, found)  # the loop serves others meanwhile


@contextmanager
def _uncollected() -> Iterator[None]:
    """No garbage collection while a fleet's points are made: it would look through a million live objects again and
    again, for half of the time.
    """
    wanted = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if wanted:
            gc.enable()


def _series(named: Mapping[int, Key], found: Sequence[Any]) -> Mapping[Key, Sequence[Point]]:
    moments: dict[int, datetime] = {}
    made: dict[int, list[Point]] = {}
    for series, at, step, count, mean, least, greatest, limit in found:
        when = moments.get(at) or moments.setdefault(at, moment(at))
        low, high = mean if least is None else least, mean if greatest is None else greatest
        point = Point(when, step, count, low, high, mean, limit)
        if series in made:
            made[series].append(point)
        else:
            made[series] = [point]
    return {named[series]: sorted(points, key=attrgetter("at")) for series, points in made.items()}


def row(series: int, point: Point) -> Mapping[str, Any]:
    """A point as it is stored."""
    return {
        "series": series,
        "step": point.step,
        "at": micro(point.at),
        "count": point.count,
        "mean": point.mean,
        "low": None if point.low == point.mean else point.low,
        "high": None if point.high == point.mean else point.high,
        "limit": point.limit,
    }


def point(found: RowMapping) -> Point:
    """A stored row as a point."""
    mean, low, high = found["mean"], found["low"], found["high"]
    return Point(
        at=moment(found["at"]),
        step=found["step"],
        count=found["count"],
        low=mean if low is None else low,
        high=mean if high is None else high,
        mean=mean,
        limit=found["limit"],
    )


async def _ids(connection: AsyncConnection, hosts: set[str]) -> dict[Key, int]:
    wanted = select(tables.series).where(tables.series.c.host.in_(hosts))
    return {(found["host"], found["key"]): found["id"] for found in await rows.every(connection, wanted)}
