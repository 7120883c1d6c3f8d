"""What did Slack send, and is it written down before Slack is told so? Listeners only; the inbox does the work.

A listener writes the job down, acknowledges, and returns: an exception shortly after an acknowledgement would lose it
inside bolt, and one before it is what tells the presser that nothing was taken.
"""

import re
from dataclasses import dataclass

import structlog
from slack_bolt.app.async_app import AsyncApp

from bot.adapters.slack import clicks, talk
from bot.adapters.slack.api import SlackApi
from bot.adapters.slack.card import DENY
from bot.adapters.slack.inbox import BUSY, DOWN, Ack, Body, Full, Inbox, Job
from bot.adapters.slack.modals import Modals
from bot.adapters.slack.orders import kind_of
from bot.adapters.slack.pieces import Message
from bot.adapters.slack.where import Where, to_body
from bot.adapters.slack.words import Command, Word, parse, without_mention
from bot.core.errors import AskError
from bot.core.text import neutral
from bot.engine.ports import Journal, JournalDown

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Listener:
    """Takes what Slack sends. `name` is the slash command."""

    api: SlackApi
    inbox: Inbox
    catalog: talk.Catalog
    journal: Journal
    name: str = "/netdiag"

    @property
    def modals(self) -> Modals:
        """The forms."""
        return Modals(self.api, self.inbox, self.catalog, self.journal, self.name)

    def attach(self, app: AsyncApp) -> None:
        """Register with bolt; the catch-alls come last, because what nobody handles is never acknowledged."""
        app.command(self.name)(self.command)
        app.event("app_mention")(self.mention)
        app.event("app_home_opened")(self.home)
        for action in clicks.ACTIONS - {DENY}:
            app.action(action)(self.click)
        self.modals.attach(app)
        app.event(re.compile(r".+"))(self.ignored)
        app.action(re.compile(r".*"))(self.unknown)

    async def command(self, ack: Ack, body: Body) -> None:
        """`/netdiag …`: refusals at once and to the asker alone; the rest through the inbox."""
        where = Where(
            body.get("team_id", ""),
            body.get("user_id", ""),
            neutral(str(body.get("user_name", "")), 80),
            body.get("channel_id", ""),
            respond=body.get("response_url", ""),
        )
        trigger = str(body.get("trigger_id", ""))
        try:
            command = self._read(str(body.get("text") or ""))
            if command.word is Word.FORM:
                await ack()
                await self.modals.show(trigger, where)
                return
            job = Job(kind_of(command), f"trigger:{trigger}", to_body(where, command))
            taken = await self.inbox.take(job)
        except AskError as error:
            await _aside(
                ack, talk.told("I did not understand that.", str(error), f"{self.name} help shows every command.")
            )
            return
        except Full:
            await _aside(ack, talk.told(BUSY))
            return
        except JournalDown:
            log.exception("slack.command.untaken")
            await _aside(ack, talk.told(DOWN))
            return
        await ack()
        if taken:
            self.inbox.go(job)

    async def mention(self, body: Body) -> None:
        """`@netdiag …`, in a channel or in a thread; bolt has acknowledged the event already."""
        event = body.get("event") or {}
        if event.get("bot_id") or not event.get("user"):
            return
        ts = str(event.get("ts", ""))
        where = Where(
            str(event.get("team") or body.get("team_id") or ""),
            str(event["user"]),
            "",
            str(event.get("channel", "")),
            thread=str(event.get("thread_ts") or ts),
        )
        if str(event.get("user_team") or where.team) != self.api.me.team:
            return  # somebody of another organisation in a shared channel
        try:
            command = self._read(without_mention(str(event.get("text") or ""), self.api.me.user))
            job = Job(kind_of(command), f"mention:{where.channel}:{ts}", to_body(where, command))
        except AskError as error:
            said = {"title": "I did not understand that.", "lines": [str(error), "help shows every command."]}
            job = Job("say", f"mention:{where.channel}:{ts}", to_body(where, Command(Word.HELP)) | said)
        if await self._taken(job):
            self.inbox.go(job)

    async def home(self, body: Body) -> None:
        """Somebody opened the Home: events are delivered again, and a Home may be published twice."""
        event = body.get("event") or {}
        if event.get("tab") not in (None, "home") or not event.get("user"):
            return
        where = Where(str(body.get("team_id") or ""), str(event["user"]), "", str(event.get("channel") or ""))
        job = Job("home", f"event:{body.get('event_id')}", to_body(where, Command(Word.FORM)))
        if await self._taken(job):
            self.inbox.go(job)

    async def click(self, ack: Ack, body: Body) -> None:
        """Approve, Deny, Revert: insert, commit, then acknowledge. What could not be kept is not acknowledged."""
        job = clicks.read(body).job()
        try:
            taken = await self.inbox.take(job)
        except (Full, JournalDown):
            log.exception("slack.click.untaken", key=job.key)
            return  # the presser sees a failure, and presses again
        await ack()
        if taken:
            self.inbox.go(job)

    async def ignored(self) -> None:
        """Events that mean nothing to us; without this Slack would send each of them four times."""

    async def unknown(self, ack: Ack) -> None:
        """A button that no longer exists, or a link that was opened."""
        await ack()

    def _read(self, text: str) -> Command:
        return parse(text, self.catalog.playbooks, self.catalog.targets)

    async def _taken(self, job: Job) -> bool:
        """For events: acknowledged already, so what cannot be kept is told in the log."""
        try:
            return await self.inbox.take(job)
        except (Full, JournalDown):
            log.exception("slack.event.untaken", key=job.key)
            return False


async def _aside(ack: Ack, message: Message) -> None:
    """Acknowledge with an answer for the asker alone."""
    await ack(text=message.text, blocks=list(message.blocks), response_type="ephemeral")
