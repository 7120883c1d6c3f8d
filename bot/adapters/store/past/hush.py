"""What shall not be told for a while, which sweeps stand still, and what was learnt to be normal?"""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.adapters.store import rows
from bot.adapters.store.moments import micro, micro_or_none, moment, moment_or_none
from bot.adapters.store.past.put import text, upsert
from bot.adapters.store.past.tables import norms, pauses, silences
from bot.core.past import Norm
from bot.core.sweep import Pause, Silence


async def get_silences(connection: AsyncConnection, now: datetime) -> Sequence[Silence]:
    """See `History.silences`."""
    at = micro(now)
    there = (silences.c.begun <= at) & (silences.c.until > at)
    wanted = select(silences).where(there, or_(silences.c.ended.is_(None), silences.c.ended > at))
    return [
        Silence(
            id=row["id"],
            hosts=row["hosts"],
            findings=row["findings"],
            owner=row["owner"],
            why=row["why"],
            begun=moment(row["begun"]),
            until=moment(row["until"]),
            ended=moment_or_none(row["ended"]),
        )
        for row in await rows.every(connection, wanted.order_by(silences.c.begun, silences.c.id))
    ]


async def put_silence(connection: AsyncConnection, silence: Silence) -> None:
    """See `History.silence`."""
    values = {
        "id": silence.id,
        "hosts": silence.hosts,
        "findings": silence.findings,
        "owner": silence.owner,
        "why": text(silence.why),
        "begun": micro(silence.begun),
        "until": micro(silence.until),
        "ended": micro_or_none(silence.ended),
    }
    await upsert(connection, silences, [values])


async def get_pauses(connection: AsyncConnection, now: datetime) -> Sequence[Pause]:
    """See `History.pauses`."""
    wanted = select(pauses).where(pauses.c.until > micro(now)).order_by(pauses.c.sweep)
    found = await rows.every(connection, wanted)
    return [Pause(row["sweep"], row["by"], row["why"], moment(row["until"])) for row in found]


async def put_pause(connection: AsyncConnection, pause: Pause) -> None:
    """See `History.pause`."""
    values = {"sweep": pause.sweep, "by": pause.by, "why": text(pause.why), "until": micro(pause.until)}
    await upsert(connection, pauses, [values])


async def get_norms(connection: AsyncConnection, subjects: Sequence[str]) -> Sequence[Norm]:
    """See `History.norms`."""
    wanted = select(norms).where(norms.c.subject.in_(subjects)).order_by(norms.c.subject, norms.c.key)
    return [
        Norm(
            subject=row["subject"],
            key=row["key"],
            low=row["low"],
            middle=row["middle"],
            high=row["high"],
            count=row["count"],
            learnt=moment(row["learnt"]),
        )
        for row in await rows.every(connection, wanted)
    ]


async def put_norms(connection: AsyncConnection, learnt: Sequence[Norm]) -> None:
    """See `History.learn`."""
    values = [
        {
            "subject": norm.subject,
            "key": norm.key,
            "low": norm.low,
            "middle": norm.middle,
            "high": norm.high,
            "count": norm.count,
            "learnt": micro(norm.learnt),
        }
        for norm in learnt
    ]
    await upsert(connection, norms, values)
