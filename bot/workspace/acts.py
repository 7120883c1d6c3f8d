"""What can a person do, and what do they see of it? Every act is checked as Slack's own client would check it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from bot.workspace import blocks as kit
from bot.workspace import hooks, model, payloads, wire
from bot.workspace.api import views
from bot.workspace.api.call import Refused
from bot.workspace.compose import compose
from bot.workspace.desk import Desk, News
from bot.workspace.link import NoAnswer
from bot.workspace.model import Channel, Json, Kind, Message, Person, View

Values = Mapping[str, Mapping[str, Any]]
"""block_id to action_id to a state entry, or to a plain value (a text, an option's value)."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an act ended: `notice` is what the person is told when it did not, `errors` are by block_id of a modal."""

    ok: bool = True
    notice: str = ""
    errors: Mapping[str, str] = field(default_factory=dict)
    message: Message | None = None


def unanswered(desk: Desk, failure: NoAnswer) -> str:
    """What a person reads when the app let them wait or is not there."""
    why = {"operation_timeout": "no answer within 3 seconds", "dispatch_failed": "it is not connected"}
    return f"{desk.app.name} did not respond ({why[str(failure)]})."


# -- writing ------------------------------------------------------------------------------------------------------


async def say(desk: Desk, who: Person, where: Channel, typed: str, thread_ts: str | None = None) -> Outcome:
    """Write a message, or a slash command when it begins with one."""
    if typed.startswith("/"):
        return await command(desk, who, where, typed, thread_ts)
    if who.id not in where.members:
        return Outcome(False, f"You are not in #{where.name}.")
    if where.kind is Kind.IM and (desk.manifest.messages_read_only or not desk.manifest.messages_tab):
        return Outcome(False, "Sending messages to this app has been turned off.")
    text, rich = compose(typed.strip(), desk.world, desk.mint.short())
    if not text:
        return Outcome(False, "There is nothing to send.")
    message = Message(
        ts=desk.mint.ts(),
        channel=where.id,
        user=who.id,
        text=text,
        blocks=tuple(rich),
        thread_ts=thread_ts,
        client_msg_id=desk.mint.secret(32),
    )
    desk.post(message)
    _heard(desk, where, message)
    return Outcome(message=message)


def _heard(desk: Desk, where: Channel, message: Message) -> None:
    """The events a message causes. A mention and the message itself are two events, as on Slack."""
    mentioned = f"<@{desk.app.user_id}>" in message.text
    if desk.app.user_id not in where.members:
        if mentioned:
            bot = desk.app
            said = f"You mentioned <@{bot.user_id}>, but they're not in this channel. `/invite @{bot.name}` adds them."
            desk.notice(message.user, where.id, said, message.thread_ts)
        return
    family = {Kind.PUBLIC: "message.channels", Kind.PRIVATE: "message.groups", Kind.IM: "message.im"}
    desk.emit(family[where.kind], payloads.said(desk.world, message, "message"))
    if mentioned and where.kind is not Kind.IM:
        desk.emit("app_mention", payloads.said(desk.world, message, "app_mention"))


async def command(desk: Desk, who: Person, where: Channel, typed: str, thread_ts: str | None = None) -> Outcome:
    """Run a slash command. Not in threads: Slack has no such thing for apps."""
    word, _, text = typed.partition(" ")
    refusal = _refused_command(desk, word, thread_ts)
    if word == "/invite" and thread_ts is None:
        return invite(desk, who, where, text.strip())
    if refusal:
        desk.notice(who.id, where.id, refusal, thread_ts)
        return Outcome(False, refusal)
    hook = desk.hook("commands", who.id, where.id)
    payload = payloads.slash_command(
        desk.scene(who), where, word, text.strip(), hook=hook, trigger=desk.trigger(who.id)
    )
    try:
        answer = await desk.link.ask("slash_commands", payload)
        if answer.get("text") or answer.get("blocks"):
            hooks.respond(desk, desk.passes.hooks[hook.rpartition("/")[2]], answer)
    except NoAnswer as failure:
        said = f"`{word}` failed because {unanswered(desk, failure)}"
        desk.notice(who.id, where.id, said)
        return Outcome(False, said)
    except Refused as refused:
        said = f'`{word}` failed with the error "{refused.error}"'
        desk.notice(who.id, where.id, said)
        return Outcome(False, said)
    return Outcome()


def _refused_command(desk: Desk, word: str, thread_ts: str | None) -> str:
    if word not in {one.command for one in desk.manifest.commands}:
        return (
            f"`{word}` is not a valid command. In Slack, all messages that start with the `/` character are "
            "interpreted as commands.\nIf you are trying to send a message and not run a command, try preceding "
            "the `/` with an empty space."
        )
    return f"{word} is not supported in threads. Sorry!" if thread_ts is not None else ""


def invite(desk: Desk, who: Person, where: Channel, whom: str) -> Outcome:
    """Slack's own `/invite @name`: how a bot gets into a channel."""
    try:
        guest = desk.person(whom)
    except LookupError as nobody:
        desk.notice(who.id, where.id, str(nobody))
        return Outcome(False, str(nobody))
    world = model.joined(desk.world, where.id, guest.id)
    desk.put(world, News("channel", wire.channel(world.channels[where.id], world, desk.app), channel=where.id))
    message = desk.post(Message(desk.mint.ts(), where.id, guest.id, f"was added to #{where.name} by <@{who.id}>."))
    desk.emit(
        "member_joined_channel",
        {
            "type": "member_joined_channel",
            "user": guest.id,
            "channel": where.id,
            "channel_type": "C",
            "team": world.team_id,
            "inviter": who.id,
            "event_ts": message.ts,
        },
    )
    return Outcome(message=message)


def react(desk: Desk, who: Person, message: Message, name: str) -> Outcome:
    """Put a reaction under a message, or take it away again."""
    had = any(one.name == name and who.id in one.users for one in message.reactions)
    desk.edit((model.unreacted if had else model.reacted)(message, name, who.id))
    kind = "reaction_removed" if had else "reaction_added"
    desk.emit(kind, payloads.reacted(kind, who.id, name, message, desk.mint.ts()))
    return Outcome()


# -- using controls -----------------------------------------------------------------------------------------------


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


# -- modals -------------------------------------------------------------------------------------------------------


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


# -- the app's own places -----------------------------------------------------------------------------------------


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
