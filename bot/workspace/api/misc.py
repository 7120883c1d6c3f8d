"""Who is calling, and does Slack answer? The methods about the app itself."""

from bot.core.blockkit import faults
from bot.workspace.api.call import Call, Method, Refused
from bot.workspace.desk import Desk
from bot.workspace.model import Json


def api_test(_desk: Desk, call: Call) -> Json:
    """Echo the arguments."""
    if error := call.text("error"):
        raise Refused(error, args=dict(call.args))
    return {"args": dict(call.args)}


def auth_test(desk: Desk, _call: Call) -> Json:
    """Whose token it is."""
    return {
        "url": f"{desk.app.origin}/",
        "team": desk.world.team_name,
        "user": desk.app.name,
        "team_id": desk.world.team_id,
        "user_id": desk.app.user_id,
        "bot_id": desk.app.bot_id,
        "app_id": desk.app.app_id,
        "app_name": desk.app.name,
        "is_enterprise_install": False,
    }


def connections_open(desk: Desk, _call: Call) -> Json:
    """A single-use Socket Mode address."""
    return {"url": f"{desk.app.origin.replace('http', 'ws', 1)}/link/?{desk.link.ticket()}"}


def team_info(desk: Desk, _call: Call) -> Json:
    """The workspace."""
    world = desk.world
    return {
        "team": {"id": world.team_id, "name": world.team_name, "domain": world.domain, "email_domain": "", "icon": {}}
    }


def bots_info(desk: Desk, call: Call) -> Json:
    """The bot, by its bot id."""
    if call.text("bot", desk.app.bot_id) != desk.app.bot_id:
        raise Refused("bot_not_found")
    bot = {
        "id": desk.app.bot_id,
        "deleted": False,
        "name": desk.app.name,
        "updated": 0,
        "app_id": desk.app.app_id,
        "user_id": desk.app.user_id,
        "icons": {},
    }
    return {"bot": bot}


def blocks_validate(_desk: Desk, call: Call) -> Json:
    """What Block Kit says of exactly one of `blocks`, `message`, `view`."""
    given = [name for name in ("blocks", "message", "view") if call.args.get(name) not in (None, "")]
    if len(given) != 1:
        said = "must provide exactly one of `blocks`, `view`, or `message`"
        raise Refused("invalid_arguments", response_metadata={"messages": [said]})
    found = faults(call.json(given[0], f"invalid_{given[0]}"))
    if found:
        raise Refused(f"invalid_{given[0]}", errors=[fault.document() for fault in found])
    return {}


METHODS = (
    Method("api.test", api_test, "t4", credential="any"),
    Method("auth.test", auth_test, "special", credential="any"),
    Method("apps.connections.open", connections_open, "t3", credential="app"),
    Method("team.info", team_info, "t3", ("team:read",)),
    Method("bots.info", bots_info, "t3", ("users:read",)),
    Method("blocks.validate", blocks_validate, "t4", credential="any"),
)
