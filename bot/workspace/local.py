"""How do a demo or a test get a Slack of their own? `LocalSlack.start()`, and act in it as people do."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

from aiohttp import web

from bot.workspace import admin, controls, gateway, live, manifest, page, speech
from bot.workspace.blocks import find
from bot.workspace.cast import APP_ID, BOT_ID, BOT_USER, PEOPLE, channels, world
from bot.workspace.desk import Called, Desk, Tokens
from bot.workspace.faults import Faults
from bot.workspace.keeper import Keeper
from bot.workspace.link import Link, Pace, Reason, Sent
from bot.workspace.manifest import Command, Manifest
from bot.workspace.minting import Mint
from bot.workspace.model import Channel, Json, Kind, Message, Person, UserGroup, View
from bot.workspace.outcome import Outcome, Values
from bot.workspace.passes import Passes
from bot.workspace.rates import Rates
from bot.workspace.wire import App

BODY_MAX = 32 * 1024 * 1024
"""Bytes of one request, uploads among them."""


class LocalSlack:
    """A workspace on 127.0.0.1. The bot is pointed at `api_url`; people are played by the methods here or on the page.

    People are named by handle ("alice"), real name or id; channels by "#netops", "netops" or id.
    """

    def __init__(self, desk: Desk, runner: web.AppRunner, stopping: asyncio.Event) -> None:
        self.desk = desk
        self._runner = runner
        self._stopping = stopping

    @classmethod
    async def start(
        cls,
        port: int = 0,
        people: Sequence[Person] = PEOPLE,
        commands: Sequence[Command] | None = None,
        *,
        app_manifest: Manifest | Path | None = None,
        usergroups: Sequence[UserGroup] = (),
        rooms: Sequence[Channel] | None = None,
        rates: bool = True,
        pace: Pace | None = None,
        now: Callable[[], float] = time.time,
    ) -> Self:
        """Listen on 127.0.0.1 (port 0: any free one). The app is installed with the given manifest, else its own."""
        granted = manifest.load(app_manifest) if isinstance(app_manifest, Path) else app_manifest or manifest.shipped()
        if commands is not None:
            granted = replace(granted, commands=tuple(commands))
        stopping = asyncio.Event()
        server = web.Application(middlewares=[page.guard], client_max_size=BODY_MAX)
        server[live.STOPPING] = stopping
        runner = web.AppRunner(server, access_log=None, shutdown_timeout=1.0)
        for routes in (gateway.ROUTES, admin.ROUTES, live.ROUTES, page.ROUTES):
            server.add_routes(routes)
        server.on_response_prepare.append(page.secure)
        mint, faults, keeper = Mint(now), Faults(), Keeper()
        app = App(APP_ID, BOT_ID, BOT_USER, granted.name, "")
        tokens = Tokens(
            bot=f"xoxb-local-{mint.secret()}",
            app=f"xapp-1-{APP_ID}-{mint.secret()}",
            page=mint.secret(32),
            admin=mint.secret(32),
        )
        desk = Desk(
            world=world(people, rooms if rooms is not None else channels(people), usergroups, app),
            app=app,
            manifest=granted,
            mint=mint,
            tokens=tokens,
            faults=faults,
            rates=Rates(rates),
            passes=Passes(now),
            link=Link(mint, faults, APP_ID, pace or Pace()),
            keeper=keeper,
        )
        desk.link.changed = desk.touch
        server[gateway.DESK] = desk
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", port)
        await site.start()
        bound = runner.addresses[0][1]
        desk.app = replace(app, origin=f"http://127.0.0.1:{bound}")
        keeper.start()
        return cls(desk, runner, stopping)

    async def stop(self) -> None:
        """Close every socket and page, end background work."""
        self._stopping.set()
        self.desk.close_pages()
        await self.desk.link.disconnect("link_disabled")
        await self.desk.keeper.stop()
        await self._runner.cleanup()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.stop()

    # -- where it is ------------------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        """The page, with this run's token."""
        return f"{self.desk.app.origin}/?token={self.desk.tokens.page}"

    @property
    def api_url(self) -> str:
        """The bot's `base_url`."""
        return f"{self.desk.app.origin}/api/"

    @property
    def bot_token(self) -> str:
        """The bot's xoxb token."""
        return self.desk.tokens.bot

    @property
    def app_token(self) -> str:
        """The bot's xapp token."""
        return self.desk.tokens.app

    @property
    def admin_token(self) -> str:
        """The bearer token of /admin/faults."""
        return self.desk.tokens.admin

    @property
    def team_id(self) -> str:
        """The workspace's id."""
        return self.desk.world.team_id

    @property
    def bot_user(self) -> str:
        """The bot's user id: a message that contains `<@…>` of it, typed `@netdiag`, is a mention."""
        return self.desk.app.user_id

    @property
    def people(self) -> Mapping[str, str]:
        """Handle to user id, the bot left out."""
        return {one.name: one.id for one in self.desk.world.people.values() if not one.is_bot}

    @property
    def channels(self) -> Mapping[str, str]:
        """Channel name (without `#`) to id, direct conversations left out."""
        return {one.name: one.id for one in self.desk.world.channels.values() if one.name}

    @property
    def faults(self) -> Faults:
        """Arm faults here; those that strike at once are `disconnect`, `cut`, `expire_triggers`, … below."""
        return self.desk.faults

    # -- what people do ---------------------------------------------------------------------------------------

    async def post_as(self, person: str, channel: str, text: str, thread_ts: str | None = None) -> Outcome:
        """Somebody writes a message; `@netdiag` in it is a mention. `outcome.message.ts` is its ts."""
        return await speech.say(self.desk, self.desk.person(person), self._room(person, channel), text, thread_ts)

    async def command(self, person: str, channel: str, typed: str, thread_ts: str | None = None) -> Outcome:
        """Somebody types a slash command, the slash included; returns when the app has acknowledged."""
        return await speech.command(self.desk, self.desk.person(person), self._room(person, channel), typed, thread_ts)

    async def click(
        self, person: str, channel: str, ts: str, action_id: str, value: Any = None, *, block_id: str | None = None
    ) -> Outcome:
        """Somebody uses a control of a message (a confirm dialog is answered yes). `value` picks an option."""
        who = self.desk.person(person)
        at = live.surface(self.desk, who, {"channel": self._room(person, channel).id, "ts": ts})
        return await controls.click(
            self.desk, who, at, action_id, block_id=block_id, chosen=None if value is None else {"value": value}
        )

    async def click_view(
        self, person: str, action_id: str, value: Any = None, *, view: View | None = None, values: Values | None = None
    ) -> Outcome:
        """Somebody uses a control of their top modal, or of the given view (their Home)."""
        who = self.desk.person(person)
        chosen = None if value is None else {"value": value}
        return await controls.click(self.desk, who, view or self._top(person), action_id, chosen=chosen, values=values)

    async def suggest(self, person: str, channel: str, ts: str, action_id: str, typed: str) -> list[Json]:
        """Somebody types into an external select of a message: the options the app offers."""
        who = self.desk.person(person)
        at = live.surface(self.desk, who, {"channel": self._room(person, channel).id, "ts": ts})
        control = find(at.blocks, action_id)
        if control is None:
            raise LookupError(f"no control {action_id!r} here")
        block_id = str(control.block["block_id"])
        return await controls.suggest(self.desk, who, at, block_id=block_id, action_id=action_id, typed=typed)

    async def submit_view(self, person: str, values: Values | None = None) -> Outcome:
        """Somebody submits their top modal: `{block_id: {action_id: text or option value}}`."""
        return await controls.submit(self.desk, self.desk.person(person), self._top(person), values)

    async def close_view(self, person: str, *, everything: bool = False) -> Outcome:
        """Somebody dismisses their top modal, or the whole stack."""
        return await controls.close(self.desk, self.desk.person(person), self._top(person), everything=everything)

    async def react_as(self, person: str, channel: str, ts: str, name: str) -> Outcome:
        """Somebody reacts to a message, or takes the reaction back."""
        message = self.message(channel, ts)
        return speech.react(self.desk, self.desk.person(person), message, name)

    async def open_home(self, person: str, tab: str = "home") -> Outcome:
        """Somebody opens the app's Home tab."""
        return controls.open_home(self.desk, self.desk.person(person), tab)

    async def shortcut(
        self, person: str, callback_id: str, channel: str | None = None, ts: str | None = None
    ) -> Outcome:
        """Somebody runs a shortcut, global or from a message's menu."""
        message = self.message(channel, ts) if channel is not None and ts is not None else None
        return await controls.shortcut(self.desk, self.desk.person(person), callback_id, message)

    # -- what is to be seen -----------------------------------------------------------------------------------

    def messages(self, channel: str) -> tuple[Message, ...]:
        """What stands in the channel itself, oldest first: no replies, no ephemeral messages."""
        room = self.desk.channel(channel)
        return tuple(one for one in self.desk.world.messages.get(room.id, ()) if not one.is_reply or one.broadcast)

    def message(self, channel: str, ts: str) -> Message:
        """One message as it reads now. Raises LookupError."""
        found = self.desk.world.message(self.desk.channel(channel).id, ts)
        if found is None:
            raise LookupError(f"no message {ts} in {channel}")
        return found

    def thread(self, channel: str, ts: str) -> tuple[Message, ...]:
        """The replies under a message, oldest first."""
        return self.desk.world.replies(self.desk.channel(channel).id, ts)

    def ephemerals(self, person: str) -> tuple[Message, ...]:
        """Everything only this person was shown, oldest first."""
        return tuple(self.desk.world.ephemerals.get(self.desk.person(person).id, ()))

    def views(self, person: str) -> tuple[View, ...]:
        """The modals before this person, the last on top."""
        return tuple(self.desk.world.modals.get(self.desk.person(person).id, ()))

    def home(self, person: str) -> View | None:
        """The person's Home tab, where the app published one."""
        return self.desk.world.homes.get(self.desk.person(person).id)

    def dm(self, person: str) -> str:
        """The id of the person's direct conversation with the bot."""
        return self.desk.im(self.desk.person(person).id).id

    def file(self, id_: str) -> bytes:
        """The bytes of a shared file."""
        return self.desk.world.files[id_].content

    @property
    def calls(self) -> tuple[Called, ...]:
        """The Web API calls so far (the last 2000)."""
        return tuple(self.desk.calls)

    @property
    def sent(self) -> tuple[Sent, ...]:
        """The envelopes sent to the app so far (the last 1000)."""
        return tuple(self.desk.link.sent)

    @property
    def connections(self) -> int:
        """Open Socket Mode connections."""
        return self.desk.link.connections

    @property
    def failures(self) -> tuple[BaseException, ...]:
        """Bugs of the workspace itself in its background work; a test holds this against ()."""
        return tuple(self.desk.keeper.failures)

    async def until(self, true: Callable[[], object], seconds: float = 10.0) -> None:
        """Wait until the predicate holds, here or on the app's side. Raises TimeoutError."""
        await self.desk.until(true, seconds)

    # -- faults that strike at once ---------------------------------------------------------------------------

    async def disconnect(self, reason: Reason = "refresh_requested") -> None:
        """Ask the app to reconnect and close its sockets."""
        await self.desk.link.disconnect(reason)

    async def cut(self) -> None:
        """Break the sockets without a word."""
        await self.desk.link.cut()

    def expire_triggers(self) -> None:
        """Make every trigger id given out so far too old."""
        self.desk.passes.expire_triggers()

    def exhaust_response_urls(self) -> None:
        """Make every response URL given out so far used up."""
        self.desk.passes.exhaust_hooks()

    def revoke_token(self, revoked: bool = True) -> None:
        """Make the bot token revoked, or valid again."""
        self.desk.tokens = replace(self.desk.tokens, revoked=revoked)

    def limit_rates(self, enabled: bool) -> None:
        """Switch the rate limits."""
        self.desk.rates.enabled = enabled

    # -- inside -----------------------------------------------------------------------------------------------

    def _room(self, person: str, channel: str) -> Channel:
        if channel == "dm":
            return self.desk.im(self.desk.person(person).id)
        found = self.desk.channel(channel)
        assert found.kind is not Kind.IM or self.desk.person(person).id in found.members
        return found

    def _top(self, person: str) -> View:
        stack = self.views(person)
        if not stack:
            raise LookupError(f"{person} has no modal open")
        return stack[-1]
