"""An application over a fleet of the lab: what it finds, and what people who may approve make of it."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from bot.app import App, opened
from bot.core.approval import Moved, Record
from bot.core.ask import Ask
from bot.core.policy import Actor
from bot.core.report import HostReport, Proposal
from bot.demo import Fleet
from bot.settings import Settings
from tests.lab.books import PLAYBOOKS

PEOPLE = {"alice": {"terminal": "root"}, "bob": {"terminal": "daemon"}, "carol": {"terminal": "nobody"}}
ASKER = Actor("terminal", "root", "root")


@dataclass
class Desk:
    """The application's front, as a terminal would use it."""

    fleet: Fleet
    app: App

    async def look(self, host: str, *playbooks: str) -> HostReport:
        """What `netdiag run HOST` finds."""
        report = await self.app.desk.diagnose(Ask(ASKER, host, playbooks), lambda _told: None)
        return report.hosts[0]

    async def carry(self, proposal: Proposal) -> Record:
        """Let the two who did not ask approve a change, as far as it needs them, and carry it out."""
        return await self.finish(proposal.change)

    async def finish(self, change: str) -> Record:
        """The same by a change's id: a next step that was proposed by itself."""
        for name in ("daemon", "nobody"):
            standing = await self.app.directory.standing(f"terminal:{name}")
            decision = await self.app.desk.approve(change, standing)
            assert isinstance(decision, Moved) or name == "nobody", decision
        record = await self.app.remedy.finish(change)
        assert record is not None
        return record


@contextlib.asynccontextmanager
async def desk(fleet: Fleet, state: Path, window: float = 2.0) -> AsyncIterator[Desk]:
    """Open an application over a fleet."""
    settings = Settings(state=state, inventory=fleet.inventory_dir, playbooks=PLAYBOOKS, window=window, concurrency=8)
    async with opened(settings) as app:
        yield Desk(fleet, app)


def offered(report: HostReport, finding: str, action: str) -> Proposal:
    """The proposal of that action for that finding, which nothing refuses."""
    found = [one for one in report.proposals if one.for_ == finding and one.action == action]
    assert len(found) == 1, [(one.for_, one.action, one.refused) for one in report.proposals]
    assert found[0].refused is None, found[0].refused
    return found[0]
