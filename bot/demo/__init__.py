"""A fleet of real Linux hosts with real faults, made of namespaces on this machine; for the demo and for tests.

`bot.demo.replay` has what stands in where no fleet can be had.
"""

from bot.demo.fleet import Fleet
from bot.demo.machine import FleetError
from bot.demo.parts import availability

__all__ = ["Fleet", "FleetError", "availability"]
