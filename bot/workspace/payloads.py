"""What exactly does the app receive when somebody does something? Pure; shapes as in Slack's recorded payloads."""

from dataclasses import dataclass

from bot.workspace import wire
from bot.workspace.model import Channel, Json, Message, Person, View, Workspace
from bot.workspace.wire import App

TOKEN = "local-verification-token"  # noqa: S105 - Slack's legacy field; nothing checks it


@dataclass(frozen=True, slots=True)
class Scene:
    """Who does something, in which workspace, in front of which app."""

    world: Workspace
    app: App
    who: Person


def slash_command(scene: Scene, where: Channel, command: str, text: str, *, hook: str, trigger: str) -> Json:
    """A slash command. It has no thread field, as on Slack."""
    return {
        "token": TOKEN,
        "team_id": scene.world.team_id,
        "team_domain": scene.world.domain,
        "channel_id": where.id,
        "channel_name": "directmessage" if where.kind.value == "im" else where.name,
        "user_id": scene.who.id,
        "user_name": scene.who.name,
        "command": command,
        "text": text,
        "api_app_id": scene.app.app_id,
        "is_enterprise_install": "false",
        "response_url": hook,
        "trigger_id": trigger,
    }


def _interaction(kind: str, scene: Scene) -> Json:
    return {
        "type": kind,
        "user": {
            "id": scene.who.id,
            "username": scene.who.name,
            "name": scene.who.name,
            "team_id": scene.world.team_id,
        },
        "api_app_id": scene.app.app_id,
        "token": TOKEN,
        "team": {"id": scene.world.team_id, "domain": scene.world.domain},
        "enterprise": None,
        "is_enterprise_install": False,
    }


def message_action(
    scene: Scene,
    message: Message,
    actions: list[Json],
    values: Json,
    *,
    hook: str,
    trigger: str,
) -> Json:
    """A click on an element of a message."""
    where = scene.world.channels[message.channel]
    container: Json = {
        "type": "message",
        "message_ts": message.ts,
        "channel_id": message.channel,
        "is_ephemeral": message.recipient is not None,
    }
    thread = message.thread_ts or (message.ts if scene.world.replies(message.channel, message.ts) else None)
    if thread is not None:
        container["thread_ts"] = thread
    shown = wire.message(message, scene.world, scene.app)
    out = _interaction("block_actions", scene) | {
        "container": container,
        "trigger_id": trigger,
        "channel": {"id": where.id, "name": "directmessage" if where.kind.value == "im" else where.name},
        "state": {"values": values},
        "response_url": hook,
        "actions": actions,
    }
    # Slack leaves the message out of clicks on ephemeral messages.
    return out if message.recipient is not None else out | {"message": shown}


def view_action(scene: Scene, view: View, actions: list[Json], values: Json, *, trigger: str) -> Json:
    """A click on an element of a modal or of the Home tab."""
    return _interaction("block_actions", scene) | {
        "container": {"type": "view", "view_id": view.id},
        "trigger_id": trigger,
        "view": wire.view(view, scene.world, scene.app, values),
        "actions": actions,
    }


def view_submission(scene: Scene, view: View, values: Json, *, trigger: str) -> Json:
    """A modal was submitted."""
    return _interaction("view_submission", scene) | {
        "trigger_id": trigger,
        "view": wire.view(view, scene.world, scene.app, values),
        "response_urls": [],
    }


def view_closed(scene: Scene, view: View, *, cleared: bool) -> Json:
    """A modal with notify_on_close was dismissed."""
    return _interaction("view_closed", scene) | {
        "view": wire.view(view, scene.world, scene.app),
        "is_cleared": cleared,
    }


def block_suggestion(scene: Scene, surface: Message | View, block_id: str, action_id: str, value: str) -> Json:
    """An external select asks for options that match what was typed."""
    out = _interaction("block_suggestion", scene) | {
        "action_id": action_id,
        "block_id": block_id,
        "value": value,
    }
    if isinstance(surface, View):
        return out | {
            "container": {"type": "view", "view_id": surface.id},
            "view": wire.view(surface, scene.world, scene.app),
        }
    where = scene.world.channels[surface.channel]
    return out | {
        "container": {
            "type": "message",
            "message_ts": surface.ts,
            "channel_id": surface.channel,
            "is_ephemeral": False,
        },
        "channel": {"id": where.id, "name": where.name},
        "message": wire.message(surface, scene.world, scene.app),
    }


def shortcut(scene: Scene, callback_id: str, *, trigger: str, ts: str) -> Json:
    """A global shortcut."""
    return _interaction("shortcut", scene) | {
        "callback_id": callback_id,
        "trigger_id": trigger,
        "action_ts": ts,
    }


def message_shortcut(scene: Scene, message: Message, callback_id: str, *, hook: str, trigger: str, ts: str) -> Json:
    """A shortcut from a message's menu."""
    where = scene.world.channels[message.channel]
    return _interaction("message_action", scene) | {
        "callback_id": callback_id,
        "trigger_id": trigger,
        "response_url": hook,
        "action_ts": ts,
        "message_ts": message.ts,
        "channel": {"id": where.id, "name": where.name},
        "message": wire.message(message, scene.world, scene.app),
    }


def event(world: Workspace, app: App, inner: Json, *, event_id: str, at: float) -> Json:
    """An Events API callback around one event."""
    return {
        "token": TOKEN,
        "team_id": world.team_id,
        "api_app_id": app.app_id,
        "event": inner,
        "type": "event_callback",
        "event_id": event_id,
        "event_time": int(at),
        "authorizations": [
            {
                "enterprise_id": None,
                "team_id": world.team_id,
                "user_id": app.user_id,
                "is_bot": True,
                "is_enterprise_install": False,
            }
        ],
        "is_ext_shared_channel": False,
    }


def said(world: Workspace, message: Message, kind: str) -> Json:
    """The event of a person's message: `message`, or `app_mention` (which names no channel_type)."""
    out: Json = {
        "type": kind,
        "user": message.user,
        "ts": message.ts,
        "client_msg_id": message.client_msg_id,
        "text": message.text,
        "team": world.team_id,
        "blocks": list(message.blocks),
        "channel": message.channel,
        "event_ts": message.ts,
    }
    if message.is_reply:
        parent = world.message(message.channel, message.thread_ts or "")
        out |= {"thread_ts": message.thread_ts, "parent_user_id": parent.user if parent else ""}
    if kind == "message":
        out["channel_type"] = world.channels[message.channel].kind.value
    return out


def reacted(kind: str, who: str, name: str, message: Message, ts: str) -> Json:
    """`reaction_added` or `reaction_removed`."""
    return {
        "type": kind,
        "user": who,
        "reaction": name,
        "item": {"type": "message", "channel": message.channel, "ts": message.ts},
        "item_user": message.user,
        "event_ts": ts,
    }


def home_opened(scene: Scene, channel: str, tab: str, ts: str) -> Json:
    """Somebody looks at the app's Home (or Messages) tab."""
    out: Json = {"type": "app_home_opened", "user": scene.who.id, "channel": channel, "tab": tab, "event_ts": ts}
    home = scene.world.homes.get(scene.who.id)
    return out | {"view": wire.view(home, scene.world, scene.app)} if home is not None else out
