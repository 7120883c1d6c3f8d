"""What is an action: one kind of change, planned from facts and parameters?"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from pydantic import BaseModel, ConfigDict

from bot.core.change import Plan
from bot.core.snapshot import Snapshot


class Params(BaseModel):
    """An action's parameters: the schema that playbooks are checked against at load."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


P = TypeVar("P", bound=Params)


@dataclass(frozen=True, slots=True)
class Refused:
    """The action will not be planned, and why: nothing to do, not found on this host, unsafe value, no evidence."""

    reason: str


@dataclass(frozen=True, slots=True)
class Action(Generic[P]):
    """One kind of change. `reads` names the probes whose facts `plan` needs; `plan` is pure."""

    name: str
    title: str
    params: type[P]
    reads: tuple[str, ...]
    plan: Callable[[P, Snapshot], Plan | Refused]
