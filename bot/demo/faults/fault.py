"""What is a fault that can be made and taken back?

Both ways are idempotent: a fault that is there can be made again, and one that is not can be healed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Step:
    """A shell script as root on a host, with `load` and `unload` of host/load.sh; on "switch", without them.

    @NET@ and @BACK@ stand for the fleet's networks, see `plan.Plan`.
    """

    host: str
    script: str


@dataclass(frozen=True, slots=True)
class Order:
    """What only the fleet's guardian can do: an order and its words, see `rack.ORDERS`."""

    do: str
    words: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Fault:
    """A fault of one part of the fleet.

    `host` is the one that shows it; `shows` is what its kernel says while it lasts. A `harmless` one merely looks like
    a fault, and must not be called one.
    """

    name: str
    part: str
    host: str
    shows: str
    make: tuple[Step | Order, ...]
    heal: tuple[Step | Order, ...]
    harmless: bool = False
