"""What do the tests of promises share? A demo fleet in this process, and an application over it.

What the hosts say is asked outside of SSH (`Fleet.exec`), so the truth does not come through what is under test.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bot.app import App, opened
from bot.core.approval import Declined, Moved, Record
from bot.core.ask import Ask
from bot.core.policy import Actor
from bot.core.report import HostReport, Proposal
from bot.demo import Fleet
from bot.settings import Settings

PLAYBOOKS = Path(__file__).parents[2] / "playbooks"
PEOPLE = {"alice": {"terminal": "root"}, "bob": {"terminal": "daemon"}, "carol": {"terminal": "nobody"}}
ALICE = Actor("terminal", "root", "root")
SOMAXCONN = ["cat", "/proc/sys/net/core/somaxconn"]


@dataclass
class Scene:
    """A fleet, and an application over it."""

    fleet: Fleet
    app: App
    settings: Settings

    async def look(self, target: str, *playbooks: str) -> dict[str, HostReport]:
        """What `netdiag run` would find."""
        report = await self.app.desk.diagnose(Ask(ALICE, target, playbooks), lambda _told: None)
        return {host.host: host for host in report.hosts}

    async def proposal(self) -> Proposal:
        """The change that is proposed for node-3's container."""
        found = (await self.look("node-3", "listen-queue"))["node-3"]
        assert [p.refused for p in found.proposals] == [None], found
        return found.proposals[0]

    async def approve(self, change: str, user: str) -> Moved | Declined:
        """As an operating-system user."""
        return await self.app.desk.approve(change, await self.app.directory.standing(f"terminal:{user}"))

    async def record(self, change: str) -> Record:
        """The journal's word."""
        found = await self.app.journal.get(change)
        assert found is not None
        return found

    async def truth(self) -> int:
        """The container's somaxconn, from its kernel."""
        return int((await self.fleet.exec_in_container("node-3", "shop", SOMAXCONN)).stdout)

    async def events(self, change: str) -> list[str]:
        """What the log says of a change, in order."""
        entries = [entry async for entry in self.app.journal.entries()]
        return [event.kind for entry in entries if (event := entry.event()).change == change]


async def until(true: Callable[[], Coroutine[Any, Any, bool]], seconds: float = 60.0, every: float = 0.05) -> None:
    async with asyncio.timeout(seconds):
        while not await true():
            await asyncio.sleep(every)


@asynccontextmanager
async def set_up(place: Path) -> AsyncIterator[Scene]:
    """Six hosts, of which node-3 and node-4 are sick, and the three people of the demo's policy."""
    async with Fleet.up(place / "fleet", hosts=6, people=PEOPLE) as fleet:
        settings = Settings(
            state=place / "state", inventory=fleet.inventory_dir, playbooks=PLAYBOOKS, window=1.5, concurrency=8
        )
        async with opened(settings) as app:
            yield Scene(fleet, app, settings)
