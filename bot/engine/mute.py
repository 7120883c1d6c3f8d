"""Who tells, where there is no chat? Nobody: what a sweep found is in the store and on the terminal."""

from collections.abc import Sequence

from bot.core.ask import Progress
from bot.core.digest import Digest
from bot.core.report import Report
from bot.core.sweep import Sweep
from bot.engine.sweep_ports import Picture, Receipt


class Mute:
    """Serves `sweep_ports.Herald` for a terminal: posts nothing, and takes every digest as told."""

    async def begin(self, _sweep: Sweep, _run: str, _key: str, _progress: Progress) -> Receipt | None:
        """No message."""
        return None

    async def progress(self, _sweep: Sweep, _receipt: Receipt, _progress: Progress) -> None:
        """There is none to edit."""

    async def tell(
        self, _sweep: Sweep, _key: str, _digest: Digest, *, report: Report | None, pictures: Sequence[Picture]
    ) -> bool:
        """Whoever runs the sweep shows it."""
        del report, pictures
        return True

    async def say(self, _channel: str, _key: str, _title: str, _lines: Sequence[str]) -> Receipt | None:
        """The log has it."""
        return None

    async def adopt(self, _receipt: Receipt, _run: str) -> bool:
        """There is no thread."""
        return True

    async def diagnosed(self, _receipt: Receipt, _report: Report) -> bool:
        """There is no thread."""
        return True
