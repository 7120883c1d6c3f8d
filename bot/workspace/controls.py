"""What can a person press, pick, submit and dismiss?"""

from dataclasses import replace

from bot.workspace import blocks as kit
from bot.workspace import model, payloads
from bot.workspace.api import views
from bot.workspace.api.call import Refused
from bot.workspace.desk import Desk
from bot.workspace.link import NoAnswer
from bot.workspace.model import Json, Message, Person, View
from bot.workspace.outcome import Outcome, Values, unanswered


async def click(
    desk: Desk,
    who: Person,
    surface: Message | View,
    action_id: str,
    *,
    block_id: str | None = None,
    chosen: Json | None = None,
    values: Values | None = None,
) -> Outcome:
    """Use a control of a message or view: press a button, pick an option. Raises LookupError when it is not there."""
    kept = _all_blocks(surface)
    control = kit.find(kept, action_id, block_id)
    if control is None:
        known = ", ".join(one.element["action_id"] for one in kit.controls(kept)) or "none"
        raise LookupError(f"no control {action_id!r} here; there are: {known}")
    actions = [kit.action(control, chosen or {}, desk.mint.ts())]
    given: Json = {block: dict(entries) for block, entries in (values or {}).items()}
    if control.element["type"] in kit.STATE:
        given.setdefault(control.block["block_id"], {})[action_id] = actions[0]
    state = kit.state(kept, given)
    if isinstance(surface, View):
        trigger = desk.trigger(who.id, surface.id)
        payload = payloads.view_action(desk.scene(who), surface, actions, state, trigger=trigger)
    else:
        hook = desk.hook("actions", who.id, surface.channel, surface)
        trigger = desk.trigger(who.id)
        payload = payloads.message_action(desk.scene(who), surface, actions, state, hook=hook, trigger=trigger)
    try:
        await desk.link.ask("interactive", payload)
    except NoAnswer as failure:
        return Outcome(False, unanswered(desk, failure))
    return Outcome()


def _all_blocks(surface: Message | View) -> list[Json]:
    nested = [] if isinstance(surface, View) else [b for one in surface.attachments for b in one.get("blocks", ())]
    return [*surface.blocks, *nested]


async def suggest(
    desk: Desk, who: Person, surface: Message | View, *, block_id: str, action_id: str, typed: str
) -> list[Json]:
    """The options the app offers for an external select; none where it does not answer."""
    payload = payloads.block_suggestion(desk.scene(who), surface, block_id, action_id, typed)
    try:
        answer = await desk.link.ask("interactive", payload)
    except NoAnswer:
        return []
    groups = answer.get("option_groups") or ()
    return [*answer.get("options", ()), *(one for group in groups for one in group["options"])][:100]


async def submit(desk: Desk, who: Person, view: View, values: Values | None = None) -> Outcome:
    """Submit a modal; what the app answers decides what is on screen next."""
    state = kit.state(view.blocks, values)
    if faults := kit.missing(view.blocks, state):
        return Outcome(False, errors=faults)
    payload = payloads.view_submission(desk.scene(who), view, state, trigger=desk.trigger(who.id, view.id))
    try:
        answer = await desk.link.ask("interactive", payload)
        return _after(desk, view, answer)
    except NoAnswer:
        return Outcome(False, "We had some trouble connecting. Try again?")
    except Refused as refused:
        why = "; ".join(refused.extra.get("response_metadata", {}).get("messages", ())) or refused.error
        return Outcome(False, f"We had some trouble connecting. Try again? ({why})")


def _after(desk: Desk, view: View, answer: Json) -> Outcome:
    """Carry out a response_action: errors, update, push, clear, or none (this modal closes)."""
    stack = desk.world.modals.get(view.user, ())
    match answer.get("response_action"):
        case "errors":
            known = {block["block_id"] for block in view.blocks}
            errors = {str(key): str(value) for key, value in (answer.get("errors") or {}).items() if key in known}
            return Outcome(False, "" if errors else "We had some trouble connecting. Try again?", errors)
        case "update":
            views.replaced(desk, views.again(desk, view, views.checked(desk, answer.get("view"), ("modal",))))
        case "push":
            if len(stack) >= model.VIEWS_IN_STACK:
                raise Refused("push_limit_reached")
            body = views.checked(desk, answer.get("view"), ("modal",))
            desk.show(view.user, (*stack, views.fresh(desk, view.user, body, view)))
        case "clear":
            desk.show(view.user, ())
        case _:
            desk.show(view.user, tuple(one for one in stack if one.id != view.id))
    return Outcome()


async def close(desk: Desk, who: Person, view: View, *, everything: bool = False) -> Outcome:
    """Dismiss a modal (Cancel), or the whole stack (the cross)."""
    stack = desk.world.modals.get(who.id, ())
    gone = stack if everything or view.body.get("clear_on_close") else (view,)
    desk.show(who.id, tuple(one for one in stack if one not in gone))
    for one in gone:
        if one.body.get("notify_on_close"):
            payload = payloads.view_closed(desk.scene(who), one, cleared=everything)
            desk.keeper.later(_told(desk, payload))
    return Outcome()


async def _told(desk: Desk, payload: Json) -> None:
    """Tell the app of something nobody waits for."""
    try:
        await desk.link.ask("interactive", payload)
    except NoAnswer:
        return


def open_home(desk: Desk, who: Person, tab: str = "home") -> Outcome:
    """Look at the app's Home or Messages tab."""
    room = desk.im(who.id)
    desk.emit("app_home_opened", payloads.home_opened(desk.scene(who), room.id, tab, desk.mint.ts()))
    return Outcome()


async def shortcut(desk: Desk, who: Person, callback_id: str, message: Message | None = None) -> Outcome:
    """Run a global shortcut, or one from a message's menu."""
    ts, trigger = desk.mint.ts(), desk.trigger(who.id)
    if message is None:
        payload = payloads.shortcut(desk.scene(who), callback_id, trigger=trigger, ts=ts)
    else:
        hook = desk.hook("actions", who.id, message.channel, replace(message, recipient=None))
        payload = payloads.message_shortcut(desk.scene(who), message, callback_id, hook=hook, trigger=trigger, ts=ts)
    try:
        await desk.link.ask("interactive", payload)
    except NoAnswer as failure:
        return Outcome(False, unanswered(desk, failure))
    return Outcome()
