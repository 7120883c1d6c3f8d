"""What happened to a virtual router, by what keepalived wrote? (`_`: no probe.)

Both dialects are read (1.x `VRRP_Instance(VI_1) Entering …`, 2.x `(VI_1) Entering …`), behind the stamps of journal,
syslog (traditional and RFC 3339) and keepalived's own console. Every change of state is put down to what was written
around it: the same "Receive advertisement timeout" follows a lost advert, a check that failed and a planned handover.
"""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise

HORIZON = 600.0
"""Seconds that are looked back."""
QUIET = 30.0
"""What rests for this long, and half as long again as its longest pause so far, is over."""
_LATEST = 4
"""Moves that the cause is taken from: two times there and back; what happened before may have had another."""
_NEAR = 2.5
"""Seconds between what belongs together: stamps are whole seconds."""
_TOGETHER = 3.5

_MONTHS = {
    name: n
    for n, name in enumerate(("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"), 1)
}
_PROGRAM = r"(?P<program>[^\s\[\]:]{1,64})(?:\[(?P<pid>\d{1,10})\])?: (?P<said>.{0,400})"
_STAMPS = (
    re.compile(rf"(?P<epoch>\d{{9,11}}(?:\.\d{{1,9}})?) \S{{1,255}} {_PROGRAM}"),
    re.compile(
        r"[A-Z][a-z]{2} (?P<month>[A-Z][a-z]{2}) +(?P<day>\d{1,2}) (?P<clock>\d\d:\d\d:\d\d)(?:\.\d{1,9})? "
        r"(?P<year>\d{4}): +(?P<said>.{0,400})"
    ),
    re.compile(
        rf"(?P<iso>\d{{4}}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{{1,9}})?(?:Z|[+-]\d\d:?\d\d)) \S{{1,255}} {_PROGRAM}"
    ),
    re.compile(
        r"(?P<month>[A-Z][a-z]{2}) +(?P<day>\d{1,2}) (?P<clock>\d\d:\d\d:\d\d)(?:\.\d{1,9})? (?:\S{1,255} )?" + _PROGRAM
    ),
)
_REPEATED = re.compile(r"message repeated \d{1,9} times: \[ ?(.*?)\]?")
_INSTANCE = re.compile(r"(?:VRRP_Instance)?\((?P<name>[^()]{1,64})\):? (?P<said>.*)")

_OF_ROUTER = (
    ("init", re.compile(r"Entering \w{4,6} STATE \(init\)")),
    ("enter", re.compile(r"(?:Now in|Entering) (MASTER|BACKUP|FAULT|STOP)(?: STATE| mode)")),
    ("timeout", re.compile(r"Receive advertisement timeout|Transition to MASTER STATE")),
    ("lower", re.compile(r"received lower priority \(\d{1,3}\) advert|forcing a new MASTER election")),
    ("election", re.compile(r"Received (?:lower prio|advert.* with lower priority).*forcing new election")),
    ("higher", re.compile(r"received advert(?: from \S{1,60})? with higher prio|Received higher prio advert")),
    ("goodbye", re.compile(r"received priority 0 advert", re.IGNORECASE)),
    ("check", re.compile(r"Changing effective priority from")),
    (
        "refused",
        re.compile(
            r"invalid (?:passwd|auth|version|TTL|ttl|vrid)|authentication|bogus VRRP|Dropping received VRRP|mismatch"
            r"|(?:expecting|incorrect|different) (?:.{0,40})(?:authent|interval|address)",
            re.IGNORECASE,
        ),
    ),
)
_OF_DAEMON = (
    ("stall", re.compile(r"A thread timer expired (\d{1,9}(?:\.\d{1,9})?) seconds ago")),
    ("check", re.compile(r"VRRP_Script\(([^()]{1,64})\) (?:failed|succeeded|timed)")),
    ("check", re.compile(r"[Qq]uorum (?:gained|lost) for tracked process (\S{1,64})")),
    ("link", re.compile(r"(?:Netlink reports|Kernel is reporting: interface) (\S{1,40}) (?:down|DOWN|up|UP)\b")),
    ("start", re.compile(r"Starting Keepalived|Starting VRRP child|Startup complete")),
)
_FROM = re.compile(r" from ([0-9a-fA-F.:]{3,45})")


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that keepalived wrote, of a router (`name`) or of the whole daemon (`name` empty)."""

    at: float
    pid: int
    kind: str
    name: str = ""
    detail: str = ""
    sender: str = ""


def stamped(line: str, now: float, offset: float) -> tuple[float, int, str] | None:
    """When (seconds since 1970), which process (0: not told), and what; None for a line with no known stamp.

    `offset` is the host's time zone in seconds, for stamps that do not tell theirs; so `now` tells the year.
    """
    for pattern in _STAMPS:
        found = pattern.match(line)
        if found is None:
            continue
        named = found.groupdict()
        at = _epoch(named, now, offset)
        return None if at is None else (at, int(named.get("pid") or 0), named["said"])
    return None


def _epoch(named: dict[str, str | None], now: float, offset: float) -> float | None:
    try:
        if epoch := named.get("epoch"):
            return float(epoch)
        if iso := named.get("iso"):
            return datetime.fromisoformat(iso.replace("Z", "+00:00")).timestamp()
        zone = timezone(timedelta(seconds=offset))
        here = datetime.fromtimestamp(now, UTC).astimezone(zone)
        hour, minute, second = map(int, str(named["clock"]).split(":"))
        day, month = int(str(named["day"])), _MONTHS[str(named["month"])]
        year = named.get("year")
        at = datetime(int(year) if year else here.year, month, day, hour, minute, second, tzinfo=zone)
        if not year and at - here > timedelta(days=1):
            at = at.replace(year=at.year - 1)
        return at.timestamp()
    except (ValueError, KeyError, OverflowError, OSError):
        return None


def events(lines: Iterable[str], now: float, offset: float) -> list[Event]:
    """What keepalived wrote, oldest first, as far as it matters for its routers."""
    found = []
    for line in lines:
        told = stamped(line[:600], now, offset)
        if told is None:
            continue
        at, pid, said = told
        if repeated := _REPEATED.fullmatch(said):
            said = repeated[1]
        found += _event(at, pid, said)
    return sorted(found, key=lambda event: event.at)


def _event(at: float, pid: int, said: str) -> list[Event]:
    for kind, pattern in _OF_DAEMON:
        if match := pattern.search(said):
            return [Event(at, pid, kind, detail=match[1] if match.groups() else "")]
    of = _INSTANCE.match(said)
    if of is None:
        return []
    for kind, pattern in _OF_ROUTER:
        if match := pattern.search(of["said"]):
            sender = _FROM.search(of["said"])
            detail = match[1] if match.groups() else ""
            return [Event(at, pid, kind, of["name"], detail, sender[1] if sender else "")]
    return []


@dataclass(frozen=True, slots=True)
class Story:
    """What became of one router within the horizon. Times are seconds before now."""

    state: str
    moves: tuple[float, ...]
    causes: tuple[str, ...]
    """What each move is put down to."""
    late: tuple[float, ...]
    """Adverts that stayed away with nothing written here that would explain it."""
    stalls: tuple[float, ...]
    longest_stall: float
    checks: tuple[str, ...]
    links: int
    refused: int
    rivals: tuple[str, ...]

    @property
    def cause(self) -> str:
        """What most of the latest moves are put down to."""
        told = Counter(cause for cause in self.causes[-_LATEST:] if cause != "handover")
        return told.most_common(1)[0][0] if told else "handover" if self.causes else ""


def goes_on(ages: Sequence[float]) -> bool:
    """Whether what happened so long ago (seconds, oldest first) still happens: it has rested for as long before."""
    if not ages:
        return False
    pauses = [before - after for before, after in pairwise(ages)]
    return ages[-1] <= max(QUIET, 1.5 * max(pauses, default=0.0))


def story(found: Sequence[Event], now: float, *, interval: float, master_down: float) -> Story:
    """The story of one router from its own events and its daemon's."""
    recent = [event for event in found if now - HORIZON <= event.at <= now + _NEAR]
    # the first result of a check is no change
    mine = [e for e in recent if e.kind != "check" or not _near(e, recent, "start", 2 * _NEAR, 0)]
    state = next((e.detail for e in reversed(found) if e.kind == "enter"), "")
    late = [e for e in mine if e.kind == "timeout" and not _explained(e, mine, master_down)]
    moves: list[tuple[float, str]] = []
    elections = _episodes([e.at for e in mine if e.kind == "election"], max(_TOGETHER, 2 * interval))
    for event in sorted([*(e for e in mine if e.kind == "enter"), *elections], key=lambda e: e.at):
        if _near(event, mine, "init", 1.0, 1.0) or (event.kind == "enter" and _repeats(event, mine)):
            continue
        cause = _cause(event, mine, late, master_down, moves[-1][1] if moves else "")
        if cause == "restart":
            continue  # taking its place after a start is no change of mind
        # who forces an election was challenged: the addresses moved away and came back
        moves += [(event.at, cause)] * (2 if event.kind == "election" else 1)
    stalls = [e for e in mine if e.kind == "stall"]
    return Story(
        state=state,
        moves=tuple(round(now - at, 1) for at, _ in moves),
        causes=tuple(cause for _, cause in moves),
        late=tuple(round(now - e.at, 1) for e in late),
        stalls=tuple(round(now - e.at, 1) for e in _episodes([e.at for e in stalls], 1.0)),
        longest_stall=max((float(e.detail) for e in stalls), default=0.0),
        checks=tuple(sorted({e.detail for e in mine if e.kind == "check" and e.detail})),
        links=sum(e.kind == "link" for e in mine),
        refused=sum(e.kind == "refused" for e in mine),
        rivals=tuple(dict.fromkeys(e.sender for e in mine if e.sender)),
    )


def _episodes(times: Sequence[float], gap: float) -> list[Event]:
    """The first of every run of times that follow each other closely."""
    firsts = [at for n, at in enumerate(times) if n == 0 or at - times[n - 1] > gap]
    return [Event(at, 0, "election") for at in firsts]


def _repeats(event: Event, mine: Sequence[Event]) -> bool:
    before = [e for e in mine if e.kind == "enter" and e.at <= event.at and e is not event]
    return bool(before) and before[-1].detail == event.detail


def _near(event: Event, mine: Sequence[Event], kind: str, before: float, after: float) -> bool:
    return any(e.kind == kind and event.at - before <= e.at <= event.at + after for e in mine)


def _explained(event: Event, mine: Sequence[Event], master_down: float) -> bool:
    """Whether something else than missing adverts was written before a timeout."""
    before = master_down + 1.0
    return (
        _near(event, mine, "lower", before, 0)
        or _near(event, mine, "goodbye", before, 0)
        or _near(event, mine, "stall", 1.0, _NEAR)
        or _near(event, mine, "refused", before, 0)
        or _near(event, mine, "start", before, 0)
        or _near(event, mine, "init", before, 0)
        or _near(event, mine, "link", before, 0)
        or any(e.kind == "enter" and e.detail == "FAULT" and 0 <= event.at - e.at <= before for e in mine)
    )


def _cause(event: Event, mine: Sequence[Event], late: Sequence[Event], master_down: float, last: str) -> str:
    """What a move is put down to: the first that was written near enough to it."""
    before = master_down + 2.0
    leaves = event.detail != "BACKUP"
    told = {
        "stall": _near(event, mine, "stall", _NEAR, _NEAR),
        "interface": event.detail == "FAULT" or _near(event, mine, "link", before, 1.0),
        "check": _near(event, mine, "check", before, 1.0),
        "restart": _near(event, mine, "start", before, 0),
        "adverts": any(e.at - 1.0 <= event.at <= e.at + 1.0 for e in late),
        "refused": leaves and _near(event, mine, "refused", before, 0),
        "handover": leaves and _near(event, mine, "goodbye", before, 0),
        "peer": leaves and _near(event, mine, "lower", before, 0),
    }
    # the way back: whatever made the addresses leave is the reason that they return
    other = last if not leaves and last else "election" if event.kind == "election" else "handover"
    return next((cause for cause, holds in told.items() if holds), other)
