"""Which emoji does the bot put under a message?"""

import re

from bot.workspace import model
from bot.workspace.api.call import Call, Method, Refused, conversation
from bot.workspace.desk import Desk
from bot.workspace.model import Json, Message

_NAME = re.compile(r"[a-z0-9_+'-]{1,100}(::skin-tone-[2-6])?")


def _target(desk: Desk, call: Call) -> tuple[Message, str]:
    name = call.text("name").strip(":")
    if not _NAME.fullmatch(name):
        raise Refused("invalid_name")
    if not call.text("timestamp"):
        raise Refused("no_item_specified")
    where = conversation(desk, call)
    found = desk.world.message(where.id, call.text("timestamp"))
    if found is None:
        raise Refused("message_not_found")
    return found, name


def _has(message: Message, name: str, user: str) -> bool:
    return any(one.name == name and user in one.users for one in message.reactions)


def add(desk: Desk, call: Call) -> Json:
    """Put one."""
    message, name = _target(desk, call)
    if _has(message, name, desk.app.user_id):
        raise Refused("already_reacted")
    desk.edit(model.reacted(message, name, desk.app.user_id))
    return {}


def remove(desk: Desk, call: Call) -> Json:
    """Take one away."""
    message, name = _target(desk, call)
    if not _has(message, name, desk.app.user_id):
        raise Refused("no_reaction")
    desk.edit(model.unreacted(message, name, desk.app.user_id))
    return {}


METHODS = (
    Method("reactions.add", add, "t3", ("reactions:write",)),
    Method("reactions.remove", remove, "t2", ("reactions:write",)),
)
