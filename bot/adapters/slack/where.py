"""Where did somebody ask, as whom, and how is that place answered?"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import structlog

from bot.adapters.slack.api import SlackApi
from bot.adapters.slack.pieces import Message
from bot.adapters.slack.refusal import NO_PLACE, UNREACHABLE, code
from bot.adapters.slack.talk import told
from bot.adapters.slack.words import Command, Word
from bot.core.policy import Actor

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Where:
    """Everything an answer needs. JSON values, so that the inbox can keep it.

    `thread` is set where the answer belongs into a thread that is there already; `respond` is a response URL.
    """

    team: str
    user: str
    name: str
    channel: str
    thread: str = ""
    respond: str = ""

    @property
    def actor(self) -> Actor:
        """The identity that acts; the name is for reading only."""
        return Actor("slack", f"{self.team}:{self.user}", self.name)


def to_body(where: Where, command: Command) -> dict[str, Any]:
    """A command and its place as JSON."""
    return {"where": asdict(where), "command": asdict(command) | {"word": command.word.value}}


def from_body(body: Mapping[str, Any]) -> tuple[Where, Command]:
    """The reverse of :func:`to_body`."""
    told_ = body["command"]
    word, rest = Word(told_["word"]), str(told_.get("rest", ""))
    command = Command(word, told_["target"], tuple(told_["playbooks"]), dict(told_["params"]), rest)
    return Where(**body["where"]), command


async def answer(api: SlackApi, where: Where, message: Message, *, key: str) -> None:
    """Tell the one who asked: alone where Slack offers that, else in the thread they asked in."""
    if where.respond and await api.respond(where.respond, message, where.thread):
        return
    try:
        if where.respond or not where.thread:
            await api.whisper(where.channel, where.user, where.thread, message)
        else:
            await api.post(where.channel, message, key=key, thread=where.thread)
    except UNREACHABLE as error:
        log.warning("slack.answer.lost", channel=where.channel, user=where.user, fault=code(error))


def no_place(fault: str) -> Message:
    """Why nothing can be posted where somebody asked, and what to do."""
    return told("I cannot answer here.", NO_PLACE.get(fault, f"Slack refused ({fault}). Try another channel."))
