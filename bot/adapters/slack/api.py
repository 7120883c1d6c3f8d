"""How is Slack's Web API called so that a dropped reply, a rate limit or a refusal breaks nothing?

Slack's client would send a lost `chat.postMessage` again by itself; here only rate limits are retried blindly, and a
post whose reply was lost is looked up by its metadata before it is repeated.
"""

import json
from dataclasses import dataclass
from typing import Any

import structlog
from slack_sdk.errors import SlackApiError

from bot.adapters.slack.pieces import ALT_MAX, Block, File, Message, fallback, line, rich
from bot.adapters.slack.refusal import UNREACHABLE, code, lost
from bot.adapters.slack.session import Session
from bot.core.blockkit import faults
from bot.core.text import neutral

log = structlog.get_logger()

EVENT = "netdiag_post"
"""The metadata event type of our posts."""


@dataclass(frozen=True, slots=True)
class Posted:
    """The receipt of a message."""

    channel: str
    ts: str


class SlackApi(Session):
    """The calls the front end makes."""

    async def post(
        self, channel: str, message: Message, *, key: str, thread: str = "", broadcast: bool = False
    ) -> Posted:
        """Post once. `key` names the message for ever: after a lost reply it is searched before it is sent again.

        Raises SlackApiError when Slack refuses, aiohttp.ClientError or TimeoutError when it cannot be reached.
        """
        arguments: dict[str, Any] = sound(message).body() | {
            "channel": channel,
            "unfurl_links": False,
            "unfurl_media": False,
            "link_names": False,
            "mrkdwn": False,
            "parse": "none",
            "metadata": {"event_type": EVENT, "event_payload": {"key": key}},
        }
        if thread:
            arguments |= {"thread_ts": thread, "reply_broadcast": broadcast}
        try:
            answer = await self.client.chat_postMessage(**arguments)
        except UNREACHABLE as error:
            if not lost(error):
                raise
            log.warning("slack.post.lost", channel=channel, key=key, fault=code(error))
            found = await self.sought(channel, thread, key)
            if found is not None:
                return found
            answer = await self.client.chat_postMessage(**arguments)
        return Posted(answer["channel"], answer["ts"])

    async def sought(self, channel: str, thread: str, key: str) -> Posted | None:
        """What :meth:`find` finds; None also where Slack does not let us look: a message may then stand there twice."""
        try:
            return await self.find(channel, thread, key)
        except SlackApiError as error:
            if lost(error):
                raise
            log.warning("slack.find.refused", channel=channel, fault=code(error))
            return None

    async def find(self, channel: str, thread: str, key: str) -> Posted | None:
        """A message of ours with this key among the newest of the thread or the channel."""
        read = self.client.conversations_replies if thread else self.client.conversations_history
        arguments: dict[str, Any] = {"channel": channel, "include_all_metadata": True, "limit": 200}
        arguments |= {"ts": thread} if thread else {}
        for _ in range(10 if thread else 1):  # replies come oldest first
            answer = await read(**arguments)
            for found in answer.get("messages") or ():
                metadata = found.get("metadata") or {}
                ours = found.get("bot_id") == self.me.bot or found.get("user") == self.me.user
                same = metadata.get("event_type") == EVENT and metadata.get("event_payload", {}).get("key") == key
                if ours and same:
                    return Posted(channel, found["ts"])
            cursor = (answer.get("response_metadata") or {}).get("next_cursor") or ""
            if not cursor:
                break
            arguments["cursor"] = cursor
        return None

    async def update(self, posted: Posted, message: Message) -> None:
        """Edit a message of ours. Idempotent, so a lost reply is tried once more."""
        arguments = sound(message).body() | {
            "channel": posted.channel,
            "ts": posted.ts,
            "link_names": False,
            "parse": "none",
        }
        try:
            await self.client.chat_update(**arguments)
        except UNREACHABLE as error:
            if not lost(error):
                raise
            await self.client.chat_update(**arguments)

    async def upload(self, channel: str, thread: str, file: File, said: Block | None = None) -> None:
        """Share a file in a thread, or in the channel (`thread` ""), under a rich text block of ours."""
        arguments: dict[str, Any] = {"filename": file.name, "title": file.title, "channel": channel}
        arguments |= {"file": file.png, "alt_txt": neutral(file.alt, ALT_MAX)} if file.png else {"content": file.text}
        arguments |= {"thread_ts": thread} if thread else {}
        arguments |= {"blocks": json.dumps([said])} if said else {}
        await self.client.files_upload_v2(**arguments)

    async def shared(self, channel: str, thread: str, name: str) -> bool:
        """Whether a file of ours with this name stands in the thread (or, `thread` "", among the newest messages of
        the channel); False also where Slack does not let us look.
        """
        read = self.client.conversations_replies if thread else self.client.conversations_history
        arguments: dict[str, Any] = {"channel": channel, "limit": 200} | ({"ts": thread} if thread else {})
        try:
            answer = await read(**arguments)
        except SlackApiError as error:
            if lost(error):
                raise
            return False
        mine = [one for one in answer.get("messages") or () if one.get("user") == self.me.user]
        return any(file.get("name") == name for one in mine for file in one.get("files") or ())

    async def respond(self, url: str, message: Message, thread: str = "") -> bool:
        """Tell one person, by a response URL (five uses in 30 minutes). False when Slack did not take it.

        Without `thread` Slack shows it in the channel, also when the button stands in a thread.
        """
        try:
            body = sound(message).body() | {"response_type": "ephemeral", "replace_original": False}
            answer = await self.hook(url).send_dict(body | ({"thread_ts": thread} if thread else {}))
        except UNREACHABLE as error:
            log.warning("slack.respond.lost", fault=code(error))
            return False
        if answer.status_code != 200:  # noqa: PLR2004 - respond never raises for a refusal
            log.warning("slack.respond.refused", status=answer.status_code, body=answer.body[:200])
        return answer.status_code == 200  # noqa: PLR2004

    async def whisper(self, channel: str, user: str, thread: str, message: Message) -> None:
        """Tell one person in a channel; Slack does not promise that they see it, so it is never the only record."""
        arguments: dict[str, Any] = sound(message).body() | {"channel": channel, "user": user}
        arguments |= {"thread_ts": thread} if thread else {}
        await self.client.chat_postEphemeral(**arguments)


def sound(message: Message) -> Message:
    """The message, or its text alone when Slack would refuse the blocks: told in the log, for it is our mistake."""
    wrong = faults(message.body())
    if not wrong:
        return message
    log.error("slack.message.unfit", faults=[str(fault) for fault in wrong[:5]])
    said = message.text.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    return Message(message.text or fallback("(no text)"), (rich(line(said)),))
