"""How do things stand right now, in numbers? Read from the store when somebody asks, never kept twice."""

from collections import Counter
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from bot.core.audit import Head
from bot.core.fault import Stage
from bot.core.fire import Fire, Phase
from bot.engine.meter import Meter
from bot.engine.ports import Clock, Journal
from bot.engine.sweep_ports import History

WEEK = timedelta(days=7)
FIRES = 2_000
"""Missed runs of a week that are looked at."""


@dataclass
class Levels:
    """Brings the meter's levels up to date. What the log gained since the start is counted by its kind.

    `head` is the log's end, `size` the store's bytes, `queues` what waits, `checks` why a part is not in order ("" if
    it is), `sweeps` the names of the plan.
    """

    meter: Meter
    journal: Journal
    clock: Clock
    head: Callable[[], Awaitable[Head | None]]
    size: Callable[[], int | None]
    queues: Mapping[str, Callable[[], int]] = field(default_factory=dict)
    checks: Mapping[str, Callable[[], Awaitable[str]]] = field(default_factory=dict)
    history: History | None = None
    sweeps: Callable[[], Collection[str]] = tuple
    _states: dict[str, str] = field(init=False, default_factory=dict)
    _serial: int = field(init=False, default=0)
    _seq: int | None = field(init=False, default=None)

    async def begin(self) -> None:
        """Count the log from here on. Raises JournalDown; the first `refresh` then is where counting begins."""
        head = await self.head()
        self._seq = head.seq if head is not None else 0

    async def refresh(self) -> None:
        """Look at everything. Raises JournalDown when the store cannot be read; what was looked at before stays."""
        for where, length in self.queues.items():
            self.meter.set("queue", length(), where=where)
        for name, check in self.checks.items():
            self.meter.set("ready", not await check(), check=name)
        size = self.size()
        if size is not None:
            self.meter.set("store_bytes", size)
        await self._log()
        await self._changes()
        if self.history is not None:
            await self._faults(self.history)
            await self._sweeps(self.history)

    async def _log(self) -> None:
        head = await self.head()
        seq = head.seq if head is not None else 0
        self.meter.set("audit_seq", seq)
        if self._seq is None:
            self._seq = seq
        async for entry in self.journal.entries(first=self._seq + 1):
            self._seq = entry.seq
            try:
                kind = entry.event().kind
            except (ValueError, KeyError):
                continue  # `netdiag audit verify` is what tells a tampered entry
            self.meter.count("audit_entries", event=kind)
            if kind == "ChangeProposed":
                self.meter.count("proposals")
            if kind.endswith("Refused"):
                self.meter.count("refusals", what=kind.removesuffix("Refused").lower())

    async def _changes(self) -> None:
        for serial, record in await self.journal.changed_since(self._serial):
            self._serial = max(self._serial, serial)
            self._states[record.change.id] = record.state.value
        self.meter.replace("changes", {(state,): n for state, n in Counter(self._states.values()).items()})

    async def _faults(self, history: History) -> None:
        faults = await history.faults()
        open_ = Counter((one.id, one.severity.value) for one in faults if one.stage in (Stage.OPEN, Stage.GOING))
        self.meter.replace("findings_open", {labels: number for labels, number in open_.items()})  # noqa: C416 - typed

    async def _sweeps(self, history: History) -> None:
        newest: dict[str, Fire] = {}
        for name in self.sweeps():  # one row each: a week of digests would be a hundred times as much to read
            for fire in await history.fires(name, phases=(Phase.JUDGED, Phase.TOLD), limit=1):
                newest[name] = fire
        missed = await history.fires(phases=(Phase.MISSED,), since=self.clock.now() - WEEK, limit=FIRES)
        digests = [(name, fire.digest) for name, fire in newest.items() if fire.digest is not None]
        self.meter.replace(
            "sweep_last_run_timestamp_seconds", {(name,): fire.due.timestamp() for name, fire in newest.items()}
        )
        self.meter.replace("sweep_last_seconds", {(name,): digest.seconds for name, digest in digests})
        self.meter.replace("hosts", {(name, s.value): n for name, digest in digests for s, n in digest.hosts.items()})
        gone = Counter(fire.sweep for fire in missed)
        self.meter.replace("sweep_missed", {(name,): gone[name] for name in self.sweeps()})
