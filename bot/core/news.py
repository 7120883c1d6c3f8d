"""Is a fault news to a channel, and is it told now?

Silences, maintenance, quiet hours and the rate cap only put off the telling: what still holds when they are over is
told then, and what came and went meanwhile never is.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from bot.core import silence
from bot.core.digest import News
from bot.core.fault import HOST_UNREAD, OURS, OVER, Fault, Stage, Told
from bot.core.faults import HERE
from bot.core.insight_kinds import CHANGED, LIMIT
from bot.core.outline import RANK
from bot.core.report import Severity
from bot.core.scene import Scene
from bot.core.sweep import Tuning

RATE_CAP = "rate cap"
URGENT = frozenset({News.NEW, News.REOPENED, News.WORSE, News.FLAPPING, News.FORECAST})
"""What the rate cap never holds back, where it is critical."""
LATER = frozenset({News.RESOLVED, News.BETTER, News.SETTLED, News.LEFT})
"""What can wait until quiet hours are over, also of what is critical."""

Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Piece:
    """One fault that is news, and why it is not told now ("": it is)."""

    fault: Fault
    news: News
    held: str = ""

    @property
    def is_item(self) -> bool:
        """Whether it is told as an item; what nobody could read stands among the unknown."""
        away = self.news is News.LEFT and self.fault.id == HOST_UNREAD
        return self.fault.playbook != OURS or away or self.news is News.FLAPPING


def key_of(fault: Fault) -> Key:
    """What names a fault over all hosts: its host and its fingerprint."""
    return (fault.host, fault.fingerprint)


def pieces(scene: Scene, known: Mapping[Key, Fault]) -> Iterable[Piece]:
    """Whatever is news of a run, held back or not, and what is told again."""
    tuning, channel = scene.sweep.tuning, scene.sweep.channel
    calm: list[Fault] = []
    for fault in scene.faults:
        if folded(fault, known):
            continue
        kind = news(fault, fault.told.get(channel), tuning)
        if kind is None:
            calm.append(fault)
        else:
            yield Piece(fault, kind, _held_by(scene, fault, kind))
    yield from (Piece(fault, News.REMIND) for fault in _overdue(scene, calm))


def news(fault: Fault, told: Told | None, tuning: Tuning) -> News | None:
    """What a channel that was told `told` has yet to hear of a fault; None when nothing. Reminders are apart."""
    there, matters = fault.stage in HERE, RANK[fault.severity] <= RANK[Severity(tuning.least)]
    if told is None or told.stage in OVER:
        fresh = News.REOPENED if told is not None and told.stage is Stage.RESOLVED else News.NEW
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
            (fault.stage in OVER and fault.id == CHANGED, None),  # it is no news that it is old
            (fault.stage is Stage.LEFT, News.LEFT),
            (fault.flapping and not told.flapping, News.FLAPPING),
            (matters and (there or fault.flapping) and RANK[fault.severity] < RANK[told.severity], News.WORSE),
            (fault.flapping, None),
            (fault.stage is Stage.RESOLVED, News.RESOLVED),
            (not there, None),
            (told.flapping, News.SETTLED),
            (RANK[fault.severity] > RANK[told.severity], News.BETTER),
        )
    )


def _first(ladder: Iterable[tuple[bool, News | None]]) -> News | None:
    return next((kind for holds, kind in ladder if holds), None)


def folded(fault: Fault, known: Mapping[Key, Fault]) -> bool:
    """Whether a fault is told with the cause that explains it: until the cause is gone and it is not."""
    cause = known.get((fault.host, fault.under)) if fault.under else None
    return cause is not None and (fault.stage in OVER or cause.stage not in OVER)


def folded_away(scene: Scene, known: Mapping[Key, Fault]) -> Iterable[Fault]:
    """Faults that the channel was told of before a cause was found for them, and that went with it: told by that."""
    for fault in scene.faults:
        told = fault.told.get(scene.sweep.channel)
        if fault.stage in OVER and told and told.stage not in OVER and folded(fault, known):
            yield fault


def _held_by(scene: Scene, fault: Fault, kind: News) -> str:
    """Why a piece of news is not told now, in words; "" when it is. The first of these that holds."""
    if fault.host in scene.maintenance:
        return f"maintenance: {scene.maintenance[fault.host]}"
    host = scene.hosts.get(fault.host)  # one that left the inventory is nobody's to silence
    over = silence.silenced(scene.silences, host, fault.id, scene.now) if host else None
    if over is not None:
        return f"silenced by {over.owner}: {over.why}"
    if scene.quiet and (fault.severity is not Severity.CRITICAL or kind in LATER):
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
        and told.stage not in OVER
        and fault.stage in HERE
        and fault.id != CHANGED  # it happened once
        and RANK[fault.severity] <= RANK[Severity(tuning.least)]
        and not _held_by(scene, fault, News.REMIND)
    ]
    after = timedelta(seconds=tuning.remind_after)
    if not any(age >= after for age, _ in waited):
        return ()
    return [fault for age, fault in waited if 2 * age >= after]
