"""What is a digest made of? One run of a sweep, and all that its telling depends on.

Everything is gathered before: `core.news` judges what is new in it, `core.tell` makes the digest of that.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from bot.core.digest import Digest, Moved
from bot.core.fault import Fault
from bot.core.host import Host
from bot.core.report import Report, Status
from bot.core.sweep import Silence, Sweep


@dataclass(frozen=True, slots=True)
class Scene:
    """Everything that a digest is made of. Times are aware; `now` is when it is told.

    `faults` are those of the hosts of the report, after this run, and of hosts that left the inventory; `maintenance`
    says of hosts why they are under it; `quiet` and `capped` say why only what is critical is told now ("" when that is
    not so); `before` is the digest that was told last; `statuses` are those of each host at the sweeps before, oldest
    first.
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
