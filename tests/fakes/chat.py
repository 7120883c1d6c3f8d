"""A chat that remembers what it was told: the part of `Herald` that alerts use."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from bot.core.report import Report
from bot.engine.sweep_ports import Receipt


@dataclass
class Chat:
    """`down` refuses everything. `told` holds what each message says now, in the order of their posting."""

    down: bool = False
    told: dict[str, tuple[str, tuple[str, ...]]] = field(default_factory=dict)
    posts: list[str] = field(default_factory=list)
    edits: list[str] = field(default_factory=list)
    threads: dict[str, list[str]] = field(default_factory=dict)
    """Runs told in the thread of a message, by its ts."""
    reports: dict[str, Report] = field(default_factory=dict)
    """By run, as told last."""
    adopted: dict[str, list[str]] = field(default_factory=dict)
    """Runs that have nothing to tell, and whose cards go into the thread of a message, by its ts."""

    async def say(self, channel: str, key: str, title: str, lines: Sequence[str]) -> Receipt | None:
        if self.down:
            return None
        (self.edits if key in self.told else self.posts).append(key)
        self.told[key] = title, tuple(lines)
        return Receipt(channel, f"ts-{key}")

    async def adopt(self, receipt: Receipt, run: str) -> bool:
        if not self.down:
            self.adopted.setdefault(receipt.ts, []).append(run)
        return not self.down

    async def diagnosed(self, receipt: Receipt, report: Report) -> bool:
        if self.down:
            return False
        self.reports[report.run] = report
        runs = self.threads.setdefault(receipt.ts, [])
        if report.run not in runs:  # once, as the port promises
            runs.append(report.run)
        return True
