"""What do sweeps need of the world? The history of the fleet, and somebody to tell."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from bot.core.ask import Progress
from bot.core.digest import Digest, Heard
from bot.core.fault import Fault
from bot.core.fire import Fire, Phase
from bot.core.past import HostPast, Norm, Point, Setting
from bot.core.policy import Standing
from bot.core.report import HostReport, Report
from bot.core.silence import Wanted
from bot.core.sweep import Pause, Plan, Silence, Sweep


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
        """Take a run for `fire.owner`, and give it as it is stored then. None when somebody else has it or had it.

        A run that nobody had is inserted as RUNNING, as `fire` is. One that is RUNNING or JUDGED and whose last beat is
        more than `lease` seconds before `fire.beat` (`core.fire.stale`) is taken over: it keeps its phase, begun, run
        and digest, gets the new owner and beat, and `attempt` raised by one. One that is MISSED is begun after all, as
        `fire` is: it was noted by a clock that ran ahead. Every other run is over. `fire.beat` must be given.
        """
        ...

    async def note(self, fires: Sequence[Fire]) -> Sequence[Fire]:
        """Insert runs that did not happen (MISSED, SKIPPED); those that are there already stay. Returns the new."""
        ...

    async def beat(self, sweep: str, due: datetime, owner: str, now: datetime) -> bool:
        """Say that the owner is alive; False when the run was taken over or is at its end: stop."""
        ...

    async def judged(self, fire: Fire, visited: Visited) -> bool:
        """Store the run as JUDGED with its digest, and everything that the visits left, in one transaction. False when
        the run is not `fire.owner`'s any more, or another attempt's: nothing was stored. Asked again by the same
        attempt, True, and nothing is stored twice.

        What channels were told of a fault stays as it is stored: it may be newer than what the judge began with.
        """
        ...

    async def move(self, fire: Fire) -> bool:
        """Store the run's phase, why, ended, told. False when it is another owner's or another attempt's by now, or
        unknown: nothing was stored.
        """
        ...

    async def visited(self, visited: Visited) -> None:
        """Store what an ask (no sweep) saw, and what its channel was told: of each channel the newest `Told` counts."""
        ...

    async def fires(
        self, sweep: str | None = None, *, phases: Sequence[Phase] = (), since: datetime | None = None, limit: int = 50
    ) -> Sequence[Fire]:
        """Runs, newest due first; `since`: due then or later."""
        ...

    async def faults(
        self, *, hosts: Sequence[str] | None = None, outside: Collection[str] = (), since: datetime | None = None
    ) -> Sequence[Fault]:
        """Faults that are not past (`core.fault.OVER`), and those that came to their end after `since`, by host and
        fingerprint: of these hosts, or of all but those that are named `outside`.
        """
        ...

    async def put_faults(self, faults: Sequence[Fault]) -> None:
        """Store what was told of faults: of each channel the newest `Told` counts. Whatever else is stored of a fault
        stays, for it may be newer than what the teller began with; a fault that is not stored yet is stored whole.
        """
        ...

    async def tell(self, channel: str, said: Sequence[Heard]) -> Sequence[Heard]:
        """Note in one transaction, before it is told, what a digest is about to tell a channel: those parts that the
        channel has not heard from elsewhere since the digest was made. These may be told: of any number of digests that
        would tell the same, one gets it. The same digest gets the same again.
        """
        ...

    async def untell(self, channel: str, said: Sequence[Heard]) -> None:
        """Take back what `tell` noted, because the chat did not take it: what was told meanwhile by others stays."""
        ...

    async def statuses(
        self, hosts: Sequence[str], *, sweep: str, last: int
    ) -> Mapping[str, Sequence[tuple[datetime, str]]]:
        """Each host's status at the newest `last` runs of a sweep, oldest first: the heat map. Every host asked for is
        there; a run that did not visit it is left out.
        """
        ...

    async def keys(self, host: str) -> Sequence[str]:
        """The measures known of a host."""
        ...

    async def series(self, host: str, key: str, *, since: datetime) -> Sequence[Point]:
        """One measure of one host, oldest first, as fine as it is still kept; what reaches over `since` is in."""
        ...

    async def series_of(self, hosts: Sequence[str], *, since: datetime) -> Mapping[tuple[str, str], Sequence[Point]]:
        """Every measure of these hosts in one read: (host, key) to its points, none of them empty."""
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
        """Downsample and drop by age (`core.retention`); how many rows went, by table. The work of one call is bounded:
        call it again while something goes.
        """
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


class PlanSource(Protocol):
    """Where the plan of sweeps is read, anew whenever its file changed."""

    trouble: str
    """What is wrong with the file while an older plan is kept; "" when nothing is."""

    def plan(self) -> Plan:
        """The plan in force. Never raises: a broken file keeps the plan before it, and `trouble` says so."""
        ...


class Runs(Protocol):
    """Carries out one run of a sweep that was claimed: read, judge, store, tell (`engine.sweep.Sweeper`)."""

    async def run(self, sweep: Sweep, fire: Fire, *, tell: Callable[[Progress], None] | None = None) -> Fire:
        """From RUNNING to the end. What comes back is stored already: TOLD, or JUDGED when the chat did not take it.

        Heartbeats are the caller's, who cancels it when the run was taken over. Raises JournalDown, and AskError when
        the sweep's target or playbooks mean nothing any more.
        """
        ...

    async def retell(self, sweep: Sweep, fire: Fire) -> Fire:
        """Tell the stored digest of a run that is JUDGED: it comes back TOLD, or as it was. Raises JournalDown."""
        ...

    async def trouble(self, sweep: Sweep, why: str) -> None:
        """Tell the sweep's channel that nothing is swept because the store is down: once, until a run went well."""
        ...


@dataclass(frozen=True, slots=True)
class Lined:
    """One sweep as people see it in a list. Times are UTC, aware."""

    sweep: Sweep
    schedule: str
    """In words, with its zone: "every 15 min", "mon-fri 07:00 Europe/Berlin"."""
    next: datetime | None
    """When it is due next (without jitter); None when it is switched off. A pause may take that run away."""
    last: Fire | None = None
    """Its newest run that is over or judged, with its digest where it has one."""
    running: Fire | None = None
    """The run that is under way, here or in another process."""
    pause: Pause | None = None


@dataclass(frozen=True, slots=True)
class Board:
    """Every sweep of the plan in its order. `trouble` tells what is wrong with the file, while the plan before is kept,
    or why sweeps are not run at the moment; "" when all is well.
    """

    sweeps: Sequence[Lined] = ()
    trouble: str = ""


class SweepDesk(Protocol):
    """What people may ask about sweeps. Every method raises JournalDown; unknown names are AskErrors with the nearest.

    Pausing, resuming and running at once are entries of the audit log (SweepPaused, SweepResumed, SweepAsked), and
    refused (AskError) to whoever has a fault in their standing or is nobody in the access policy.
    """

    async def list(self) -> Board:
        """Every sweep: schedule, next run, last run, pause."""
        ...

    async def now(self, name: str, standing: Standing) -> Fire:
        """Begin a run at once, and come back as soon as it is claimed: it is told where the sweep is told. Raises
        AskError when one is under way.
        """
        ...

    async def pause(self, name: str, standing: Standing, *, seconds: int, why: str) -> Lined:
        """Stop a sweep for so long (at most 30 days), with a reason. A pause in force is replaced."""
        ...

    async def resume(self, name: str, standing: Standing) -> Lined:
        """End a sweep's pause. Raises AskError when there is none."""
        ...


class SilenceDesk(Protocol):
    """What people may ask about silences. Every method raises JournalDown.

    Adding and ending are entries of the audit log (SilenceAdded, SilenceEnded); who may not is refused with an
    AskError, which is one too (SilenceRefused).
    """

    async def add(self, wanted: Wanted, standing: Standing) -> Silence:
        """Silence findings on hosts for a while (`core.silence.parse` reads it from words). Raises AskError for hosts
        or findings that there are none of, a span that is too long, and whoever may not.
        """
        ...

    async def list(self) -> Sequence[Silence]:
        """Those in force, the one that ends first before."""
        ...

    async def end(self, ident: str, standing: Standing) -> Silence:
        """Take one back before its time. Raises AskError when there is none of that id, and for whoever may not."""
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

    async def say(self, channel: str, key: str, title: str, lines: Sequence[str]) -> Receipt | None:
        """A short message: runs missed, a summary of what was held back, an alert."""
        ...

    async def adopt(self, receipt: Receipt, run: str) -> bool:
        """Make the thread of a message that stands a run's, which has no more to tell: the cards of its changes go
        there. False when the chat did not take it: it is tried again.
        """
        ...

    async def diagnosed(self, receipt: Receipt, report: Report) -> bool:
        """The report of a run into the thread of a message that stands (an alert's): its thread is the run's from now
        on, details and the cards of its changes once each. False when the chat did not take it: it is told again.
        """
        ...
