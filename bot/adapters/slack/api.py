"""How is Slack's Web API called so that a dropped reply, a rate limit or a refusal breaks nothing?

One aiohttp session for all calls. Slack's client would send a lost `chat.postMessage` again by itself; here only
rate limits are retried blindly, and a post whose reply was lost is looked up by its metadata before it is repeated.
"""

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import structlog
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.http_retry.builtin_async_handlers import AsyncRateLimitErrorRetryHandler
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse
from slack_sdk.webhook.async_client import AsyncWebhookClient

from bot.adapters.slack.pieces import ALT_MAX, Block, File, Message, fallback, line, rich
from bot.core.blockkit import faults
from bot.core.errors import ConfigError
from bot.core.text import neutral

log = structlog.get_logger()

EVENT = "netdiag_post"
"""The metadata event type of our posts."""
TIMEOUT = 15
"""Seconds for one call."""
PROXIES = ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy")
FOREIGN = ("SLACK_CLIENT_ID", "SLACK_CLIENT_SECRET", "SLACK_BOT_TOKEN", "SLACK_SIGNING_SECRET")
SCOPES = frozenset(
    {
        "app_mentions:read",
        "channels:history",
        "channels:read",
        "chat:write",
        "commands",
        "files:write",
        "groups:history",
        "groups:read",
        "im:read",
        "usergroups:read",
        "users:read",
    }
)
"""What the bot token must be granted; slack-manifest.yaml asks for the same, docs/slack.md says why."""

DOUBTFUL = frozenset({"fatal_error", "internal_error", "service_unavailable", "request_timeout"})
"""Codes by which Slack does not say that nothing was done."""

UNREACHABLE = (SlackClientError, aiohttp.ClientError, TimeoutError)
"""What a call raises when Slack refuses (SlackApiError among them) or cannot be reached."""

NO_PLACE: Mapping[str, str] = {
    "not_in_channel": "I am not in this channel. Invite me with /invite and ask again.",
    "channel_not_found": "I cannot see this conversation. Invite me with /invite, or ask in a channel I am in.",
    "is_archived": "This channel is archived. Ask in another one.",
    "restricted_action": "This workspace does not let me post here. Ask in another channel.",
    "restricted_action_read_only_channel": "This channel is read-only. Ask in another one.",
    "restricted_action_thread_only_channel": "This channel takes replies only. Mention me in a thread.",
    "restricted_action_non_threadable_channel": "This channel has no threads. Ask in another one.",
    "restricted_action_thread_locked": "This thread is locked. Ask in the channel.",
    "messages_tab_disabled": "Direct messages with me are switched off. Ask in a channel.",
}
"""Why a message cannot be posted somewhere, and what to do."""


@dataclass(frozen=True, slots=True)
class Me:
    """Who the tokens belong to."""

    team: str
    user: str
    bot: str
    url: str
    answer: AsyncSlackResponse


@dataclass(frozen=True, slots=True)
class Posted:
    """The receipt of a message."""

    channel: str
    ts: str


def code(error: BaseException) -> str:
    """Slack's error code, or what kind of failure it was."""
    if not isinstance(error, SlackApiError):
        return type(error).__name__
    if isinstance(error.response.data, dict):
        return str(error.response.data.get("error") or "unknown_error")
    return f"http_{error.response.status_code}"  # an answer of something in between, not of Slack's API


def lost(error: BaseException) -> bool:
    """Whether the call may have had its effect all the same."""
    return not isinstance(error, SlackApiError) or code(error) in DOUBTFUL or code(error).startswith("http_5")


def loopback(base_url: str) -> bool:
    """Whether the Web API is on this machine (the local workspace)."""
    return urlsplit(base_url).hostname in ("127.0.0.1", "::1", "localhost")


@contextmanager
def environment(base_url: str) -> Iterator[None]:
    """Without the variables that would lead a loopback client astray; they are put back at the end.

    The SDK reads the proxy variables and ignores NO_PROXY, in each client it makes; bolt turns to OAuth by two more.
    """
    names = FOREIGN + (PROXIES if loopback(base_url) else ())
    kept = {name: os.environ.pop(name) for name in names if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(kept)


Called = Callable[[str, str], None]
"""Told of each call: the method, and `ok`, Slack's own code, or what kind of failure it was."""


class CountedClient(AsyncWebClient):
    """Slack's client, and somebody who counts its calls."""

    called: Called | None = None

    async def api_call(self, api_method: str, **arguments: Any) -> AsyncSlackResponse:
        """Make the call, and tell how it ended."""
        outcome = "ok"
        try:
            return await super().api_call(api_method, **arguments)
        except UNREACHABLE as error:
            outcome = code(error)
            raise
        finally:
            if self.called is not None:
                self.called(api_method, outcome)


class SlackApi:
    """The calls the front end makes. Open it before use; closing it twice is fine."""

    def __init__(
        self, bot_token: str, app_token: str, base_url: str = "https://slack.com/api/", called: Called | None = None
    ) -> None:
        self.base_url = base_url if base_url.endswith("/") else f"{base_url}/"
        self.app_token = app_token
        self._bot_token = bot_token
        self._called = called
        self._session: aiohttp.ClientSession | None = None
        self._client: AsyncWebClient | None = None
        self._me: Me | None = None

    @property
    def client(self) -> AsyncWebClient:
        """The client. Raises RuntimeError before :meth:`open`."""
        if self._client is None:
            raise RuntimeError("the Slack client is not open")
        return self._client

    @property
    def me(self) -> Me:
        """Who we are. Raises RuntimeError before :meth:`open`."""
        if self._me is None:
            raise RuntimeError("the Slack client is not open")
        return self._me

    @property
    def is_open(self) -> bool:
        """Whether calls can be made now: between :meth:`open` and :meth:`close`."""
        return self._session is not None and self._me is not None

    async def open(self) -> Me:
        """Prove both tokens at once. Raises ConfigError naming the token, Slack's code and the remedy."""
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT))
        retry = AsyncRateLimitErrorRetryHandler(max_retry_count=3)
        client = self._client = CountedClient(
            token=self._bot_token,
            base_url=self.base_url,
            timeout=TIMEOUT,
            session=self._session,
            retry_handlers=[retry],
        )
        client.called = self._called
        try:
            answer = await self._client.auth_test()
            _scopes(answer)
            self._me = Me(
                answer.get("team_id", ""),
                answer.get("user_id", ""),
                answer.get("bot_id", ""),
                answer.get("url", ""),
                answer,
            )
            await self._client.apps_connections_open(app_token=self.app_token)
        except UNREACHABLE as error:
            which = (
                "bot token (xoxb-...)" if self._me is None else "app-level token (xapp-..., scope connections:write)"
            )
            await self.close()
            raise ConfigError(_refusal(which, self.base_url, error)) from None
        except ConfigError:
            await self.close()
            raise
        return self.me

    def anonymous(self) -> AsyncWebClient:
        """A client over the same session without a token: bolt brings the token of each request itself."""
        return AsyncWebClient(base_url=self.base_url, timeout=TIMEOUT, session=self._session)

    async def close(self) -> None:
        """Close the session; calls fail from now on."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

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

    async def remove(self, posted: Posted) -> None:
        """Take back a message of ours; one that is gone already is no fault."""
        try:
            await self.client.chat_delete(channel=posted.channel, ts=posted.ts)
        except SlackApiError as error:
            if code(error) != "message_not_found":
                raise

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
        hook = AsyncWebhookClient(url, timeout=TIMEOUT, session=self._session)
        try:
            body = sound(message).body() | {"response_type": "ephemeral", "replace_original": False}
            answer = await hook.send_dict(body | ({"thread_ts": thread} if thread else {}))
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


def _scopes(answer: AsyncSlackResponse) -> None:
    headers = {str(name).lower(): value for name, value in (answer.headers or {}).items()}
    granted = headers.get("x-oauth-scopes")
    if granted is None:
        return
    missing = SCOPES - {scope.strip() for scope in granted.split(",")}
    if missing:
        raise ConfigError(
            f"Slack: the bot token lacks {', '.join(sorted(missing))}; "
            "update the app from slack-manifest.yaml and install it to the workspace again"
        )


def _refusal(which: str, base_url: str, error: BaseException) -> str:
    if isinstance(error, SlackApiError):
        return f"Slack refused the {which}: {code(error)}; take a fresh one from the app's settings (docs/slack.md)"
    return f"Slack is not reachable at {base_url}: {code(error)} {error}".rstrip() + "; check the network and proxy"
