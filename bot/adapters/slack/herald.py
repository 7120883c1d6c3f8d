"""How does a sweep come into its channel? One message for each run, edited from its first host to its digest.

The message goes by the run's key for ever, so a restart edits what stands. Whatever Slack refuses is told in the log
and by False: the digest is stored, and told again.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

import structlog

from bot.adapters.slack import digest as words
from bot.adapters.slack import report as render
from bot.adapters.slack.api import Posted, SlackApi
from bot.adapters.slack.directory import channel_fault
from bot.adapters.slack.follow import Follower
from bot.adapters.slack.memory import SILENCEABLE, Stood, Thread, Verdict
from bot.adapters.slack.pace import EVERY
from bot.adapters.slack.pieces import File, Message
from bot.adapters.slack.posts import Posts
from bot.adapters.slack.refusal import UNREACHABLE, code
from bot.adapters.slack.talk import told
from bot.core.approval import State
from bot.core.ask import Progress
from bot.core.digest import Digest
from bot.core.digest_words import GONE
from bot.core.report import Report
from bot.core.sweep import Quiet, Sweep
from bot.engine.ports import Journal, JournalDown
from bot.engine.sweep_ports import Picture, Receipt

log = structlog.get_logger()
CAUSES = 500
"""Causes of a run that are remembered, to be told as resolved in its message."""
FAILURES = (*UNREACHABLE, JournalDown)
T = TypeVar("T")


@dataclass
class _Edited:
    """A message under way: when it was edited last, for which runs, and that nothing may be edited into it any more."""

    at: float = 0.0
    over: bool = False
    runs: set[str] = field(default_factory=set)
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


@dataclass
class SlackHerald:
    """Serves `sweep_ports.Herald`. `pages` is the base address of the pages about findings."""

    api: SlackApi
    journal: Journal
    follower: Follower
    pages: str = ""
    _edited: dict[str, _Edited] = field(default_factory=dict)
    _posts: Posts = field(init=False)

    def __post_init__(self) -> None:
        self._posts = Posts(self.api, self.journal)

    async def begin(self, sweep: Sweep, run: str, key: str, progress: Progress) -> Receipt | None:
        """Post the parent message, or edit the one of the attempt before; cards wait for the digest."""
        if not sweep.channel:
            return None
        self.follower.hold(run)

        async def post() -> Receipt:
            posted = await self._posts.put(sweep.channel, key, words.progress(sweep, progress))
            await Thread(posted.channel, posted.ts).keep(self.journal, run)
            edited = self._edited.setdefault(posted.ts, _Edited())
            edited.at = _now()
            edited.runs.add(run)
            return Receipt(posted.channel, posted.ts)

        return await self._try(sweep.channel, key, post)

    async def progress(self, sweep: Sweep, receipt: Receipt, progress: Progress) -> None:
        """Edit it, at most once per EVERY seconds, and never over the digest."""
        edited = self._edited.get(receipt.ts)
        if edited is None or edited.over or edited.turn.locked() or _now() - edited.at < EVERY:
            return
        async with edited.turn:
            edited.at = _now()
            try:
                await self.api.update(Posted(receipt.channel, receipt.ts), words.progress(sweep, progress))
            except UNREACHABLE as error:
                log.info("slack.progress.lost", fault=code(error))  # the next edit, or the digest, says more

    async def tell(
        self, sweep: Sweep, key: str, digest: Digest, *, report: Report | None, pictures: Sequence[Picture]
    ) -> bool:
        """The digest into its message, pictures and evidence into the thread, then the cards of its changes."""
        if not sweep.channel:
            return True

        async def tell() -> bool:
            short = digest.quiet and sweep.quiet is not Quiet.DIGEST
            parent, *more = (
                (words.quiet(sweep, digest),)
                if short
                else words.parent(sweep, digest, key, await self._proposed(digest.run))
            )
            posted = await self._final(sweep.channel, key, parent)
            await Thread(posted.channel, posted.ts).keep(self.journal, digest.run)
            if not short:
                await self._remember(key, digest, posted, parent)
                files = [File(one.name, one.title, png=one.png, alt=one.alt) for one in pictures]
                below = words.thread(sweep, digest, report, self.pages)
                await self._below(posted, key, [*more, *below.messages], [*files, *below.files])
            await self._release({digest.run})
            await self._over(posted)
            return True

        return bool(await self._try(sweep.channel, key, tell))

    async def say(self, channel: str, key: str, title: str, lines: Sequence[str]) -> Receipt | None:
        """A short message of its own, also that the store is down; or the end of what was begun under the key."""
        if not channel:
            return None

        async def post() -> Receipt:
            posted = await self._posts.put_anyhow(channel, key, told(title, *lines))
            await self._over(posted)
            return Receipt(posted.channel, posted.ts)

        return await self._try(channel, key, post)

    async def adopt(self, receipt: Receipt, run: str) -> bool:
        """The thread of a message that stands is a run's from now on; the cards of its changes are posted."""

        async def keep() -> bool:
            await Thread(receipt.channel, receipt.ts).keep(self.journal, run)
            await self._release({run})
            return True

        return bool(await self._try(receipt.channel, f"adopted:{run}", keep))

    async def _proposed(self, run: str) -> int:
        """Changes that wait in this thread: one that waited already has its card where it was proposed."""
        return sum(record.run == run for record in await self.journal.list(states=[State.PENDING]))

    async def diagnosed(self, receipt: Receipt, report: Report) -> bool:
        """A report into the thread of a message that stands: its verdict, evidence, and the cards of its changes."""
        key = f"diagnosed:{report.run}"

        async def tell() -> bool:
            self.follower.hold(report.run)
            parent, below = render.parent(report), render.thread(report, self.pages)
            posted = await self._posts.put(receipt.channel, key, parent, thread=receipt.ts)
            await Thread(receipt.channel, receipt.ts).keep(self.journal, report.run)
            causes = [(host.host, one.fingerprint, one.title or one.id) for host, one in render.grave(report)]
            verdict = Verdict(posted.channel, posted.ts, parent.text, parent.blocks, tuple(causes[:CAUSES]))
            await verdict.keep(self.journal, report.run)
            await self._below(Posted(receipt.channel, receipt.ts), key, below.messages, below.files)
            await self._release({report.run})
            return True

        return bool(await self._try(receipt.channel, key, tell))

    async def _final(self, channel: str, key: str, parent: Message) -> Posted:
        """The message says this from now on, no edit of the progress comes after it."""
        stood = await Stood.of(self.journal, key)
        edited = self._edited.get(stood.ts if stood is not None else "") or _Edited()
        async with edited.turn:
            edited.over = True
            return await self._posts.put(channel, key, parent)

    async def _over(self, posted: Posted) -> None:
        """The cards of the runs that the message was begun for; nothing more is edited into it."""
        edited = self._edited.get(posted.ts)
        if edited is not None:
            await self._release(edited.runs)
            self._edited.pop(posted.ts, None)

    async def _remember(self, key: str, digest: Digest, posted: Posted, parent: Message) -> None:
        """What its buttons and its later edits need."""
        causes = [
            (place.host, place.fingerprint, item.title or item.id)
            for item in digest.items
            if item.news not in GONE
            for place in item.places
        ]
        verdict = Verdict(posted.channel, posted.ts, parent.text, parent.blocks, tuple(causes[:CAUSES]))
        await verdict.keep(self.journal, digest.run)
        choices = [[ident, title, list(hosts)] for ident, title, hosts in words.silenceable(digest)]
        await self.journal.replace(SILENCEABLE, key, {"choices": choices, "channel": posted.channel, "ts": posted.ts})

    async def _below(self, root: Posted, key: str, messages: Sequence[Message], files: Sequence[File]) -> None:
        """Into the thread, each once; a picture that Slack refuses takes no other with it."""
        for file in [file for file in files if file.png]:
            await self._file(root, key, file)
        for number, message in enumerate(messages):
            await self._posts.put(root.channel, f"{key}:{number}", message, thread=root.ts)
        for file in [file for file in files if not file.png]:
            await self._file(root, key, file)

    async def _file(self, root: Posted, key: str, file: File) -> None:
        try:
            await self._posts.share(root.channel, root.ts, f"{key}:{file.name}", file)
        except UNREACHABLE as error:
            log.warning("slack.file.lost", key=key, file=file.name, fault=code(error))
            said = [file.alt] if file.alt else ["Ask for the run's report at the terminal."]
            lost = told(f"{file.title}: could not be uploaded ({code(error)}).", *said)
            await self._posts.put(root.channel, f"{key}:{file.name}:lost", lost, thread=root.ts)

    async def _release(self, runs: set[str]) -> None:
        """The cards of these runs, now that their findings stand."""
        for run in runs:
            await self.follower.release(run)

    async def _try(self, channel: str, key: str, act: Callable[[], Awaitable[T]]) -> T | None:
        """What the act gives, or None when Slack or the journal did not take it."""
        if not self.api.is_open:
            log.warning("slack.herald.closed", key=key)
            return None
        try:
            fault = await channel_fault(self.api, channel)
            if fault:
                log.error("slack.herald.refused", channel=channel, key=key, fault=fault)
                return None
            return await act()
        except FAILURES as error:
            log.warning("slack.herald.lost", channel=channel, key=key, fault=code(error))
            return None


def _now() -> float:
    return asyncio.get_running_loop().time()
