"""Which runs of sweeps were there, and whose are they?"""

import zlib
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import RowMapping, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.adapters.store import rows
from bot.adapters.store.moments import micro, micro_or_none, moment, moment_or_none
from bot.adapters.store.past.put import text, upsert
from bot.adapters.store.past.tables import fires
from bot.core.digest import Digest
from bot.core.fire import HELD, Fire, Phase, claimed


async def get(connection: AsyncConnection, sweep: str, due: datetime) -> Fire | None:
    """One run."""
    here = (fires.c.sweep == sweep) & (fires.c.due == micro(due))
    row = await rows.one(connection, select(fires).where(here))
    return None if row is None else _fire(row)


async def claim(connection: AsyncConnection, fire: Fire, lease: float) -> Fire | None:
    """See `History.claim`."""
    taken = claimed(await get(connection, fire.sweep, fire.due), fire, lease)
    if taken is not None:
        await put(connection, taken)
    return taken


async def note(connection: AsyncConnection, noted: Sequence[Fire]) -> Sequence[Fire]:
    """See `History.note`."""
    new = [fire for fire in noted if await get(connection, fire.sweep, fire.due) is None]
    for fire in new:
        await put(connection, fire)
    return new


async def beat(connection: AsyncConnection, sweep: str, due: datetime, owner: str, now: datetime) -> bool:
    """See `History.beat`."""
    mine = (fires.c.sweep == sweep) & (fires.c.due == micro(due)) & (fires.c.owner == owner)
    alive = mine & fires.c.phase.in_([phase.value for phase in HELD])
    return bool((await connection.execute(update(fires).where(alive).values(beat=micro(now)))).rowcount)


async def mine(connection: AsyncConnection, fire: Fire) -> Fire | None:
    """The run as stored, if it is still this owner's and this attempt's."""
    held = await get(connection, fire.sweep, fire.due)
    return held if held is not None and (held.owner, held.attempt) == (fire.owner, fire.attempt) else None


async def move(connection: AsyncConnection, fire: Fire) -> bool:
    """See `History.move`."""
    here = (fires.c.sweep == fire.sweep) & (fires.c.due == micro(fire.due))
    same = here & (fires.c.owner == fire.owner) & (fires.c.attempt == fire.attempt)
    moved = update(fires).where(same)
    values = {"phase": fire.phase.value, "why": text(fire.why), "ended": micro_or_none(fire.ended), "told": fire.told}
    return bool((await connection.execute(moved.values(**values))).rowcount)


async def listed(
    connection: AsyncConnection, sweep: str | None, phases: Sequence[Phase], since: datetime | None, limit: int
) -> Sequence[Fire]:
    """See `History.fires`."""
    wanted = select(fires).order_by(fires.c.due.desc(), fires.c.sweep).limit(limit)
    if sweep is not None:
        wanted = wanted.where(fires.c.sweep == sweep)
    if phases:
        wanted = wanted.where(fires.c.phase.in_([phase.value for phase in phases]))
    if since is not None:
        wanted = wanted.where(fires.c.due >= micro(since))
    return [_fire(row) for row in await rows.every(connection, wanted)]


async def put(connection: AsyncConnection, fire: Fire) -> None:
    """Store a run whole."""
    values: dict[str, Any] = {
        "sweep": fire.sweep,
        "due": micro(fire.due),
        "phase": fire.phase.value,
        "owner": fire.owner,
        "beat": micro_or_none(fire.beat),
        "attempt": fire.attempt,
        "run": fire.run,
        "begun": micro_or_none(fire.begun),
        "ended": micro_or_none(fire.ended),
        "why": text(fire.why),
        "told": fire.told,
        "digest": None if fire.digest is None else zlib.compress(fire.digest.document().encode()),
    }
    await upsert(connection, fires, [values])


def _fire(row: RowMapping) -> Fire:
    digest = row["digest"]
    return Fire(
        sweep=row["sweep"],
        due=moment(row["due"]),
        phase=Phase(row["phase"]),
        owner=row["owner"],
        beat=moment_or_none(row["beat"]),
        attempt=row["attempt"],
        run=row["run"],
        begun=moment_or_none(row["begun"]),
        ended=moment_or_none(row["ended"]),
        why=row["why"],
        told=row["told"],
        digest=None if digest is None else Digest.model_validate_json(zlib.decompress(digest)),
    )
