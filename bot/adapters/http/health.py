"""Does the process live, and can it do its work?

`/healthz` answers as long as the loop turns: restarting helps only where it does not. `/readyz` says what is missing.
"""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Mapping

import structlog
from aiohttp import web

from bot.adapters.http.server import Handler, Reply
from bot.core.text import neutral

Check = Callable[[], Awaitable[str]]
"""Why something is not ready, or ""."""
PATIENCE = 5.0
"""Seconds that one check may take."""
FRESH = 2.0
"""Seconds that an answer is good for: whoever asks all the time makes no work."""

log = structlog.get_logger()


def pulse(checks: Mapping[str, Check]) -> tuple[Handler, Handler]:
    """The handlers of `/healthz` and `/readyz`."""
    known: dict[str, str] = {}
    turn = asyncio.Lock()
    last = -FRESH

    async def alive(_request: web.BaseRequest) -> Reply:
        return Reply(200, "ok\n")

    async def ready(_request: web.BaseRequest) -> Reply:
        nonlocal last
        async with turn:
            if time.monotonic() - last >= FRESH:
                known.update({name: await _asked(name, check) for name, check in checks.items()})
                last = time.monotonic()
        well = not any(known.values())
        facts = {name: {"ok": not why, **({"why": why} if why else {})} for name, why in known.items()}
        body = json.dumps({"ready": well, "checks": facts}, indent=2) + "\n"
        return Reply(200 if well else 503, body, "application/json")

    return alive, ready


async def _asked(name: str, check: Check) -> str:
    try:
        async with asyncio.timeout(PATIENCE):
            return neutral(await check(), 400)
    except TimeoutError:
        return f"no answer within {PATIENCE:.0f} s"
    except Exception:
        log.exception("health.failed", check=name)
        return "the check itself broke; the log says how"
