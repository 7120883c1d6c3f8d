"""What does changing a host need of the world? The ports, bound together once for remedy and reconcile."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from bot.core.action import Action
from bot.core.approval import Ground, Record, Result
from bot.core.errors import AskError
from bot.core.host import Host, Inventory
from bot.core.playbook import Playbook
from bot.core.policy import Standing
from bot.core.snapshot import Visit
from bot.core.transaction import LAYOUT, Layout
from bot.engine.access import current_policy
from bot.engine.ports import Clock, Directory, Journal, PolicySource, Shell


class Observes(Protocol):
    """Reads a host once with every probe that the playbooks need."""

    async def observe(self, host: Host, playbooks: Sequence[Playbook]) -> Visit:
        """One visit; a host that cannot be read is a value."""
        ...


@dataclass
class Bench:
    """The ports, the inventory and the catalogues. `owner` names this process in claims, `layout` the hosts' ledger.

    `unwritten` holds outcomes that could not be stored (JournalDown), by change, until they can be. It may be lost:
    the ledger on the host says the same, and an unsettled change is settled by reading that. `troubles` says, by what
    was attempted, why it cannot be done at the moment.
    """

    journal: Journal
    policy: PolicySource
    directory: Directory
    shell: Shell
    clock: Clock
    inventory: Inventory
    actions: Mapping[str, Action[Any]]
    playbooks: Mapping[str, Playbook]
    observer: Observes
    layout: Layout = LAYOUT
    pause: float = 1.0
    """Seconds between looks: for other processes' approvals, for a host that does not answer yet."""
    confirm_within: int = 20
    """Seconds that a host waits for the confirmation before it takes a change back."""
    owner: str = field(init=False)
    troubles: dict[str, str] = field(init=False, default_factory=dict)
    unwritten: dict[str, tuple[Record, Result]] = field(init=False, default_factory=dict)
    wake: asyncio.Event = field(init=False, default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.owner = f"bot-{self.clock.token()[-12:]}"

    @property
    def trouble(self) -> str:
        """Why changes are not carried out at the moment; empty when they are."""
        return "; ".join(dict.fromkeys(self.troubles.values()))

    def host(self, name: str) -> Host:
        """The inventory's host. Raises AskError when it is not there any more."""
        host = self.inventory.hosts.get(name)
        if host is None:
            raise AskError(f"{name} is not in the inventory any more: nothing is sent to it")
        return host

    async def ground(self, host: Host) -> Ground:
        """What holds now. Raises ConfigError for a broken policy, JournalDown when its change cannot be logged."""
        policy = await current_policy(self.policy, self.journal, self.clock)
        return Ground(self.clock.now(), policy, host, await self.journal.halted())

    async def standings(self, record: Record) -> Mapping[str, Standing]:
        """Who the voters are right now, by `Actor.key`."""
        return {vote.actor: await self.directory.standing(vote.actor) for vote in record.votes}
