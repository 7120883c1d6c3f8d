"""Which numbers of a host are kept over time, so that a slope can be seen before a limit is?

A playbook declares them (`measures:`), a visit fills them in, the store keeps them (`core.trend` reads them back).
"""

import json
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from bot.core.text import neutral
from bot.core.volatile import lasting


class Measure(BaseModel):
    """One number of one place on a host at one moment.

    `limit` is where something breaks (the table is full, the memory is used up), None where nothing does. `rate`
    tells that the value is per second already; a value is a level otherwise (law 2: never a bare counter).
    """

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    id: str
    """Its name: lower-case words with hyphens, unique over all playbooks (`tcp-sockets`)."""
    playbook: str
    """The playbook that declares it."""
    title: str = ""
    """For pictures and tables: `TCP sockets in use`."""
    unit: str = ""
    """`sockets`, `descriptors`, `bytes`, `1/s`; empty for a bare number."""
    scope: Mapping[str, Any] = Field(default_factory=dict)
    """Where on the host: namespace, process. Empty for the host as a whole."""
    value: float
    limit: float | None = None
    rate: bool = False
    notable: float = Field(default=0.0, exclude=True)
    """Less than this is no outlier, however little others have."""
    at_limit: str = Field(default="", exclude=True)
    """What happens at the limit, a sentence for people."""

    @property
    def key(self) -> str:
        """What it is stored under on its host: the id, and the scope without what changes over a restart."""
        place = lasting(self.scope)
        return self.id if not place else f"{self.id} {json.dumps(place, sort_keys=True, separators=(',', ':'))}"

    @property
    def filled(self) -> float | None:
        """How much of the limit is taken; None where there is none."""
        return self.value / self.limit if self.limit is not None and self.limit > 0 else None


def parted(key: str) -> tuple[str, Mapping[str, Any]]:
    """A key as the measure's id and its place."""
    name, _, place = key.partition(" ")
    try:
        found = json.loads(place) if place else {}
    except ValueError:
        found = {}
    return name, found if isinstance(found, dict) else {}


def spoken(scope: Mapping[str, Any]) -> str:
    """A place for people: `legacy-api[17] in shop`, `10.0.0.1:80 in host`, empty for the host as a whole."""
    pid = f"[{scope['pid']}]" if "pid" in scope and "process" in scope else ""
    words = [f"{scope['process']}{pid}"] if "process" in scope else []
    words += [str(value) for key, value in lasting(scope).items() if key not in ("process", "namespace")]
    inside = str(scope.get("namespace", ""))
    return neutral(" ".join([*words, *(["in", inside] if words and inside else [inside] if inside else [])]))
