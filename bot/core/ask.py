"""What does somebody want to know, and how far is the answer?"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from bot.core.policy import Actor


@dataclass(frozen=True, slots=True)
class Ask:
    """One request: who asks, of which hosts (TARGET as typed), with which playbooks (none: all) and params.

    `channel` is the id of the channel that gets the answer, "" for none: what it tells is no news to sweeps there.
    `run` is the run's id where it is not a new one: another attempt at what was begun.
    """

    actor: Actor
    target: str
    playbooks: tuple[str, ...] = ()
    params: Mapping[str, str] = field(default_factory=dict)
    channel: str = ""
    run: str = ""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is: hosts answered of hosts asked, and what just happened (already neutral text)."""

    run: str
    done: int
    total: int
    say: str
