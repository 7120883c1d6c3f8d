"""Which modals and Home tabs does the bot show?"""

from typing import Any

from bot.core.blockkit import faults
from bot.workspace import blocks as kit
from bot.workspace import wire
from bot.workspace.api.call import Call, Method, Refused, refuse
from bot.workspace.desk import Desk
from bot.workspace.model import VIEWS_IN_STACK, Json, View
from bot.workspace.passes import Trigger


def checked(desk: Desk, view: Any, kinds: tuple[str, ...]) -> Json:
    """A view as it will be kept, or the refusal."""
    if not isinstance(view, dict):
        raise Refused("invalid_arguments", response_metadata={"messages": ["[ERROR] missing required field: view"]})
    if view.get("type") not in kinds:
        said = f"[ERROR] must be one of: {', '.join(kinds)} [json-pointer:/view/type]"
        raise Refused("invalid_arguments", response_metadata={"messages": [said]})
    refuse(faults(view), "invalid_arguments")
    return {**view, "blocks": list(kit.normal(view["blocks"], desk.mint.short))}


def fresh(desk: Desk, user: str, body: Json, under: View | None = None) -> View:
    """A new view for that person, on top of another one where given."""
    id_ = desk.mint.id("V")
    root, previous = (under.root_id, under.id) if under is not None else (id_, None)
    return View(id_, user, body, _hash(desk), root, previous)


def again(desk: Desk, old: View, body: Json) -> View:
    """The same view with another body."""
    return View(old.id, old.user, body, _hash(desk), old.root_id, old.previous_id)


def _hash(desk: Desk) -> str:
    return f"{int(desk.mint.now())}.{desk.mint.secret(8)}"


def _exchange(desk: Desk, call: Call) -> Trigger:
    found = desk.passes.exchange(call.text("trigger_id"))
    if isinstance(found, str):
        raise Refused(found)
    return found


def _reply(desk: Desk, view: View) -> Json:
    return {"view": wire.view(view, desk.world, desk.app, kit.state(view.blocks))}


def opened(desk: Desk, call: Call) -> Json:
    """A modal before the person whose trigger this is."""
    body = checked(desk, call.json("view", "invalid_arguments"), ("modal",))
    user = _exchange(desk, call).user
    view = fresh(desk, user, body)
    desk.show(user, (view,))
    return _reply(desk, view)


def pushed(desk: Desk, call: Call) -> Json:
    """A modal on top of the one the trigger came from."""
    body = checked(desk, call.json("view", "invalid_arguments"), ("modal",))
    trigger = _exchange(desk, call)
    stack = desk.world.modals.get(trigger.user, ())
    if trigger.view is None or not stack:
        raise Refused("not_found")
    if len(stack) >= VIEWS_IN_STACK:
        raise Refused("push_limit_reached")
    view = fresh(desk, trigger.user, body, stack[-1])
    desk.show(trigger.user, (*stack, view))
    return _reply(desk, view)


def updated(desk: Desk, call: Call) -> Json:
    """Another body for an open modal or a Home, found by view_id or external_id."""
    view_id, external = call.text("view_id"), call.text("external_id")
    open_ = (one for stack in desk.world.modals.values() for one in stack)
    everything = (*open_, *desk.world.homes.values())
    old = next(
        (one for one in everything if one.id == view_id or (external and one.body.get("external_id") == external)), None
    )
    if old is None:
        raise Refused("not_found")
    if (given := call.text("hash")) and given != old.hash:
        raise Refused("hash_conflict")
    view = again(desk, old, checked(desk, call.json("view", "invalid_arguments"), (old.body["type"],)))
    replaced(desk, view)
    return _reply(desk, view)


def replaced(desk: Desk, view: View) -> None:
    """Show the new body of a view that is on screen."""
    if view.body["type"] == "home":
        desk.publish(view)
        return
    stack = tuple(view if one.id == view.id else one for one in desk.world.modals.get(view.user, ()))
    desk.show(view.user, stack)


def published(desk: Desk, call: Call) -> Json:
    """A person's Home tab."""
    user = call.text("user_id")
    if not desk.manifest.home_tab:
        raise Refused("not_enabled")
    if user not in desk.world.people:
        raise Refused("invalid_arguments", response_metadata={"messages": ["[ERROR] invalid `user_id`"]})
    body = checked(desk, call.json("view", "invalid_arguments"), ("home",))
    old = desk.world.homes.get(user)
    if (given := call.text("hash")) and old is not None and given != old.hash:
        raise Refused("hash_conflict")
    view = again(desk, old, body) if old is not None else fresh(desk, user, body)
    desk.publish(view)
    return _reply(desk, view)


METHODS = (
    Method("views.open", opened, "t4"),
    Method("views.push", pushed, "t4"),
    Method("views.update", updated, "t4"),
    Method("views.publish", published, "t4"),
)
