"""What can be broken on a fleet, and healed again?

    await faults.make(fleet, "stuck-queue")
    await faults.heal(fleet, "stuck-queue")

A fault belongs to a part of the fleet (`bot.demo.parts`) that must be up. New ones are entries of the tables beside.
"""

import contextlib
from collections.abc import AsyncIterator, Mapping
from itertools import chain
from types import MappingProxyType
from typing import Final

from bot.demo.faults import ipvs, kernel, memory, queue, vrrp
from bot.demo.faults.fault import Fault, Order, Step
from bot.demo.fleet import Fleet
from bot.demo.machine import FleetError

__all__ = ["FAULTS", "Fault", "during", "heal", "heal_all", "make"]

FAULTS: Final[Mapping[str, Fault]] = MappingProxyType(
    {fault.name: fault for fault in chain(queue.FAULTS, ipvs.FAULTS, vrrp.FAULTS, memory.FAULTS, kernel.FAULTS)}
)
WITHIN: Final = 90.0  # seconds for one step
PRELUDE: Final = "set -e\n. /etc/netdiag-demo/load.sh\n"


async def make(fleet: Fleet, name: str) -> None:
    """Break the fleet. Raises KeyError for no such fault, FleetError when it cannot be had (its part is not up…)."""
    await _carry_out(fleet, FAULTS[name], FAULTS[name].make)
    fleet.broken.add(name)


async def heal(fleet: Fleet, name: str) -> None:
    """Take a fault back, whether or not it is there. Raises as `make`."""
    await _carry_out(fleet, FAULTS[name], FAULTS[name].heal)
    fleet.broken.discard(name)


async def heal_all(fleet: Fleet) -> None:
    """Take back every fault that was made."""
    for name in sorted(fleet.broken):
        await heal(fleet, name)


@contextlib.asynccontextmanager
async def during(fleet: Fleet, name: str) -> AsyncIterator[Fault]:
    """The time of a fault, as a `with` block."""
    try:
        await make(fleet, name)
        yield FAULTS[name]
    finally:
        await heal(fleet, name)


async def _carry_out(fleet: Fleet, fault: Fault, steps: tuple[Step | Order, ...]) -> None:
    if fault.host not in fleet.hosts:
        raise FleetError(f"{fault.name} needs {fault.host}, which this fleet has not: start it with part {fault.part}")
    for step in steps:
        if isinstance(step, Order):
            await fleet.order(step.do, **step.words)
        elif step.host == "switch":
            done = await fleet.on_switch(["sh", "-ec", fleet.fill(step.script)], within=WITHIN)
            if done.returncode:
                raise FleetError(f"{fault.name}: {done.stderr.strip()}")
        else:
            await fleet.sh(step.host, PRELUDE + fleet.fill(step.script), within=WITHIN)
