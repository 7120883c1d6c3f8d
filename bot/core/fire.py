"""What became of one run of a sweep?"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from bot.core.digest import Digest


class Phase(StrEnum):
    """Where one run of a sweep is. JUDGED is decided and stored but not yet told: a restart tells the stored digest."""

    RUNNING = "running"
    JUDGED = "judged"
    TOLD = "told"
    MISSED = "missed"
    SKIPPED = "skipped"
    FAILED = "failed"


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
