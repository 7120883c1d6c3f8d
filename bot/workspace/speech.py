"""What can a person say? Messages, slash commands, reactions, each checked as Slack's own client would check it."""

from bot.workspace import hooks, model, payloads, wire
from bot.workspace.api.call import Refused
from bot.workspace.compose import compose
from bot.workspace.desk import Desk, News
from bot.workspace.link import NoAnswer
from bot.workspace.model import Channel, Kind, Message, Person
from bot.workspace.outcome import Outcome, unanswered


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
