"""An unmodified bolt app beside a local Slack: what every test here talks through."""

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import aiohttp
import pytest
from slack_bolt.adapter.socket_mode.async_handler import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from bot.workspace import LocalSlack

Listeners = Callable[[AsyncApp], None]


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK sends loopback calls through a proxy when the environment names one."""
    for name in list(os.environ):
        if name.lower() in ("http_proxy", "https_proxy") or name in ("SLACK_CLIENT_ID", "SLACK_CLIENT_SECRET"):
            monkeypatch.delenv(name)


@pytest.fixture
async def slack() -> AsyncIterator[LocalSlack]:
    async with await LocalSlack.start(rates=False) as local:
        yield local
        assert local.failures == ()


@pytest.fixture
async def client(slack: LocalSlack) -> AsyncIterator[AsyncWebClient]:
    async with aiohttp.ClientSession() as session:
        yield AsyncWebClient(token=slack.bot_token, base_url=slack.api_url, session=session)


@asynccontextmanager
async def connected(slack: LocalSlack, listeners: Listeners) -> AsyncIterator[AsyncApp]:
    """A bolt app with those listeners, connected while the block lasts."""
    async with aiohttp.ClientSession() as session:
        web = AsyncWebClient(token=slack.bot_token, base_url=slack.api_url, session=session)
        app = AsyncApp(client=web)
        listeners(app)
        handler = AsyncSocketModeHandler(app, slack.app_token)
        await handler.connect_async()
        await slack.until(lambda: slack.connections)
        try:
            yield app
        finally:
            await handler.close_async()


@pytest.fixture
async def bolt(slack: LocalSlack) -> AsyncIterator[Callable[[Listeners], Awaitable[AsyncApp]]]:
    """`await bolt(listeners)` connects an app with those listeners for the rest of the test."""
    async with AsyncExitStack() as stack:

        async def connect(listeners: Listeners) -> AsyncApp:
            return await stack.enter_async_context(connected(slack, listeners))

        yield connect


@pytest.fixture
def button() -> Callable[..., dict[str, Any]]:
    """An actions block with one button."""

    def make(action_id: str, label: str = "Press", **more: Any) -> dict[str, Any]:
        text = {"type": "plain_text", "text": label}
        return {
            "type": "actions",
            "block_id": f"b-{action_id}",
            "elements": [{"type": "button", "action_id": action_id, "text": text, **more}],
        }

    return make
