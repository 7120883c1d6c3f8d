"""Who is here, and in which groups?"""

from bot.workspace import wire
from bot.workspace.api.call import Call, Method, Refused, page
from bot.workspace.desk import Desk
from bot.workspace.model import Json


def info(desk: Desk, call: Call) -> Json:
    """One person."""
    found = desk.world.people.get(call.text("user"))
    if found is None:
        raise Refused("user_not_found")
    return {"user": wire.person(found, desk.world.team_id)}


def everybody(desk: Desk, call: Call) -> Json:
    """All people, the bot among them."""
    members, cursor = page(list(desk.world.people.values()), call, 1_000)
    return {
        "members": [wire.person(one, desk.world.team_id) for one in members],
        "cache_ts": int(desk.mint.now()),
        "response_metadata": {"next_cursor": cursor},
    }


def groups(desk: Desk, call: Call) -> Json:
    """The user groups; their members where `include_users` asks."""
    shown = []
    for one in desk.world.usergroups.values():
        group: Json = {
            "id": one.id,
            "team_id": desk.world.team_id,
            "is_usergroup": True,
            "name": one.name,
            "handle": one.handle,
            "description": "",
            "is_external": False,
            "date_create": 0,
            "date_update": 0,
            "date_delete": 0,
            "user_count": len(one.users),
        }
        shown.append(group | {"users": list(one.users)} if call.flag("include_users") else group)
    return {"usergroups": shown}


def group_users(desk: Desk, call: Call) -> Json:
    """The people of one group."""
    found = desk.world.usergroups.get(call.text("usergroup"))
    if found is None:
        raise Refused("no_such_subteam")
    return {"users": list(found.users)}


METHODS = (
    Method("users.info", info, "t4", ("users:read",)),
    Method("users.list", everybody, "t2", ("users:read",)),
    Method("usergroups.list", groups, "t2", ("usergroups:read",)),
    Method("usergroups.users.list", group_users, "t2", ("usergroups:read",)),
)
