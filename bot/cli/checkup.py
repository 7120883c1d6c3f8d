"""What does `netdiag doctor` look at? One function a subject; each answers with findings and their remedies."""

import shutil
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from bot import actions, probes
from bot.adapters.files.alerts import FileAlerts, Known, unknown_names
from bot.adapters.files.inventory import load_inventory
from bot.adapters.files.playbooks import load_playbooks
from bot.adapters.files.policy import FilePolicy
from bot.adapters.files.sweeps import FilePlan
from bot.adapters.store import Store
from bot.adapters.store.place import DATABASE
from bot.app import SystemClock, checked
from bot.cli.copies import LAST
from bot.core.audit import Verdict
from bot.core.errors import ConfigError, NetdiagError
from bot.core.host import HostFailure
from bot.core.policy import unmatched
from bot.settings import Settings

MEGA, GIGA = 1e6, 1e9
ROOM = 0.2 * GIGA
"""Free bytes below which a store is near its end."""
SKEW_ALLOWED = 5.0  # seconds: a change's deadline is told to the host in the bot's time


State = Literal["ok", "fault", "unknown", "skipped"]
AUDIT: dict[Verdict, State] = {Verdict.OK: "ok", Verdict.TAMPERED: "fault", Verdict.CANNOT_TELL: "unknown"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing looked at: its subject, its state, what was seen, and what to do when it is not fine."""

    about: str
    state: State
    detail: str
    remedy: str = ""


Subject = Callable[[Settings, str], AsyncIterator[Finding]]


async def checkup(settings: Settings, target: str) -> list[Finding]:
    """Look at everything; a subject that fails as a whole is one finding and stops no other."""
    found: list[Finding] = []
    for name, subject in SUBJECTS.items():
        try:
            found += [item async for item in subject(settings, target)]
        except NetdiagError as error:
            found.append(Finding(name, "fault", str(error)))
    return found


async def _files(settings: Settings, _target: str) -> AsyncIterator[Finding]:
    inventory = load_inventory(settings.inventory)
    yield Finding("inventory", "ok", f"{len(inventory.hosts)} hosts in {settings.inventory}")
    playbooks = load_playbooks(settings.playbooks, probes.catalog(), actions.catalog())
    yield Finding("playbooks", "ok", f"{len(playbooks)} in {settings.playbooks}")


async def _policy(settings: Settings, _target: str) -> AsyncIterator[Finding]:
    policy = FilePolicy(settings.inventory).policy()
    if policy.empty:
        yield Finding("policy", "fault", policy.empty, "write policy.yaml: README, Who may approve")
    else:
        yield Finding("policy", "ok", f"{len(policy.people)} people, {len(policy.rules)} rules")
        remedy = "correct the selector: a rule that means no host lets the rules after it answer"
        for term in unmatched(policy, load_inventory(settings.inventory)):
            yield Finding("policy", "fault", term, remedy)


async def _sweeps(settings: Settings, _target: str) -> AsyncIterator[Finding]:
    playbooks = load_playbooks(settings.playbooks, probes.catalog(), actions.catalog())
    policy = FilePolicy(settings.inventory)
    plan = FilePlan(settings.inventory, load_inventory(settings.inventory), playbooks, policy.policy).load()
    if not plan.sweeps:
        yield Finding("sweeps", "skipped", "there are none", "write sweeps.yaml, if hosts shall be read on a schedule")
        return
    mute = [name for name, sweep in plan.sweeps.items() if not sweep.channel]
    posted = f", {len(mute)} of them without a channel ({', '.join(mute)})" if mute else ""
    yield Finding("sweeps", "ok", f"{len(plan.sweeps)} in {settings.inventory}{posted}")


async def _store(settings: Settings, _target: str) -> AsyncIterator[Finding]:
    journal = await Store.open(settings.state, SystemClock(), url=settings.store)
    try:
        for finding in await _kept(settings, journal):
            yield finding
        if halted := await journal.halted():
            remedy = f"changes go on when {settings.state / 'halt'} is gone; docs/approval.md, the kill switch"
            yield Finding("kill switch", "fault", f"nothing is sent: {halted}", remedy)
        found = await journal.verify()
        remedy = (
            "" if found.verdict is Verdict.OK else "netdiag audit verify; docs/security.md says what each verdict means"
        )
        yield Finding("audit log", AUDIT[found.verdict] if found.checked else "ok", found.reason, remedy)
    finally:
        await journal.close()


async def _kept(settings: Settings, journal: Store) -> list[Finding]:
    """The store itself: its schema, its size, the room it has left, its last backup."""
    if journal.outdated:
        remedy = "make room or the disk writable, then start netdiag again; docs/store.md, Upgrade"
        return [Finding("store", "fault", journal.outdated, remedy)]
    if settings.store:
        return [Finding("store", "ok", f"schema {journal.schema}, can be read; its own tools back it up")]
    size = sum(file.stat().st_size for file in settings.state.glob(f"{DATABASE}*"))
    free = shutil.disk_usage(settings.state).free
    words = f"{settings.state}: schema {journal.schema}, {size / MEGA:.1f} MB, {free / GIGA:.1f} GB free"
    remedy = "make room: an upgrade copies the store first, and a full disk stops every change" if free < ROOM else ""
    last = await journal.recall(*LAST)
    told = (
        f"last {last['at']}: {last['file']}"
        if last
        else "none known; `netdiag backup FILE` makes one while the bot runs"
    )
    return [
        Finding("store", "fault" if remedy else "ok", words, remedy),
        Finding("backup", "ok" if last else "skipped", told),
    ]


async def _hosts(settings: Settings, target: str) -> AsyncIterator[Finding]:
    if target == "none":
        yield Finding("hosts", "skipped", "not asked for")
        return
    for name, result in await checked(settings, target, lambda _done, _total, _host: None):
        if isinstance(result, HostFailure):
            yield Finding(name, "unknown", f"{result.cause}: {result.reason}", result.remedy)
        elif not result.root:
            yield Finding(name, "fault", f"no root: {result.root_reason}", f"allow `sudo -n` for the user on {name}")
        elif abs(result.clock_skew) > SKEW_ALLOWED:
            remedy = "synchronise its clock (chrony, systemd-timesyncd): it would refuse changes"
            yield Finding(name, "fault", f"clock is off by {result.clock_skew:+.1f} s", remedy)
        elif result.missing_tools:
            missing = " ".join(result.missing_tools)
            yield Finding(name, "unknown", f"missing: {missing}", "install them; checks that need them are unknown")
        else:
            yield Finding(name, "ok", f"read as root in {result.warm * 1000:.0f} ms, clock {result.clock_skew:+.2f} s")


async def _slack(settings: Settings, _target: str) -> AsyncIterator[Finding]:
    from bot.adapters.slack.preflight import preflight  # noqa: PLC0415 - Slack's libraries load only when needed

    bot, app = settings.slack_bot_token, settings.slack_app_token
    if bot is None or app is None:
        missing = "NETDIAG_SLACK_BOT_TOKEN" if bot is None else "NETDIAG_SLACK_APP_TOKEN"
        yield Finding("slack", "skipped", f"{missing} is not set", "docs/slack.md, if the bot shall serve Slack")
        return
    async for about, fault, detail, remedy in preflight(
        bot.get_secret_value(),
        app.get_secret_value(),
        settings.slack_api_url,
        settings.slack_audit_channel,
        _channels(settings),
    ):
        yield Finding(f"slack {about}", "fault" if fault else "ok", detail, remedy)


def _channels(settings: Settings) -> Mapping[str, str]:
    """The channels that routes tell in, where alerts are taken; a broken file is told by its own subject."""
    if settings.http_listen is None:
        return {}
    try:
        routes = FileAlerts(settings.inventory).routing().routes
    except ConfigError:
        return {}
    first = {route.channel: route.name for route in reversed(routes)}
    return {f"channel of alerts ({name})": channel for channel, name in first.items()}


async def _http(settings: Settings, _target: str) -> AsyncIterator[Finding]:
    from bot.adapters.http import address  # noqa: PLC0415 - a server's libraries load only when needed

    routes = FileAlerts(settings.inventory)
    if settings.http_listen is None:
        remedy = "set http_listen (127.0.0.1:9180); docs/alerts.md"
        state: State = "fault" if settings.alerts_token is not None else "skipped"
        unheard = ": alerts.yaml is there for nothing" if routes.there else ""
        yield Finding("http", state, f"nothing listens for alerts, figures and health{unheard}", remedy)
        return
    host, port = address(settings.http_listen)
    everybody = host not in ("127.0.0.1", "::1", "localhost") and settings.metrics_token is None
    note = "; whoever reaches it may read the figures (metrics_token is not set)" if everybody else ""
    yield Finding("http", "ok", f"{host} port {port}{note}")


async def _alerts(settings: Settings, _target: str) -> AsyncIterator[Finding]:
    routes = FileAlerts(settings.inventory)
    routing = routes.routing()
    if not routes.there:
        state: State = "fault" if settings.alerts_token else "skipped"
        remedy = "docs/alerts.md, if alerts shall be taken"
        yield Finding("alerts", state, "no alerts.yaml beside the inventory", remedy)
        return
    if settings.alerts_token is None and settings.http_listen is not None:
        yield Finding("alerts", "fault", "alerts_token is not set: every alert is refused", "docs/alerts.md, Connect")
    playbooks = load_playbooks(settings.playbooks, probes.catalog(), actions.catalog())
    known = Known(FilePolicy(settings.inventory).policy().people, playbooks)
    faults = list(unknown_names(routing, known))
    for fault in faults:
        yield Finding("alerts", "fault", fault, "correct it: such an alert is told, and not diagnosed or not approved")
    if not faults:
        yield Finding("alerts", "ok", f"{len(routing.routes)} routes")


SUBJECTS: dict[str, Subject] = {
    "files": _files,
    "policy": _policy,
    "sweeps": _sweeps,
    "store": _store,
    "http": _http,
    "alerts": _alerts,
    "slack": _slack,
    "hosts": _hosts,
}
