"""Who silences what, by the policy in force, logged before it holds?"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from bot.core import silence
from bot.core.errors import AskError, nearest
from bot.core.fault import CHECKS_UNKNOWN, HOST_UNREAD
from bot.core.host import Inventory
from bot.core.insight_kinds import IDS
from bot.core.playbook import Playbook
from bot.core.policy import Standing
from bot.core.selector import select
from bot.core.silence import Wanted
from bot.core.sweep import Silence
from bot.engine.access import current_policy
from bot.engine.ports import Clock, Journal, PolicySource
from bot.engine.sweep_ports import History

OURS = (HOST_UNREAD, CHECKS_UNKNOWN)


@dataclass(frozen=True, slots=True)
class Silences:
    """Serves `sweep_ports.SilenceDesk`."""

    history: History
    journal: Journal
    policy: PolicySource
    clock: Clock
    inventory: Inventory
    playbooks: Mapping[str, Playbook]

    async def add(self, wanted: Wanted, standing: Standing) -> Silence:
        """Silence findings on hosts for a while. Raises AskError, ConfigError (policy), JournalDown."""
        policy, now = await current_policy(self.policy, self.journal, self.clock), self.clock.now()
        try:
            select(self.inventory, wanted.hosts)
            ident = f"s{self.clock.token(32)[-6:]}"
            made, event = silence.add(wanted, standing, policy, known(self.playbooks), now, ident)
        except AskError as fault:
            await self.journal.append([silence.refused(standing, str(fault), now)])
            raise
        await self.journal.append([event])
        await self.history.silence(made)
        return made

    async def list(self) -> Sequence[Silence]:
        """Those in force, the one that ends first before. Raises JournalDown."""
        found = await self.history.silences(now=self.clock.now())
        return sorted(found, key=lambda part: (part.until, part.id))

    async def end(self, ident: str, standing: Standing) -> Silence:
        """Take one back before its time. Raises AskError, ConfigError (policy), JournalDown."""
        policy, now = await current_policy(self.policy, self.journal, self.clock), self.clock.now()
        found = {part.id: part for part in await self.history.silences(now=now)}
        if ident not in found:
            raise AskError(f'no silence "{ident}" is in force{nearest(ident, found)}; `netdiag silence list` shows all')
        try:
            ended, event = silence.end(found[ident], standing, policy, now)
        except AskError as fault:
            await self.journal.append([silence.refused(standing, str(fault), now)])
            raise
        await self.journal.append([event])
        await self.history.silence(ended)
        return ended


def known(playbooks: Mapping[str, Playbook]) -> Iterable[str]:
    """The ids of all findings that there are."""
    yield from OURS
    yield from IDS
    yield from (check.id for playbook in playbooks.values() for check in playbook.checks)
