"""How is a fleet that another process holds broken, healed and looked into? Over a socket of its owner's.

Whoever is up stands in the registry of instances; its owner answers one JSON line with one.
"""

import asyncio
import contextlib
import json
import os
import signal
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bot.demo import faults
from bot.demo.fleet import Fleet
from bot.demo.instance import REGISTRY, known, noted
from bot.demo.machine import FleetError, start_time

SOCKET: Final = "owner.sock"
ANSWER: Final = 240.0  # seconds
LINE: Final = 16 << 20


@dataclass(frozen=True, slots=True)
class Up:
    """A fleet that is up: its number, its directory, its owner's PID."""

    instance: int
    directory: Path
    owner: int


def running() -> list[Up]:
    """Every fleet on this machine whose owner lives."""
    found = []
    for instance in known():
        note = noted(instance)
        if note and start_time(note["owner"]) is not None and (REGISTRY / str(instance) / SOCKET).exists():
            found.append(Up(instance, Path(note["directory"]), note["owner"]))
    return found


def chosen(directory: Path | None) -> Up:
    """The fleet in a directory, or the only one there is. Raises FleetError."""
    found = [up for up in running() if directory is None or up.directory == directory.resolve()]
    if len(found) == 1:
        return found[0]
    if found:
        places = ", ".join(str(up.directory) for up in found)
        raise FleetError(f"more than one fleet is up; say which with --in: {places}")
    raise FleetError("no fleet is up" + (f" in {directory}" if directory else ""))


@contextlib.asynccontextmanager
async def serving(fleet: Fleet) -> AsyncIterator[None]:
    """Answer for a fleet during a `with` block."""

    async def meet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            answer = await _answer(fleet, json.loads(await reader.readline()))
            writer.write(json.dumps(answer).encode() + b"\n")
            await writer.drain()
        writer.close()

    path = REGISTRY / str(fleet.instance) / SOCKET
    server = await asyncio.start_unix_server(meet, str(path), limit=LINE)
    try:
        yield
    finally:
        server.close()
        path.unlink(missing_ok=True)


async def _answer(fleet: Fleet, asked: dict[str, Any]) -> dict[str, Any]:
    try:
        match asked:
            case {"do": "break", "fault": name}:
                await faults.make(fleet, name)
            case {"do": "heal", "fault": None}:
                await faults.heal_all(fleet)
            case {"do": "heal", "fault": name}:
                await faults.heal(fleet, name)
            case {"do": "exec", "host": host, "argv": argv, "stdin": stdin, "within": within}:
                done = await fleet.exec(host, argv, stdin=stdin, within=within)
                return {"code": done.returncode, "out": done.stdout, "err": done.stderr}
    except KeyError as fault:
        return {"error": f"no such fault or host: {fault.args[0]}"}
    except (FleetError, TimeoutError) as fault:
        return {"error": str(fault) or "it took too long"}
    return {
        "hosts": {name: [node.address, node.role.labels["role"]] for name, node in fleet.hosts.items()},
        "broken": sorted(fleet.broken),
    }


async def ask(up: Up, **what: Any) -> dict[str, Any]:
    """Ask a fleet's owner. Raises FleetError with its words."""
    try:
        async with asyncio.timeout(ANSWER):
            reader, writer = await asyncio.open_unix_connection(REGISTRY / str(up.instance) / SOCKET, limit=LINE)
            writer.write(json.dumps(what).encode() + b"\n")
            line = await reader.readline()
            writer.close()
    except (OSError, TimeoutError) as fault:
        raise FleetError(f"the owner of the fleet in {up.directory} does not answer: {fault}") from fault
    if not line:
        raise FleetError(f"the fleet in {up.directory} went down")
    answer: dict[str, Any] = json.loads(line)
    if "error" in answer:
        raise FleetError(answer["error"])
    return answer


def end(up: Up, seconds: float = 60.0) -> None:
    """Tell a fleet's owner to end, and wait until the fleet is down. Raises FleetError when it is not in time."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(up.owner, signal.SIGTERM)
    deadline = time.monotonic() + seconds
    while noted(up.instance).get("owner") == up.owner:
        if time.monotonic() > deadline:
            raise FleetError(f"the fleet in {up.directory} did not go down in time; its owner is process {up.owner}")
        time.sleep(0.1)
