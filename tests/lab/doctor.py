"""netdiag itself, as its front ends use it, for one fleet: ask, let somebody else approve, see what became of it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from bot.app import App, opened
from bot.core.approval import Record
from bot.core.ask import Ask
from bot.core.policy import Actor, Standing
from bot.core.report import Finding, HostReport, Proposal, Status
from bot.demo import Fleet
from bot.settings import Settings
from tests.lab.books import PLAYBOOKS

ALICE, BOB = Actor("terminal", "alice"), Actor("terminal", "bob")


class Everybody:
    """alice and bob need no accounts on the machine that the tests run on."""

    async def standing(self, key: str) -> Standing:
        kind, _, name = key.partition(":")
        assert kind == "terminal"
        return Standing(Actor("terminal", name))


@dataclass(frozen=True, slots=True)
class Doctor:
    app: App

    async def look(self, host: str, *playbooks: str, **params: str) -> HostReport:
        """What alice is told of a host; asked again when something was unknown, as on a guest of a busy machine."""
        for _ in range(4):
            report = await self.app.desk.diagnose(Ask(ALICE, host, playbooks, params), lambda _: None)
            if report.hosts[0].status is not Status.UNKNOWN:
                break
        return report.hosts[0]

    async def cure(self, report: HostReport, finding: str) -> Record:
        """Carry out what is proposed for a finding, once bob has approved it."""
        change = proposal(report, finding).change
        await self.app.desk.approve(change, Standing(BOB))
        return await self.app.remedy.finish(change)


def proposal(report: HostReport, finding: str) -> Proposal:
    """The proposal for a finding, which must be one that can be approved."""
    found = next(one for one in report.proposals if one.for_ == finding)
    assert found.refused is None, found.refused
    return found


def found(report: HostReport, name: str) -> Finding:
    """The one finding of that id."""
    one, *more = [finding for finding in report.findings if finding.id == name]
    assert not more
    return one


@asynccontextmanager
async def doctor(fleet: Fleet, state: Path) -> AsyncIterator[Doctor]:
    """netdiag for that fleet, with an empty store."""
    settings = Settings(state=state, inventory=Path(fleet.inventory_dir), playbooks=PLAYBOOKS)
    async with opened(settings) as app:
        app.directory.others["terminal"] = Everybody()
        app.remedy.confirm_within = 80  # a guest takes seconds for a login, more on a busy machine
        yield Doctor(app)
