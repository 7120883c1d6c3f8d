"""An unmodified bolt app beside a local Slack: what every test here talks through."""

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import aiohttp
import pytest
from slack_bolt.adapter.socket_mode.async_handler import AsyncSocketModeHandler
from slack_bolt.async_app import AsyncApp
from slack_sdk.web.async_client import AsyncWebClient

from bot.workspace import LocalSlack, Manifest
from bot.workspace.manifest import Shortcut

Listeners = Callable[[AsyncApp], None]
Answer = Callable[[dict[str, Any]], dict[str, Any] | None]

MANIFEST = Manifest(shortcuts=(Shortcut("Diagnose", "diagnose", "global"), Shortcut("Look into it", "look", "message")))


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The SDK sends loopback calls through a proxy when the environment names one."""
    for name in list(os.environ):
        if name.lower() in ("http_proxy", "https_proxy") or name in ("SLACK_CLIENT_ID", "SLACK_CLIENT_SECRET"):
            monkeypatch.delenv(name)


@asynccontextmanager
async def workspace() -> AsyncIterator[LocalSlack]:
    """A workspace without rate limits; a bug in its background work fails the test."""
    async with await LocalSlack.start(rates=False, app_manifest=MANIFEST) as local:
        yield local
        assert local.failures == ()


@asynccontextmanager
async def calling(slack: LocalSlack) -> AsyncIterator[AsyncWebClient]:
    """The SDK's own client, as the bot holds it."""
    async with aiohttp.ClientSession() as session:
        yield AsyncWebClient(token=slack.bot_token, base_url=slack.api_url, session=session)


@pytest.fixture
async def slack() -> AsyncIterator[LocalSlack]:
    async with workspace() as local:
        yield local


@pytest.fixture
async def client(slack: LocalSlack) -> AsyncIterator[AsyncWebClient]:
    async with calling(slack) as made:
        yield made


@asynccontextmanager
async def connected(slack: LocalSlack, listeners: Listeners) -> AsyncIterator[AsyncSocketModeHandler]:
    """A bolt app with those listeners, connected while the block lasts."""
    async with aiohttp.ClientSession() as session:
        app = AsyncApp(client=AsyncWebClient(token=slack.bot_token, base_url=slack.api_url, session=session))
        listeners(app)
        handler = AsyncSocketModeHandler(app, slack.app_token, ping_interval=1)
        before = slack.connections
        await handler.connect_async()
        await slack.until(lambda: slack.connections > before)
        try:
            yield handler
        finally:
            await handler.close_async()


@pytest.fixture
async def bolt(slack: LocalSlack) -> AsyncIterator[Callable[[Listeners], Awaitable[AsyncSocketModeHandler]]]:
    """`await bolt(listeners)` connects an app with those listeners for the rest of the test."""
    async with AsyncExitStack() as stack:

        async def connect(listeners: Listeners) -> AsyncSocketModeHandler:
            return await stack.enter_async_context(connected(slack, listeners))

        yield connect


@asynccontextmanager
async def raw_socket(slack: LocalSlack, answer: Answer) -> AsyncIterator[list[dict[str, Any]]]:
    """A bare Socket Mode client: acknowledges with what `answer(envelope)` returns, or not at all on None."""
    heard: list[dict[str, Any]] = []
    async with aiohttp.ClientSession() as session:
        headers = {"Authorization": f"Bearer {slack.app_token}"}
        async with session.post(f"{slack.api_url}apps.connections.open", headers=headers) as reply:
            url = (await reply.json())["url"]
        async with session.ws_connect(url) as socket, _pump(socket, heard, answer):
            await slack.until(lambda: slack.connections)
            yield heard


@asynccontextmanager
async def _pump(
    socket: aiohttp.ClientWebSocketResponse, heard: list[dict[str, Any]], answer: Answer
) -> AsyncIterator[None]:
    async def listen() -> None:
        async for frame in socket:
            envelope = frame.json()
            heard.append(envelope)
            payload = answer(envelope) if "envelope_id" in envelope else None
            if payload is not None:
                await socket.send_json({"envelope_id": envelope["envelope_id"], "payload": payload})

    async with asyncio.TaskGroup() as group:
        listening = group.create_task(listen())
        try:
            yield
        finally:
            listening.cancel()


@pytest.fixture
def socket() -> Any:
    """`async with socket(slack, answer) as heard`: a bare Socket Mode client."""
    return raw_socket


@pytest.fixture
def button() -> Callable[..., dict[str, Any]]:
    """`button(action_id, label)`: an actions block with one button."""

    def make(action_id: str, label: str = "Press", **more: Any) -> dict[str, Any]:
        text = {"type": "plain_text", "text": label}
        element = {"type": "button", "action_id": action_id, "text": text, **more}
        return {"type": "actions", "block_id": f"b-{action_id}", "elements": [element]}

    return make
