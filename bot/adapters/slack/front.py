"""How do the parts of the Slack front end run together, and how do they stop?"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass

import structlog
from slack_bolt.app.async_app import AsyncApp
from slack_bolt.authorization import AuthorizeResult
from slack_bolt.error import BoltError

from bot.adapters.slack import talk
from bot.adapters.slack.almanac import Almanac, PictureOf
from bot.adapters.slack.anchor import Anchor
from bot.adapters.slack.api import SlackApi
from bot.adapters.slack.clicks import Clicks
from bot.adapters.slack.directory import SlackDirectory
from bot.adapters.slack.follow import Follower
from bot.adapters.slack.herald import SlackHerald
from bot.adapters.slack.inbox import Inbox, Job
from bot.adapters.slack.listen import Listener
from bot.adapters.slack.orders import Orders
from bot.adapters.slack.questions import HeadOf, Questions, Status
from bot.adapters.slack.refusal import UNREACHABLE, code
from bot.adapters.slack.runs import Runs
from bot.adapters.slack.session import Called, environment
from bot.adapters.slack.socket import Socket
from bot.adapters.slack.where import answer, from_body
from bot.adapters.slack.words import Word
from bot.core.audit import Head
from bot.engine.ports import Clock, Desk, Journal
from bot.engine.sweep_ports import SilenceDesk, SweepDesk

log = structlog.get_logger()
SLOW = frozenset({"run", "interrupted"})


async def _no_head() -> Head | None:
    return None


async def _no_status() -> Sequence[tuple[str, str]]:
    return ()


@dataclass(frozen=True, slots=True)
class Tuning:
    """What an operator hardly ever changes."""

    name: str = "/netdiag"
    audit_channel: str = ""
    """Channel id for the log's signed heads; empty: none are posted."""
    pages: str = ""
    """Base address of the pages about findings; empty: findings link nowhere."""
    runs_at_once: int = 4
    clicks_at_once: int = 8
    drain: float = 10.0
    """Seconds that work under way gets when the bot stops."""


class SlackFront:
    """The bot in Slack. Make one, then `await front.run(stop)`; `ready` is set while Slack has greeted us.

    `head` is the signed end of the log and `status` the application's lines for `status`.
    """

    def __init__(
        self,
        api: SlackApi,
        *,
        desk: Desk,
        journal: Journal,
        clock: Clock,
        catalog: talk.Catalog,
        directory: SlackDirectory,
        head: HeadOf = _no_head,
        status: Status = _no_status,
        tuning: Tuning | None = None,
    ) -> None:
        self._api, self._tuning, self._status = api, tuning or Tuning(), status
        name = self._tuning.name
        self._anchor = Anchor(api, head, self._tuning.audit_channel)
        self._follower = Follower(api, journal, clock, mutated=self._anchor.want)
        self._runs = Runs(api, desk, journal, self._follower, name=name, pages=self._tuning.pages)
        self._clicks = Clicks(api, desk, journal, directory, self._follower, clock)
        self._orders = Orders(directory, clock, changes=desk, name=name)
        self._questions = Questions(journal, clock, catalog, head, self._lines, self._orders, name)
        self._almanac = Almanac(api, journal)
        self.herald = SlackHerald(api, journal, self._follower, self._tuning.pages)
        """Tells the channels of sweeps and alerts, while the front end runs."""
        handlers = {
            "run": self._runs.ask,
            "interrupted": self._runs.interrupted,
            "ask": self._ask,
            "order": self._order,
            "say": self._say,
            "home": self._home,
            "click": self._clicks.press,
        }
        self._inbox = Inbox(journal, handlers, SLOW)
        self._listener = Listener(api, self._inbox, catalog, journal, name)
        self._socket: Socket | None = None

    def attach(
        self, *, sweeps: SweepDesk | None = None, silences: SilenceDesk | None = None, picture: PictureOf | None = None
    ) -> None:
        """What else people may ask for here; its makers need the herald first. `picture` draws a host's history."""
        self._orders.sweeps, self._orders.silences, self._almanac.picture = sweeps, silences, picture

    async def run(self, stop: asyncio.Event, ready: asyncio.Event | None = None) -> None:
        """Serve until `stop`. `ready` is set at Slack's first hello.

        Raises ConfigError at once when a token is refused, a scope is missing or Slack cannot be reached.
        """
        with environment(self._api.base_url):
            await self._api.open()
            try:
                await self._serve(stop, ready)
            finally:
                await self._api.close()

    async def connected(self) -> bool:
        """Whether Slack can reach us right now: what a liveness check should ask."""
        return self._socket is not None and await self._socket.connected()

    @property
    def waiting(self) -> int:
        """Clicks and commands taken and not finished."""
        return self._inbox.waiting

    async def _serve(self, stop: asyncio.Event, ready: asyncio.Event | None) -> None:
        app = AsyncApp(name="netdiag", client=self._api.anonymous(), authorize=authorizer(self._api))
        self._listener.attach(app)
        socket = self._socket = Socket(app, self._api.app_token, self._greeted)
        try:
            async with asyncio.TaskGroup() as tasks:
                loops = [tasks.create_task(socket.run())]
                await _first(socket.ready, stop)
                if ready is not None and socket.ready.is_set():
                    ready.set()
                await self._recover()
                loops += [tasks.create_task(self._follower.run())]
                loops += [tasks.create_task(self._inbox.work(slow=True)) for _ in range(self._tuning.runs_at_once)]
                loops += [tasks.create_task(self._inbox.work(slow=False)) for _ in range(self._tuning.clicks_at_once)]
                if self._tuning.audit_channel:
                    loops.append(tasks.create_task(self._anchor.run()))
                await stop.wait()
                await socket.close()
                await self._drain()
                for loop in loops:
                    loop.cancel()
        finally:
            await socket.close()

    def _greeted(self, app_id: str) -> None:
        self._clicks.app = app_id

    async def _recover(self) -> None:
        """Clicks that were taken are carried out now; runs are told as interrupted."""
        for job in await self._inbox.recover():
            log.info("slack.recovered", kind=job.kind, key=job.key)
            self._inbox.go(Job("interrupted", job.key, job.body) if job.kind == "run" else job)

    async def _drain(self) -> None:
        """Give work under way a moment; what does not end is taken up at the next start."""
        for _ in range(int(self._tuning.drain * 10)):
            if not self._inbox.waiting:
                return
            await asyncio.sleep(0.1)

    async def _ask(self, job: Job) -> None:
        where, command = from_body(job.body)
        if command.word is Word.FORM:
            message = talk.ask_for_target(self._tuning.name)
        else:
            message = await self._questions.answer(command, where.actor)
        await answer(self._api, where, message, key=f"ask:{job.key}")
        if command.word is Word.HISTORY:
            await self._almanac.show(where, command.target, job.key)

    async def _order(self, job: Job) -> None:
        where, command = from_body(job.body)
        await answer(self._api, where, await self._orders.carry(command, where.actor), key=f"order:{job.key}")

    async def _say(self, job: Job) -> None:
        where, _ = from_body(job.body)
        await answer(self._api, where, talk.told(job.body["title"], *job.body["lines"]), key=f"say:{job.key}")

    async def _home(self, job: Job) -> None:
        where, _ = from_body(job.body)
        try:
            await self._api.client.views_publish(user_id=where.user, view=await self._questions.home(where.actor))
        except UNREACHABLE as error:
            log.warning("slack.home.lost", user=where.user, fault=code(error))

    async def _lines(self) -> Sequence[tuple[str, str]]:
        connected = "connected" if await self.connected() else "not connected"
        sockets = self._socket.connections if self._socket is not None else 0
        own = (
            ("Slack", f"{connected} to {self._api.me.url or self._api.me.team}, {sockets} socket(s) of this app"),
            ("Waiting", f"{self._inbox.waiting} request(s) under way"),
        )
        return (*own, *await self._status())


def connect(
    bot_token: str,
    app_token: str,
    base_url: str,
    usergroups: Callable[[], Iterable[str]] = tuple,
    called: Called | None = None,
) -> tuple[SlackApi, SlackDirectory]:
    """The client and the directory over it, before anything is opened: the engine needs the directory first.

    `usergroups` names the Slack user groups that the access policy asks about, read anew at each look-up. `called`
    hears of every call and how it ended.
    """
    api = SlackApi(bot_token, app_token, base_url, called)
    return api, SlackDirectory(api, usergroups)


def authorizer(api: SlackApi) -> Callable[..., Awaitable[AuthorizeResult]]:
    """Who we are, for bolt, without asking Slack at each event; another team's event is nobody's."""

    async def authorize(team_id: str | None = None) -> AuthorizeResult:
        if team_id not in (None, api.me.team):
            log.warning("slack.stranger", team=team_id)
            raise BoltError(f"an event of team {team_id}, which is not ours")
        return AuthorizeResult.from_auth_test_response(auth_test_response=api.me.answer, bot_token=api.client.token)

    return authorize


async def _first(*events: asyncio.Event) -> None:
    """Wait until one of the events is set."""
    async with asyncio.TaskGroup() as tasks:
        waiting = [tasks.create_task(event.wait()) for event in events]
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in waiting:
            task.cancel()
