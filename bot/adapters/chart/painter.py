"""Who draws, where, and what if it cannot be drawn?

Matplotlib is imported at the first picture, in the worker thread that draws: it takes a second, and a bot without
sweeps never needs it. It is not safe for threads, so one picture is drawn at a time.
"""

import asyncio
import os
import re
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import structlog

from bot.adapters.chart import layout, words
from bot.core.digest import Digest
from bot.core.past import HostPast
from bot.engine.sweep_ports import Picture

log = structlog.get_logger()
CONFIG = "MPLCONFIGDIR"
_PEN = threading.Lock()
"""Held by the thread that draws: it draws on when nobody waits for its picture any more."""


class ChartPainter:
    """Serves `sweep_ports.Painter`."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()

    async def digest(self, digest: Digest, *, title: str, zone: str) -> Sequence[Picture]:
        """The heat map when there is a grid, the measures when some moved."""
        at = _zone(zone)
        pictures = []
        if digest.grid:
            fleet = layout.fleet(digest)
            alt = words.fleet(fleet, digest)
            png = await self._drawn("fleet", lambda: _heat(fleet, digest, title, at))
            pictures += _picture(f"fleet-{digest.run}.png", f"Fleet: {title}", alt, png)
        if any(len(one.points) > 1 for one in digest.moved):
            png = await self._drawn("moved", lambda: _moved(digest, title, at))
            pictures += _picture(f"moved-{digest.run}.png", f"What moved: {title}", words.moved(digest.moved), png)
        return pictures

    async def history(self, past: HostPast, *, zone: str) -> Picture | None:
        """The host's measures over time under its faults."""
        if not past.curves and not past.faults:
            return None
        at = _zone(zone)
        png = await self._drawn("history", lambda: _history(past, at))
        return next(
            iter(_picture(f"history-{past.host}.png", f"History of {past.host}", words.history(past, at), png)), None
        )

    async def _drawn(self, what: str, draw: Callable[[], bytes]) -> bytes:
        """The PNG, or nothing: a picture is worth no digest."""
        async with self._turn:
            try:
                return await asyncio.to_thread(_alone, draw)
            except Exception:
                log.exception("chart.undrawn", picture=what)
                return b""


def _alone(draw: Callable[[], bytes]) -> bytes:
    with _PEN:
        return draw()


def _picture(name: str, title: str, alt: str, png: bytes) -> list[Picture]:
    return [Picture(re.sub(r"[^\w.-]+", "_", name, flags=re.ASCII)[-80:], title, alt, png)] if png else []


def _heat(fleet: layout.Fleet, digest: Digest, title: str, zone: tzinfo) -> bytes:
    with _own_config():
        from bot.adapters.chart import heat  # noqa: PLC0415 - see the head of this file
    return heat.draw(fleet, digest, title, zone)


def _moved(digest: Digest, title: str, zone: tzinfo) -> bytes:
    with _own_config():
        from bot.adapters.chart import moved  # noqa: PLC0415
    return moved.draw(digest, title, zone)


def _history(past: HostPast, zone: tzinfo) -> bytes:
    with _own_config():
        from bot.adapters.chart import history  # noqa: PLC0415
    return history.draw(past, zone)


@contextmanager
def _own_config() -> Iterator[None]:
    """Matplotlib wants a directory to write to when it is imported: give it one that needs no home, then remove it."""
    if CONFIG in os.environ or "matplotlib" in sys.modules:
        yield
        return
    with tempfile.TemporaryDirectory(prefix="netdiag-chart-") as place:
        os.environ[CONFIG] = place
        try:
            yield
        finally:
            del os.environ[CONFIG]


def _zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name or "UTC")
    except (ZoneInfoNotFoundError, ValueError):
        log.warning("chart.zone.unknown", zone=name)
        return UTC
