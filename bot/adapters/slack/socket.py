"""Is the socket to Slack alive, and who brings it back?

Readiness is Slack's hello, not a connect call that returned. After one failed handshake the SDK would use the same
single-use address for ever; the watchdog takes it away, so that a fresh one is asked for.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import structlog
from slack_bolt.adapter.socket_mode.aiohttp import AsyncSocketModeHandler
from slack_bolt.app.async_app import AsyncApp

log = structlog.get_logger()

WATCH = 3.0
"""Seconds between two looks at the connection."""
PING = 5.0


class Socket:
    """One Socket Mode connection. Make it inside a running loop. `greeted` hears the app id of each hello."""

    def __init__(self, app: AsyncApp, app_token: str, greeted: Callable[[str], None], *, watch: float = WATCH) -> None:
        self._handler = AsyncSocketModeHandler(app, app_token, ping_interval=PING)
        self._handler.client.message_listeners.append(self._hear)
        self._watch, self._greeted = watch, greeted
        self.ready = asyncio.Event()
        self.connections = 0

    @property
    def client(self) -> Any:
        """The SDK's client."""
        return self._handler.client

    async def _hear(self, _client: object, message: dict[str, Any], _raw: str | None = None) -> None:
        if message.get("type") != "hello":
            return
        app_id = str((message.get("connection_info") or {}).get("app_id") or "")
        self._greeted(app_id)
        self.connections = int(message.get("num_connections") or 0)
        log.info("slack.hello", app=app_id, connections=self.connections)
        if self.connections > 1:
            # Each payload goes to one of them: a forgotten process, or a thief of the token, takes its share.
            log.warning("slack.shared", connections=self.connections)
        self.ready.set()

    async def run(self) -> None:
        """Connect, and keep connected until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._handler.connect_async())  # type: ignore[no-untyped-call]
            tasks.create_task(self._heal())

    async def _heal(self) -> None:
        while True:
            await asyncio.sleep(self._watch)
            if not await self._handler.client.is_connected():
                self.ready.clear()
                self._handler.client.wss_uri = None

    async def connected(self) -> bool:
        """Whether Slack has greeted us and the connection still answers pings."""
        return self.ready.is_set() and bool(await self._handler.client.is_connected())

    async def close(self) -> None:
        """Leave; what was not acknowledged is delivered to others or refused by Slack."""
        await self._handler.close_async()  # type: ignore[no-untyped-call]
