"""What do sweeps need of the world? The history of the fleet, and somebody to tell."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from bot.core.ask import Progress
from bot.core.digest import Digest
from bot.core.fault import Fault
from bot.core.fire import Fire, Phase
from bot.core.past import HostPast, Norm, Point, Setting
from bot.core.report import HostReport, Report
from bot.core.sweep import Pause, Silence, Sweep


@dataclass(frozen=True, slots=True)
class Visited:
    """What a run leaves behind in one transaction: every host's report, and the faults after it."""

    at: datetime
    run: str
    hosts: Sequence[HostReport]
    faults: Sequence[Fault] = ()
    sweep: str = ""


class History(Protocol):
    """The fleet over time, durable. Every method raises JournalDown when the store cannot be written or read."""

    async def claim(self, fire: Fire, *, lease: float) -> Fire | None:
        """Take a run: insert it as RUNNING, or take over one whose owner's last beat is older than `lease` seconds
        (counted from `fire.beat`), with `attempt` raised. None when somebody else has it or had it.
        """
        ...

    async def note(self, fires: Sequence[Fire]) -> Sequence[Fire]:
        """Insert runs that did not happen (MISSED, SKIPPED); those that are there already stay. Returns the new."""
        ...

    async def beat(self, sweep: str, due: datetime, owner: str, now: datetime) -> bool:
        """Say that the owner is alive; False when the run was taken over: stop."""
        ...

    async def judged(self, fire: Fire, visited: Visited) -> bool:
        """Store the run as JUDGED with its digest, and everything that the visits left, in one transaction. False when
        the run is not `fire.owner`'s any more: nothing was stored.
        """
        ...

    async def move(self, fire: Fire) -> None:
        """Store the run's phase, why, ended, told."""
        ...

    async def visited(self, visited: Visited) -> None:
        """Store what an ask (no sweep) saw."""
        ...

    async def fires(
        self, sweep: str | None = None, *, phases: Sequence[Phase] = (), since: datetime | None = None, limit: int = 50
    ) -> Sequence[Fire]:
        """Runs, newest due first."""
        ...

    async def faults(self, *, hosts: Sequence[str] | None = None, since: datetime | None = None) -> Sequence[Fault]:
        """Faults that are not resolved, and those resolved after `since`."""
        ...

    async def put_faults(self, faults: Sequence[Fault]) -> None:
        """Store faults alone (what was told)."""
        ...

    async def statuses(
        self, hosts: Sequence[str], *, sweep: str, last: int
    ) -> Mapping[str, Sequence[tuple[datetime, str]]]:
        """Each host's status at the newest `last` runs of a sweep, oldest first: the heat map."""
        ...

    async def keys(self, host: str) -> Sequence[str]:
        """The measures known of a host."""
        ...

    async def series(self, host: str, key: str, *, since: datetime) -> Sequence[Point]:
        """One measure of one host, oldest first, as fine as it is still kept."""
        ...

    async def series_of(self, hosts: Sequence[str], *, since: datetime) -> Mapping[tuple[str, str], Sequence[Point]]:
        """Every measure of these hosts in one read: (host, key) to its points."""
        ...

    async def settings(self, hosts: Sequence[str]) -> Sequence[Setting]:
        """Kernel settings as last seen."""
        ...

    async def norms(self, subjects: Sequence[str]) -> Sequence[Norm]:
        """What was learnt to be normal."""
        ...

    async def learn(self, norms: Sequence[Norm]) -> None:
        """Keep what is normal, in place of what was kept for the same subject and key."""
        ...

    async def silences(self, *, now: datetime) -> Sequence[Silence]:
        """Those in force."""
        ...

    async def silence(self, silence: Silence) -> None:
        """Add one, or store its end."""
        ...

    async def pauses(self, *, now: datetime) -> Sequence[Pause]:
        """Those in force."""
        ...

    async def pause(self, pause: Pause) -> None:
        """Set a sweep's pause; one that ends now takes it back."""
        ...

    async def thin(self, now: datetime) -> Mapping[str, int]:
        """Downsample and drop by age; how many rows went, by table."""
        ...


@dataclass(frozen=True, slots=True)
class Receipt:
    """Where a message stands, so that it can be edited."""

    channel: str
    ts: str


@dataclass(frozen=True, slots=True)
class Picture:
    """A PNG with what it shows in words, for those who cannot see it."""

    name: str
    title: str
    alt: str
    png: bytes = field(repr=False)


class Painter(Protocol):
    """Draws. Never raises: a picture that cannot be drawn is left out, and the log says why.

    `zone` is the IANA time zone in which times are written, and named, on the picture.
    """

    async def digest(self, digest: Digest, *, title: str, zone: str) -> Sequence[Picture]:
        """The heat map of the fleet (`Digest.grid`), and the measures that moved; none where there is nothing."""
        ...

    async def history(self, past: HostPast, *, zone: str) -> Picture | None:
        """One host over time: its measures, and its faults as bands. None when nothing is known of it."""
        ...


class Herald(Protocol):
    """Tells a channel. Every message has a `key` for ever: posting it again edits the one that stands.

    Never raises for what the chat does; what could not be told is None or False and logged.
    """

    async def begin(self, sweep: Sweep, run: str, key: str, progress: Progress) -> Receipt | None:
        """Post the parent message of a run, and make its thread the run's (cards of its changes go there)."""
        ...

    async def progress(self, sweep: Sweep, receipt: Receipt, progress: Progress) -> None:
        """Edit it while hosts are read; may leave edits out (at most one in 2-3 s)."""
        ...

    async def tell(
        self, sweep: Sweep, key: str, digest: Digest, *, report: Report | None, pictures: Sequence[Picture]
    ) -> bool:
        """The digest into the parent message (posted now if `begin` was not called), details and pictures into its
        thread, once each. False when the chat did not take it: it will be told again.
        """
        ...

    async def withdraw(self, receipt: Receipt) -> None:
        """Take back the parent message of a run that has nothing to tell and is configured to be silent then."""
        ...

    async def say(self, channel: str, key: str, title: str, lines: Sequence[str]) -> Receipt | None:
        """A short message: runs missed, a summary of what was held back, an alert."""
        ...

    async def diagnosed(self, receipt: Receipt, report: Report) -> bool:
        """The report of a run into the thread of a message that stands (an alert's): its thread is the run's from now
        on, details and the cards of its changes once each. False when the chat did not take it: it is told again.
        """
        ...
