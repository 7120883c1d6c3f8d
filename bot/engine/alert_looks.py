"""How is one diagnosis of an alert made, and told in the thread of its message?

Every attempt at it is the same run: what it proposed before it was killed stays with it, and is not proposed again.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import structlog

from bot.core.alert_group import TRIES, Group, Look, Step, run_of
from bot.core.alert_words import is_critical, outcome
from bot.core.approval import State
from bot.core.ask import Ask
from bot.core.errors import AskError
from bot.core.policy import Actor
from bot.core.report import Report
from bot.engine.alert_shelf import Routes, Shelf
from bot.engine.meter import Meter
from bot.engine.ports import Clock, Desk, Journal, JournalDown
from bot.engine.sweep_ports import Herald, Receipt

REPORT = "alert-report"
OPEN = (State.PENDING, State.APPROVED)
MANY = 1_000
LONGEST = 900.0
"""Seconds that one diagnosis may take."""

Shown = Callable[[Report, str], Awaitable[None]]
log = structlog.get_logger()


async def nobody(_report: Report, _channel: str) -> None:
    """Nobody keeps what a channel was told."""


@dataclass(frozen=True, slots=True)
class Looks:
    """Makes diagnoses and tells them. `shown` hears of what was told, and where."""

    shelf: Shelf
    desk: Desk
    journal: Journal
    herald: Herald
    clock: Clock
    routes: Routes
    meter: Meter
    shown: Shown = nobody

    async def carry(self, name: str, group: Group, look: Look) -> None:
        """Make one diagnosis, or tell one that was made. Raises JournalDown, ConfigError."""
        place = f"{group.key}:{look.number}"
        report = await self._kept(place)
        if report is None and look.step is Step.READ:
            await self._give_up(name, group, look, "its report is not in the store any more")
            return
        if report is None:
            report = await self._read(name, group, look, place)
        if report is None:
            return
        found = {"step": Step.READ, "run": report.run, "outcome": outcome(report), "critical": is_critical(report)}
        now = await self._move(name, group, look, found) or group
        if now.ts and await self.herald.diagnosed(Receipt(now.posted_in, now.ts), report):
            await self.shown(report, group.channel)
            await self._move(name, group, look, {"step": Step.TOLD})
            await self.journal.replace(REPORT, place, {})

    async def ahead(self, name: str, group: Group) -> bool:
        """Make the diagnoses of a message that has no room yet, as far as the hour's go; whether one found what is
        critical.
        """
        for look in group.due:
            if look.step is Step.WANTED and look.attempt < TRIES and await self._left() > 0:
                await self.carry(name, group, look)
        known = await self.shelf.intake.group(name)
        return known is not None and known.key == group.key and any(look.critical for look in known.looks)

    async def _left(self) -> int:
        """How many diagnoses may still be made in this hour."""
        index = await self.shelf.intake.index()
        return index.left(self.routes.routing().diagnoses_per_hour, self.clock.now())

    async def _read(self, name: str, group: Group, look: Look, place: str) -> Report | None:
        """Read the hosts. What cannot be asked is given up with its reason; a bug is tried again, a few times."""
        why = await self._fault(look)
        if not why:
            await self.shelf.intake.change(lambda at: at.spend(self.clock.now()))
            await self._move(name, group, look, {"attempt": look.attempt + 1})  # before it is made
            report = await self._asked(group, look)
            if isinstance(report, Report):
                kept = {"report": report.model_dump(mode="json", by_alias=True)}
                await self.journal.replace(REPORT, place, kept)
                self.meter.count("alert_diagnoses", outcome="done")
                log.info("alerts.diagnosed", group=name, route=look.route, run=report.run, hosts=len(report.hosts))
                return report
            why = report
        if why:
            await self._give_up(name, group, look, why)
        else:
            self.meter.count("alert_diagnoses", outcome="failed")
        return None

    async def _give_up(self, name: str, group: Group, look: Look, why: str) -> None:
        """Tell why there is no diagnosis; a change that an attempt proposed has its card in the thread all the same."""
        now = await self.shelf.intake.group(name)
        if now is not None and now.key == group.key and not await self._adopted(now, run_of(group, look)):
            return  # once there is a thread
        self.meter.count("alert_diagnoses", outcome="refused")
        await self._move(name, group, look, {"step": Step.GIVEN_UP, "why": why})

    async def _adopted(self, group: Group, run: str) -> bool:
        """Whether every change that the run proposed has the thread of the message."""
        left = [record for record in await self.journal.list(states=OPEN, limit=MANY) if record.run == run]
        return not left or bool(group.ts and await self.herald.adopt(Receipt(group.posted_in, group.ts), run))

    async def _fault(self, look: Look) -> str:
        """Why a diagnosis may not be made (any more), or ""."""
        if look.attempt >= TRIES:
            return f"it was begun {TRIES} times and never ended; the bot's log says why"
        if await self._left() <= 0:
            most = self.routes.routing().diagnoses_per_hour
            return f"more than {most} diagnoses in an hour; ask for {', '.join(look.hosts)}"
        return ""

    async def _asked(self, group: Group, look: Look) -> Report | str:
        """The report; why it cannot be had; or "" where something broke, which may go better the next time."""
        actor = Actor("alert", look.route, f"alert route {look.route}", owner=look.owner)
        ask = Ask(actor, ",".join(look.hosts), look.playbooks, look.params, run=run_of(group, look))
        try:
            async with asyncio.timeout(LONGEST):
                return await self.desk.diagnose(ask, lambda _progress: None)
        except AskError as fault:
            return str(fault)
        except TimeoutError:
            return f"no answer within {LONGEST:.0f} s"
        except JournalDown:
            raise
        except Exception:
            log.exception("alerts.diagnosis.failed", route=look.route)
            return ""

    async def _kept(self, place: str) -> Report | None:
        kept = await self.journal.recall(REPORT, place)
        return Report.model_validate(kept["report"]) if kept else None

    async def _move(self, name: str, group: Group, look: Look, update: Mapping[str, object]) -> Group | None:
        """Store what became of a diagnosis."""

        def moved(now: Group) -> Group:
            known = next(one for one in now.looks if one.number == look.number)
            return now.having(known.model_copy(update=dict(update)))

        return await self.shelf.change(name, group, moved)
