"""What does a channel know of each fault, after something was told there?

The digest of a sweep, an ask's report and another sweep's digest in the same channel all count as told. A channel that
knows something from elsewhere hears it no more from a digest that was stored before.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from bot.core.digest import Blind, Digest, Heard
from bot.core.fault import OVER, Fault, Stage, Told
from bot.core.faults import unread, unsure


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
    return tuple(shown([fault], channel, at)[0] if fault.last == at and not fault.under else fault for fault in faults)


def shown(faults: Iterable[Fault], channel: str, at: datetime) -> tuple[Fault, ...]:
    """The faults after a report that shows them was shown to a channel."""
    return tuple(
        fault.model_copy(update={"told": {**fault.told, channel: _shown(fault, channel, at)}}) for fault in faults
    )


def untold(faults: Iterable[Fault], said: Iterable[Heard], channel: str) -> tuple[Heard, ...]:
    """What of a digest the channel has not heard from elsewhere since it was made.

    What it was told by this very digest counts as untold: a process that died after telling it tells the same again.
    """
    known = {(fault.host, fault.fingerprint): fault.told.get(channel) for fault in faults}
    return tuple(part for part in said if _untold(known.get((part.host, part.fingerprint)), part))


def _untold(told: Told | None, part: Heard) -> bool:
    return told == part.told or (told.at if told else None) == part.before


def unheard(faults: Iterable[Fault], said: Iterable[Heard], channel: str) -> tuple[Fault, ...]:
    """The faults that were noted as told by these parts, as they were before: the chat did not take them."""
    parts = {(part.host, part.fingerprint): part for part in said}
    found = []
    for fault in faults:
        part = parts.get((fault.host, fault.fingerprint))
        if part is not None and fault.told.get(channel) == part.told:
            told = {name: known for name, known in fault.told.items() if name != channel}
            found.append(fault.model_copy(update={"told": {**told, channel: part.was} if part.was else told}))
    return tuple(found)


def only(said: Digest, parts: Sequence[Heard]) -> Digest:
    """A stored digest with no more than these parts of what it tells."""
    here = {(part.host, part.fingerprint) for part in parts}
    late = {place for part in said.heard if (place := (part.host, part.fingerprint)) not in here}
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
            "heard": tuple(parts),
            "quiet": not (items or sighted or said.missed or any(part.news for part in blind)),
        }
    )


def _blind_key(host: str, part: Blind) -> tuple[str, str]:
    return (host, unread(host) if part.whole else unsure(host, part.reason))


def telling(fault: Fault, channel: str, at: datetime, run: str) -> Heard:
    """What a channel knows of a fault once it was told at `at` by the digest of a run, and what it was told before."""
    was = fault.told.get(channel)
    said = _said(fault, channel, at, run)
    before = was.at if was else None
    return Heard(host=fault.host, fingerprint=fault.fingerprint, told=said, before=before, was=was)


def _said(fault: Fault, channel: str, at: datetime, run: str) -> Told:
    """What a channel was told now. A flapping fault is told as there, whatever it is at the moment."""
    stage = fault.stage if fault.stage in OVER and not fault.flapping else Stage.OPEN
    return Told(stage=stage, severity=fault.severity, at=_after(fault, channel, at), flapping=fault.flapping, by=run)


def _shown(fault: Fault, channel: str, at: datetime) -> Told:
    """What a report tells a channel of a fault that it shows: that it is there, but not that it flaps."""
    before = fault.told.get(channel)
    flapping = before is not None and before.stage not in OVER and before.flapping
    return Told(stage=Stage.OPEN, severity=fault.severity, at=_after(fault, channel, at), flapping=flapping)


def _after(fault: Fault, channel: str, at: datetime) -> datetime:
    """The newest telling counts, also when the clock was set back since the one before."""
    before = fault.told.get(channel)
    return at if before is None else max(at, before.at + timedelta(microseconds=1))
