"""What does a browser get, and who may get it? The page's own assets and files, on this machine only."""

import hmac
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from urllib.parse import quote

from aiohttp import web

from bot.workspace.gateway import DESK, bearer

STATIC = Path(__file__).parent / "static"

CSP = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
)
HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": CSP,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
INLINE = frozenset({"image/png", "image/jpeg", "image/gif", "image/webp"})
"""What a browser may show in place; everything else is downloaded (an SVG can carry script)."""


def cookie_name(request: web.Request) -> str:
    """Cookies ignore ports, so the port is part of the name."""
    return f"page_{_port(request)}"


def _port(request: web.Request) -> str:
    """The port this server listens on; the request's own is whatever its Host header claims."""
    return request.app[DESK].app.origin.rpartition(":")[2]


def is_reader(request: web.Request) -> bool:
    """Whether the browser holds this run's page token."""
    held = request.cookies.get(cookie_name(request), "")
    return hmac.compare_digest(held.encode(), request.app[DESK].tokens.page.encode())


@web.middleware
async def guard(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Refuse other hosts (DNS rebinding), other origins (a page elsewhere), and readers without the token."""
    port = _port(request)
    own = {f"127.0.0.1:{port}", f"localhost:{port}"}
    if request.host not in own:
        return web.Response(status=421, text="This server answers to 127.0.0.1 only.")
    origin = request.headers.get("Origin")
    if origin is not None and origin not in {f"http://{host}" for host in own}:
        return web.Response(status=403, text="Requests from other sites are refused.")
    if request.path.startswith("/page/") and not is_reader(request):
        return web.Response(
            status=403, text="Open the address that was printed at the start: it carries this run's token."
        )
    return await handler(request)


async def secure(_request: web.Request, response: web.StreamResponse) -> None:
    """Security headers on everything."""
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)


async def index(request: web.Request) -> web.StreamResponse:
    """The page. The token moves from the address into a cookie that scripts cannot read."""
    token = request.query.get("token")
    if token is not None and hmac.compare_digest(token.encode(), request.app[DESK].tokens.page.encode()):
        answer = web.Response(status=303, headers={"Location": "/"})
        answer.set_cookie(cookie_name(request), token, httponly=True, samesite="Strict", path="/")
        return answer
    if not is_reader(request):
        return web.Response(
            status=403, text="Open the address that was printed at the start: it carries this run's token."
        )
    return web.FileResponse(STATIC / "index.html")


async def archive(request: web.Request) -> web.Response:
    """A permalink leads to the message on the page."""
    thread = request.query.get("thread_ts")
    place = f"/#/c/{quote(request.match_info['channel'])}" + (f"/{quote(thread)}" if thread else "")
    return web.Response(status=303, headers={"Location": place})


async def file(request: web.Request) -> web.Response:
    """The bytes of a file, for the page or for the bot."""
    desk = request.app[DESK]
    if not is_reader(request) and not hmac.compare_digest(bearer(request).encode(), desk.tokens.bot.encode()):
        return web.Response(status=403, text="not_authed")
    found = desk.world.files.get(request.match_info["id"])
    if found is None:
        return web.Response(status=404, text="file_not_found")
    inline = found.mimetype in INLINE and "download" not in request.query
    disposition = f"{'inline' if inline else 'attachment'}; filename*=UTF-8''{quote(found.name)}"
    kind = found.mimetype if inline else "application/octet-stream"
    return web.Response(body=found.content, content_type=kind, headers={"Content-Disposition": disposition})


ROUTES = (
    web.get("/", index),
    web.get("/archives/{channel}/{place}", archive),
    web.get("/files/{id}", file),
    web.static("/static", STATIC),
)
