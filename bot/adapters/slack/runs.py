"""How does a question in Slack become a report in its thread?"""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict

import structlog
from slack_sdk.errors import SlackApiError

from bot.adapters.slack import pods as pods_table
from bot.adapters.slack import report as render
from bot.adapters.slack.api import Posted, SlackApi
from bot.adapters.slack.directory import channel_fault
from bot.adapters.slack.follow import GONE, Follower
from bot.adapters.slack.inbox import Job
from bot.adapters.slack.memory import Thread, Verdict
from bot.adapters.slack.pace import Edit, Pace, Sleep
from bot.adapters.slack.pieces import File, Message
from bot.adapters.slack.refusal import NO_PLACE, UNREACHABLE, code
from bot.adapters.slack.talk import told
from bot.adapters.slack.where import Where, answer, from_body, no_place
from bot.adapters.slack.words import Word
from bot.core.ask import Ask, Progress
from bot.core.errors import AskError
from bot.core.pods import PodsReport
from bot.core.report import Report
from bot.engine.ports import Desk, Journal

log = structlog.get_logger()
PARENT = "slack-parent"
CAUSES = 500
"""Root causes of a run that are remembered, to be told as resolved."""
Outcome = Report | PodsReport | Exception


class _Flight:
    """One run under way: the newest progress, and who shows it."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.latest: Progress | None = None
        self.pace: Pace | None = None

    def tell(self, progress: Progress) -> None:
        self.latest = progress
        self.begun.set()
        if self.pace is not None:
            self.pace.tell(progress)


class Runs:
    """Carries out the commands that read hosts. `name` is the slash command's."""

    def __init__(
        self,
        api: SlackApi,
        desk: Desk,
        journal: Journal,
        follower: Follower,
        *,
        name: str = "/netdiag",
        pages: str = "",
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._api, self._desk, self._journal, self._follower = api, desk, journal, follower
        self._name, self._pages, self._sleep = name, pages, sleep

    async def ask(self, job: Job) -> None:
        """Read the hosts and answer; whoever asked always hears something."""
        where, command = from_body(job.body)
        typed = command.typed(self._name)
        fault = await channel_fault(self._api, where.channel)
        if fault:
            known = next((name for name in NO_PLACE if fault.endswith(f": {name}")), "")
            message = no_place(known) if known else told(f"I do not answer here: {fault}.", "Ask in another channel.")
            await answer(self._api, where, message, key=f"no:{job.key}")
            return
        flight = _Flight()
        ask = Ask(where.actor, command.target, command.playbooks, command.params, where.channel)
        async with asyncio.TaskGroup() as tasks:
            work = tasks.create_task(self._read(where, ask, flight, pods=command.word is Word.PODS))
            first = tasks.create_task(flight.begun.wait())
            await asyncio.wait({work, first}, return_when=asyncio.FIRST_COMPLETED)
            first.cancel()
            if not flight.begun.is_set():  # it could not even be planned: the asker alone is told
                await answer(self._api, where, _words(await work, typed), key=f"no:{job.key}")
                return
            posted = await self._begin(job, where, typed, flight)
            if posted is None:
                work.cancel()
                return
            flight.pace = Pace(self._editor(posted, typed, where), sleep=self._sleep)
            pacing = tasks.create_task(flight.pace.run())
            outcome = await work
            await flight.pace.end()
            pacing.cancel()
        await self._finish(where, typed, posted, flight, outcome)

    async def interrupted(self, job: Job) -> None:
        """An earlier process died during this run: say so; reading again is up to the asker."""
        where, command = from_body(job.body)
        typed = command.typed(self._name)
        reason = f"The bot restarted while this ran. Ask again: {typed}"
        parent = await self._journal.recall(PARENT, job.key)
        if parent is None:
            await answer(self._api, where, told("Interrupted.", reason), key=f"interrupted:{job.key}")
            return
        try:
            posted = Posted(parent["channel"], parent["ts"])
            await self._api.update(posted, render.failed(typed, where.actor.key, reason))
        except UNREACHABLE as error:
            log.warning("slack.run.untold", fault=code(error))
        await self._follower.release(parent["run"])  # what it had proposed by then can still be decided

    async def _read(self, where: Where, ask: Ask, flight: _Flight, *, pods: bool) -> Outcome:
        """The report, or what went wrong as a value: it must not cancel the messages under way."""
        try:
            return await (self._desk.pods if pods else self._desk.diagnose)(ask, flight.tell)
        except AskError as error:
            return error
        except Exception as error:
            log.exception("slack.run.failed", target=ask.target, user=where.user)
            return error

    async def _begin(self, job: Job, where: Where, typed: str, flight: _Flight) -> Posted | None:
        """Post the parent message and remember the run's thread; None when there is no place to answer in."""
        assert flight.latest is not None
        run_id = flight.latest.run
        self._follower.hold(run_id)
        message = render.progress(typed, where.actor.key, flight.latest)
        try:
            posted = await self._api.post(where.channel, message, key=f"run:{run_id}", thread=where.thread)
        except UNREACHABLE as error:
            self._follower.drop(run_id)
            await answer(self._api, where, no_place(code(error)), key=f"no:{job.key}")
            return None
        thread = Thread(where.channel, where.thread or posted.ts, where.user, where.respond)
        await self._remember(job, run_id, posted, thread)
        return posted

    async def _remember(self, job: Job, run_id: str, posted: Posted, thread: Thread) -> None:
        try:
            await self._journal.replace(PARENT, job.key, asdict(posted) | {"run": run_id})
            await thread.keep(self._journal, run_id)
        except Exception:
            log.exception("slack.run.unremembered", run=run_id)  # reading goes on; there will be no cards

    def _editor(self, posted: Posted, typed: str, where: Where) -> Edit:
        async def edit(progress: Progress) -> None:
            try:
                await self._api.update(posted, render.progress(typed, where.actor.key, progress))
            except UNREACHABLE as error:
                log.info("slack.progress.lost", fault=code(error))  # the next edit, or the report, says more

        return edit

    async def _finish(self, where: Where, typed: str, posted: Posted, flight: _Flight, outcome: Outcome) -> None:
        assert flight.latest is not None
        root = where.thread or posted.ts
        try:
            if isinstance(outcome, Report | PodsReport):
                parent, told_ = _rendered(outcome, self._pages)
                edited = await self._final(posted, root, parent, outcome.run)
                if edited and isinstance(outcome, Report):
                    await self._keep(posted, parent, outcome)
                await self._details(where.channel, root, outcome.run, told_.messages, told_.files)
            else:
                reason = (
                    str(outcome) if isinstance(outcome, AskError) else "Something broke inside the bot; see its log."
                )
                await self._final(posted, root, render.failed(typed, where.actor.key, reason), flight.latest.run)
        finally:
            await self._follower.release(flight.latest.run)

    async def _final(self, posted: Posted, root: str, message: Message, run_id: str) -> bool:
        """The parent becomes the answer; where it cannot be edited any more (False), the answer is a reply."""
        try:
            await self._api.update(posted, message)
        except UNREACHABLE as error:
            log.warning("slack.parent.lost", run=run_id, fault=code(error))
            if not isinstance(error, SlackApiError) or code(error) in GONE:
                await self._each(posted.channel, root, message, f"final:{run_id}")
            return False
        return True

    async def _keep(self, posted: Posted, parent: Message, report: Report) -> None:
        """Remember what was told, so that the parent can say what became of it."""
        roots = [
            (host.host, finding.fingerprint, finding.title or finding.id) for host, finding in render.grave(report)
        ]
        verdict = Verdict(posted.channel, posted.ts, parent.text, parent.blocks, tuple(roots[:CAUSES]))
        try:
            await verdict.keep(self._journal, report.run)
        except Exception:
            log.exception("slack.verdict.unremembered", run=report.run)  # the thread tells of each change all the same

    async def _details(
        self, channel: str, root: str, run_id: str, messages: Sequence[Message], files: Sequence[File]
    ) -> None:
        for number, message in enumerate(messages):
            await self._each(channel, root, message, f"run:{run_id}:{number}")
        for file in files:
            try:
                await self._api.upload(channel, root, file)
            except UNREACHABLE as error:
                log.warning("slack.file.lost", run=run_id, fault=code(error))
                said = told("The file with everything could not be uploaded.", f"Slack said: {code(error)}.")
                await self._each(channel, root, said, f"run:{run_id}:nofile")

    async def _each(self, channel: str, root: str, message: Message, key: str) -> None:
        """One message; its failure takes no other with it."""
        try:
            await self._api.post(channel, message, key=key, thread=root)
        except UNREACHABLE as error:
            log.warning("slack.detail.lost", key=key, fault=code(error))


def _rendered(outcome: Report | PodsReport, pages: str) -> tuple[Message, render.Thread]:
    if isinstance(outcome, PodsReport):
        return pods_table.parent(outcome), pods_table.thread(outcome)
    return render.parent(outcome), render.thread(outcome, pages)


def _words(outcome: Outcome, typed: str) -> Message:
    if isinstance(outcome, AskError):
        return told(f"I cannot do {typed}.", *str(outcome).splitlines()[:5])
    return told(f"{typed} failed.", "Something broke inside the bot; its log says what.")
