"""What is a probe: one question asked of a host, as a shell fragment and a parser of its answer?"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

from pydantic import BaseModel, ConfigDict


class Facts(BaseModel):
    """Typed facts a probe found. Every field says its meaning, unit and kernel source in its description."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


F = TypeVar("F", bound=Facts)


@dataclass(frozen=True, slots=True)
class Unknown:
    """No evidence, and why: one short sentence that an operator can act on (law 1: never read as healthy)."""

    reason: str


class ParseError(Exception):
    """The host printed something the parser does not understand; the message quotes a little of it."""


class NoEvidence(ParseError):
    """The host could not tell, or not all of it; the message is the reason, told as it is."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What one probe printed in one sample of a visit.

    `uptime` is the host's monotonic clock in seconds (/proc/uptime) when the section began, the base of every rate.
    `text` and `stderr` are decoded with replacement and bounded by the probe's caps; `stderr` is kept of a section that
    did not end well. `complete` is False when the byte cap cut the text. `asked` is between which times the section
    ran, by the bot's clock (Unix seconds): the visit as a whole was between two, and the host's monotonic clock tells
    where in it; None in a recording, which has no now.
    """

    text: str
    stderr: str = ""
    exit_status: int = 0
    complete: bool = True
    timed_out: bool = False
    uptime: float = 0.0
    asked: tuple[float, float] | None = None


class Scope(StrEnum):
    """What one number of the facts speaks about (law 3)."""

    HOST = "host"
    NETNS = "netns"


class Cost(StrEnum):
    """What a probe costs the host: a few files, some processes, or a walk over every process."""

    CHEAP = "cheap"
    MODERATE = "moderate"
    HEAVY = "heavy"


class Sampling(StrEnum):
    """How often a visit asks, and what the samples become.

    ONCE: one reading, one facts. COUNTER: the first and the last reading become one facts with rates (law 2).
    MOMENTARY: three readings, three facts, so that a condition can ask for confirmation (2 of 3); each parse sees the
    readings up to its own, which is the last. LAST: one reading at the end, when it is known what moved meanwhile.
    """

    ONCE = "once"
    LAST = "last"
    COUNTER = "counter"
    MOMENTARY = "momentary"


SAMPLES = 3
"""Samples in a visit, evenly spread over its window. COUNTER probes are read in the first and the last."""

Seen = Mapping[str, "Facts | Unknown"]
"""The facts of the probes named in `after`, for a parser that joins them (pid to container, inode to owner)."""


@dataclass(frozen=True, slots=True)
class Gather:
    """What a probe wants of the host's files, read for all probes of a sample together: two processes, however many.

    `files` are paths, shell patterns among them; `net/NAME` is that file of every network namespace, read through a
    process in it, `pid/NAME` that of every process. Those of `first` are read in the first sample only. `more` is shell
    that prints further lines, each as `PATH:LINE`. Lines that match `skips` (an extended regular expression) are not
    worth reading. `awk` defines a function of the probe's name, whose variables are all its own; what it can call and
    see is told by `core.gather`. `between` are words: where none of them was carried, the samples between the first and
    the last can find nothing new and are not taken (none given: they always are).
    """

    files: tuple[str, ...]
    awk: str
    first: tuple[str, ...] = ()
    more: str = ""
    skips: str = ""
    between: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Idle:
    """Where no section before carried `word`, a probe has nothing to ask: its section is `line`, and no process."""

    word: str
    line: str


@dataclass(frozen=True, slots=True)
class Probe(Generic[F]):
    """One question. `script` is constant POSIX sh that reads and never changes the host (law 4).

    The fragment may use the collector's prelude (see `core.visit`): the variable `$NETNS`, lines of
    `inode pid processes` with one representative process per network namespace. With a `gather` the section begins
    with what that says, and the script runs only where it asks for something, which the script finds in `$PLAN`.
    `parse` gets one reading (ONCE), two (COUNTER) or those so far (MOMENTARY), and the facts named in `after`; it
    raises ParseError.
    """

    name: str
    question: str
    script: str
    parse: Callable[[Sequence[Reading], Seen], F]
    facts: type[F]
    scope: Scope = Scope.HOST
    sampling: Sampling = Sampling.ONCE
    root: bool = False
    cost: Cost = Cost.CHEAP
    timeout: float = 5.0
    max_bytes: int = 262_144
    after: tuple[str, ...] = ()
    gather: Gather | None = None
    idle: Idle | None = None
