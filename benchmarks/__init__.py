"""What does netdiag cost, against what people use today? Figures to read, not tests to pass.

    python -m benchmarks                  all of them
    python -m benchmarks story --quick    one, with few rounds

A module here without a leading underscore is a benchmark: it has `TITLE`, `missing()` (why it cannot run here, or
None) and `measure(effort, say)`. The folder is the registry.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pkgutil import iter_modules

Say = Callable[[str], None]
"""Tells the person who waits how far it is."""


@dataclass(frozen=True, slots=True)
class Effort:
    """How much to measure: all rounds of everything, at most so many (`most`), or (`quick`) just enough to see that it
    works.
    """

    quick: bool = False
    most: int = 1_000

    def rounds(self, full: int) -> int:
        """Rounds to run of so many."""
        return min(full, 2 if self.quick else self.most)


def names() -> tuple[str, ...]:
    """Every benchmark by name."""
    return tuple(sorted(module.name for module in iter_modules(__path__) if not module.name.startswith("_")))
