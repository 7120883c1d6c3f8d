"""How does the app hear of what people do? Socket Mode: single-use tickets, envelopes, acks by envelope_id.

Hello, disconnect and the envelope around a payload have no recording to be held against; they are written after
Slack's documentation and what the client library reads.
"""

import asyncio
import json
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from aiohttp import WSMsgType, web

from bot.workspace.faults import Faults
from bot.workspace.minting import Mint
from bot.workspace.model import Json

CONNECTIONS_MAX = 10
FRAME_MAX = 4 * 1024 * 1024
Reason = Literal["warning", "refresh_requested", "link_disabled", "too_many_websockets"]


@dataclass(frozen=True, slots=True)
class Pace:
    """How long the app may take, in seconds, and when an unacknowledged event is sent again."""

    ack: float = 3.0
    retries: tuple[float, ...] = (0.0, 60.0, 300.0)


@dataclass(frozen=True, slots=True)
class Sent:
    """One envelope that went out (or was dropped on purpose), for tests: its JSON and its fate."""

    envelope: Json
    fate: Literal["acked", "timeout", "no_socket"]
    answer: Json | None = None


class NoAnswer(Exception):
    """The app did not acknowledge: `dispatch_failed` (no socket) or `operation_timeout`."""


class Link:
    """The app's sockets and what is under way on them."""

    def __init__(self, mint: Mint, faults: Faults, app_id: str, pace: Pace) -> None:
        self.pace = pace
        self.changed: Callable[[], None] = lambda: None
        """Called after a socket came or went and after an envelope's fate is known."""
        self.sent: deque[Sent] = deque(maxlen=1_000)
        self._mint, self._faults, self._app_id = mint, faults, app_id
        self._tickets: dict[str, bool] = {}
        self._sockets: dict[web.WebSocketResponse, web.Request] = {}
        self._waiting: dict[str, asyncio.Future[Json]] = {}
        self._turn = 0

    @property
    def connections(self) -> int:
        """Open sockets of the app."""
        return len(self._sockets)

    def ticket(self) -> str:
        """A fresh address suffix for one handshake."""
        ticket = self._mint.secret()
        self._tickets[ticket] = self._faults.take("burned_ticket", "apps.connections.open") is None
        for old in list(self._tickets)[:-1_000]:
            del self._tickets[old]
        return f"ticket={ticket}&app_id={self._app_id}"

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """One socket, from handshake to close."""
        ticket = request.query.get("ticket", "")
        fresh = self._tickets.get(ticket, False)
        self._tickets[ticket] = False
        if not fresh or self._faults.take("refuse_socket", "*") is not None:
            return web.json_response({"ok": False, "error": "invalid_ticket"}, status=401)
        socket = web.WebSocketResponse(max_msg_size=FRAME_MAX, heartbeat=30)
        await socket.prepare(request)
        if len(self._sockets) >= CONNECTIONS_MAX:
            await socket.send_json({"type": "disconnect", "reason": "too_many_websockets", "debug_info": {}})
            await socket.close()
            return socket
        self._sockets[socket] = request
        try:
            await socket.send_json(self._hello())
            self.changed()
            async for frame in socket:
                if frame.type is WSMsgType.TEXT:
                    self._heard(frame.data)
        finally:
            del self._sockets[socket]
            self.changed()
        return socket

    def _hello(self) -> Json:
        return {
            "type": "hello",
            "num_connections": len(self._sockets),
            "debug_info": {"host": "applink-local", "build_number": 1, "approximate_connection_time": 18_060},
            "connection_info": {"app_id": self._app_id},
        }

    def _heard(self, text: str) -> None:
        """An ack, whichever socket it comes on: only the envelope_id counts."""
        try:
            frame = json.loads(text)
        except ValueError:
            return
        waiting = self._waiting.get(frame.get("envelope_id", "")) if isinstance(frame, dict) else None
        if waiting is not None and not waiting.done():
            waiting.set_result(frame.get("payload") or {})

    async def ask(
        self, kind: str, payload: Json, *, accepts: bool = True, extra: Mapping[str, Any] | None = None
    ) -> Json:
        """Send one envelope and return the ack's payload. Raises NoAnswer past the deadline."""
        envelope: Json = {
            "envelope_id": self._mint.secret(32),
            "payload": payload,
            "type": kind,
            "accepts_response_payload": accepts,
            **(extra or {}),
        }
        waiting: asyncio.Future[Json] = asyncio.get_running_loop().create_future()
        self._waiting[envelope["envelope_id"]] = waiting
        fate: Literal["acked", "timeout", "no_socket"] = "timeout"
        answer = None
        late = self._faults.take("delay", kind)
        if late is not None:
            await asyncio.sleep(late.with_.get("seconds", 1.0))
        try:
            async with asyncio.timeout(self.pace.ack):
                if not await self._send(kind, envelope):
                    fate = "no_socket"
                    raise NoAnswer("dispatch_failed")
                answer = await waiting
            fate = "acked"
        except TimeoutError:
            raise NoAnswer("operation_timeout") from None
        finally:
            del self._waiting[envelope["envelope_id"]]
            self.sent.append(Sent(envelope, fate, answer))
            self.changed()
        return answer

    async def _send(self, kind: str, envelope: Json) -> bool:
        """Put the envelope on one socket, in turn; False when there is none. Armed faults strike here."""
        if self._faults.take("drop", kind) is not None:
            return True
        copies = 2 if self._faults.take("duplicate", kind) is not None else 1
        for _ in range(copies):
            live = [socket for socket in self._sockets if not socket.closed]
            if not live:
                return False
            turn, self._turn = self._turn, self._turn + 1
            try:
                await live[turn % len(live)].send_json(envelope)
            except ConnectionError:
                return await self._send(kind, envelope) if len(live) > 1 else False
        return True

    async def tell(self, payload: Json) -> bool:
        """Deliver an event, again where it is not acknowledged, as often as the pace says. True when it was."""
        reason = ""
        for attempt in range(len(self.pace.retries) + 1):
            if attempt:
                await asyncio.sleep(self.pace.retries[attempt - 1])
            extra = {"retry_attempt": attempt, "retry_reason": reason}
            try:
                await self.ask("events_api", payload, accepts=False, extra=extra)
            except NoAnswer as none:
                reason = "timeout" if str(none) == "operation_timeout" else "connection_failed"
            else:
                return True
        return False

    async def disconnect(self, reason: Reason = "refresh_requested") -> None:
        """Fault: Slack asks the app to reconnect, and closes the sockets."""
        for socket in list(self._sockets):
            await socket.send_json({"type": "disconnect", "reason": reason, "debug_info": {"host": "applink-local"}})
            await socket.close()

    async def cut(self) -> None:
        """Fault: the connections break without a word."""
        for request in list(self._sockets.values()):
            if request.transport is not None:
                request.transport.abort()
