"""How are faults injected from outside? HTTP levers, guarded by this run's admin token.

curl -H "Authorization: Bearer $TOKEN" -d '{"kind": "drop", "at": "slash_commands"}' $URL/admin/faults
"""

import hmac
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, replace

from aiohttp import web

from bot.workspace.desk import Desk
from bot.workspace.faults import KINDS
from bot.workspace.gateway import DESK, bearer
from bot.workspace.model import Json


async def _disconnect(desk: Desk, body: Json) -> None:
    await desk.link.disconnect(body.get("reason", "refresh_requested"))


async def _cut(desk: Desk, _body: Json) -> None:
    await desk.link.cut()


async def _expire(desk: Desk, _body: Json) -> None:
    desk.passes.expire_triggers()


async def _exhaust(desk: Desk, _body: Json) -> None:
    desk.passes.exhaust_hooks()


async def _revoke(desk: Desk, body: Json) -> None:
    desk.tokens = replace(desk.tokens, revoked=bool(body.get("revoked", True)))


async def _rates(desk: Desk, body: Json) -> None:
    desk.rates.enabled = bool(body.get("enabled", True))


async def _disarm(desk: Desk, _body: Json) -> None:
    desk.faults.disarm()


LEVERS: Mapping[str, tuple[str, Callable[[Desk, Json], Awaitable[None]]]] = {
    "disconnect": ("ask the app to reconnect, with a `reason`", _disconnect),
    "cut": ("break the sockets without a word", _cut),
    "expire_triggers": ("make every trigger id too old", _expire),
    "exhaust_response_urls": ("make every response URL used up", _exhaust),
    "revoke_token": ('make the bot token revoked ({"revoked": false} restores it)', _revoke),
    "rates": ('switch rate limits ({"enabled": false})', _rates),
    "disarm": ("forget every armed fault", _disarm),
}
"""What happens at once; the kinds in `faults.KINDS` are armed instead."""


async def show(request: web.Request) -> web.Response:
    """GET: what is armed, what has struck, what there is."""
    desk = request.app[DESK]
    if not _may(request):
        return web.json_response({"ok": False, "error": "not_authed"}, status=403)
    known = {**KINDS, **{name: about for name, (about, _) in LEVERS.items()}}
    return web.json_response(
        {
            "ok": True,
            "known": known,
            "armed": [asdict(one) for one in desk.faults.armed],
            "struck": [asdict(one) for one in desk.faults.struck],
        }
    )


async def inject(request: web.Request) -> web.Response:
    """POST {"kind": …, "at": …, "times": …, particulars…}."""
    desk = request.app[DESK]
    if not _may(request):
        return web.json_response({"ok": False, "error": "not_authed"}, status=403)
    try:
        body = dict(await request.json())
        kind = str(body.pop("kind"))
        if kind in LEVERS:
            await LEVERS[kind][1](desk, body)
        else:
            desk.faults.arm(kind, str(body.pop("at", "*")), int(body.pop("times", 1)), **body)
    except (ValueError, TypeError, KeyError) as wrong:
        return web.json_response({"ok": False, "error": str(wrong)}, status=400)
    return web.json_response({"ok": True})


def _may(request: web.Request) -> bool:
    return hmac.compare_digest(bearer(request).encode(), request.app[DESK].tokens.admin.encode())


ROUTES = (web.get("/admin/faults", show), web.post("/admin/faults", inject))
