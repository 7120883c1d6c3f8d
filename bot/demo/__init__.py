"""A fleet of real Linux hosts with real faults, made of namespaces on this machine; for the demo and for tests.

`bot.demo.replay` has what stands in where no fleet can be had.
"""

from typing import TYPE_CHECKING, Any

from bot.demo.machine import FleetError
from bot.demo.parts import availability

if TYPE_CHECKING:
    from bot.demo.fleet import Fleet

__all__ = ["Fleet", "FleetError", "availability"]


def __getattr__(name: str) -> Any:
    """`Fleet`, when it is asked for: every fleet's guardian is a process that needs neither it nor asyncio."""
    if name != "Fleet":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from bot.demo.fleet import Fleet  # noqa: PLC0415

    return Fleet
