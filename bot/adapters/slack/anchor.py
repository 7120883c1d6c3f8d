"""Where else stands the end of the log, so that cutting it off shows?"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field

import structlog

from bot.adapters.slack import talk
from bot.adapters.slack.api import SlackApi
from bot.adapters.slack.questions import HeadOf
from bot.adapters.slack.refusal import UNREACHABLE, code

log = structlog.get_logger()

EVERY = 900.0
"""Seconds between two anchors when nothing was changed."""
RETRY = 30.0


@dataclass
class Anchor:
    """Posts the signed head into a channel: after each change that ended, and every 15 minutes if the log grew.

    The line is the one that `netdiag audit verify --anchors` finds again in any text.
    """

    api: SlackApi
    head: HeadOf
    channel: str
    every: float = EVERY
    _wanted: asyncio.Event = field(default_factory=asyncio.Event)
    _posted: int = 0

    def want(self) -> None:
        """A change has ended: anchor soon."""
        self._wanted.set()

    async def run(self) -> None:
        """Anchor for ever."""
        while True:
            with suppress(TimeoutError):  # a quarter of an hour without a change
                await asyncio.wait_for(self._wanted.wait(), self.every)
            self._wanted.clear()
            if not await self.post():
                await asyncio.sleep(RETRY)
                self._wanted.set()

    async def post(self) -> bool:
        """Post the head unless it stands there already; False when Slack did not take it."""
        head = await self.head()
        if head is None or head.seq == self._posted:
            return True
        message = talk.code(f"Audit head {head.seq}", [head.line()])
        try:
            await self.api.post(self.channel, message, key=f"head:{head.epoch}:{head.seq}")
        except UNREACHABLE as error:
            log.warning("slack.anchor.lost", seq=head.seq, fault=code(error))
            return False
        self._posted = head.seq
        return True
