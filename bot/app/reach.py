"""Who may reach the bot over HTTP, and how well does it say it is?"""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress

import structlog
from pydantic import SecretStr

from bot.adapters.files.alerts import FileAlerts
from bot.adapters.files.policy import FilePolicy
from bot.adapters.slack import SlackFront
from bot.adapters.store.place import DATABASE
from bot.app.opening import App
from bot.core.approval import stamp
from bot.core.errors import ConfigError
from bot.engine.alerts import Alerts
from bot.engine.levels import Levels
from bot.engine.ports import JournalDown
from bot.settings import Settings

log = structlog.get_logger()


@asynccontextmanager
async def reachable(app: App, policy: FilePolicy, front: SlackFront, intake: Alerts) -> AsyncIterator[None]:
    """Alerts, figures and health over HTTP while the block runs, where an address is set. Raises ConfigError."""
    from bot.adapters.http import Metrics, alerts, listening, pulse, scrape  # noqa: PLC0415 - only where it is wanted

    settings, meter = app.settings, app.meter
    if settings.http_listen is None or not isinstance(meter, Metrics):
        yield
        return
    checks = _checks(app, policy, front, intake)
    levels = Levels(
        meter,
        app.journal,
        app.clock,
        head=app.journal.head,
        size=lambda: _size(settings),
        queues={
            "slack": lambda: front.waiting,
            "alerts": lambda: intake.intake.waiting,
            "alert_groups": lambda: intake.intake.open,
        },
        checks=checks,
        history=app.journal.history,
        sweeps=lambda: app.plans.plan().sweeps,
    )
    alive, is_ready = pulse(checks)
    there = FileAlerts(settings.inventory)
    routes = {
        ("POST", "/alerts"): alerts(secret(settings.alerts_token), intake.take, there=lambda: there.there),
        ("GET", "/metrics"): scrape(meter, secret(settings.metrics_token), levels.refresh),
        ("GET", "/healthz"): alive,
        ("GET", "/readyz"): is_ready,
    }
    with suppress(JournalDown):  # `readyz` says so, and the first figures that can be read are where counting begins
        await levels.begin()
    async with listening(settings.http_listen, routes, meter) as port:
        log.info("http.listening", listen=settings.http_listen, port=port)
        yield


def secret(token: SecretStr | None) -> str | None:
    """The words of a secret."""
    return token.get_secret_value() if token is not None else None


def _checks(
    app: App, policy: FilePolicy, front: SlackFront, intake: Alerts
) -> Mapping[str, Callable[[], Awaitable[str]]]:
    """Why the bot cannot do its work, by part; "" where it can."""

    async def slack() -> str:
        return "" if await front.connected() else "not connected to Slack"

    async def store() -> str:
        try:
            await app.journal.replace("health", "written", {"at": stamp(app.clock.now())})
        except JournalDown as fault:
            return str(fault)
        return ""

    async def readable() -> str:
        return _broken(policy.policy)

    async def alerts() -> str:
        return _broken(intake.routes.routing) or intake.trouble

    async def sweeps() -> str:
        app.plans.plan()
        return app.plans.trouble

    return {"slack": slack, "store": store, "policy": readable, "sweeps": sweeps, "alerts": alerts}


def _broken(read: Callable[[], object]) -> str:
    try:
        read()
    except ConfigError as fault:
        return str(fault)
    return ""


def _size(settings: Settings) -> int | None:
    """Bytes of the SQLite store; None where it is another database."""
    if settings.store is not None:
        return None
    files = (settings.state / name for name in (DATABASE, f"{DATABASE}-wal"))
    return sum(file.stat().st_size for file in files if file.exists())
