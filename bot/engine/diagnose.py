"""What is wrong with these hosts? One visit each, at the same time, and one dead host takes no other with it."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bot.core import visit
from bot.core.diagnosis import diagnose
from bot.core.host import Host, HostFailure, Transport
from bot.core.playbook import Playbook, probes_of
from bot.core.probe import Probe
from bot.core.report import Coverage, HostReport, Status
from bot.core.snapshot import Snapshot, Visit
from bot.core.visit_answer import read
from bot.engine.ports import Clock, Shell

Probes = Mapping[str, Probe[Any]]


@dataclass(frozen=True, slots=True)
class Observer:
    """Reads hosts. `window` is the time in seconds between a visit's first and last sample.

    `expect` is what the inventory says is meant to be, kept with what was seen.
    """

    shell: Shell
    clock: Clock
    probes: Probes
    window: float = 3.0
    expect: Mapping[str, Any] = field(default_factory=dict)

    async def observe(self, host: Host, playbooks: Sequence[Playbook]) -> Visit:
        """One visit with every probe that the playbooks need; a host that cannot be read is a value."""
        return await self.look(host, probes_of(playbooks))

    async def look(self, host: Host, names: Sequence[str]) -> Visit:
        """One visit with the probes named, and those that they are joined with."""
        probes = visit.required(names, self.probes)
        nonce = self.clock.token()
        program = visit.compose(probes, nonce=nonce, window=self.window)
        deadline, max_bytes = visit.budget(probes, self.window)
        begun = self.clock.now()
        output = await self.shell.run(host, program, deadline=deadline, max_bytes=max_bytes)
        if isinstance(output, HostFailure):
            return output
        over = self.clock.now()
        # what was recorded has the times of another day
        asked = None if host.transport is Transport.REPLAY else (begun.timestamp(), over.timestamp())
        outcomes = read(
            output.stdout, probes, nonce=nonce, root=output.root, root_reason=output.root_reason, asked=asked
        )
        seconds = (over - begun).total_seconds()
        return Snapshot(host.name, begun, seconds, output.host_key, outcomes, self.expect)


def judge(host: Host, seen: Visit, playbooks: Sequence[Playbook], params: Mapping[str, Any]) -> HostReport:
    """What a visit means; a host that could not be read is unknown in every probe, with the same reason (law 1)."""
    if isinstance(seen, HostFailure):
        reason = f"{host.name} could not be read: {seen.reason}"
        names = probes_of(playbooks)
        coverage = tuple(Coverage(probe=name, state="unknown", reason=reason) for name in names)
        return HostReport(host=host.name, status=Status.UNKNOWN, coverage=coverage, failure=seen)
    report = diagnose(playbooks, seen, params)
    return report.model_copy(update={"seconds": round(seen.seconds, 3)})


async def read_all(
    observer: Observer,
    hosts: Sequence[Host],
    names: Sequence[str],
    *,
    at_once: int,
    each: Callable[[Host, Visit], Any],
) -> None:
    """Visit every host with the probes named, `at_once` at a time; `each` (a coroutine function) is called as soon as
    one has answered.
    """
    turn = asyncio.Semaphore(at_once)

    async def one(host: Host) -> None:
        async with turn:
            seen = await observer.look(host, names)
        await each(host, seen)

    async with asyncio.TaskGroup() as tasks:
        for host in hosts:
            tasks.create_task(one(host))
