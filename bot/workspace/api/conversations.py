"""Which conversations are there, who is in them, what was said?"""

from collections.abc import Sequence

from bot.workspace import model, wire
from bot.workspace.api.call import Call, Method, Refused, conversation, member, page
from bot.workspace.desk import Desk, News
from bot.workspace.model import Json, Kind, Message

TYPES = {"public_channel": Kind.PUBLIC, "private_channel": Kind.PRIVATE, "im": Kind.IM}


def info(desk: Desk, call: Call) -> Json:
    """One conversation."""
    return {"channel": wire.channel(conversation(desk, call), desk.world, desk.app)}


def listed(desk: Desk, call: Call) -> Json:
    """The conversations of the wanted types that the bot can see."""
    wanted = {one.strip() for one in call.text("types", "public_channel").split(",")}
    if not wanted <= {*TYPES, "mpim"}:
        raise Refused("invalid_types")
    kinds = {TYPES[one] for one in wanted if one in TYPES}
    seen = [
        one
        for one in desk.world.channels.values()
        if one.kind in kinds and (one.kind is Kind.PUBLIC or desk.app.user_id in one.members)
    ]
    shown, cursor = page(seen, call)
    return {
        "channels": [wire.channel(one, desk.world, desk.app) for one in shown],
        "response_metadata": {"next_cursor": cursor},
    }


def members(desk: Desk, call: Call) -> Json:
    """Who is in a conversation."""
    shown, cursor = page(sorted(conversation(desk, call).members), call)
    return {"members": list(shown), "response_metadata": {"next_cursor": cursor}}


def opened(desk: Desk, call: Call) -> Json:
    """The direct conversation with one person."""
    if where := call.text("channel"):
        found = conversation(desk, call)
        if found.kind is not Kind.IM:
            raise Refused("method_not_supported_for_channel_type", channel=where)
        return {"channel": {"id": found.id}}
    users = [one for one in call.text("users").split(",") if one]
    if not users:
        raise Refused("users_list_not_supplied")
    if len(users) > 1:
        raise Refused("invalid_user_combination")
    if users[0] not in desk.world.people:
        raise Refused("user_not_found")
    already = "D" + users[0][1:] in desk.world.channels
    room = desk.im(users[0])
    return {"no_op": already, "already_open": already, "channel": {"id": room.id}}


def joined(desk: Desk, call: Call) -> Json:
    """Make the bot a member of a public channel."""
    found = conversation(desk, call)
    if found.kind is not Kind.PUBLIC:
        raise Refused("method_not_supported_for_channel_type")
    world = model.joined(desk.world, found.id, desk.app.user_id)
    desk.put(world, News("channel", wire.channel(world.channels[found.id], world, desk.app), channel=found.id))
    return {"channel": wire.channel(world.channels[found.id], world, desk.app)}


def _between(messages: Sequence[Message], call: Call) -> list[Message]:
    oldest, latest = call.text("oldest", "0"), call.text("latest") or "9999999999.999999"
    for name, value in (("oldest", oldest), ("latest", latest)):
        if not value.replace(".", "", 1).isdigit():
            raise Refused(f"invalid_ts_{name}")
    inclusive = call.flag("inclusive")
    low, high = float(oldest), float(latest)
    return [one for one in messages if low < float(one.ts) < high or (inclusive and float(one.ts) in (low, high))]


def history(desk: Desk, call: Call) -> Json:
    """What was said in a conversation, newest first, thread replies left out."""
    found = conversation(desk, call)
    member(desk, found)
    top = [one for one in desk.world.messages.get(found.id, ()) if not one.is_reply or one.broadcast]
    shown, cursor = page(_between(top, call)[::-1], call)
    out: Json = {
        "messages": [
            wire.message(one, desk.world, desk.app, metadata=call.flag("include_all_metadata")) for one in shown
        ],
        "has_more": bool(cursor),
        "pin_count": 0,
        "channel_actions_ts": None,
        "channel_actions_count": 0,
    }
    return out | ({"response_metadata": {"next_cursor": cursor}} if cursor else {})


def replies(desk: Desk, call: Call) -> Json:
    """A parent message and its thread, oldest first."""
    found = conversation(desk, call)
    member(desk, found, "channel_not_found")
    parent = desk.world.message(found.id, call.text("ts"))
    if parent is None:
        raise Refused("thread_not_found")
    thread = [parent, *_between(desk.world.replies(found.id, parent.ts), call)]
    shown, cursor = page(thread, call, 1_000)
    out: Json = {
        "messages": [
            wire.message(one, desk.world, desk.app, metadata=call.flag("include_all_metadata")) for one in shown
        ],
        "has_more": bool(cursor),
    }
    return out | ({"response_metadata": {"next_cursor": cursor}} if cursor else {})


METHODS = (
    Method("conversations.info", info, "t3", ("{}:read",)),
    Method("conversations.list", listed, "t2", ("{}:read",)),
    Method("conversations.members", members, "t4", ("{}:read",)),
    Method("conversations.open", opened, "t3", ("im:write",)),
    Method("conversations.join", joined, "t3", ("channels:join",)),
    Method("conversations.history", history, "t3", ("{}:history",)),
    Method("conversations.replies", replies, "t3", ("{}:history",)),
)
