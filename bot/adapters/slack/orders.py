"""Who asks what of sweeps and silences, and what became of it? The desks decide who may."""

from dataclasses import dataclass

import structlog

from bot.adapters.slack import plans
from bot.adapters.slack.pieces import Message
from bot.adapters.slack.talk import told
from bot.adapters.slack.words import Command, Word, span
from bot.core import silence
from bot.core.errors import AskError, NetdiagError
from bot.core.policy import Actor, Standing
from bot.core.sweep import Silence
from bot.engine.ports import Clock, Directory, JournalDown
from bot.engine.sweep_ports import Board, SilenceDesk, SweepDesk

log = structlog.get_logger()
WORDS = frozenset({Word.SWEEPS, Word.SWEEP, Word.SILENCE, Word.SILENCES, Word.UNSILENCE})


@dataclass
class Orders:
    """Carries out `sweep`, `sweeps`, `silence`, `silences` and `unsilence`. Without a desk there is none of it here."""

    directory: Directory
    clock: Clock
    sweeps: SweepDesk | None = None
    silences: SilenceDesk | None = None
    name: str = "/netdiag"

    async def carry(self, command: Command, actor: Actor) -> Message:
        """Do it, and say what was done, or why not."""
        try:
            match command.word:
                case Word.SWEEPS:
                    return plans.board(await self.board(), self.clock.now(), self.name)
                case Word.SILENCES:
                    return plans.silences(await self.silent(), self.name)
                case Word.SWEEP:
                    return await self._sweep(command, await self.directory.standing(actor.key))
                case _:
                    return await self._silence(command, await self.directory.standing(actor.key))
        except NetdiagError as error:
            return told("Not done.", *str(error).splitlines()[:5])
        except JournalDown as error:
            log.exception("slack.order.undone", word=command.word)
            return told("Not done: the journal cannot be read or written.", str(error), "Ask again later.")

    async def board(self) -> Board:
        """Every sweep. Raises JournalDown."""
        return await self.sweeps.list() if self.sweeps is not None else Board()

    async def silent(self) -> tuple[Silence, ...]:
        """Every silence in force. Raises JournalDown."""
        return tuple(await self.silences.list()) if self.silences is not None else ()

    async def _sweep(self, command: Command, standing: Standing) -> Message:
        if self.sweeps is None:
            raise AskError(plans.NO_SWEEPS)
        verb, _, rest = command.rest.partition(" ")
        if verb == "now":
            fire = await self.sweeps.now(command.target, standing)
            known = {one.sweep.name: one.sweep.channel for one in (await self.sweeps.list()).sweeps}
            return plans.begun(fire, known.get(fire.sweep, ""))
        if verb == "resume":
            return plans.resumed(await self.sweeps.resume(command.target, standing))
        seconds, why = span(rest)
        return plans.paused(await self.sweeps.pause(command.target, standing, seconds=seconds, why=why), self.name)

    async def _silence(self, command: Command, standing: Standing) -> Message:
        if self.silences is None:
            raise AskError("Nothing can be silenced here: this bot keeps no history of the fleet.")
        if command.word is Word.UNSILENCE:
            return plans.unsilenced(await self.silences.end(command.target, standing))
        return plans.silenced(await self.silences.add(silence.parse(command.rest), standing), self.name)
