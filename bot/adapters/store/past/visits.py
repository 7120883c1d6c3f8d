"""What did visits leave: each host's status, its faults, its kernel settings?"""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, select
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.adapters.store import rows
from bot.adapters.store.moments import micro, moment
from bot.adapters.store.past import series
from bot.adapters.store.past.put import text, upsert
from bot.adapters.store.past.tables import faults, settings, visits
from bot.core.digest import Heard
from bot.core.fault import OVER, Fault, Stage, ended, with_told
from bot.core.heard import heard, unheard, untold
from bot.core.past import Setting
from bot.core.report import HostReport
from bot.engine.sweep_ports import Visited

OPEN = [stage.value for stage in Stage if stage not in OVER]

Values = dict[str, tuple[str, int, str | None]]
"""A host's settings: key to value, since when (microseconds), and the value before."""


async def store(connection: AsyncConnection, visited: Visited, *, told: bool) -> None:
    """Everything that a run or an ask saw, and what an ask's channel was `told` of it."""
    at = micro(visited.at)
    place = {"sweep": visited.sweep, "at": at, "run": visited.run}
    seen = [
        {
            **place,
            "host": host.host,
            "status": host.status.value,
            "reason": text(host.failure.reason) if host.failure else "",
        }
        for host in visited.hosts
    ]
    await upsert(connection, visits, seen)
    await series.put(connection, visited.hosts, visited.at)
    await _put_settings(connection, visited.hosts, at)
    await put_faults(connection, visited.faults, _judged_and_told if told else _judged)


async def statuses(
    connection: AsyncConnection, hosts: Sequence[str], sweep: str, last: int
) -> Mapping[str, Sequence[tuple[datetime, str]]]:
    """See `History.statuses`."""
    found: dict[str, list[tuple[datetime, str]]] = {host: [] for host in hosts}
    runs = select(visits.c.at, visits.c.run).where(visits.c.sweep == sweep).distinct()
    newest = runs.order_by(visits.c.at.desc(), visits.c.run.desc()).limit(last)
    moments = [(row["at"], row["run"]) for row in await rows.every(connection, newest)]
    if not moments:
        return found
    wanted = select(visits.c.at, visits.c.run, visits.c.host, visits.c.status).where(
        visits.c.sweep == sweep, visits.c.at >= moments[-1][0]
    )
    known = set(moments)
    for at, run, host, status in (await connection.execute(wanted.order_by(visits.c.at, visits.c.run))).all():
        if host in found and (at, run) in known:
            found[host].append((moment(at), status))
    return found


# --- faults --------------------------------------------------------------------------------------------------------


async def get_faults(
    connection: AsyncConnection,
    hosts: Sequence[str] | None,
    since: datetime | None,
    outside: Collection[str] = (),
) -> Sequence[Fault]:
    """See `History.faults`."""
    there: ColumnElement[bool] = faults.c.stage.in_(OPEN)
    if since is not None:
        there |= faults.c.stage.not_in(OPEN) & (faults.c.ended > micro(since))
    wanted = select(faults.c.body).where(there).order_by(faults.c.host, faults.c.fingerprint)
    if hosts is not None:
        wanted = wanted.where(faults.c.host.in_(hosts))
    if outside:
        wanted = wanted.where(faults.c.host.not_in(outside))
    return [_fault(row["body"]) for row in await rows.every(connection, wanted)]


Both = Callable[[Fault, Fault], Fault]
"""What is stored of a fault that is given and one that is stored already."""


def _judged(given: Fault, stored: Fault) -> Fault:
    """As it was judged; what channels were told is for them to say who tell it."""
    return given.model_copy(update={"told": stored.told})


def _judged_and_told(given: Fault, stored: Fault) -> Fault:
    """As it was judged; of what each channel was told the newest counts."""
    return with_told(given, stored.told)


def _told(given: Fault, stored: Fault) -> Fault:
    """As it is stored; of what each channel was told the newest counts."""
    return with_told(stored, given.told)


async def put_faults(connection: AsyncConnection, given: Sequence[Fault], both: Both = _told) -> None:
    """Store faults, those that are stored already as `both` says."""
    held = {(fault.host, fault.fingerprint): fault for fault in await _of(connection, {part.host for part in given})}
    kept = {
        place: fault if (before := held.get(place)) is None else both(fault, before)
        for fault in given
        if (place := (fault.host, fault.fingerprint))
    }
    await upsert(connection, faults, [_fault_row(fault) for fault in kept.values()])


async def tell(connection: AsyncConnection, channel: str, said: Sequence[Heard]) -> Sequence[Heard]:
    """See `History.tell`."""
    held = await _of(connection, {part.host for part in said})
    mine = untold(held, said, channel)
    await upsert(connection, faults, [_fault_row(fault) for fault in heard(held, mine, channel)])
    return mine


async def untell(connection: AsyncConnection, channel: str, said: Sequence[Heard]) -> None:
    """See `History.untell`."""
    held = await _of(connection, {part.host for part in said})
    await upsert(connection, faults, [_fault_row(fault) for fault in unheard(held, said, channel)])


async def _of(connection: AsyncConnection, hosts: Collection[str]) -> Sequence[Fault]:
    """Every fault that is stored of these hosts."""
    if not hosts:
        return ()
    wanted = select(faults.c.body).where(faults.c.host.in_(hosts))
    return [_fault(row["body"]) for row in await rows.every(connection, wanted)]


def _fault(body: str) -> Fault:
    return Fault.model_validate_json(body)


def _fault_row(fault: Fault) -> Mapping[str, Any]:
    return {
        "host": fault.host,
        "fingerprint": fault.fingerprint,
        "stage": fault.stage.value,
        "ended": micro(ended(fault)),
        "body": fault.model_dump_json(),
    }


# --- kernel settings -----------------------------------------------------------------------------------------------


async def get_settings(connection: AsyncConnection, hosts: Sequence[str]) -> Sequence[Setting]:
    """See `History.settings`."""
    wanted = select(settings).where(settings.c.host.in_(hosts)).order_by(settings.c.host)
    return [
        Setting(row["host"], key, value, moment(since), before)
        for row in await rows.every(connection, wanted)
        for key, (value, since, before) in sorted(json.loads(row["body"]).items())
    ]


async def _put_settings(connection: AsyncConnection, hosts: Sequence[HostReport], at: int) -> None:
    told = {host.host: host.settings for host in hosts if host.settings}
    stored = await rows.every(connection, select(settings).where(settings.c.host.in_(told)))
    held: dict[str, Values] = {row["host"]: json.loads(row["body"]) for row in stored}
    newer = {row["host"] for row in stored if row["seen"] > at}
    kept = [
        {"host": host, "seen": at, "body": json.dumps(_moved(held.get(host, {}), values, at))}
        for host, values in told.items()
        if host not in newer
    ]
    await upsert(connection, settings, kept)


def _moved(held: Values, values: Mapping[str, str], at: int) -> Values:
    """The settings after a visit; what it did not read stays as it was."""
    moved = dict(held)
    for key, value in values.items():
        before = held.get(key)
        if before is None or before[0] != value:
            moved[key] = (value, at, None if before is None else before[0])
    return moved
