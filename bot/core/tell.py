"""What is news to a channel? The difference between what is so and what it was told, as a digest.

Silences, maintenance, quiet hours and the rate cap only put off the telling: what still holds when they are over is
told then, and what came and went meanwhile never is. A sweep's report, an ask's report and another sweep's digest in
the same channel all count as told.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from bot.core import silence
from bot.core.digest import Blind, Digest, Heard, Held, Item, Moved, News, Open, Place
from bot.core.fault import HOST_UNREAD, OURS, Fault, Stage, Told
from bot.core.faults import HERE, unread, unsure
from bot.core.host import Host
from bot.core.insight_kinds import CHANGED, LIMIT
from bot.core.outline import RANK, WORST_FIRST, doubts
from bot.core.report import HostReport, Report, Severity, Status
from bot.core.sweep import Silence, Sweep, Tuning
from bot.core.text import neutral

COLUMNS = 24
"""Sweeps that the heat map shows, this one too."""
RATE_CAP = "rate cap"
URGENT = frozenset({News.NEW, News.REOPENED, News.WORSE, News.FLAPPING, News.FORECAST})
"""What the rate cap never holds back, where it is critical."""

Key = tuple[str, str]
_ORDER = {kind: number for number, kind in enumerate(News)}


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything that a digest is made of. Times are aware; `now` is when it is told.

    `faults` are those of the hosts of the report, after this run; `maintenance` says of hosts why they are under it;
    `quiet` and `capped` say why only what is critical is told now ("" when that is not so); `before` is the digest that
    was told last; `statuses` are those of each host at the sweeps before, oldest first.
    """

    sweep: Sweep
    due: datetime
    begun: datetime
    now: datetime
    report: Report
    hosts: Mapping[str, Host]
    faults: Sequence[Fault]
    silences: Sequence[Silence] = ()
    maintenance: Mapping[str, str] = field(default_factory=dict)
    quiet: str = ""
    capped: str = ""
    before: Digest | None = None
    statuses: Mapping[str, Sequence[Status]] = field(default_factory=dict)
    moved: tuple[Moved, ...] = ()
    missed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Piece:
    """One fault that is news, and why it is not told now ("": it is)."""

    fault: Fault
    news: News
    held: str = ""


def digest(scene: Scene) -> Digest:
    """The digest of a run for its channel, and (`heard`) what the channel knows once it was told."""
    known = {(fault.host, fault.fingerprint): fault for fault in scene.faults}
    pieces = [*_pieces(scene, known)]
    told = [piece for piece in pieces if not piece.held]
    causes = [piece for piece in told if piece.fault.playbook != OURS or piece.news is News.FLAPPING]
    items = _items(causes, known, scene.report.run)
    blind, sighted = _blind(scene.report, told)
    silently = _folded_away(scene, known)
    missed = () if scene.quiet or scene.capped else scene.missed
    return Digest(
        sweep=scene.sweep.name,
        due=scene.due,
        run=scene.report.run,
        begun=scene.begun,
        seconds=scene.report.seconds,
        hosts=_counts(scene.report),
        before=scene.before.hosts if scene.before else None,
        items=items,
        open=_open(scene, known, {_key(piece.fault) for piece in told}),
        blind=blind,
        sighted=sighted,
        held=_held(scene, pieces),
        moved=scene.moved,
        missed=missed,
        grid=_grid(scene),
        heard=tuple(_heard(fault, scene) for fault in (*(piece.fault for piece in told), *silently)),
        quiet=not (items or sighted or missed or any(part.news for part in blind)),
    )


def heard(faults: Iterable[Fault], said: Iterable[Heard], channel: str) -> tuple[Fault, ...]:
    """The faults that a channel was told of, with that noted."""
    known = {(fault.host, fault.fingerprint): fault for fault in faults}
    return tuple(
        fault.model_copy(update={"told": {**fault.told, channel: part.told}})
        for part in said
        if (fault := known.get((part.host, part.fingerprint))) is not None
    )


def answered(faults: Iterable[Fault], channel: str, at: datetime) -> tuple[Fault, ...]:
    """The faults after a report of a look at `at` was shown to a channel: what it showed is no news there any more."""
    return tuple(
        fault.model_copy(update={"told": {**fault.told, channel: _shown(fault, channel, at)}})
        if fault.last == at and not fault.under
        else fault
        for fault in faults
    )


def still(said: Digest, faults: Iterable[Fault], channel: str) -> Digest:
    """A stored digest without what the channel has heard from elsewhere since it was made.

    What it was told by this very digest stays: a process that died after telling it tells the same again.
    """
    known = {(fault.host, fault.fingerprint): fault.told.get(channel) for fault in faults}
    late = set()
    for part in said.heard:
        told = known.get((part.host, part.fingerprint))
        if (told.at if told else None) not in (part.before, part.told.at):
            late.add((part.host, part.fingerprint))
    if not late:
        return said
    items = [
        item.model_copy(update={"places": places})
        for item in said.items
        if (places := tuple(place for place in item.places if (place.host, place.fingerprint) not in late))
    ]
    blind = [
        part.model_copy(update={"news": part.news and not all(_blind_key(host, part) in late for host in part.hosts)})
        for part in said.blind
    ]
    sighted = tuple(host for host in said.sighted if (host, unread(host)) not in late)
    return said.model_copy(
        update={
            "items": tuple(items),
            "blind": tuple(blind),
            "sighted": sighted,
            "heard": tuple(part for part in said.heard if (part.host, part.fingerprint) not in late),
            "quiet": not (items or sighted or said.missed or any(part.news for part in blind)),
        }
    )


def _blind_key(host: str, part: Blind) -> Key:
    return (host, unread(host) if part.whole else unsure(host, part.reason))


# --- is it news? ------------------------------------------------------------------------------------------------------


def news(fault: Fault, told: Told | None, tuning: Tuning) -> News | None:
    """What a channel that was told `told` has yet to hear of a fault; None when nothing. Reminders are apart."""
    there, matters = fault.stage in HERE, RANK[fault.severity] <= RANK[Severity(tuning.least)]
    if told is None or told.stage is Stage.RESOLVED:
        fresh = News.NEW if told is None else News.REOPENED
        first: tuple[tuple[bool, News | None], ...] = (
            (not matters, None),
            (fault.flapping, News.FLAPPING),
            (not there, None),
            (fault.id == LIMIT, News.FORECAST),
            (True, fresh),
        )
        return _first(first)
    return _first(
        (
            (fault.flapping and not told.flapping, News.FLAPPING),
            (matters and (there or fault.flapping) and RANK[fault.severity] < RANK[told.severity], News.WORSE),
            (fault.flapping, None),
            (fault.stage is Stage.RESOLVED and fault.id == CHANGED, None),  # it is no news that it is old
            (fault.stage is Stage.RESOLVED, News.RESOLVED),
            (not there, None),
            (told.flapping, News.SETTLED),
            (RANK[fault.severity] > RANK[told.severity], News.BETTER),
        )
    )


def _first(ladder: Iterable[tuple[bool, News | None]]) -> News | None:
    return next((kind for holds, kind in ladder if holds), None)


def _pieces(scene: Scene, known: Mapping[Key, Fault]) -> Iterable[_Piece]:
    tuning, channel = scene.sweep.tuning, scene.sweep.channel
    calm: list[Fault] = []
    for fault in scene.faults:
        if _folded(fault, known):
            continue
        kind = news(fault, fault.told.get(channel), tuning)
        if kind is None:
            calm.append(fault)
        else:
            yield _Piece(fault, kind, _held_by(scene, fault, kind))
    yield from (_Piece(fault, News.REMIND) for fault in _overdue(scene, calm))


def _folded(fault: Fault, known: Mapping[Key, Fault]) -> bool:
    """Whether a fault is told with the cause that explains it: until the cause is gone and it is not."""
    cause = known.get((fault.host, fault.under)) if fault.under else None
    return cause is not None and (fault.stage is Stage.RESOLVED or cause.stage is not Stage.RESOLVED)


def _folded_away(scene: Scene, known: Mapping[Key, Fault]) -> Iterable[Fault]:
    """Faults that the channel was told of before a cause was found for them, and that went with it: told by that."""
    for fault in scene.faults:
        told = fault.told.get(scene.sweep.channel)
        if fault.stage is Stage.RESOLVED and told and told.stage is not Stage.RESOLVED and _folded(fault, known):
            yield fault


def _held_by(scene: Scene, fault: Fault, kind: News) -> str:
    """Why a piece of news is not told now, in words; "" when it is. The first of these that holds."""
    if fault.host in scene.maintenance:
        return f"maintenance: {scene.maintenance[fault.host]}"
    over = silence.silenced(scene.silences, scene.hosts[fault.host], fault.id, scene.now)
    if over is not None:
        return f"silenced by {over.owner}: {over.why}"
    if scene.quiet and (fault.severity is not Severity.CRITICAL or kind in (News.RESOLVED, News.BETTER, News.SETTLED)):
        return f"quiet hours: {scene.quiet}"
    if scene.capped and not (fault.severity is Severity.CRITICAL and kind in URGENT):
        return f"{RATE_CAP}: {scene.capped}"
    return ""


def _overdue(scene: Scene, calm: Iterable[Fault]) -> Iterable[Fault]:
    """What is still there and was told so long ago that it is told again.

    Whatever would be due soon is told in the same message: one reminder a day, not one for each fault.
    """
    tuning, channel = scene.sweep.tuning, scene.sweep.channel
    waited = [
        (scene.now - told.at, fault)
        for fault in calm
        if (told := fault.told.get(channel)) is not None
        and told.stage is not Stage.RESOLVED
        and fault.stage in HERE
        and fault.id != CHANGED  # it happened once
        and RANK[fault.severity] <= RANK[Severity(tuning.least)]
        and not _held_by(scene, fault, News.REMIND)
    ]
    after = timedelta(seconds=tuning.remind_after)
    if not any(age >= after for age, _ in waited):
        return ()
    return [fault for age, fault in waited if 2 * age >= after]


def _heard(fault: Fault, scene: Scene) -> Heard:
    before = fault.told.get(scene.sweep.channel)
    said = _said(fault, scene.sweep.channel, scene.now)
    return Heard(host=fault.host, fingerprint=fault.fingerprint, told=said, before=before.at if before else None)


def _said(fault: Fault, channel: str, at: datetime) -> Told:
    """What a channel was told now. A flapping fault is told as there, whatever it is at the moment."""
    resolved = fault.stage is Stage.RESOLVED and not fault.flapping
    stage = Stage.RESOLVED if resolved else Stage.OPEN
    return Told(stage=stage, severity=fault.severity, at=_after(fault, channel, at), flapping=fault.flapping)


def _shown(fault: Fault, channel: str, at: datetime) -> Told:
    """What a report tells a channel of a fault that it shows: that it is there, but not that it flaps."""
    before = fault.told.get(channel)
    flapping = before is not None and before.stage is not Stage.RESOLVED and before.flapping
    return Told(stage=Stage.OPEN, severity=fault.severity, at=_after(fault, channel, at), flapping=flapping)


def _after(fault: Fault, channel: str, at: datetime) -> datetime:
    """The newest telling counts, also when the clock was set back since the one before."""
    before = fault.told.get(channel)
    return at if before is None else max(at, before.at + timedelta(microseconds=1))


# --- the parts of a digest --------------------------------------------------------------------------------------------


def _key(fault: Fault) -> Key:
    return (fault.host, fault.fingerprint)


def _items(pieces: Sequence[_Piece], known: Mapping[Key, Fault], run: str) -> tuple[Item, ...]:
    """One item for each kind of news of each cause, over all hosts that have it."""
    groups: dict[tuple[News, str, str], list[Fault]] = {}
    for piece in pieces:
        groups.setdefault((piece.news, piece.fault.playbook, piece.fault.id), []).append(piece.fault)
    below: dict[Key, dict[str, None]] = {}
    for fault in known.values():
        if fault.under and fault.stage in HERE:
            below.setdefault((fault.host, fault.under), {})[fault.id] = None
    items = [_item(kind, found, below, run) for (kind, _, _), found in groups.items()]
    return tuple(sorted(items, key=lambda item: (_ORDER[item.news], RANK[item.severity], -len(item.places))))


def _item(kind: News, found: Sequence[Fault], below: Mapping[Key, Iterable[str]], run: str) -> Item:
    first = min(found, key=lambda fault: RANK[fault.severity])
    return Item(
        news=kind,
        id=first.id,
        playbook=first.playbook,
        title=first.title,
        severity=first.severity,
        places=tuple(
            Place(
                host=fault.host,
                fingerprint=fault.fingerprint,
                summary=fault.summary,
                since=fault.since,
                severity=fault.severity,
                run=run,
            )
            for fault in sorted(found, key=lambda fault: RANK[fault.severity])
        ),
        explains=tuple(dict.fromkeys(ident for fault in found for ident in below.get(_key(fault), ()))),
    )


def _open(scene: Scene, known: Mapping[Key, Fault], now: set[Key]) -> tuple[Open, ...]:
    """What was told before and is still there, by cause."""
    groups: dict[tuple[str, str], list[Fault]] = {}
    for fault in scene.faults:
        told = fault.told.get(scene.sweep.channel)
        if (
            told is not None
            and told.stage is not Stage.RESOLVED
            and (fault.stage in HERE or fault.flapping)
            and _key(fault) not in now
            and (fault.playbook != OURS or fault.flapping)
            and not _folded(fault, known)
            and fault.host not in scene.maintenance
            and silence.silenced(scene.silences, scene.hosts[fault.host], fault.id, scene.now) is None
        ):
            groups.setdefault((fault.playbook, fault.id), []).append(fault)
    found = [
        Open(
            id=faults[0].id,
            playbook=faults[0].playbook,
            title=faults[0].title,
            severity=min((fault.severity for fault in faults), key=RANK.__getitem__),
            hosts=tuple(dict.fromkeys(fault.host for fault in faults)),
            oldest=min(fault.since for fault in faults),
            flapping=any(fault.flapping for fault in faults),
        )
        for faults in groups.values()
    ]
    return tuple(sorted(found, key=lambda part: (RANK[part.severity], -len(part.hosts), part.oldest)))


def _blind(report: Report, told: Sequence[_Piece]) -> tuple[tuple[Blind, ...], tuple[str, ...]]:
    """The reasons for what is unknown, those that are news apart; and the hosts that can be read again."""
    fresh = {_key(piece.fault) for piece in told if piece.news not in (News.RESOLVED, News.FLAPPING)}
    groups: dict[tuple[str, bool, bool], dict[str, None]] = {}
    for host in report.hosts:
        for reason, whole in _unknown(host):
            place = unread(host.host) if whole else unsure(host.host, reason)
            groups.setdefault((reason, whole, (host.host, place) in fresh), {})[host.host] = None
    found = [
        Blind(reason=reason, hosts=tuple(hosts), whole=whole, news=new)
        for (reason, whole, new), hosts in groups.items()
    ]
    again = tuple(
        dict.fromkeys(
            piece.fault.host for piece in told if piece.fault.id == HOST_UNREAD and piece.news is News.RESOLVED
        )
    )
    return tuple(sorted(found, key=lambda part: (not part.whole, not part.news, -len(part.hosts)))), again


def _unknown(host: HostReport) -> Iterable[tuple[str, bool]]:
    if host.failure is not None:
        yield neutral(host.failure.reason), True
    yield from ((neutral(doubt.reason), False) for doubt in doubts(host))


def _held(scene: Scene, pieces: Sequence[_Piece]) -> tuple[Held, ...]:
    """What is so but is not told, by reason. What is found under maintenance is no fault yet: the report counts."""
    groups: dict[str, list[Severity]] = {}
    for piece in pieces:
        if piece.held:
            groups.setdefault(piece.held, []).append(piece.fault.severity)
    known = {_key(fault) for fault in scene.faults if fault.stage in HERE}
    for host in scene.report.hosts:
        for finding in host.findings:
            if host.host in scene.maintenance and (host.host, finding.fingerprint) not in known:
                groups.setdefault(f"maintenance: {scene.maintenance[host.host]}", []).append(finding.severity)
    return tuple(
        Held(why=why, count=len(found), worst=min(found, key=RANK.__getitem__)) for why, found in groups.items()
    )


def _counts(report: Report) -> Mapping[Status, int]:
    return {status: sum(host.status is status for host in report.hosts) for status in WORST_FIRST}


def _grid(scene: Scene) -> Mapping[str, tuple[Status, ...]]:
    return {host.host: (*scene.statuses.get(host.host, ()), host.status)[-COLUMNS:] for host in scene.report.hosts}
