"""How do people, channels, messages, files and views look in JSON? Pure; the shapes of Slack's own replies."""

from dataclasses import dataclass
from zlib import adler32

from bot.workspace.model import Channel, File, Json, Kind, Message, Person, View, Workspace

COLOURS = ("7a5bc0", "2f7fc1", "a34b4b", "8a6d3b", "c2557a", "5566b8", "b3683a", "3a8f5c")


@dataclass(frozen=True, slots=True)
class App:
    """The bot's identities, and where this workspace is reached."""

    app_id: str
    bot_id: str
    user_id: str
    name: str
    origin: str


def person(one: Person, team_id: str) -> Json:
    """A `user` object."""
    return {
        "id": one.id,
        "team_id": team_id,
        "name": one.name,
        "deleted": one.deleted,
        "color": colour(one.id),
        "real_name": one.real_name,
        "tz": "Etc/UTC",
        "tz_label": "Coordinated Universal Time",
        "tz_offset": 0,
        "profile": {
            "real_name": one.real_name,
            "display_name": one.name,
            "real_name_normalized": one.real_name,
            "display_name_normalized": one.name,
            "team": team_id,
        },
        "is_admin": one.is_admin,
        "is_owner": False,
        "is_primary_owner": False,
        "is_restricted": one.is_restricted,
        "is_ultra_restricted": False,
        "is_bot": one.is_bot,
        "is_app_user": False,
        "updated": 0,
    }


def colour(user: str) -> str:
    """A stable colour per person, six hex digits."""
    return COLOURS[adler32(user.encode()) % len(COLOURS)]


def channel(one: Channel, world: Workspace, app: App) -> Json:
    """A `conversation` object, as the bot sees it."""
    shared = {
        "id": one.id,
        "created": 0,
        "is_archived": False,
        "is_org_shared": False,
        "context_team_id": world.team_id,
    }
    if one.kind is Kind.IM:
        other = next((who for who in sorted(one.members) if who != app.user_id), app.user_id)
        return {**shared, "is_im": True, "user": other, "is_user_deleted": world.people[other].deleted, "priority": 0}
    return {
        **shared,
        "name": one.name,
        "name_normalized": one.name,
        "is_channel": one.kind is Kind.PUBLIC,
        "is_group": one.kind is Kind.PRIVATE,
        "is_im": False,
        "is_mpim": False,
        "is_private": one.kind is Kind.PRIVATE,
        "is_general": one.name == "general",
        "is_shared": False,
        "is_ext_shared": False,
        "is_pending_ext_shared": False,
        "is_member": app.user_id in one.members,
        "unlinked": 0,
        "creator": app.user_id,
        "topic": {"value": one.topic, "creator": "", "last_set": 0},
        "purpose": {"value": "", "creator": "", "last_set": 0},
        "num_members": len(one.members),
    }


def message(one: Message, world: Workspace, app: App, *, metadata: bool = False) -> Json:
    """A `message` object with its reactions, files and thread summary."""
    out: Json = {"type": "message", "user": one.user, "ts": one.ts, "text": one.text, "team": world.team_id}
    if one.user == app.user_id:
        out |= {"bot_id": app.bot_id, "app_id": app.app_id}
        out["bot_profile"] = {"id": app.bot_id, "app_id": app.app_id, "name": app.name, "deleted": False}
    if one.client_msg_id is not None:
        out["client_msg_id"] = one.client_msg_id
    if one.blocks:
        out["blocks"] = list(one.blocks)
    if one.attachments:
        out["attachments"] = [{"id": index, **given} for index, given in enumerate(one.attachments, 1)]
    if one.files:
        out["files"] = [file(world.files[name], app) for name in one.files if name in world.files]
    if one.reactions:
        out["reactions"] = [
            {"name": each.name, "users": list(each.users), "count": len(each.users)} for each in one.reactions
        ]
    if one.edited is not None:
        out["edited"] = {"user": one.user, "ts": one.edited}
    if metadata and one.metadata is not None:
        out["metadata"] = one.metadata
    if one.recipient is not None:
        out["is_ephemeral"] = True
    if not one.mrkdwn:
        out["mrkdwn"] = False
    return out | _thread(one, world)


def _thread(one: Message, world: Workspace) -> Json:
    if one.is_reply:
        parent = world.message(one.channel, one.thread_ts or "")
        out: Json = {"thread_ts": one.thread_ts}
        if parent is not None:
            out["parent_user_id"] = parent.user
        if one.broadcast:
            out["subtype"] = "thread_broadcast"
        return out
    replies = world.replies(one.channel, one.ts) if one.recipient is None else ()
    if not replies:
        return {}
    users = list(dict.fromkeys(reply.user for reply in replies))
    return {
        "thread_ts": one.ts,
        "reply_count": len(replies),
        "reply_users_count": len(users),
        "reply_users": users[:5],
        "latest_reply": replies[-1].ts,
        "is_locked": False,
        "subscribed": False,
    }


def file(one: File, app: App) -> Json:
    """A `file` object; its addresses are on this server."""
    shares: dict[str, list[Json]] = {}
    for where, ts in one.shares:
        shares.setdefault(where, []).append({"ts": ts})
    address = f"{app.origin}/files/{one.id}"
    return {
        "id": one.id,
        "created": one.created,
        "timestamp": one.created,
        "name": one.name,
        "title": one.title,
        "mimetype": one.mimetype,
        "filetype": one.name.rpartition(".")[2] or "text",
        "pretty_type": one.mimetype,
        "user": one.user,
        "size": len(one.content),
        "mode": "hosted",
        "is_external": False,
        "is_public": True,
        "alt_txt": one.alt,
        "url_private": address,
        "url_private_download": f"{address}?download=1",
        "permalink": address,
        "channels": sorted({where for where, _ in one.shares}),
        "shares": {"public": shares},
    }


def view(one: View, world: Workspace, app: App, values: Json | None = None) -> Json:
    """A `view` object; `values` is its `state.values`."""
    body = one.body
    out: Json = {
        "id": one.id,
        "team_id": world.team_id,
        "type": body["type"],
        "blocks": body["blocks"],
        "private_metadata": body.get("private_metadata", ""),
        "callback_id": body.get("callback_id", ""),
        "state": {"values": values or {}},
        "hash": one.hash,
        "title": body.get("title", {"type": "plain_text", "text": "View Title", "emoji": True}),
        "clear_on_close": body.get("clear_on_close", False),
        "notify_on_close": body.get("notify_on_close", False),
        "close": body.get("close"),
        "submit": body.get("submit"),
        "previous_view_id": one.previous_id,
        "root_view_id": one.root_id,
        "app_id": app.app_id,
        "external_id": body.get("external_id", ""),
        "app_installed_team_id": world.team_id,
        "bot_id": app.bot_id,
    }
    return out
