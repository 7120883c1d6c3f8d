"""How does the owner of a fleet start its guardian, give it orders, and run commands in its namespaces?"""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bot.demo.disk import HERE
from bot.demo.machine import CLEAN, FleetError

ANSWER = 90.0  # seconds that the guardian may take for one order
ALL = ("-n", "-u", "-i", "-m", "-p", "-C")  # every namespace of a host


async def start(place: Path, hosts: int, parts: Sequence[str], mode: str) -> asyncio.subprocess.Process:
    """Start a guardian that is ours: it takes its fleet down when we close its pipe or die."""
    argv = [sys.executable, "-m", "bot.demo.guardian", str(os.getpid()), str(place)]
    argv += [str(hosts), " ".join(parts), mode]
    return await asyncio.create_subprocess_exec(
        *("unshare", "--mount", "--propagation", "private", *argv),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={**CLEAN, "PYTHONPATH": str(HERE.parent.parent)},
        limit=1 << 20,
        start_new_session=True,
    )


async def order(guardian: asyncio.subprocess.Process, what: dict[str, Any]) -> dict[str, Any]:
    """Give the guardian an order. Raises FleetError with its words when it could not follow it."""
    assert guardian.stdin is not None
    assert guardian.stdout is not None
    with contextlib.suppress(ConnectionError):  # it is gone, and its last words are still to be read
        guardian.stdin.write(json.dumps(what).encode() + b"\n")
        await guardian.stdin.drain()
    async with asyncio.timeout(ANSWER):
        line = await guardian.stdout.readline()
    if not line:
        raise FleetError("the fleet's guardian is gone, and the fleet with it")
    answer: dict[str, Any] = json.loads(line)
    if "error" in answer:
        raise FleetError(answer["error"])
    return answer


async def end(guardian: asyncio.subprocess.Process) -> None:
    """Close the guardian's pipe, which ends the fleet, and wait for it."""
    assert guardian.stdin is not None
    guardian.stdin.close()
    try:
        async with asyncio.timeout(ANSWER):
            await guardian.wait()
    except TimeoutError:
        guardian.kill()
        await guardian.wait()
        raise FleetError("the fleet did not go down in time and was killed; the next one clears what it left") from None


async def enter(pid: int, argv: Sequence[str], stdin: str, within: float) -> subprocess.CompletedProcess[str]:
    """Run a command in every namespace of a process. Raises TimeoutError after `within` seconds."""
    pipe = asyncio.subprocess.PIPE
    child = await asyncio.create_subprocess_exec(
        *("nsenter", "-t", str(pid), *ALL, "--", *argv),
        stdin=pipe,
        stdout=pipe,
        stderr=pipe,
        env=CLEAN,
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(within):
            out, err = await child.communicate(stdin.encode())
    finally:
        if child.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            await child.wait()
    assert child.returncode is not None
    texts = (out.decode(errors="replace"), err.decode(errors="replace"))
    return subprocess.CompletedProcess(list(argv), child.returncode, *texts)
