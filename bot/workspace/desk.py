"""Where do the server, the page and the tests meet? The one mutable place: the current `Workspace` and its helpers."""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace

from bot.workspace import model, payloads, wire
from bot.workspace.faults import Faults
from bot.workspace.keeper import Keeper
from bot.workspace.link import Link
from bot.workspace.manifest import Manifest
from bot.workspace.minting import Mint
from bot.workspace.model import Channel, File, Json, Kind, Message, Person, View, Workspace, having
from bot.workspace.passes import Hook, Passes
from bot.workspace.rates import Rates
from bot.workspace.wire import App

SLACKBOT = "USLACKBOT"
LOOK_AGAIN = 0.05
"""Seconds after which `until` asks again though nothing happened here."""
NEWS_MAX = 1_000
"""Changes queued for one page before it is told to reload its state."""


@dataclass(frozen=True, slots=True)
class News:
    """Something a page must show: `kind`, its data, and who may see it (a channel's people, or one person)."""

    kind: str
    data: Json
    channel: str | None = None
    user: str | None = None


@dataclass(frozen=True, slots=True)
class Called:
    """One Web API call, for tests: the method, its arguments, the HTTP status and the reply."""

    method: str
    args: Mapping[str, object]
    status: int
    reply: Json


@dataclass(frozen=True, slots=True)
class Tokens:
    """The run's secrets: the bot's two, the page's and the fault levers'. `revoked` makes the bot's invalid."""

    bot: str
    app: str
    page: str
    admin: str
    revoked: bool = False


@dataclass
class Desk:
    """The workspace at work. Everything that happens goes through `put` so that pages and waiting tests hear of it."""

    world: Workspace
    app: App
    manifest: Manifest
    mint: Mint
    tokens: Tokens
    faults: Faults
    rates: Rates
    passes: Passes
    link: Link
    keeper: Keeper
    calls: deque[Called] = field(default_factory=lambda: deque(maxlen=2_000))
    uploads: dict[str, File] = field(default_factory=dict)
    _listeners: dict[asyncio.Queue[News], str] = field(default_factory=dict)
    _happened: asyncio.Condition = field(default_factory=asyncio.Condition)

    def put(self, world: Workspace, *news: News) -> None:
        """Make this the current workspace and tell those who see the difference."""
        self.world = world
        for one in news:
            for queue, user in self._listeners.items():
                if self._sees(user, one):
                    _offer(queue, one)
        self.touch()

    def touch(self) -> None:
        """Let those who wait in `until` look again."""
        self.keeper.later(self._notify())

    async def _notify(self) -> None:
        async with self._happened:
            self._happened.notify_all()

    def _sees(self, user: str, news: News) -> bool:
        if news.user is not None:
            return news.user == user
        return news.channel is None or any(one.id == news.channel for one in self.world.visible(user))

    @contextmanager
    def listening(self, user: str) -> Iterator[asyncio.Queue[News]]:
        """A queue of what that person's page must show, while the block lasts."""
        queue: asyncio.Queue[News] = asyncio.Queue(NEWS_MAX)
        self._listeners[queue] = user
        try:
            yield queue
        finally:
            del self._listeners[queue]

    def close_pages(self) -> None:
        """Let every listening page go."""
        for queue in self._listeners:
            _offer(queue, News("stop", {}))

    async def until(self, true: Callable[[], object], seconds: float) -> None:
        """Wait until the predicate holds. Raises TimeoutError.

        It is asked after every change here, and now and then between them: it may look at the app's side too.
        """
        async with asyncio.timeout(seconds):
            while not true():
                async with self._happened:
                    with suppress(TimeoutError):
                        await asyncio.wait_for(self._happened.wait(), LOOK_AGAIN)

    # -- messages ---------------------------------------------------------------------------------------------

    def post(self, message: Message) -> Message:
        """Put a message where it belongs and show it."""
        world = model.posted(self.world, message)
        self.put(world, self._shown("message", message, world))
        self._refresh_parent(message)
        return message

    def edit(self, message: Message) -> Message:
        """Replace the message with the same ts."""
        world = model.changed(self.world, message)
        self.put(world, self._shown("message", message, world))
        return message

    def delete(self, message: Message) -> None:
        """Take a message away."""
        world = model.removed(self.world, message)
        data: Json = {"channel": message.channel, "ts": message.ts, "thread_ts": message.thread_ts}
        self.put(world, News("message_deleted", data, channel=message.channel, user=message.recipient))
        self._refresh_parent(message)

    def _refresh_parent(self, message: Message) -> None:
        parent = self.world.message(message.channel, message.thread_ts or "") if message.is_reply else None
        if parent is not None and message.recipient is None:
            self.put(self.world, self._shown("message", parent, self.world))

    def _shown(self, kind: str, message: Message, world: Workspace) -> News:
        data = {"channel": message.channel, "message": wire.message(message, world, self.app)}
        return News(kind, data, channel=message.channel, user=message.recipient)

    def notice(self, user: str, channel: str, text: str, thread_ts: str | None = None) -> Message:
        """Something Slack itself tells one person, as Slackbot does: only visible to them."""
        ts = self.mint.ts()
        return self.post(Message(ts=ts, channel=channel, user=SLACKBOT, text=text, thread_ts=thread_ts, recipient=user))

    # -- who and where ----------------------------------------------------------------------------------------

    def person(self, who: str) -> Person:
        """The person with that id or (any case) name. Raises LookupError."""
        found = self.world.people.get(who)
        if found is None:
            wanted = who.removeprefix("@").casefold()
            named = (
                one for one in self.world.people.values() if wanted in (one.name.casefold(), one.real_name.casefold())
            )
            found = next(named, None)
        if found is None:
            known = ", ".join(one.name for one in self.world.people.values())
            raise LookupError(f"nobody called {who!r} here; there are: {known}")
        return found

    def channel(self, where: str) -> Channel:
        """The channel with that id or name, with or without `#`. Raises LookupError."""
        found = self.world.channels.get(where)
        if found is None:
            named = (one for one in self.world.channels.values() if one.name and one.name == where.removeprefix("#"))
            found = next(named, None)
        if found is None:
            known = ", ".join(f"#{one.name}" for one in self.world.channels.values() if one.name)
            raise LookupError(f"no channel {where!r} here; there are: {known}")
        return found

    def im(self, user: str) -> Channel:
        """The direct conversation of a person and the bot, opened if need be."""
        id_ = "D" + user[1:]
        if id_ not in self.world.channels:
            room = Channel(id_, "", frozenset({user, self.app.user_id}), Kind.IM)
            world = replace(self.world, channels=having(self.world.channels, id_, room))
            self.put(world, News("channel", wire.channel(room, world, self.app), user=user))
        return self.world.channels[id_]

    # -- passes -----------------------------------------------------------------------------------------------

    def scene(self, who: Person) -> payloads.Scene:
        """What the payload of something this person does is made from."""
        return payloads.Scene(self.world, self.app, who)

    def trigger(self, user: str, view: str | None = None) -> str:
        """A fresh trigger id for something this person just did."""
        id_ = f"{self.mint.secret(12)}.{self.world.team_id}.{self.mint.secret(16)}"
        return self.passes.trigger(id_, user, view)

    def hook(self, kind: str, user: str, channel: str, message: Message | None = None) -> str:
        """A fresh response URL."""
        id_ = self.mint.secret()
        thread = None if message is None else message.thread_ts
        target = None if message is None else message.ts
        ephemeral = message is not None and message.recipient is not None
        self.passes.hook(Hook(id_, user, channel, self.mint.now(), thread, target, ephemeral))
        return f"{self.app.origin}/hooks/{kind}/{self.world.team_id}/{id_}"

    # -- views ------------------------------------------------------------------------------------------------

    def show(self, user: str, stack: tuple[View, ...]) -> None:
        """Open exactly these modals before the person, the last on top."""
        world = model.stacked(self.world, user, stack)
        shown = [wire.view(one, world, self.app) for one in stack]
        self.put(world, News("modals", {"stack": shown}, user=user))

    def publish(self, view: View) -> None:
        """Set a person's App Home."""
        world = replace(self.world, homes=having(self.world.homes, view.user, view))
        self.put(world, News("home", {"view": wire.view(view, world, self.app)}, user=view.user))

    # -- events -----------------------------------------------------------------------------------------------

    def emit(self, subscription: str, inner: Json) -> None:
        """Send the app an event, if its manifest asks for it; retried in the background until acknowledged."""
        if subscription not in self.manifest.events:
            return
        whole = payloads.event(self.world, self.app, inner, event_id=self.mint.id("Ev"), at=self.mint.now())
        self.keeper.later(self.link.tell(whole))


def _offer(queue: asyncio.Queue[News], news: News) -> None:
    """A page too slow to follow loses its backlog and is told to load everything anew."""
    if queue.full():
        while not queue.empty():
            queue.get_nowait()
        news = News("reload", {})
    queue.put_nowait(news)
