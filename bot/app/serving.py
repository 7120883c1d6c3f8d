"""What runs together while the bot serves, and how does it end?"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence

from bot.adapters.files.alerts import FileAlerts
from bot.adapters.slack import Catalog, SlackFront, Tuning, connect
from bot.app.opening import App
from bot.app.reach import reachable
from bot.core.chronicle import titles
from bot.core.policy import usergroups
from bot.engine.alerts import Alerts
from bot.engine.chronicle import Chronicle
from bot.engine.scheduler import Scheduler
from bot.engine.sweep_desk import Rounds


async def serving(app: App, *, stop: asyncio.Event, ready: asyncio.Event) -> None:
    """Serve Slack, carry out approved changes and keep the sweeps, until `stop`. `ready` is set once Slack has greeted
    the bot.

    Raises ConfigError at once when Slack refuses the tokens or cannot be reached, or the plan of sweeps is faulty.
    """
    from bot.adapters.chart import ChartPainter  # noqa: PLC0415 - drawing loads only where somebody looks

    settings = app.settings
    assert settings.slack_bot_token is not None
    assert settings.slack_app_token is not None
    policy = app.policy
    app.plans.load()  # a fault in it is told now, not when the first run is missing
    api, directory = connect(
        settings.slack_bot_token.get_secret_value(),
        settings.slack_app_token.get_secret_value(),
        settings.slack_api_url,
        lambda: usergroups(policy.policy()),
        lambda method, outcome: app.meter.count("slack_calls", method=method, outcome=outcome),
    )
    app.directory.others["slack"] = directory
    catalog = Catalog(
        hosts=tuple(app.inventory.hosts),
        groups=tuple(app.inventory.groups),
        playbooks={name: playbook.title for name, playbook in app.desk.playbooks.items()},
    )
    front = SlackFront(
        api,
        desk=app.desk,
        journal=app.journal,
        clock=app.clock,
        catalog=catalog,
        directory=directory,
        head=app.journal.head,
        status=app.status,
        tuning=Tuning(audit_channel=settings.slack_audit_channel or "", pages=settings.findings_url or ""),
    )
    painter = ChartPainter()
    keeper = Scheduler(app.sweeping(front.herald, painter))
    front.attach(
        sweeps=Rounds(keeper.bench, lambda: keeper),
        silences=app.silences(),
        picture=Chronicle(app.journal.history, painter, app.clock, measured(app), zone_of(app)).picture,
    )
    routes = FileAlerts(settings.inventory)
    routes.routing()  # and in this one, before Alertmanager is refused for it
    intake = Alerts(
        app.desk, app.journal, front.herald, app.clock, app.inventory, routes, app.meter, shown=app.annals.shown
    )
    async with reachable(app, policy, front, intake), asyncio.TaskGroup() as tasks:
        telling = [tasks.create_task(kept(work, ready)) for work in (keeper.run, intake.run)]
        loops = [tasks.create_task(app.remedy.drive()), *telling, tasks.create_task(ended(telling, stop))]
        await front.run(stop, ready)
        for loop in loops:
            loop.cancel()


def zone_of(app: App) -> str:
    """The time zone of pictures that are no sweep's: the one of the first sweep of the plan."""
    return next((sweep.zone for sweep in app.plans.plan().sweeps.values()), "UTC")


def measured(app: App) -> Mapping[str, tuple[str, str]]:
    """Title and unit of every measure that some playbook keeps."""
    return titles(app.desk.playbooks.values())


async def kept(work: Callable[[], Awaitable[None]], ready: asyncio.Event) -> None:
    """Keep sweeps, or take alerts, from the moment on that somebody can be told."""
    await ready.wait()
    await work()


async def ended(telling: "Sequence[asyncio.Task[None]]", stop: asyncio.Event) -> None:
    """Leave what is under way to the next process, before the chat is closed."""
    await stop.wait()
    for task in telling:
        task.cancel()
