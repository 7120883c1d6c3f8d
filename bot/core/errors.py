"""What can go wrong that a person can mend, and how is it told?

An expected failure of a host or a probe is a *value* (`Unknown`, `HostFailure`), never an exception: it must not
take others with it. The exceptions here are for the one who asked or configured: they stop that one request.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches


class NetdiagError(Exception):
    """Something the reader can mend. The message says place, fault and remedy, and is shown as it is (exit 2)."""


class AskError(NetdiagError):
    """The request cannot be planned: unknown target, playbook or parameter."""


class ConfigError(NetdiagError):
    """A file or setting is wrong: `file:line: what, nearest valid name, remedy`."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where in a file a value stands: `file:line` (lines count from 1)."""

    file: str
    line: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


def nearest(name: str, valid: Iterable[str]) -> str:
    """The hint `; did you mean "x"?`, or the valid names where they are few, or nothing."""
    names = sorted(set(valid))
    close = get_close_matches(name, names, n=1, cutoff=0.6)
    if close:
        return f'; did you mean "{close[0]}"?'
    if 0 < len(names) <= 12:  # noqa: PLR2004 - more than a line holds is no help
        return f"; known: {', '.join(names)}"
    return ""
