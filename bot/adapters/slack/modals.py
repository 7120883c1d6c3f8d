"""Which forms does Slack open and send, and is what was sent written down before the form closes?

Three of them: what to look at, why a change is denied, and what is silenced. Whoever sends one is checked where its job
is done.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import structlog
from slack_bolt.app.async_app import AsyncApp

from bot.adapters.slack import clicks, denial, digest, form, hush, talk
from bot.adapters.slack.api import SlackApi
from bot.adapters.slack.card import DENY
from bot.adapters.slack.inbox import BUSY, DOWN, Ack, Body, Full, Inbox, Job
from bot.adapters.slack.memory import SILENCEABLE, change_of
from bot.adapters.slack.orders import kind_of
from bot.adapters.slack.refusal import UNREACHABLE, code
from bot.adapters.slack.where import Where, answer, to_body
from bot.adapters.slack.words import USAGE, Command, Word
from bot.core.text import neutral
from bot.engine.ports import Journal, JournalDown

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Modals:
    """Opens forms and takes what they send. `name` is the slash command."""

    api: SlackApi
    inbox: Inbox
    catalog: talk.Catalog
    journal: Journal
    name: str

    def attach(self, app: AsyncApp) -> None:
        """Register with bolt."""
        app.action(DENY)(self.ask_why)
        app.view(denial.CALLBACK)(self.denied)
        app.action(digest.SILENCE)(self.open_silence)
        app.view(hush.CALLBACK)(self.silenced)
        app.action(talk.OPEN_FORM)(self.open_form)
        for action in (form.TARGET, form.PLAYBOOKS, form.PARAMS):
            app.action(action)(self.chosen)
        app.options(form.TARGET)(self.options)
        app.view(form.CALLBACK)(self.submitted)

    async def open_form(self, ack: Ack, body: Body) -> None:
        """The button of a mention without words."""
        await ack()
        click = clicks.read(body)
        await self.show(str(body.get("trigger_id", "")), replace(click.where, thread=click.thread or click.ts))

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

    async def ask_why(self, ack: Ack, body: Body) -> None:
        """Deny: the form that asks for the reason. Nothing is decided yet, and whoever sends it is checked then."""
        await ack()
        click = clicks.read(body)
        view = denial.view(click, await self._about(click.token))
        if not await self._opened(str(body.get("trigger_id", "")), view):
            said = talk.told("The form could not be opened.", "Press Deny again.")
            await answer(self.api, click.where, said, key=f"say:{click.key}")

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
            gone = "What this message named is not kept any more, or the store cannot be read."
            title = "The form could not be opened." if offered else gone
            said = talk.told(title, f"Type it instead: {self.name} {USAGE[Word.SILENCE]}")
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
        job = Job(kind_of(read), f"view:{view.get('id')}:{view.get('hash')}", to_body(where, read))
        await self._submitted(ack, job, hush.WHY)

    async def show(self, trigger: str, where: Where) -> None:
        """Open the form that asks for a run, within the trigger's three seconds; else say what to type."""
        origin = form.Origin(where.channel, where.thread)
        if not await self._opened(trigger, form.view(self.catalog, origin, name=self.name)):
            said = talk.told("The form could not be opened.", f"Type it instead: {self.name} {USAGE[Word.RUN]}")
            await answer(self.api, where, said, key=f"say:{trigger}")

    async def _about(self, token: str) -> str:
        """Which change a button stands for, in words; nothing where the journal does not say."""
        try:
            change = await change_of(self.journal, token) if token else None
            record = await self.journal.get(change) if change else None
        except JournalDown:
            log.exception("slack.deny.unread")
            return ""
        return f"{record.change.host}: {record.change.plan.summary}" if record is not None else ""

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

    async def _opened(self, trigger: str, view: Mapping[str, Any]) -> bool:
        """Open a modal within the trigger's three seconds; whether Slack took it."""
        try:
            await self.api.client.views_open(trigger_id=trigger, view=dict(view))
        except UNREACHABLE as error:
            log.warning("slack.form.unopened", fault=code(error))
            return False
        return True


def _person(body: Body, channel: str, thread: str) -> Where:
    """Who sent a form, answered where it was opened."""
    user, team = body.get("user") or {}, body.get("team") or {}
    name = neutral(str(user.get("username") or user.get("name") or ""), 80)
    return Where(str(team.get("id", "")), str(user.get("id", "")), name, channel, thread=thread)
