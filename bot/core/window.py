"""When does something hold off: a freeze of changes, quiet hours, maintenance?"""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Window:
    """A span of time with a reason: once (`start`, `end`, aware, end exclusive), or weekly in minutes from Monday
    00:00 of `zone`; `weekly[1] < weekly[0]` wraps over the week's end.
    """

    why: str
    hosts: str = "all"
    """A selector as in the policy: terms with commas, `!term` takes away."""
    start: datetime | None = None
    end: datetime | None = None
    weekly: tuple[int, int] | None = None
    zone: str = "UTC"
