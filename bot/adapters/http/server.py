"""How is a request taken so that no client can hold on to the process, fill it, or learn what it is made of?

One request for each connection and a deadline on the whole of it, so a slow client costs one of a fixed number of
connections for a fixed time. A handler that fails is a 500 without a word about why; the log has it.
"""

import asyncio
import hmac
import json
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import structlog
from aiohttp import hdrs, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import StreamReader
from aiohttp.web_protocol import RequestHandler

from bot.core.alert import MAX_BYTES
from bot.core.errors import ConfigError
from bot.engine.meter import Meter

CONNECTIONS = 64
"""At the same time; a further one is closed at once."""
DEADLINE = 30.0
"""Seconds from a connection's begin to its end: reading, doing and answering."""
QUIET = 60.0
"""Seconds between two lines of the log about refusals of one kind."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Reply:
    """What is answered. `why` is for the log where the status is a refusal."""

    status: int
    body: str | bytes = ""
    type: str = "text/plain; charset=utf-8"
    headers: Mapping[str, str] = field(default_factory=dict)
    why: str = ""

    @staticmethod
    def refusal(status: int, said: str, **headers: str) -> "Reply":
        """A refusal with its reason as JSON, which Alertmanager logs."""
        body = json.dumps({"error": said}) + "\n"
        return Reply(status, body, "application/json", {k.replace("_", "-"): v for k, v in headers.items()}, said)


Handler = Callable[[web.BaseRequest], Awaitable[Reply]]
Routes = Mapping[tuple[str, str], Handler]
"""(method, path) to its handler."""


def allowed(request: web.BaseRequest, token: str) -> bool:
    """Whether the request carries the token, compared in a time that tells nothing of it."""
    kind, _, said = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
    given = said.strip().encode("utf-8", "surrogateescape")  # the bytes as they came, whether they are text or not
    return kind.lower() == "bearer" and hmac.compare_digest(given, token.encode())


def address(listen: str) -> tuple[str, int]:
    """`127.0.0.1:9180`, `[::1]:9180` as host and port. Raises ConfigError."""
    host, colon, port = listen.rpartition(":")
    host = host.removeprefix("[").removesuffix("]") if host.startswith("[") else host
    if not colon or not host or not port.isdecimal() or not 0 <= int(port) <= 65_535:  # noqa: PLR2004 - ports
        raise ConfigError(f'setting http_listen: "{listen}" is no address; write 127.0.0.1:9180 or [::1]:9180')
    return host, int(port)


@asynccontextmanager
async def listening(listen: str, routes: Routes, meter: Meter) -> AsyncIterator[int]:
    """Serve the routes while the block runs; gives the port. Raises ConfigError when the address cannot be had."""
    host, port = address(listen)
    loop = asyncio.get_running_loop()
    server = web.Server(
        partial(_answer, routes, meter, _Seldom()),
        request_factory=partial(_request, loop),
        access_log=None,
        logger=_silent(),
        lingering_time=0,
        auto_decompress=False,  # a small body must not become a large one
        max_headers=64,
    )
    doors: set[_Door] = set()
    try:
        listener = await loop.create_server(lambda: _Door(server(), doors), host, port, backlog=CONNECTIONS)
    except (OSError, UnicodeError) as fault:
        said = fault.strerror if isinstance(fault, OSError) else fault
        raise ConfigError(f"setting http_listen: cannot listen on {listen} ({said}); is another one running?") from None
    try:
        yield listener.sockets[0].getsockname()[1]
    finally:
        listener.close()
        server.pre_shutdown()
        await server.shutdown(2.0)
        for door in tuple(doors):
            door.end()


async def _answer(routes: Routes, meter: Meter, seldom: "_Seldom", request: web.BaseRequest) -> web.StreamResponse:
    begun = time.monotonic()
    paths = {path for _, path in routes}
    name = request.path if request.path in paths else "other"
    reply = await _handled(routes, paths, request)
    meter.count("http_requests", route=name, status=str(reply.status))
    meter.observe("http_seconds", time.monotonic() - begun, route=name)
    if reply.status >= 400 and reply.why:  # noqa: PLR2004 - refusals and failures
        seldom.say((name, reply.status), route=name, status=reply.status, why=reply.why, peer=request.remote)
    body = reply.body.encode() if isinstance(reply.body, str) else reply.body
    headers = {hdrs.CONTENT_TYPE: reply.type, hdrs.CACHE_CONTROL: "no-store", **reply.headers}
    return web.Response(status=reply.status, body=body, headers=headers)


async def _handled(routes: Routes, paths: set[str], request: web.BaseRequest) -> Reply:
    method = "GET" if request.method == "HEAD" else request.method
    handler = routes.get((method, request.path))
    if handler is None and request.path in paths:
        allow = ", ".join(sorted(known for known, path in routes if path == request.path))
        return Reply.refusal(405, f"only {allow}", Allow=allow)
    if handler is None:
        return Reply.refusal(404, "there is nothing here")
    try:
        return await handler(request)
    except (ConnectionError, asyncio.CancelledError):
        raise
    except Exception:
        log.exception("http.failed", route=request.path)
        return Reply(500, '{"error": "something broke; the log says what"}\n', "application/json")


class _Request(web.BaseRequest):
    """A request whose answer says nothing of what made it, and ends the connection. Malformed ones are of this, too."""

    async def _prepare_hook(self, response: web.StreamResponse) -> None:
        response.headers.popall(hdrs.SERVER, None)
        response.headers[hdrs.CONNECTION] = "close"
        response.force_close()


def _request(  # noqa: PLR0917 - as aiohttp calls it
    loop: asyncio.AbstractEventLoop,
    message: RawRequestMessage,
    payload: StreamReader,
    protocol: RequestHandler,
    writer: AbstractStreamWriter,
    task: "asyncio.Task[None]",
) -> web.BaseRequest:
    return _Request(message, payload, protocol, writer, task, loop, client_max_size=MAX_BYTES)


class _Door(asyncio.Protocol):
    """One connection: refused when there are too many, ended when its time is over."""

    def __init__(self, inner: RequestHandler, doors: "set[_Door]") -> None:
        self._inner, self._doors = inner, doors
        self._transport: asyncio.Transport | None = None
        self._deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        if len(self._doors) >= CONNECTIONS:
            transport.abort()
            return
        self._transport = transport
        self._doors.add(self)
        self._deadline = asyncio.get_running_loop().call_later(DEADLINE, transport.abort)
        self._inner.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        if self._transport is not None:
            self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        if self._transport is not None:
            self._inner.eof_received()
        return None

    def pause_writing(self) -> None:
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._inner.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        if self._transport is not None:
            self._doors.discard(self)
            self._inner.connection_lost(exc)

    def end(self) -> None:
        """Close it, whatever is under way."""
        if self._transport is not None:
            self._transport.abort()


class _Seldom:
    """Logs refusals of one kind at most once in a while, with how many there were: a scanner must not fill the log."""

    def __init__(self) -> None:
        self._last: dict[tuple[str, int], float] = {}
        self._count: dict[tuple[str, int], int] = {}

    def say(self, kind: tuple[str, int], **facts: Any) -> None:
        self._count[kind] = self._count.get(kind, 0) + 1
        now = time.monotonic()
        if now - self._last.get(kind, -QUIET) >= QUIET:
            log.warning("http.refused", times=self._count.pop(kind), **facts)
            self._last[kind] = now


def _silent() -> logging.Logger:
    """aiohttp would log every malformed request with a traceback."""
    logger = logging.getLogger("netdiag.http")
    logger.disabled = True
    return logger
