"""Where does the fleet's past live, and which call is which transaction? (`sweep_ports.History` in a database)"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from bot.adapters.store.line import Line
from bot.adapters.store.past import hush, runs, series, visits
from bot.adapters.store.past import thin as thinning
from bot.core.digest import Heard
from bot.core.fault import Fault
from bot.core.fire import HELD, Fire, Phase
from bot.core.past import Norm, Point, Setting
from bot.core.retention import Retention
from bot.core.sweep import Pause, Silence
from bot.engine.sweep_ports import Visited


class PastStore:
    """The history over the same engine, line and errors as the journal. Every method is one transaction, but `thin`."""

    def __init__(self, line: Line, retention: Retention) -> None:
        self._line, self._retention = line, retention

    # --- runs ----------------------------------------------------------------------------------------------------

    async def claim(self, fire: Fire, *, lease: float) -> Fire | None:
        """Take a run; None when somebody else has it or had it."""
        async with self._line.alone() as connection:
            return await runs.claim(connection, fire, lease)

    async def note(self, fires: Sequence[Fire]) -> Sequence[Fire]:
        """Insert runs that did not happen; the new ones."""
        async with self._line.alone() as connection:
            return await runs.note(connection, fires)

    async def beat(self, sweep: str, due: datetime, owner: str, now: datetime) -> bool:
        """Say that the owner is alive; False when it is to stop."""
        async with self._line.alone() as connection:
            return await runs.beat(connection, sweep, due, owner, now)

    async def judged(self, fire: Fire, visited: Visited) -> bool:
        """Store a run's digest and everything its visits left, or nothing at all."""
        async with self._line.alone() as connection:
            held = await runs.mine(connection, fire)
            if held is None or held.phase not in HELD:
                return False
            if held.phase is Phase.RUNNING:  # else this is the same call again, whose answer was lost
                await runs.put(connection, replace(fire, phase=Phase.JUDGED))
                await visits.store(connection, visited, told=False)
            return True

    async def move(self, fire: Fire) -> bool:
        """Store a run's phase, why, ended, told."""
        async with self._line.alone() as connection:
            return await runs.move(connection, fire)

    async def fires(
        self, sweep: str | None = None, *, phases: Sequence[Phase] = (), since: datetime | None = None, limit: int = 50
    ) -> Sequence[Fire]:
        """Runs, newest first."""
        async with self._line.read_past() as connection:
            return await runs.listed(connection, sweep, phases, since, limit)

    # --- what visits leave ---------------------------------------------------------------------------------------

    async def visited(self, visited: Visited) -> None:
        """Store what an ask saw."""
        async with self._line.alone() as connection:
            await visits.store(connection, visited, told=True)

    async def statuses(
        self, hosts: Sequence[str], *, sweep: str, last: int
    ) -> Mapping[str, Sequence[tuple[datetime, str]]]:
        """Each host's status at the newest runs of a sweep, oldest first."""
        async with self._line.read_past() as connection:
            return await visits.statuses(connection, hosts, sweep, last)

    async def faults(
        self, *, hosts: Sequence[str] | None = None, outside: Collection[str] = (), since: datetime | None = None
    ) -> Sequence[Fault]:
        """Faults that are not past, and those that came to their end after `since`."""
        async with self._line.read_past() as connection:
            return await visits.get_faults(connection, hosts, since, outside)

    async def put_faults(self, faults: Sequence[Fault]) -> None:
        """Store what was told of faults."""
        async with self._line.alone() as connection:
            await visits.put_faults(connection, faults)

    async def tell(self, channel: str, said: Sequence[Heard]) -> Sequence[Heard]:
        """Note what a channel is about to be told; what it has not heard from elsewhere."""
        async with self._line.alone() as connection:
            return await visits.tell(connection, channel, said)

    async def untell(self, channel: str, said: Sequence[Heard]) -> None:
        """Take back what was noted by `tell`."""
        async with self._line.alone() as connection:
            await visits.untell(connection, channel, said)

    async def settings(self, hosts: Sequence[str]) -> Sequence[Setting]:
        """Kernel settings as last seen."""
        async with self._line.read_past() as connection:
            return await visits.get_settings(connection, hosts)

    # --- measures ------------------------------------------------------------------------------------------------

    async def keys(self, host: str) -> Sequence[str]:
        """The measures known of a host."""
        async with self._line.read_past() as connection:
            return await series.keys(connection, host)

    async def series(self, host: str, key: str, *, since: datetime) -> Sequence[Point]:
        """One measure of one host, oldest first."""
        async with self._line.read_past() as connection:
            return (await series.read(connection, [host], since, key)).get((host, key), ())

    async def series_of(self, hosts: Sequence[str], *, since: datetime) -> Mapping[tuple[str, str], Sequence[Point]]:
        """Every measure of these hosts."""
        async with self._line.read_past() as connection:
            return await series.read(connection, hosts, since)

    async def thin(self, now: datetime) -> Mapping[str, int]:
        """Downsample and drop by age, in many short transactions."""
        return await thinning.thin(self._line, self._retention, now)

    # --- what people and learning say ----------------------------------------------------------------------------

    async def norms(self, subjects: Sequence[str]) -> Sequence[Norm]:
        """What was learnt to be normal."""
        async with self._line.read_past() as connection:
            return await hush.get_norms(connection, subjects)

    async def learn(self, norms: Sequence[Norm]) -> None:
        """Keep what is normal."""
        async with self._line.alone() as connection:
            await hush.put_norms(connection, norms)

    async def silences(self, *, now: datetime) -> Sequence[Silence]:
        """Those in force."""
        async with self._line.read_past() as connection:
            return await hush.get_silences(connection, now)

    async def silence(self, silence: Silence) -> None:
        """Add one, or store its end."""
        async with self._line.alone() as connection:
            await hush.put_silence(connection, silence)

    async def pauses(self, *, now: datetime) -> Sequence[Pause]:
        """Those in force."""
        async with self._line.read_past() as connection:
            return await hush.get_pauses(connection, now)

    async def pause(self, pause: Pause) -> None:
        """Set a sweep's pause, or take it back."""
        async with self._line.alone() as connection:
            await hush.put_pause(connection, pause)
