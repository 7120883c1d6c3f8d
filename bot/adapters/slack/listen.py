"""What did Slack send, and is it written down before Slack is told so? Listeners only; the inbox does the work.

A listener writes the job down, acknowledges, and returns: an exception shortly after an acknowledgement would lose it
inside bolt, and one before it is what tells the presser that nothing was taken.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import structlog
from slack_bolt.app.async_app import AsyncApp

from bot.adapters.slack import clicks, denial, digest, form, hush, orders, talk
from bot.adapters.slack.api import SlackApi
from bot.adapters.slack.card import DENY
from bot.adapters.slack.inbox import Full, Inbox, Job
from bot.adapters.slack.memory import SILENCEABLE, change_of
from bot.adapters.slack.pieces import Message
from bot.adapters.slack.refusal import UNREACHABLE, code
from bot.adapters.slack.where import Where, answer, to_body
from bot.adapters.slack.words import USAGE, Command, Word, parse, without_mention
from bot.core.errors import AskError
from bot.core.text import neutral
from bot.engine.ports import Journal, JournalDown

log = structlog.get_logger()

Ack = Callable[..., Awaitable[Any]]
Body = Mapping[str, Any]
BUSY = "Too much is waiting already. Ask again in a minute."
DOWN = "The journal cannot be written, so nothing is taken now. Ask again later, or ask whoever runs the bot."


@dataclass(frozen=True, slots=True)
class Listener:
    """Takes what Slack sends. `name` is the slash command."""

    api: SlackApi
    inbox: Inbox
    catalog: talk.Catalog
    journal: Journal
    name: str = "/netdiag"

    def attach(self, app: AsyncApp) -> None:
        """Register with bolt; the catch-alls come last, because what nobody handles is never acknowledged."""
        app.command(self.name)(self.command)
        app.event("app_mention")(self.mention)
        app.event("app_home_opened")(self.home)
        for action in clicks.ACTIONS - {DENY}:
            app.action(action)(self.click)
        app.action(DENY)(self.ask_why)
        app.view(denial.CALLBACK)(self.denied)
        app.action(digest.SILENCE)(self.open_silence)
        app.view(hush.CALLBACK)(self.silenced)
        app.action(talk.OPEN_FORM)(self.open_form)
        for action in (form.TARGET, form.PLAYBOOKS, form.PARAMS):
            app.action(action)(self.chosen)
        app.options(form.TARGET)(self.options)
        app.view(form.CALLBACK)(self.submitted)
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
                await self._show_form(trigger, form.Origin(where.channel))
                return
            job = Job(_kind(command), f"trigger:{trigger}", to_body(where, command))
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
            job = Job(_kind(command), f"mention:{where.channel}:{ts}", to_body(where, command))
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

    async def ask_why(self, ack: Ack, body: Body) -> None:
        """Deny: the form that asks for the reason. Nothing is decided yet, and whoever sends it is checked then."""
        await ack()
        click = clicks.read(body)
        view = denial.view(click, await self._about(click.token))
        if not await self._opened(str(body.get("trigger_id", "")), view):
            said = talk.told("The form could not be opened.", "Press Deny again.")
            await answer(self.api, click.where, said, key=f"say:{click.key}")

    async def _about(self, token: str) -> str:
        """Which change a button stands for, in words; nothing where the journal does not say."""
        try:
            change = await change_of(self.journal, token) if token else None
            record = await self.journal.get(change) if change else None
        except JournalDown:
            log.exception("slack.deny.unread")
            return ""
        return f"{record.change.host}: {record.change.plan.summary}" if record is not None else ""

    async def denied(self, ack: Ack, body: Body) -> None:
        """The form of a denial was sent: it is the click now, with its reason."""
        click = denial.read(body)
        if isinstance(click, str):
            await ack(response_action="errors", errors={denial.REASON: click})
            return
        view = body.get("view") or {}
        job = Job("click", f"view:{view.get('id')}:{view.get('hash')}", asdict(click))
        await self._submitted(ack, job, denial.REASON)

    async def open_silence(self, ack: Ack, body: Body) -> None:
        """The button of a digest: the form with what it could silence."""
        await ack()
        click = clicks.read(body)
        try:
            kept = await self.journal.recall(SILENCEABLE, click.token) if click.token else None
        except JournalDown:
            log.exception("slack.silence.unread")
            kept = None
        offered = hush.choices(kept or {})
        origin = hush.Origin(click.token, click.channel, click.thread or click.ts)
        if not offered or not await self._opened(str(body.get("trigger_id", "")), hush.view(offered, origin)):
            said = talk.told("The form could not be opened.", f"Type it instead: {self.name} {USAGE[Word.SILENCE]}")
            await answer(self.api, click.where, said, key=f"say:{click.key}")

    async def silenced(self, ack: Ack, body: Body) -> None:
        """The form of a silence was sent: the same command as if it had been typed in the digest's thread."""
        view = body.get("view") or {}
        origin = hush.origin(str(view.get("private_metadata", "")))
        try:
            kept = await self.journal.recall(SILENCEABLE, origin.key) if origin is not None else None
        except JournalDown:
            await ack(response_action="errors", errors={hush.WHY: DOWN})
            return
        read = hush.read((view.get("state") or {}).get("values") or {}, hush.choices(kept or {}))
        if origin is None or not isinstance(read, Command):
            wrong = read if isinstance(read, Mapping) else {hush.WHAT: "Open the form again."}
            await ack(response_action="errors", errors=dict(wrong))
            return
        where = _person(body, origin.channel, origin.thread)
        job = Job(_kind(read), f"view:{view.get('id')}:{view.get('hash')}", to_body(where, read))
        await self._submitted(ack, job, hush.WHY)

    async def open_form(self, ack: Ack, body: Body) -> None:
        """The button of a mention without words."""
        await ack()
        container = body.get("container") or {}
        channel = str((body.get("channel") or {}).get("id", ""))
        origin = form.Origin(channel, str(container.get("thread_ts") or container.get("message_ts") or ""))
        await self._show_form(str(body.get("trigger_id", "")), origin)

    async def chosen(self, ack: Ack, body: Body) -> None:
        """A choice in the form: show the command that means the same."""
        await ack()
        view = body.get("view") or {}
        origin = form.origin(str(view.get("private_metadata", "")))
        filled = form.read((view.get("state") or {}).get("values") or {}, self.catalog)
        if origin is None or filled.command is None:
            return
        shown = form.view(self.catalog, origin, filled.command, name=self.name)
        try:
            await self.api.client.views_update(view=shown, view_id=view.get("id"), hash=view.get("hash"))
        except UNREACHABLE as error:
            log.info("slack.form.stale", fault=code(error))  # hash_conflict: a newer choice has been shown

    async def options(self, ack: Ack, body: Body) -> None:
        """Targets for what was typed into the form, where there are too many to list."""
        await ack(options=list(form.options(self.catalog, str(body.get("value") or ""))))

    async def submitted(self, ack: Ack, body: Body) -> None:
        """The form was sent: wrong fields are told in it, a good one is a run where it was opened."""
        view = body.get("view") or {}
        origin = form.origin(str(view.get("private_metadata", "")))
        filled = form.read((view.get("state") or {}).get("values") or {}, self.catalog)
        if origin is None or filled.command is None:
            await ack(response_action="errors", errors=dict(filled.errors) or {form.TARGET: "Open the form again."})
            return
        where = _person(body, origin.channel, origin.thread)
        job = Job("run", f"view:{view.get('id')}:{view.get('hash')}", to_body(where, filled.command))
        await self._submitted(ack, job, form.TARGET)

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

    async def _submitted(self, ack: Ack, job: Job, field: str) -> None:
        """Insert, commit, then let the form close; what could not be kept is told in that field."""
        try:
            taken = await self.inbox.take(job)
        except (Full, JournalDown) as error:
            log.exception("slack.form.untaken")
            await ack(response_action="errors", errors={field: BUSY if isinstance(error, Full) else DOWN})
            return
        await ack()
        if taken:
            self.inbox.go(job)

    async def _show_form(self, trigger: str, origin: form.Origin) -> None:
        await self._opened(trigger, form.view(self.catalog, origin, name=self.name))

    async def _opened(self, trigger: str, view: Mapping[str, Any]) -> bool:
        """Open a modal within the trigger's three seconds; whether Slack took it."""
        try:
            await self.api.client.views_open(trigger_id=trigger, view=dict(view))
        except UNREACHABLE as error:
            log.warning("slack.form.unopened", fault=code(error))
            return False
        return True


def _kind(command: Command) -> str:
    if command.word in orders.WORDS:
        return "order"
    return "run" if command.word in (Word.RUN, Word.PODS) else "ask"


def _person(body: Body, channel: str, thread: str) -> Where:
    """Who sent a form, answered where it was opened."""
    user, team = body.get("user") or {}, body.get("team") or {}
    name = neutral(str(user.get("username") or user.get("name") or ""), 80)
    return Where(str(team.get("id", "")), str(user.get("id", "")), name, channel, thread=thread)


async def _aside(ack: Ack, message: Message) -> None:
    """Acknowledge with an answer for the asker alone."""
    await ack(text=message.text, blocks=list(message.blocks), response_type="ephemeral")
