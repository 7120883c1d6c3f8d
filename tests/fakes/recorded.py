"""Hosts that answer with recorded visits, and change from one recording to another when a script says so."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from bot.core.host import Cause, Host, HostFailure
from bot.core.recording import Recording, load, replay
from bot.core.report import HostReport
from bot.core.snapshot import Visit
from bot.engine.diagnose import Observer, judge
from bot.engine.ports import Output
from bot.probes import catalog
from tests.fakes.clock import FakeClock

ROOT = Path(__file__).parents[2]
DEMO, CASES = ROOT / "bot/demo/recordings", ROOT / "playbooks/cases"
SETTINGS = {"host net.core.somaxconn": "4096"}
UNREACHABLE = HostFailure(cause=Cause.UNREACHABLE, reason="no route to host", remedy="see to its network")


def recording(path: Path) -> Recording:
    return load(path.read_text(encoding="utf-8"), path.name)


def over(base: Recording, *sections: str) -> Recording:
    """A healthy host with the faulty sections of a recorded case laid over it."""
    found = dict(base.probes)
    for section in sections:
        found |= recording(CASES / f"{section}.yaml").probes
    return base.model_copy(update={"probes": found})


def states() -> Mapping[str, Recording]:
    """What a host can be. "unreachable" is no recording."""
    healthy = recording(DEMO / "node-1.yaml")
    return {
        "healthy": healthy,
        "strict": over(healthy, "rp-filter/recordings/strict-all"),
        "dns": over(healthy, "dns/recordings/dead-servers"),
        "stuck": over(healthy, "tx-queue/recordings/stuck"),
        "udp": over(healthy, "udp/recordings/slow-reader"),
        "overflow": recording(DEMO / "node-3.yaml"),
        "leak": recording(DEMO / "node-4.yaml"),
    }


@dataclass(frozen=True)
class Episode:
    """A host is in a state from `begin` until `end`; with `period` it is in and out of it, so many seconds each."""

    host: str
    state: str
    begin: datetime
    end: datetime
    period: int = 0

    def now(self, at: datetime) -> bool:
        if not self.begin <= at < self.end:
            return False
        return not self.period or int((at - self.begin).total_seconds() // self.period) % 2 == 0


@dataclass
class Script:
    """What happens to the hosts. Where episodes meet, the first one counts."""

    episodes: list[Episode] = field(default_factory=list)
    _by_host: dict[str, list[Episode]] = field(default_factory=dict)

    def add(self, episode: Episode) -> None:
        self.episodes.append(episode)
        self._by_host.setdefault(episode.host, []).append(episode)

    def state(self, host: str, at: datetime) -> str:
        return next((one.state for one in self._by_host.get(host, ()) if one.now(at)), "healthy")


class Shell:
    """`ports.Shell` that replays."""

    def __init__(self) -> None:
        self.playing: Recording | None = None

    async def run(self, host: Host, program: str, **_: Any) -> Output:
        assert self.playing is not None
        return Output(replay(self.playing, program), 0, self.playing.root, "", "replay")


class Replayed:
    """An observer of scripted hosts. A recording is replayed and parsed once for each host and question."""

    def __init__(self, clock: FakeClock, script: Script) -> None:
        self.clock, self.script = clock, script
        self.states = states()
        self.visits = 0
        self._shell = Shell()
        self._real = Observer(self._shell, clock, catalog())  # type: ignore[arg-type]
        self._seen: dict[tuple[str, str, tuple[str, ...]], Visit] = {}
        self._state: dict[int, str] = {}
        self.judged: dict[tuple[str, str], HostReport] = {}
        """(host, state) to the report of it, once for each."""

    async def look(self, host: Host, names: Sequence[str]) -> Visit:
        self.visits += 1
        state = self.script.state(host.name, self.clock.now())
        if state == "unreachable":
            return UNREACHABLE
        key = (host.name, state, tuple(names))
        if key not in self._seen:
            self._shell.playing = self.states[state]
            self._seen[key] = await self._real.look(host, names)
            self._state[id(self._seen[key])] = state
        return self._seen[key]

    def judge(self, host: Host, seen: Visit, playbooks: Sequence[Any], params: Mapping[str, Any]) -> HostReport:
        """The real judgement, once for each distinct visit; every run must ask with the same playbooks.

        Measures are left out, and settings are the same everywhere: what follows from those has tests of its own.
        """
        if isinstance(seen, HostFailure):
            return judge(host, seen, playbooks, params)
        key = (host.name, self._state[id(seen)])
        if key not in self.judged:
            told = judge(host, seen, playbooks, params)
            self.judged[key] = told.model_copy(update={"measures": (), "settings": SETTINGS})
        return self.judged[key]
