"""What does an open page hear, and what does it let a person do?"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import asdict

from aiohttp import web

from bot.workspace import controls, speech, wire
from bot.workspace.desk import SLACKBOT, Desk, News
from bot.workspace.gateway import DESK
from bot.workspace.model import Json, Message, Person, View
from bot.workspace.outcome import Outcome

SHOWN = 300
"""Messages per channel that a page loads."""
HEARTBEAT = 15.0
"""Seconds after which a silent stream says that it is alive."""
STOPPING = web.AppKey("stopping", asyncio.Event)


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
    stream = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await stream.prepare(request)
    with desk.listening(who.id) as news, suppress(ConnectionError):  # a reader who leaves is no failure
        await _send(stream, "state", snapshot(desk, who))
        while not request.app[STOPPING].is_set():
            await _follow(desk, who, stream, news)
    return stream


async def _follow(desk: Desk, who: Person, stream: web.StreamResponse, news: asyncio.Queue[News]) -> None:
    """Write the next change, or a sign of life."""
    try:
        one = await asyncio.wait_for(news.get(), HEARTBEAT)
    except TimeoutError:
        await stream.write(b": still here\n\n")
        return
    if one.kind == "reload":
        await _send(stream, "state", snapshot(desk, who))
    elif one.kind == "channel":
        await _send(stream, "channel", _channel(desk, one.data["id"]))
    elif one.kind != "stop":
        await _send(stream, one.kind, one.data)


async def _send(stream: web.StreamResponse, kind: str, data: Json) -> None:
    await stream.write(f"event: {kind}\ndata: {json.dumps(data)}\n\n".encode())


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


async def _say(desk: Desk, who: Person, body: Json) -> Outcome:
    where = desk.channel(str(body["channel"]))
    if where not in desk.world.visible(who.id):
        raise LookupError("You do not see that channel.")
    return await speech.say(desk, who, where, str(body["text"]), body.get("thread_ts"))


async def _click(desk: Desk, who: Person, body: Json) -> Outcome:
    return await controls.click(
        desk,
        who,
        surface(desk, who, body),
        str(body["action_id"]),
        block_id=str(body["block_id"]),
        chosen=body.get("chosen"),
        values=body.get("values"),
    )


async def _submit(desk: Desk, who: Person, body: Json) -> Outcome:
    return await controls.submit(desk, who, _view(desk, who, body), body.get("values"))


async def _close(desk: Desk, who: Person, body: Json) -> Outcome:
    return await controls.close(desk, who, _view(desk, who, body), everything=bool(body.get("all")))


async def _react(desk: Desk, who: Person, body: Json) -> Outcome:
    return speech.react(desk, who, _message(desk, who, body), str(body["name"]))


async def _home(desk: Desk, who: Person, body: Json) -> Outcome:
    return controls.open_home(desk, who, str(body.get("tab", "home")))


async def _shortcut(desk: Desk, who: Person, body: Json) -> Outcome:
    message = _message(desk, who, body) if body.get("ts") else None
    return await controls.shortcut(desk, who, str(body["callback_id"]), message)


Act = Callable[[Desk, Person, Json], Awaitable[Outcome]]
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
            found = await controls.suggest(desk, who, where, typed=str(body["value"]), **names)
            return web.json_response({"ok": True, "options": found})
        outcome = await ACTS[body["act"]](desk, who, body)
    except LookupError as gone:
        said = gone.args[0] if gone.args else "gone"
        return web.json_response({"ok": False, "notice": str(said), "errors": {}}, status=404)
    except (ValueError, TypeError):
        return web.json_response({"ok": False, "notice": "That request makes no sense.", "errors": {}}, status=400)
    return web.json_response({"ok": outcome.ok, "notice": outcome.notice, "errors": dict(outcome.errors)})


ROUTES = (web.get("/page/events", events), web.post("/page/act", act))
