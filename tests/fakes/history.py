"""The fleet's past in memory: the same contract as the real store (tests/adapters/store/test_history.py), no disk."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from bot.core.digest import Digest, Heard
from bot.core.fault import OVER, Fault, ended, with_told
from bot.core.fire import HELD, Fire, Phase, claimed
from bot.core.heard import heard, unheard, untold
from bot.core.past import Norm, Point, Setting
from bot.core.retention import DAY, HOUR, Retention, coarser, floor, taken
from bot.core.sweep import Pause, Silence
from bot.engine.ports import JournalDown
from bot.engine.sweep_ports import Visited
from tests.fakes.journal import MemoryJournal

Key = tuple[str, str]
Step = tuple[int, datetime]


class MemoryHistory:
    """`sweep_ports.History` in memory. Set `down` to a reason and every call raises JournalDown.

    Nothing here awaits, so every call is one transaction.
    """

    def __init__(self, retention: Retention | None = None, journal: MemoryJournal | None = None) -> None:
        self.journal = journal
        self.down = ""
        self.retention = retention or Retention()
        self.runs: dict[tuple[str, datetime], Fire] = {}
        self.visits: dict[tuple[str, datetime, str, str], tuple[str, str]] = {}
        """(sweep, at, run, host) to status and reason."""
        self.points: dict[Key, dict[Step, Point]] = {}
        self.known: dict[Key, Fault] = {}
        self.seen: dict[str, datetime] = {}
        self.kernel: dict[Key, Setting] = {}
        self.learnt: dict[Key, Norm] = {}
        self.hushed: dict[str, Silence] = {}
        self.paused: dict[str, Pause] = {}

    def _up(self) -> None:
        if self.down:
            raise JournalDown(self.down)

    # --- runs ----------------------------------------------------------------------------------------------------

    async def claim(self, fire: Fire, *, lease: float) -> Fire | None:
        self._up()
        key = (fire.sweep, fire.due)
        now = claimed(self.runs.get(key), fire, lease)
        if now is not None:
            self.runs[key] = _plain(now)
        return now

    async def note(self, fires: Sequence[Fire]) -> Sequence[Fire]:
        self._up()
        new = [fire for fire in fires if (fire.sweep, fire.due) not in self.runs]
        self.runs.update({(fire.sweep, fire.due): _plain(fire) for fire in new})
        return new

    async def beat(self, sweep: str, due: datetime, owner: str, now: datetime) -> bool:
        self._up()
        held = self.runs.get((sweep, due))
        if held is None or held.owner != owner or held.phase not in HELD:
            return False
        self.runs[sweep, due] = replace(held, beat=_utc(now))
        return True

    async def judged(self, fire: Fire, visited: Visited) -> bool:
        self._up()
        held = self._mine(fire)
        if held is None or held.phase not in HELD:
            return False
        if held.phase is Phase.RUNNING:  # else this call is the same one again, whose answer was lost
            self.runs[fire.sweep, fire.due] = _plain(replace(fire, phase=Phase.JUDGED))
            self._store(visited, told=False)
        return True

    async def move(self, fire: Fire) -> bool:
        self._up()
        held = self._mine(fire)
        if held is None:
            return False
        moved = replace(held, phase=fire.phase, why=fire.why, ended=fire.ended, told=fire.told)
        self.runs[fire.sweep, fire.due] = _plain(moved)
        return True

    def _mine(self, fire: Fire) -> Fire | None:
        held = self.runs.get((fire.sweep, fire.due))
        return held if held is not None and (held.owner, held.attempt) == (fire.owner, fire.attempt) else None

    async def fires(
        self, sweep: str | None = None, *, phases: Sequence[Phase] = (), since: datetime | None = None, limit: int = 50
    ) -> Sequence[Fire]:
        self._up()
        found = [
            fire
            for fire in self.runs.values()
            if sweep in {None, fire.sweep}
            and (not phases or fire.phase in phases)
            and (since is None or fire.due >= since)
        ]
        return sorted(sorted(found, key=lambda fire: fire.sweep), key=lambda fire: fire.due, reverse=True)[:limit]

    # --- what visits leave ---------------------------------------------------------------------------------------

    async def visited(self, visited: Visited) -> None:
        self._up()
        self._store(visited, told=True)

    def _store(self, visited: Visited, *, told: bool) -> None:
        at = _utc(visited.at)
        for host in visited.hosts:
            reason = host.failure.reason if host.failure else ""
            self.visits[visited.sweep, at, visited.run, host.host] = (host.status.value, reason)
            for key, point in taken(host, at).items():
                self.points.setdefault((host.host, key), {})[0, at] = point
            if host.settings and self.seen.get(host.host, at) <= at:
                self.seen[host.host] = at
                for name, value in host.settings.items():
                    self._set(host.host, name, value, at)
        self.known.update({(fault.host, fault.fingerprint): self._kept(fault, told=told) for fault in visited.faults})

    def _set(self, host: str, name: str, value: str, at: datetime) -> None:
        before = self.kernel.get((host, name))
        if before is None or before.value != value:
            self.kernel[host, name] = Setting(host, name, value, at, before.value if before else None)

    def _kept(self, fault: Fault, *, told: bool = True) -> Fault:
        """Through JSON and back, as a database would: nothing survives that could not be stored."""
        held = self.known.get((fault.host, fault.fingerprint))
        if held and not told:
            return Fault.model_validate_json(fault.model_copy(update={"told": held.told}).model_dump_json())
        return Fault.model_validate_json(with_told(fault, held.told if held else {}).model_dump_json())

    async def statuses(
        self, hosts: Sequence[str], *, sweep: str, last: int
    ) -> Mapping[str, Sequence[tuple[datetime, str]]]:
        self._up()
        moments = sorted({(at, run) for name, at, run, _ in self.visits if name == sweep})[-last:] if last else []
        return {
            host: [
                (at, self.visits[sweep, at, run, host][0])
                for at, run in moments
                if (sweep, at, run, host) in self.visits
            ]
            for host in hosts
        }

    async def faults(
        self, *, hosts: Sequence[str] | None = None, outside: Collection[str] = (), since: datetime | None = None
    ) -> Sequence[Fault]:
        self._up()
        return [
            fault
            for (host, _), fault in sorted(self.known.items())
            if (hosts is None or host in hosts)
            and host not in outside
            and (fault.stage not in OVER or (since is not None and ended(fault) > since))
        ]

    async def tell(self, channel: str, said: Sequence[Heard]) -> Sequence[Heard]:
        self._up()
        mine = untold(self.known.values(), said, channel)
        self.known.update(
            {(fault.host, fault.fingerprint): fault for fault in heard(self.known.values(), mine, channel)}
        )
        return mine

    async def untell(self, channel: str, said: Sequence[Heard]) -> None:
        self._up()
        back = unheard(self.known.values(), said, channel)
        self.known.update({(fault.host, fault.fingerprint): fault for fault in back})

    async def put_faults(self, faults: Sequence[Fault]) -> None:
        self._up()
        for fault in faults:
            held = self.known.get((fault.host, fault.fingerprint))
            self.known[fault.host, fault.fingerprint] = with_told(held, fault.told) if held else self._kept(fault)

    # --- measures, settings, norms -------------------------------------------------------------------------------

    async def keys(self, host: str) -> Sequence[str]:
        self._up()
        return sorted(key for name, key in self.points if name == host)

    async def series(self, host: str, key: str, *, since: datetime) -> Sequence[Point]:
        self._up()
        points = [
            point
            for point in self.points.get((host, key), {}).values()
            if point.at >= since or point.at + timedelta(seconds=point.step) > since
        ]
        return sorted(points, key=lambda point: (point.at, -point.step))

    async def series_of(self, hosts: Sequence[str], *, since: datetime) -> Mapping[Key, Sequence[Point]]:
        found = {
            (host, key): await self.series(host, key, since=since) for host in hosts for key in await self.keys(host)
        }
        return {key: points for key, points in found.items() if points}

    async def settings(self, hosts: Sequence[str]) -> Sequence[Setting]:
        self._up()
        return [setting for (host, _), setting in sorted(self.kernel.items()) if host in hosts]

    async def norms(self, subjects: Sequence[str]) -> Sequence[Norm]:
        self._up()
        return [norm for (subject, _), norm in sorted(self.learnt.items()) if subject in subjects]

    async def learn(self, norms: Sequence[Norm]) -> None:
        self._up()
        self.learnt.update({(norm.subject, norm.key): norm for norm in norms})

    # --- silences and pauses -------------------------------------------------------------------------------------

    async def silences(self, *, now: datetime) -> Sequence[Silence]:
        self._up()
        found = [
            silence
            for silence in self.hushed.values()
            if silence.begun <= now < silence.until and (silence.ended is None or now < silence.ended)
        ]
        return sorted(found, key=lambda silence: (silence.begun, silence.id))

    async def silence(self, silence: Silence) -> None:
        self._up()
        self.hushed[silence.id] = silence

    async def pauses(self, *, now: datetime) -> Sequence[Pause]:
        self._up()
        return [pause for _, pause in sorted(self.paused.items()) if now < pause.until]

    async def pause(self, pause: Pause) -> None:
        self._up()
        self.paused[pause.sweep] = pause

    # --- age -----------------------------------------------------------------------------------------------------

    async def thin(self, now: datetime) -> Mapping[str, int]:
        self._up()
        keep = self.retention
        year, gone = now - _seconds(keep.fires), {"measures": self._thin_points(now)}

        def drop(name: str, table: dict[Any, Any], old: Callable[[Any, Any], bool]) -> None:
            gone[name] = _drop(table, [key for key, value in table.items() if old(key, value)])

        def forgotten(_: Any, fault: Fault) -> bool:
            return fault.stage in OVER and ended(fault) < now - _seconds(keep.faults)

        drop("visits", self.visits, lambda key, _: key[1] < now - _seconds(keep.visits))
        drop("faults", self.known, forgotten)
        drop("fires", self.runs, lambda key, _: key[1] < year)
        drop("silences", self.hushed, lambda _, silence: silence.until < year)
        drop("pauses", self.paused, lambda _, pause: pause.until < year)
        drop("norms", self.learnt, lambda _, norm: norm.learnt < now - _seconds(keep.daily))
        drop("settings", self.seen, lambda _, at: at < year)
        _drop(self.kernel, [key for key in self.kernel if key[0] not in self.seen])
        old = [key for key, fire in self.runs.items() if fire.digest and key[1] < now - _seconds(keep.visits)]
        self.runs.update({key: replace(self.runs[key], digest=None) for key in old})
        return {**gone, "digests": len(old), "memory": self.journal.age(year) if self.journal else 0}

    def _thin_points(self, now: datetime) -> int:
        keep, gone = self.retention, 0
        for key, points in list(self.points.items()):
            for fine, coarse, age in ((0, HOUR, keep.raw), (HOUR, DAY, keep.hourly)):
                cut = floor(now - _seconds(age), DAY)
                old = [point for point in points.values() if point.step == fine and point.at < cut]
                stretches = {floor(point.at, coarse) for point in old}
                merged = [*old, *(point for point in points.values() if point.step == coarse and point.at in stretches)]
                gone += _drop(points, [(fine, point.at) for point in old])
                points.update({(coarse, point.at): point for point in coarser(merged, coarse)})
            cut = floor(now - _seconds(keep.daily), DAY)
            gone += _drop(points, [step for step in points if step[0] == DAY and step[1] < cut])
            if not points:
                del self.points[key]
        return gone


def _utc(at: datetime) -> datetime:
    return at.astimezone(UTC)


def _seconds(age: int) -> timedelta:
    return timedelta(seconds=age)


def _plain(fire: Fire) -> Fire:
    """Through JSON and back, as a database would."""
    digest = fire.digest and Digest.model_validate_json(fire.digest.document())
    return replace(fire, digest=digest)


def _drop(table: dict[Any, Any], keys: Sequence[Any]) -> int:
    for key in keys:
        del table[key]
    return len(keys)
