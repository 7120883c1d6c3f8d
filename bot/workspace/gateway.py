"""What does the app's side of the server answer? Web API, uploads, response URLs, sockets."""

import asyncio
import hmac
import json
from dataclasses import replace
from typing import Any

from aiohttp import web

from bot.workspace import hooks
from bot.workspace.api import METHODS
from bot.workspace.api.call import Call, Method, Refused, allowed
from bot.workspace.desk import Called, Desk
from bot.workspace.model import Json

DESK = web.AppKey("desk", Desk)


async def arguments(request: web.Request) -> dict[str, Any]:
    """The arguments of a call: query, form and JSON body merged, later ones winning."""
    args: dict[str, Any] = dict(request.query)
    if request.method != "POST" or not request.can_read_body:
        return args
    if request.content_type == "application/json":
        try:
            body = await request.json()
        except ValueError:
            raise Refused("invalid_form_data") from None
        if not isinstance(body, dict):
            raise Refused("invalid_array_arg")
        return args | body
    if request.content_type in ("application/x-www-form-urlencoded", "multipart/form-data"):
        return args | dict(await request.post())
    raise Refused("invalid_post_type")


def authenticate(desk: Desk, method: Method, token: str) -> None:
    """Raise the reference's own codes for a missing, wrong, revoked or unfit token."""
    if not token:
        raise Refused("not_authed")
    kinds = {desk.tokens.bot: "bot", desk.tokens.app: "app"}
    kind = next((kind for known, kind in kinds.items() if hmac.compare_digest(known.encode(), token.encode())), None)
    if kind is None:
        raise Refused("invalid_auth")
    if kind == "bot" and desk.tokens.revoked:
        raise Refused("token_revoked")
    if method.credential not in ("any", kind):
        raise Refused("not_allowed_token_type")


def bearer(request: web.Request) -> str:
    """The token of the Authorization header, or ""."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def perform(desk: Desk, name: str, token: str, call: Call) -> tuple[int, Json, dict[str, str]]:
    """One call, decided: HTTP status, reply, headers."""
    try:
        method = _method(name)
        authenticate(desk, method, token)
        if wait := _limited(desk, method, call):
            return 429, {"ok": False, "error": "ratelimited"}, {"Retry-After": str(wait)}
        allowed(desk, method, call)
        _strike(desk, name)
        # Slack names the scopes of the token in each answer.
        granted = {"X-OAuth-Scopes": ",".join(sorted(desk.manifest.scopes))} if token == desk.tokens.bot else {}
        return 200, {"ok": True, **method.answer(desk, call)}, granted
    except Refused as refused:
        return 200, {"ok": False, "error": refused.error, **refused.extra}, {}


def _method(name: str) -> Method:
    if name not in METHODS:
        raise Refused("unknown_method", req_method=name)
    return METHODS[name]


def _limited(desk: Desk, method: Method, call: Call) -> int:
    """Seconds of Retry-After, by an armed fault or by the method's tier; 0 to go ahead."""
    armed = desk.faults.take("rate_limit", method.name)
    if armed is not None:
        return int(armed.with_.get("retry_after", 1))
    return desk.rates.wait(method.name, method.tier, call.text("channel"), desk.mint.now())


def _strike(desk: Desk, name: str) -> None:
    armed = desk.faults.take("error", name)
    if armed is None:
        return
    messages = armed.with_.get("messages")
    extra = {"response_metadata": {"messages": messages}} if messages else {}
    raise Refused(armed.with_.get("error", "internal_error"), **extra)


async def api(request: web.Request) -> web.StreamResponse:
    """POST or GET /api/METHOD."""
    desk = request.app[DESK]
    name = request.match_info["method"]
    try:
        args = await arguments(request)
    except Refused as refused:
        return web.json_response({"ok": False, "error": refused.error})
    token = bearer(request) or str(args.pop("token", ""))
    if (broken := desk.faults.take("status", name)) is not None:
        status = broken.with_.get("status", 503)
        desk.calls.append(Called(name, args, status, {}))
        return web.Response(status=status, text="upstream connect error")
    if (slow := desk.faults.take("slow", name)) is not None:
        await asyncio.sleep(slow.with_.get("seconds", 1.0))
    status, reply, headers = perform(desk, name, token, Call(args))
    desk.calls.append(Called(name, args, status, reply))
    if desk.faults.take("lost_reply", name) is not None and request.transport is not None:
        request.transport.close()
    return web.json_response(reply, status=status, headers=headers)


async def upload(request: web.Request) -> web.Response:
    """The bytes of a file, at the address files.getUploadURLExternal gave."""
    desk = request.app[DESK]
    file = desk.uploads.get(request.match_info["ticket"])
    if file is None:
        return web.Response(status=404, text="file_not_found")
    content = await request.read()
    if request.content_type == "multipart/form-data":
        parts = [part for part in (await request.post()).values() if isinstance(part, web.FileField)]
        content = parts[0].file.read() if parts else b""
    desk.uploads[request.match_info["ticket"]] = replace(file, content=content)
    return web.Response(text=f"OK - {len(content)}")


async def hook(request: web.Request) -> web.Response:
    """An answer to a response URL."""
    try:
        body = json.loads(await request.text())
    except ValueError:
        return web.Response(status=400, text="invalid_payload")
    if not isinstance(body, dict):
        return web.Response(status=400, text="invalid_payload")
    status, said = hooks.answer(request.app[DESK], request.match_info["id"], body)
    return web.Response(status=status, text=said)


async def socket(request: web.Request) -> web.StreamResponse:
    """A Socket Mode connection."""
    return await request.app[DESK].link.serve(request)


ROUTES = (
    web.post("/api/{method}", api),
    web.get("/api/{method}", api),
    web.post("/upload/v1/{ticket}", upload),
    web.post("/hooks/{kind}/{team}/{id}", hook),
    web.get("/link/", socket),
)
