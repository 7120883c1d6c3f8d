"""What does the bot say?"""

from dataclasses import replace
from typing import Any

from bot.core.blockkit import TEXT_MAX, UPDATE_TEXT_MAX, faults
from bot.workspace import blocks as kit
from bot.workspace.api.call import Call, Method, Refused, checked_blocks, conversation, member, refuse
from bot.workspace.desk import Desk
from bot.workspace.model import Channel, Json, Kind, Message
from bot.workspace.wire import message as shown


def _metadata(call: Call) -> Json | None:
    metadata = call.json("metadata", "invalid_metadata_format")
    if metadata is None:
        return None
    if not isinstance(metadata, dict) or not isinstance(metadata.get("event_payload"), dict):
        raise Refused("invalid_metadata_format")
    if not isinstance(metadata.get("event_type"), str):
        raise Refused("invalid_metadata_schema")
    return metadata


def _attachments(call: Call) -> list[Json] | None:
    attachments = call.json("attachments", "invalid_blocks_format")
    if attachments is None:
        return None
    if isinstance(attachments, list) and len(attachments) > 100:  # noqa: PLR2004 - Slack's limit
        raise Refused("too_many_attachments")
    refuse(faults({"text": "-", "attachments": attachments}), "invalid_blocks")
    return list(attachments)


def content(desk: Desk, call: Call, too_long: str | None = None) -> dict[str, Any]:
    """The fields of a message that the arguments give: text, blocks, attachments, metadata.

    `too_long` is the method's own code for blocks with too much text.
    """
    markdown = call.text("markdown_text")
    if markdown and (call.args.get("blocks") or call.text("text")):
        raise Refused("markdown_text_conflict")
    blocks = [{"type": "markdown", "text": markdown}] if markdown else checked_blocks(call, too_long)
    given: dict[str, Any] = {}
    if blocks is not None:
        given["blocks"] = kit.normal(blocks, desk.mint.short)
    if (attachments := _attachments(call)) is not None:
        given["attachments"] = tuple(attachments)
    if (metadata := _metadata(call)) is not None:
        given["metadata"] = metadata
    if markdown or call.args.get("text") is not None:
        given["text"] = markdown or call.text("text")
    return given


def _thread(desk: Desk, call: Call, where: Channel) -> str | None:
    """The parent a reply goes under. A reply's own ts leads to its parent, as on Slack."""
    wanted = call.text("thread_ts")
    if not wanted:
        return None
    parent = desk.world.message(where.id, wanted)
    if parent is None:
        raise Refused("cannot_reply_to_message")
    return parent.thread_ts or parent.ts


def _empty(given: dict[str, Any]) -> bool:
    return not (given.get("text") or given.get("blocks") or given.get("attachments"))


def post(desk: Desk, call: Call) -> Json:
    """A message in a channel or thread."""
    where = conversation(desk, call)
    if where.kind is Kind.IM and not desk.manifest.messages_tab:
        raise Refused("messages_tab_disabled")
    if "chat:write.public" not in desk.manifest.scopes or where.kind is not Kind.PUBLIC:
        member(desk, where)
    given = content(desk, call)
    if _empty(given):
        raise Refused("no_text")
    given["text"] = given.get("text", "")[:TEXT_MAX]
    message = Message(
        ts=desk.mint.ts(),
        channel=where.id,
        user=desk.app.user_id,
        thread_ts=_thread(desk, call, where),
        broadcast=call.flag("reply_broadcast"),
        mrkdwn=call.text("mrkdwn", "true").lower() != "false",
        **given,
    )
    desk.post(message)
    return {
        "channel": where.id,
        "ts": message.ts,
        "message": shown(message, desk.world, desk.app, metadata=True),
    }


def ephemeral(desk: Desk, call: Call) -> Json:
    """A message for one person, which nothing keeps."""
    where = conversation(desk, call)
    member(desk, where)
    user = call.text("user")
    if user not in where.members:
        raise Refused("user_not_in_channel")
    given = content(desk, call, "msg_too_long")
    if _empty(given):
        raise Refused("no_text")
    thread = _thread(desk, call, where)
    message = Message(
        ts=desk.mint.ts(), channel=where.id, user=desk.app.user_id, thread_ts=thread, recipient=user, **given
    )
    desk.post(message)
    return {"message_ts": message.ts}


def _own(desk: Desk, call: Call, error: str) -> Message:
    where = conversation(desk, call)
    found = desk.world.message(where.id, call.text("ts"))
    if found is None:
        raise Refused("message_not_found")
    if found.user != desk.app.user_id:
        raise Refused(error)
    return found


def update(desk: Desk, call: Call) -> Json:
    """Change a message of the bot's. Blocks and attachments that are not given stay; `[]` takes them away."""
    old = _own(desk, call, "cant_update_message")
    if len(call.text("text")) > UPDATE_TEXT_MAX:
        raise Refused("msg_too_long")
    given = content(desk, call, "msg_too_long")
    if not given:
        raise Refused("no_text")
    new = replace(old, **given)
    if not (new.text or new.blocks or new.attachments or new.files):
        raise Refused("no_text")
    # Slack marks an edit only where the message is plain text.
    if "blocks" not in given and "attachments" not in given and new.text != old.text:
        new = replace(new, edited=desk.mint.ts())
    desk.edit(new)
    return {
        "channel": new.channel,
        "ts": new.ts,
        "text": new.text,
        "message": shown(new, desk.world, desk.app, metadata=True),
    }


def delete(desk: Desk, call: Call) -> Json:
    """Take a message of the bot's away."""
    old = _own(desk, call, "cant_delete_message")
    desk.delete(old)
    return {"channel": old.channel, "ts": old.ts}


def permalink(desk: Desk, call: Call) -> Json:
    """An address of a message; on this page it opens the channel there."""
    where = conversation(desk, call)
    found = desk.world.message(where.id, call.text("message_ts"))
    if found is None:
        raise Refused("message_not_found")
    thread = f"?thread_ts={found.thread_ts}&cid={where.id}" if found.is_reply else ""
    address = f"{desk.app.origin}/archives/{where.id}/p{found.ts.replace('.', '')}{thread}"
    return {"channel": where.id, "permalink": address}


METHODS = (
    Method("chat.postMessage", post, "message", ("chat:write",)),
    Method("chat.postEphemeral", ephemeral, "t4", ("chat:write",)),
    Method("chat.update", update, "t3", ("chat:write",)),
    Method("chat.delete", delete, "t3", ("chat:write",)),
    Method("chat.getPermalink", permalink, "special"),
)
