"""What does the browser page get, and who may get it? Assets, live updates, acts; this machine only."""

import asyncio
import hmac
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from urllib.parse import quote

from aiohttp import web

from bot.workspace import acts, wire
from bot.workspace.desk import SLACKBOT, Desk
from bot.workspace.gateway import DESK, bearer
from bot.workspace.model import Json, Message, Person, View

STATIC = Path(__file__).parent / "static"
SHOWN = 300
"""Messages per channel that a page loads."""
HEARTBEAT = 15.0

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
)
HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": CSP,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
INLINE = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
"""What a browser may show in place; everything else is downloaded (an SVG can carry script)."""
STOPPING = web.AppKey("stopping", asyncio.Event)


def cookie_name(request: web.Request) -> str:
    """Cookies ignore ports, so the port is part of the name."""
    return f"page_{_port(request)}"


def _port(request: web.Request) -> str:
    """The port this server listens on; the request's own is whatever its Host header claims."""
    return request.app[DESK].app.origin.rpartition(":")[2]


def is_reader(request: web.Request) -> bool:
    """Whether the browser holds this run's page token."""
    held = request.cookies.get(cookie_name(request), "")
    return hmac.compare_digest(held.encode(), request.app[DESK].tokens.page.encode())


@web.middleware
async def guard(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Refuse other hosts (DNS rebinding), other origins (a page elsewhere), and readers without the token."""
    port = _port(request)
    own = {f"127.0.0.1:{port}", f"localhost:{port}"}
    if request.host not in own:
        return web.Response(status=421, text="This server answers to 127.0.0.1 only.")
    origin = request.headers.get("Origin")
    if origin is not None and origin not in {f"http://{host}" for host in own}:
        return web.Response(status=403, text="Requests from other sites are refused.")
    if request.path.startswith("/page/") and not is_reader(request):
        return web.Response(
            status=403, text="Open the address that was printed at the start: it carries this run's token."
        )
    return await handler(request)


async def secure(_request: web.Request, response: web.StreamResponse) -> None:
    """Security headers on everything."""
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)


async def index(request: web.Request) -> web.StreamResponse:
    """The page. The token moves from the address into a cookie that scripts cannot read."""
    token = request.query.get("token")
    if token is not None and hmac.compare_digest(token.encode(), request.app[DESK].tokens.page.encode()):
        answer = web.Response(status=303, headers={"Location": "/"})
        answer.set_cookie(cookie_name(request), token, httponly=True, samesite="Strict", path="/")
        return answer
    if not is_reader(request):
        return web.Response(
            status=403, text="Open the address that was printed at the start: it carries this run's token."
        )
    return web.FileResponse(STATIC / "index.html")


async def archive(request: web.Request) -> web.Response:
    """A permalink leads to the message on the page."""
    thread = request.query.get("thread_ts")
    place = f"/#/c/{quote(request.match_info['channel'])}" + (f"/{quote(thread)}" if thread else "")
    return web.Response(status=303, headers={"Location": place})


async def file(request: web.Request) -> web.Response:
    """The bytes of a file, for the page or for the bot."""
    desk = request.app[DESK]
    if not is_reader(request) and not hmac.compare_digest(bearer(request).encode(), desk.tokens.bot.encode()):
        return web.Response(status=403, text="not_authed")
    found = desk.world.files.get(request.match_info["id"])
    if found is None:
        return web.Response(status=404, text="file_not_found")
    inline = found.mimetype in INLINE and "download" not in request.query
    disposition = f"{'inline' if inline else 'attachment'}; filename*=UTF-8''{quote(found.name)}"
    kind = found.mimetype if inline else "application/octet-stream"
    return web.Response(body=found.content, content_type=kind, headers={"Content-Disposition": disposition})


# -- live state ---------------------------------------------------------------------------------------------------


def snapshot(desk: Desk, who: Person) -> Json:
    """Everything the page shows to one person. Ephemeral messages are not in it: they do not survive a reload."""
    world, app = desk.world, desk.app
    channels = world.visible(who.id)
    modals = world.modals.get(who.id, ())
    home = world.homes.get(who.id)
    return {
        "team": {"id": world.team_id, "name": world.team_name},
        "me": who.id,
        "bot": {"id": app.user_id, "name": app.name, "description": desk.manifest.description},
        "slackbot": SLACKBOT,
        "people": {one.id: wire.person(one, world.team_id) for one in world.people.values()},
        "groups": {one.id: {"handle": one.handle, "name": one.name} for one in world.usergroups.values()},
        "channels": [_channel(desk, one.id) for one in channels],
        "messages": {
            one.id: [wire.message(each, world, app) for each in world.messages.get(one.id, ())[-SHOWN:]]
            for one in channels
        },
        "commands": [asdict(one) for one in desk.manifest.commands],
        "shortcuts": [asdict(one) for one in desk.manifest.shortcuts],
        "home_tab": desk.manifest.home_tab,
        "messages_tab": desk.manifest.messages_tab,
        "messages_read_only": desk.manifest.messages_read_only,
        "home": wire.view(home, world, app) if home is not None else None,
        "modals": [wire.view(one, world, app) for one in modals],
    }


def _channel(desk: Desk, id_: str) -> Json:
    room = desk.world.channels[id_]
    return wire.channel(room, desk.world, desk.app) | {"members": sorted(room.members)}


async def events(request: web.Request) -> web.StreamResponse:
    """Server-sent events for one person: the whole state first, then each change."""
    desk = request.app[DESK]
    try:
        who = desk.person(request.query.get("as", ""))
    except LookupError as nobody:
        return web.Response(status=404, text=str(nobody))
    desk.im(who.id)
    stream = web.StreamResponse(headers={"Content-Type": "text/event-stream", **HEADERS})
    await stream.prepare(request)
    stopping = request.app[STOPPING]
    with desk.listening(who.id) as news:
        await _send(stream, "state", snapshot(desk, who))
        while not stopping.is_set():
            try:
                one = await asyncio.wait_for(news.get(), HEARTBEAT)
            except TimeoutError:
                await stream.write(b": still here\n\n")
                continue
            if one.kind == "reload":
                await _send(stream, "state", snapshot(desk, who))
            elif one.kind == "channel":
                await _send(stream, "channel", _channel(desk, one.data["id"]))
            elif one.kind != "stop":
                await _send(stream, one.kind, one.data)
    return stream


async def _send(stream: web.StreamResponse, kind: str, data: Json) -> None:
    await stream.write(f"event: {kind}\ndata: {json.dumps(data)}\n\n".encode())


# -- acts ---------------------------------------------------------------------------------------------------------


def surface(desk: Desk, who: Person, body: Json) -> Message | View:
    """The message or view that an act is about. Raises LookupError where this person sees no such thing."""
    if view_id := body.get("view"):
        view = desk.world.view(str(view_id))
        if view is None or view.user != who.id:
            raise LookupError("That view is gone.")
        return view
    channel, ts = str(body.get("channel")), str(body.get("ts"))
    mine = (one for one in desk.world.ephemerals.get(who.id, ()) if (one.channel, one.ts) == (channel, ts))
    seen = channel in {one.id for one in desk.world.visible(who.id)}
    found = next(mine, None) or (desk.world.message(channel, ts) if seen else None)
    if found is None:
        raise LookupError("That message is gone.")
    return found


def _view(desk: Desk, who: Person, body: Json) -> View:
    found = surface(desk, who, {"view": body.get("view", "-")})
    assert isinstance(found, View)
    return found


def _message(desk: Desk, who: Person, body: Json) -> Message:
    found = surface(desk, who, {"channel": body.get("channel"), "ts": body.get("ts")})
    assert isinstance(found, Message)
    return found


async def _say(desk: Desk, who: Person, body: Json) -> acts.Outcome:
    where = desk.channel(str(body["channel"]))
    if where not in desk.world.visible(who.id):
        raise LookupError("You do not see that channel.")
    return await acts.say(desk, who, where, str(body["text"]), body.get("thread_ts"))


async def _click(desk: Desk, who: Person, body: Json) -> acts.Outcome:
    return await acts.click(
        desk,
        who,
        surface(desk, who, body),
        str(body["action_id"]),
        block_id=str(body["block_id"]),
        chosen=body.get("chosen"),
        values=body.get("values"),
    )


async def _submit(desk: Desk, who: Person, body: Json) -> acts.Outcome:
    return await acts.submit(desk, who, _view(desk, who, body), body.get("values"))


async def _close(desk: Desk, who: Person, body: Json) -> acts.Outcome:
    return await acts.close(desk, who, _view(desk, who, body), everything=bool(body.get("all")))


async def _react(desk: Desk, who: Person, body: Json) -> acts.Outcome:
    return acts.react(desk, who, _message(desk, who, body), str(body["name"]))


async def _home(desk: Desk, who: Person, body: Json) -> acts.Outcome:
    return acts.open_home(desk, who, str(body.get("tab", "home")))


async def _shortcut(desk: Desk, who: Person, body: Json) -> acts.Outcome:
    message = _message(desk, who, body) if body.get("ts") else None
    return await acts.shortcut(desk, who, str(body["callback_id"]), message)


Act = Callable[[Desk, Person, Json], Awaitable[acts.Outcome]]
ACTS: Mapping[str, Act] = {
    "say": _say,
    "click": _click,
    "submit": _submit,
    "close": _close,
    "react": _react,
    "home": _home,
    "shortcut": _shortcut,
}


async def act(request: web.Request) -> web.Response:
    """Something a person does on the page."""
    desk = request.app[DESK]
    try:
        body = await request.json()
        who = desk.person(str(body["as"]))
        if body["act"] == "suggest":
            where = surface(desk, who, body)
            names = {"block_id": str(body["block_id"]), "action_id": str(body["action_id"])}
            found = await acts.suggest(desk, who, where, typed=str(body["value"]), **names)
            return web.json_response({"ok": True, "options": found})
        outcome = await ACTS[body["act"]](desk, who, body)
    except LookupError as gone:
        said = gone.args[0] if gone.args else "gone"
        return web.json_response({"ok": False, "notice": str(said), "errors": {}}, status=404)
    except (ValueError, TypeError):
        return web.json_response({"ok": False, "notice": "That request makes no sense.", "errors": {}}, status=400)
    return web.json_response({"ok": outcome.ok, "notice": outcome.notice, "errors": dict(outcome.errors)})


ROUTES = (
    web.get("/", index),
    web.get("/archives/{channel}/{place}", archive),
    web.get("/files/{id}", file),
    web.get("/page/events", events),
    web.post("/page/act", act),
    web.static("/static", STATIC),
)
