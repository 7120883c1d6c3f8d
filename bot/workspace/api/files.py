"""Which files does the bot share? Three steps, as Slack has them: an address, the bytes, the sharing."""

import mimetypes
from dataclasses import replace

from bot.workspace import blocks as kit
from bot.workspace import wire
from bot.workspace.api.call import Call, Method, Refused, checked_blocks, conversation, member
from bot.workspace.desk import Desk
from bot.workspace.model import FILES_MAX, File, Json, Message, having

BYTES_MAX = 20 * 1024 * 1024
"""Bytes of one file (Slack allows 1 GB; this server holds files in memory)."""
UPLOADS_MAX = 100
ALT_MAX = 1_000
"""Characters of the words for those who cannot see a picture."""
SNIPPET_MAX = 1_000_000
"""Bytes of a file that is to be shown as code."""


def upload_url(desk: Desk, call: Call) -> Json:
    """Where to POST the bytes."""
    name = call.need("filename", "missing_argument")
    length = call.number("length", 0, "missing_argument")
    if length <= 0:
        raise Refused("missing_argument")
    if len(call.text("alt_txt")) > ALT_MAX:
        raise Refused("alt_txt_too_large")
    if length > (SNIPPET_MAX if call.text("snippet_type") else BYTES_MAX):
        raise Refused("snippet_too_large" if call.text("snippet_type") else "file_upload_size_restricted")
    mimetype = mimetypes.guess_type(name)[0] or "text/plain"
    file = File(
        id=desk.mint.id("F"),
        name=name,
        title=name,
        mimetype=mimetype,
        content=b"",
        user=desk.app.user_id,
        created=int(desk.mint.now()),
        alt=call.text("alt_txt"),
    )
    ticket = desk.mint.secret()
    desk.uploads[ticket] = file
    for old in list(desk.uploads)[:-UPLOADS_MAX]:
        del desk.uploads[old]
    return {"file_id": file.id, "upload_url": f"{desk.app.origin}/upload/v1/{ticket}"}


def complete(desk: Desk, call: Call) -> Json:
    """Share what was uploaded, as one message where a channel is named."""
    wanted = call.json("files", "file_not_found")
    uploaded = {file.id: (ticket, file) for ticket, file in desk.uploads.items() if file.content}
    if not isinstance(wanted, list) or not wanted or any(one.get("id") not in uploaded for one in wanted):
        raise Refused("file_not_found")
    channel = call.text("channel_id") or call.text("channels").split(",")[0]
    where = conversation(desk, Call({"channel": channel})) if channel else None
    if where is not None:
        member(desk, where)
    blocks = checked_blocks(call)
    thread = call.text("thread_ts")
    if where is not None and thread and desk.world.message(where.id, thread) is None:
        raise Refused("invalid_channel")
    ts = desk.mint.ts()
    files = []
    for one in wanted:
        ticket, file = uploaded[one["id"]]
        del desk.uploads[ticket]
        shares = ((where.id, ts),) if where is not None else ()
        files.append(replace(file, title=one.get("title") or file.name, shares=shares))
    world = desk.world
    for file in files:
        world = replace(world, files=having(world.files, file.id, file, FILES_MAX))
    desk.put(world)
    if where is not None:
        desk.post(
            Message(
                ts=ts,
                channel=where.id,
                user=desk.app.user_id,
                text=call.text("initial_comment"),
                blocks=kit.normal(blocks or (), desk.mint.short),
                files=tuple(file.id for file in files),
                thread_ts=thread or None,
            )
        )
    return {"files": [wire.file(file, desk.app) for file in files]}


def info(desk: Desk, call: Call) -> Json:
    """One file, with the text of it where it is text."""
    found = desk.world.files.get(call.text("file"))
    if found is None:
        raise Refused("file_not_found")
    out: Json = {"file": wire.file(found, desk.app), "comments": []}
    if found.mimetype.startswith("text/"):
        out["content"] = found.content.decode("utf-8", "replace")
    return out


METHODS = (
    Method("files.getUploadURLExternal", upload_url, "t4", ("files:write",)),
    Method("files.completeUploadExternal", complete, "t4", ("files:write",)),
    Method("files.info", info, "t4", ("files:read",)),
)
