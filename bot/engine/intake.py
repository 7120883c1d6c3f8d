"""Where do alerts wait, so that what was acknowledged is never lost, and a flood fills neither disk nor memory?

A delivery is kept in one of a fixed number of slots, and only then named in the index: what the index does not name
was not acknowledged, and Alertmanager sends it again. A slot is free again once what it held is in its groups. Places
are reused, so nothing grows. One process serves the intake of a store.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

from pydantic import BaseModel, ConfigDict, Field

from bot.core.alert import Delivery
from bot.core.alert_group import Group
from bot.engine.ports import Journal

BODY, GROUP = "alert-inbox", "alert-group"
INDEX = ("alert-index", "all")
ROOM = 200
"""Deliveries that may wait."""
HOUR = timedelta(hours=1)
NAMED = 20


class Full(Exception):
    """Too much waits already: the sender is to come again."""


class Untold(BaseModel):
    """Alerts that came and went in one hour (`YYYYMMDDHH`) while there was no room to tell them: how many messages were
    never made, and some names.
    """

    model_config = ConfigDict(frozen=True)

    hour: str
    count: int = 0
    names: tuple[str, ...] = ()

    def and_(self, names: Sequence[str]) -> "Untold":
        """One more."""
        named = tuple(dict.fromkeys((*self.names, *names)))[:NAMED]
        return self.model_copy(update={"count": self.count + 1, "names": named})


class Index(BaseModel):
    """What is under way: slots in the order in which they were taken, groups that are not settled, when diagnoses were
    made within the hour, and what was not told, by channel and hour.
    """

    model_config = ConfigDict(frozen=True)

    slots: tuple[int, ...] = ()
    groups: tuple[str, ...] = ()
    read: tuple[datetime, ...] = ()
    untold: Mapping[str, Untold] = Field(default_factory=dict)

    def left(self, most: int, now: datetime) -> int:
        """How many diagnoses may still be made in this hour."""
        return most - len([at for at in self.read if now - at < HOUR])

    def spend(self, now: datetime) -> "Index":
        """The index with one more; what is older than the hour is forgotten."""
        return self.model_copy(update={"read": (*(at for at in self.read if now - at < HOUR), now)})

    def without(self, key: str) -> "Index":
        """The index without what was told of an hour."""
        return self.model_copy(update={"untold": {name: was for name, was in self.untold.items() if name != key}})

    def gone(self, group: str, channel: str, hour: str, names: Sequence[str]) -> "Index":
        """The index without a group that was never told."""
        key = f"{channel} {hour}"
        groups = tuple(name for name in self.groups if name != group)
        untold = {**self.untold, key: self.untold.get(key, Untold(hour=hour)).and_(names)}
        return self.model_copy(update={"groups": groups, "untold": untold})


class Intake:
    """The durable queue in front of the groups. Every method raises JournalDown when the store cannot be written."""

    def __init__(self, journal: Journal, room: int = ROOM) -> None:
        self._journal, self._room = journal, room
        self._index: Index | None = None
        self._turn = asyncio.Lock()

    @property
    def waiting(self) -> int:
        """Deliveries taken and not yet in their groups."""
        return len(self._index.slots) if self._index else 0

    @property
    def open(self) -> int:
        """Groups with something left to do."""
        return len(self._index.groups) if self._index else 0

    async def index(self) -> Index:
        """What is under way."""
        if self._index is None:
            kept = await self._journal.recall(*INDEX)
            self._index = Index.model_validate(kept) if kept else Index()
        return self._index

    async def take(self, delivery: Delivery) -> None:
        """Keep a delivery; acknowledge only after this. Raises Full, JournalDown."""
        async with self._turn:
            taken = (await self.index()).slots
            slot = next((number for number in range(self._room) if number not in taken), None)
            if slot is None:
                raise Full
            await self._journal.replace(BODY, str(slot), delivery.kept())
            await self._put(lambda index: index.model_copy(update={"slots": (*index.slots, slot)}))

    async def first(self) -> tuple[int, Delivery | None] | None:
        """The oldest delivery that waits; None in it for one that somebody else wrote into."""
        slots = (await self.index()).slots
        if not slots:
            return None
        kept = await self._journal.recall(BODY, str(slots[0]))
        try:
            return slots[0], Delivery.stored(kept) if kept else None
        except ValueError:
            return slots[0], None

    async def release(self, slot: int, groups: Sequence[str]) -> None:
        """The delivery is in its groups, which are under way from here on."""

        def free(index: Index) -> Index:
            slots = tuple(number for number in index.slots if number != slot)
            opened = tuple(dict.fromkeys((*index.groups, *groups)))
            return index.model_copy(update={"slots": slots, "groups": opened})

        await self.change(free)

    async def close(self, group: str) -> None:
        """Nothing is left to do about a group."""
        await self.change(
            lambda index: index.model_copy(update={"groups": tuple(name for name in index.groups if name != group)})
        )

    async def change(self, to: Callable[[Index], Index]) -> None:
        """Replace the index by a pure function of it."""
        async with self._turn:
            await self._put(to)

    async def group(self, name: str) -> Group | None:
        """A group as it was stored last. `name` is its id, or `ID:EPISODE` for one that a newer one has followed."""
        kept = await self._journal.recall(GROUP, name)
        return Group.model_validate(kept) if kept else None

    async def keep(self, name: str, group: Group) -> None:
        """Store a group."""
        await self._journal.replace(GROUP, name, group.model_dump(mode="json"))

    async def _put(self, to: Callable[[Index], Index]) -> None:
        index = to(await self.index())
        await self._journal.replace(*INDEX, index.model_dump(mode="json"))
        self._index = index  # only what is stored is so
