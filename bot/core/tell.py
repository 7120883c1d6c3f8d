"""What does a run of a sweep tell its channel? The difference between what is so and what it was told, as a digest.

What is news is `core.news`'s to say, and what a channel knows `core.heard`'s; here it is put together by cause.
"""

from collections.abc import Iterable, Mapping, Sequence

from bot.core import silence
from bot.core.digest import Blind, Digest, Held, Item, News, Open, Place
from bot.core.fault import HOST_UNREAD, OURS, OVER, Fault
from bot.core.faults import HERE, unread, unsure
from bot.core.heard import telling
from bot.core.news import Key, Piece, folded, folded_away, key_of, pieces
from bot.core.outline import RANK, WORST_FIRST, doubts
from bot.core.report import HostReport, Report, Severity, Status
from bot.core.scene import Scene
from bot.core.text import neutral

COLUMNS = 24
"""Sweeps that the heat map shows, this one too."""

_ORDER = {kind: number for number, kind in enumerate(News)}


def digest(scene: Scene) -> Digest:
    """The digest of a run for its channel, and (`heard`) what the channel knows once it was told."""
    known = {key_of(fault): fault for fault in scene.faults}
    found = [*pieces(scene, known)]
    told = [piece for piece in found if not piece.held]
    causes = [piece for piece in told if piece.is_item]
    items = _items(causes, known, scene.report.run)
    blind, sighted = _blind(scene.report, told)
    spoken, silently = [piece.fault for piece in told], folded_away(scene, known)
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
        open=_open(scene, known, {*map(key_of, spoken)}),
        blind=blind,
        sighted=sighted,
        held=_held(scene, found),
        moved=scene.moved,
        missed=missed,
        grid=_grid(scene),
        heard=tuple(telling(fault, scene.sweep.channel, scene.now, scene.report.run) for fault in (*spoken, *silently)),
        quiet=not (items or sighted or missed or any(part.news for part in blind)),
    )


# --- the parts of a digest --------------------------------------------------------------------------------------------


def _items(parts: Sequence[Piece], known: Mapping[Key, Fault], run: str) -> tuple[Item, ...]:
    """One item for each kind of news of each cause, over all hosts that have it."""
    groups: dict[tuple[News, str, str], list[Fault]] = {}
    for piece in parts:
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
        explains=tuple(dict.fromkeys(ident for fault in found for ident in below.get(key_of(fault), ()))),
    )


def _open(scene: Scene, known: Mapping[Key, Fault], now: set[Key]) -> tuple[Open, ...]:
    """What was told before and is still there, by cause."""
    groups: dict[tuple[str, str], list[Fault]] = {}
    for fault in scene.faults:
        if key_of(fault) not in now and _stands(scene, fault, known):
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


def _stands(scene: Scene, fault: Fault, known: Mapping[Key, Fault]) -> bool:
    """Whether a fault was told and is still there, and nothing keeps it from being spoken of."""
    told = fault.told.get(scene.sweep.channel)
    return (
        told is not None
        and told.stage not in OVER
        and (fault.stage in HERE or fault.flapping)
        and (fault.playbook != OURS or fault.flapping)
        and not folded(fault, known)
        and fault.host not in scene.maintenance
        and silence.silenced(scene.silences, scene.hosts[fault.host], fault.id, scene.now) is None
    )


def _blind(report: Report, told: Sequence[Piece]) -> tuple[tuple[Blind, ...], tuple[str, ...]]:
    """The reasons for what is unknown, those that are news apart; and the hosts that can be read again."""
    fresh = {key_of(piece.fault) for piece in told if piece.news not in (News.RESOLVED, News.LEFT, News.FLAPPING)}
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


def _held(scene: Scene, parts: Sequence[Piece]) -> tuple[Held, ...]:
    """What is so but is not told, by reason. What is found under maintenance is no fault yet: the report counts."""
    groups: dict[str, list[Severity]] = {}
    for piece in parts:
        if piece.held:
            groups.setdefault(piece.held, []).append(piece.fault.severity)
    known = {key_of(fault) for fault in scene.faults if fault.stage in HERE}
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
