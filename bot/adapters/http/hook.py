"""How does Alertmanager hand over alerts, so that none is lost and nobody else can?

200 is answered only when what came is durably kept. Alertmanager sends again what was answered with 5xx, and gives up
what was answered with 4xx: a refusal by 4xx is for what a person has to mend, and says what.
"""

from collections.abc import Awaitable, Callable

from aiohttp import hdrs, web

from bot.adapters.http.server import Handler, Reply, allowed
from bot.core.alert import MAX_BYTES, Delivery, Malformed
from bot.core.errors import ConfigError
from bot.engine.intake import Full
from bot.engine.ports import JournalDown

Take = Callable[[Delivery], Awaitable[None]]
NO_TOKEN = "no token is configured: set NETDIAG_ALERTS_TOKEN (or file:/path), and the same in Alertmanager's receiver"  # noqa: S105
WRONG = "the token is missing or wrong: Authorization: Bearer, with what NETDIAG_ALERTS_TOKEN says"
TOO_LARGE = f"more than {MAX_BYTES} bytes: set max_alerts in Alertmanager's receiver"
LATER = {"Retry_After": "30"}


def alerts(token: str | None, take: Take, *, there: Callable[[], bool]) -> Handler:
    """The handler of `POST /alerts`. `there` tells whether anything says what to do with alerts."""

    async def handle(request: web.BaseRequest) -> Reply:
        refused = _stranger(request, token, there=there) or _unread(request)
        if refused is not None:
            return refused
        try:
            delivery = Delivery.parse(await request.read())
        except web.HTTPRequestEntityTooLarge:
            return Reply.refusal(413, TOO_LARGE)
        except Malformed as fault:
            return Reply.refusal(400, str(fault))
        return await _kept(take, delivery)

    return handle


def _stranger(request: web.BaseRequest, token: str | None, *, there: Callable[[], bool]) -> Reply | None:
    """Why nothing is taken from whoever asks."""
    if token is None:
        return Reply.refusal(403, NO_TOKEN)
    if not allowed(request, token):
        return Reply.refusal(401, WRONG, WWW_Authenticate='Bearer realm="netdiag"')
    if not there():
        return Reply.refusal(403, "no alerts.yaml beside the inventory: nothing says what to do with alerts")
    return None


def _unread(request: web.BaseRequest) -> Reply | None:
    """Why the body is not even read."""
    if request.content_type != "application/json":
        return Reply.refusal(415, "the content type must be application/json")
    if request.headers.get(hdrs.CONTENT_ENCODING, "identity") != "identity":
        return Reply.refusal(415, "the body must not be compressed")
    if (request.content_length or 0) > MAX_BYTES:
        return Reply.refusal(413, TOO_LARGE)
    return None


async def _kept(take: Take, delivery: Delivery) -> Reply:
    try:
        await take(delivery)
    except Full:
        return Reply.refusal(503, "too much waits already; send it again", **LATER)
    except (JournalDown, ConfigError) as fault:
        return Reply.refusal(503, f"cannot be kept now ({fault}); send it again", **LATER)
    return Reply(200, '{"kept": true}\n', "application/json")
