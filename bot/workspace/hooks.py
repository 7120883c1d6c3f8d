"""What does an answer to a response URL do?"""

from dataclasses import replace

from bot.workspace.api.call import Call, Refused
from bot.workspace.api.chat import content
from bot.workspace.desk import Desk
from bot.workspace.model import Json, Message
from bot.workspace.passes import Hook


def answer(desk: Desk, id_: str, body: Json) -> tuple[int, str]:
    """Spend one use of the URL: HTTP status and body, `ok` when it was done."""
    hook = desk.passes.use(id_)
    if isinstance(hook, str):
        return 404, hook
    try:
        _act(desk, hook, Call(body))
    except Refused as refused:
        return 400 if refused.error != "message_not_found" else 404, refused.error
    return 200, "ok"


def respond(desk: Desk, hook: Hook, body: Json) -> None:
    """The same for what an ack carried (a slash command's immediate answer). Raises Refused."""
    _act(desk, hook, Call(body))


def _target(desk: Desk, hook: Hook) -> Message:
    if hook.ephemeral:
        theirs = desk.world.ephemerals.get(hook.user, ())
        found = next((one for one in theirs if one.ts == hook.target), None)
    else:
        found = desk.world.message(hook.channel, hook.target or "")
    if found is None:
        raise Refused("message_not_found")
    return found


def _act(desk: Desk, hook: Hook, call: Call) -> None:
    if hook.target is not None and call.flag("delete_original"):
        desk.delete(_target(desk, hook))
        return
    given = content(desk, call)
    if not given:
        raise Refused("no_text")
    if hook.target is not None and call.flag("replace_original"):
        bare = {"text": "", "blocks": (), "attachments": ()}
        desk.edit(replace(_target(desk, hook), **(bare | given)))
        return
    public = call.text("response_type") == "in_channel"
    desk.post(
        Message(
            ts=desk.mint.ts(),
            channel=hook.channel,
            user=desk.app.user_id,
            thread_ts=call.text("thread_ts") or None,
            recipient=None if public else hook.user,
            **given,
        )
    )
