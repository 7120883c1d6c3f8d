"""How is a click or a command neither lost by a crash nor done twice?

It is written down before Slack is told that it arrived: insert, commit, then acknowledge. What was acknowledged but
not finished when the process died is taken up again at the next start.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from bot.engine.ports import Journal

log = structlog.get_logger()

SEEN, OPEN = "slack-inbox", "slack-inbox-open"
Body = Mapping[str, Any]
Ack = Callable[..., Awaitable[Any]]
"""Tells Slack that something arrived, and what the sender shall see."""
BUSY = "Too much is waiting already. Ask again in a minute."
DOWN = "The journal cannot be written, so nothing is taken now. Ask again later, or ask whoever runs the bot."


@dataclass(frozen=True, slots=True)
class Job:
    """One thing somebody did. `kind` names its handler, `key` makes it unique, `body` is JSON."""

    kind: str
    key: str
    body: Body


Handle = Callable[[Job], Awaitable[None]]


class Full(Exception):
    """Too much is waiting already: refuse now rather than answer much later."""


class Inbox:
    """Jobs in two lanes, so that a click never waits behind long runs. `slow` names the kinds of the slow lane."""

    def __init__(self, journal: Journal, handlers: Mapping[str, Handle], slow: frozenset[str], room: int = 100) -> None:
        self._journal = journal
        self._handlers = handlers
        self._slow = slow
        self._room = room
        self._held = {False: 0, True: 0}
        self._lanes: dict[bool, asyncio.Queue[Job]] = {on: asyncio.Queue() for on in (False, True)}
        self._open: list[str] = []
        self._turn = asyncio.Lock()

    @property
    def waiting(self) -> int:
        """Jobs taken and not finished."""
        return len(self._open)

    async def take(self, job: Job) -> bool:
        """Write the job down; False when it was taken before. Acknowledge only after this, then :meth:`go`.

        Raises Full, or JournalDown when it cannot be written: then do not acknowledge.
        """
        lane = job.kind in self._slow
        if self._held[lane] >= self._room:
            raise Full
        self._held[lane] += 1  # the place is kept from here on, so that what was acknowledged always finds one
        taken = False
        try:
            taken = await self._journal.remember(SEEN, job.key, {"kind": job.kind, "body": dict(job.body)})
            if taken:
                await self._mark(job.key, under_way=True)
        finally:
            if not taken:
                self._held[lane] -= 1
        return taken

    def go(self, job: Job) -> None:
        """Hand a taken job to the workers."""
        self._lanes[job.kind in self._slow].put_nowait(job)

    async def recover(self) -> list[Job]:
        """What an earlier process took and did not finish, oldest first; each has its place and may :meth:`go`."""
        kept = await self._journal.recall(OPEN, "keys") or {}
        self._open, jobs = [], []
        for key in map(str, kept.get("keys", ())):
            value = await self._journal.recall(SEEN, key)
            if value is None:
                continue  # it waited for longer than anything is kept: nobody waits for it any more
            self._open.append(key)
            if value["kind"] in self._handlers:
                jobs.append(Job(str(value["kind"]), key, value["body"]))
                self._held[value["kind"] in self._slow] += 1
        return jobs

    async def work(self, *, slow: bool) -> None:
        """Do jobs of one lane for ever; several of these run at once. One failed job takes no other with it."""
        while True:
            job = await self._lanes[slow].get()
            self._held[slow] -= 1
            try:
                await self._handlers[job.kind](job)
            except Exception:
                log.exception("slack.job.failed", kind=job.kind, key=job.key)
            await self.finish(job.key)

    async def finish(self, key: str) -> None:
        """The job needs no second go."""
        try:
            await self._mark(key, under_way=False)
        except Exception:
            log.exception("slack.inbox.unmarked", key=key)  # it will be taken up again; every handler bears that

    async def _mark(self, key: str, *, under_way: bool) -> None:
        async with self._turn:
            keys = [kept for kept in self._open if kept != key] + ([key] if under_way else [])
            await self._journal.replace(OPEN, "keys", {"keys": keys})
            self._open = keys
