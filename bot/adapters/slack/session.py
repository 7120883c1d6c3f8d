"""With which tokens, and by which client, is Slack spoken to?

One aiohttp session for all calls, opened once both tokens are proven. Slack's client retries rate limits by itself
here, and nothing else: whether a lost call may be repeated is for the caller to know.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from slack_sdk.errors import SlackApiError
from slack_sdk.http_retry.builtin_async_handlers import AsyncRateLimitErrorRetryHandler
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse
from slack_sdk.webhook.async_client import AsyncWebhookClient

from bot.adapters.slack.refusal import UNREACHABLE, code
from bot.core.errors import ConfigError

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

Called = Callable[[str, str], None]
"""Told of each call: the method, and `ok`, Slack's own code, or what kind of failure it was."""


@dataclass(frozen=True, slots=True)
class Me:
    """Who the tokens belong to."""

    team: str
    user: str
    bot: str
    url: str
    answer: AsyncSlackResponse


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


class Session:
    """A client with proven tokens. Open it before use; closing it twice is fine."""

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

    def hook(self, url: str) -> AsyncWebhookClient:
        """A client for one response URL, over the same session."""
        return AsyncWebhookClient(url, timeout=TIMEOUT, session=self._session)

    async def close(self) -> None:
        """Close the session; calls fail from now on."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()


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
