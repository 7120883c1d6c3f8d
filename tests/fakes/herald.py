"""A channel that remembers what was said in it: every message by its key, and how often it was posted or edited."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from bot.core.ask import Progress
from bot.core.digest import Digest
from bot.core.report import Report
from bot.core.sweep import Sweep
from bot.engine.sweep_ports import Picture, Receipt


@dataclass
class Message:
    channel: str
    begun: bool = False
    digests: list[Digest] = field(default_factory=list)
    """As it was told and edited; the last stands."""
    reports: list[Report | None] = field(default_factory=list)
    pictures: list[Sequence[Picture]] = field(default_factory=list)
    lines: tuple[str, ...] = ()
    title: str = ""


class FakeHerald:
    """`sweep_ports.Herald` in memory. Set `deaf` and the chat takes nothing."""

    def __init__(self) -> None:
        self.deaf = False
        self.messages: dict[str, Message] = {}
        """By key, in the order in which they were first posted."""
        self.progressed: list[Progress] = []
        self.adopted: list[str] = []
        self.after_tell = lambda: None
        """Called when a digest stands and nobody knows yet that it does."""

    async def begin(self, sweep: Sweep, run: str, key: str, progress: Progress) -> Receipt | None:
        if self.deaf:
            return None
        self.messages.setdefault(key, Message(sweep.channel)).begun = True
        return Receipt(sweep.channel, key)

    async def progress(self, sweep: Sweep, receipt: Receipt, progress: Progress) -> None:
        self.progressed.append(progress)

    async def tell(
        self, sweep: Sweep, key: str, digest: Digest, *, report: Report | None, pictures: Sequence[Picture]
    ) -> bool:
        if self.deaf:
            return False
        message = self.messages.setdefault(key, Message(sweep.channel))
        message.digests.append(Digest.model_validate_json(digest.document()))
        message.reports.append(report)
        message.pictures.append(pictures)
        self.after_tell()
        return True

    async def say(self, channel: str, key: str, title: str, lines: Sequence[str]) -> Receipt | None:
        if self.deaf:
            return None
        message = self.messages.setdefault(key, Message(channel))
        message.title, message.lines = title, tuple(lines)
        return Receipt(channel, key)

    async def adopt(self, receipt: Receipt, run: str) -> bool:
        self.adopted.append(run)
        return True

    async def diagnosed(self, receipt: Receipt, report: Report) -> bool:
        if self.deaf:
            return False
        self.messages[receipt.ts].reports.append(report)
        return True

    def told(self, channel: str | None = None) -> list[Digest]:
        """The digests that stand, in the order in which their messages were posted."""
        return [
            message.digests[-1]
            for message in self.messages.values()
            if message.digests and channel in (None, message.channel)
        ]

    def news(self, channel: str | None = None) -> list[tuple[str, str, str]]:
        """(news, finding, host) of every place of every digest that stands."""
        return [
            (item.news.value, item.id, place.host)
            for said in self.told(channel)
            for item in said.items
            for place in item.places
        ]
