"""What is there to show of a host's past, and how does it look?"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from bot.core.past import Curve, HostPast, place_of
from bot.engine.ports import Clock
from bot.engine.sweep_ports import History, Painter, Picture

LOOK_BACK = timedelta(days=14)


LEAST = timedelta(minutes=15)


async def past_of(
    history: History, host: str, since: datetime, until: datetime, names: Mapping[str, tuple[str, str]]
) -> HostPast:
    """The host between two moments, or from when anything is known of it. `names` gives title and unit of a measure's
    id. Raises JournalDown.
    """
    series = await history.series_of([host], since=since)
    curves = []
    for (_, key), points in sorted(series.items(), key=lambda item: item[0]):
        ident = key.partition(" ")[0]
        title, unit = names.get(ident, (ident, ""))
        curves.append(Curve(key, title or ident, unit, tuple(points), place_of(key)))
    faults = tuple(await history.faults(hosts=[host], since=since))
    known = [curve.points[0].at for curve in curves if curve.points] + [fault.first for fault in faults]
    first = min(known, default=since)
    return HostPast(host, max(since, min(first, until - LEAST)), until, tuple(curves), faults)


@dataclass(frozen=True, slots=True)
class Chronicle:
    """Draws a host's past. `names` gives title and unit of a measure's id; `zone` is the one of the pictures' times."""

    history: History
    painter: Painter
    clock: Clock
    names: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    zone: str = "UTC"

    async def picture(self, host: str) -> Picture | None:
        """The last fortnight of a host, None where nothing is known of it. Raises JournalDown."""
        now = self.clock.now()
        return await self.painter.history(
            await past_of(self.history, host, now - LOOK_BACK, now, self.names), zone=self.zone
        )
