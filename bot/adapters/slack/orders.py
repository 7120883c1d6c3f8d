"""Who asks what of sweeps, silences and the kill switch, and what became of it? The desks decide who may."""

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
from bot.core.text import neutral
from bot.engine.ports import Clock, Desk, Directory, JournalDown
from bot.engine.sweep_ports import Board, SilenceDesk, SweepDesk

log = structlog.get_logger()
REASON = 300
"""Characters of a reason that are kept."""
WORDS = frozenset({Word.SWEEPS, Word.SWEEP, Word.SILENCE, Word.SILENCES, Word.UNSILENCE, Word.HALT, Word.RESUME})


@dataclass
class Orders:
    """Carries out `sweep`, `sweeps`, `silence`, `silences`, `unsilence`, `halt` and `resume`. Without a desk there is
    none of it here.
    """

    directory: Directory
    clock: Clock
    sweeps: SweepDesk | None = None
    silences: SilenceDesk | None = None
    changes: Desk | None = None
    name: str = "/netdiag"

    async def carry(self, command: Command, actor: Actor) -> Message:
        """Do it, and say what was done, or why not."""
        try:
            match command.word:
                case Word.SWEEPS:
                    return plans.board(await self.board(), self.clock.now(), self.name)
                case Word.SILENCES:
                    return plans.silences(await self.silent(), self.name)
                case word:
                    acts = {Word.SWEEP: self._sweep, Word.HALT: self._switch, Word.RESUME: self._switch}
                    return await acts.get(word, self._silence)(command, await self.directory.standing(actor.key))
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

    async def _switch(self, command: Command, standing: Standing) -> Message:
        if self.changes is None:
            raise AskError("No change is ever sent from here.")
        if command.word is Word.HALT:
            done = await self.changes.halt(standing, neutral(command.rest, REASON))
        else:
            done = await self.changes.resume(standing)
        if not done.moved:
            return told("Not done.", done.say)
        if done.halt is None:
            return told("Changes go on.", done.say, f"{self.name} status tells whether a file holds them back, too.")
        more = f"{self.name} resume asks to let changes go on; it takes as many people as the policy says."
        return told("No change is sent any more.", done.say, more)

    async def _silence(self, command: Command, standing: Standing) -> Message:
        if self.silences is None:
            raise AskError("Nothing can be silenced here: this bot keeps no history of the fleet.")
        if command.word is Word.UNSILENCE:
            return plans.unsilenced(await self.silences.end(command.target, standing))
        return plans.silenced(await self.silences.add(silence.parse(command.rest), standing), self.name)


def kind_of(command: Command) -> str:
    """Which handler of the inbox a command is for."""
    if command.word in WORDS:
        return "order"
    return "run" if command.word in (Word.RUN, Word.PODS) else "ask"
