"""What became of one run of a sweep?"""

import hashlib
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from bot.core.approval import stamp
from bot.core.digest import Digest

AHEAD = 3_600
"""Seconds: no two processes' clocks are that far apart."""


class Phase(StrEnum):
    """Where one run of a sweep is. JUDGED is decided and stored but not yet told: a restart tells the stored digest."""

    RUNNING = "running"
    JUDGED = "judged"
    TOLD = "told"
    MISSED = "missed"
    SKIPPED = "skipped"
    FAILED = "failed"


HELD = frozenset({Phase.RUNNING, Phase.JUDGED})
"""While a process has the run and says that it is alive."""


@dataclass(frozen=True, slots=True)
class Fire:
    """One run of a sweep. `due` is its nominal time without jitter: (sweep, due) is unique, whoever is first has it.

    `owner` is the process that runs it and `beat` when it was last alive; `attempt` counts from 1. `run` is the run's
    id; `why` says why it was missed, skipped or failed; `told` that somebody heard of that.
    """

    sweep: str
    due: datetime
    phase: Phase
    owner: str = ""
    beat: datetime | None = None
    attempt: int = 1
    run: str = ""
    begun: datetime | None = None
    ended: datetime | None = None
    why: str = ""
    told: bool = False
    digest: Digest | None = None


def stale(fire: Fire, now: datetime, lease: float) -> bool:
    """Whether a run's owner is taken for dead: its last beat is more than `lease` seconds ago.

    A beat from far in the future says that the clock was set back since: were it believed, the run would be left undone
    until the clock catches up.
    """
    if fire.beat is None:
        return True
    age = (now - fire.beat).total_seconds()
    return age > lease or age < -AHEAD


def claimed(held: Fire | None, fire: Fire, lease: float) -> Fire | None:
    """What a claim stores, or None where somebody else has the run or had it (`engine.sweep_ports.History.claim`).

    Raises ValueError for a claim that does not say when it is made.
    """
    if fire.beat is None:
        raise ValueError(f"a claim of {fire.sweep} has no beat")
    if held is None or held.phase is Phase.MISSED:
        return replace(fire, phase=Phase.RUNNING)
    if held.phase in HELD and stale(held, fire.beat, lease):
        return replace(held, owner=fire.owner, beat=fire.beat, attempt=held.attempt + 1)
    return None


def key_of(fire: Fire) -> str:
    """What the run's message is called for ever."""
    return f"sweep:{fire.sweep}:{stamp(fire.due)}"


def run_of(fire: Fire) -> str:
    """The run's id: the same for whoever carries it out, so that what was proposed before a crash stays with it."""
    return f"r{hashlib.sha256(key_of(fire).encode()).hexdigest()[:10]}"
