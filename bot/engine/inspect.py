"""Can these hosts be read, as whom, with which tools, how fast, and do their clocks agree with ours?"""

import asyncio
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from pydantic import BaseModel, ConfigDict

from bot.core.host import Cause, Host, HostFailure, Transport
from bot.core.text import neutral
from bot.engine.ports import Clock, Output, Shell

NEEDED = ("awk", "find", "flock", "ip", "nsenter", "readlink", "setsid", "ss", "stat", "sysctl", "timeout")
"""Tools without which something stays unknown or cannot be changed on every host."""

WELCOME = ("conntrack", "ethtool", "ipvsadm", "journalctl", "systemctl", "tc")
"""Tools that matter only where the host does what they are for."""

DEADLINE = 30.0
_MAX_BYTES = 4096

_PROGRAM = f"""\
date +%s.%N
for tool in {" ".join(NEEDED + WELCOME)}; do command -v "$tool" >/dev/null 2>&1 && echo "$tool"; done
:"""
_CLOCK = re.compile(r"([0-9]{1,12})(?:\.([0-9]{9}))?")


class Access(BaseModel):
    """What netdiag can do on one host. Latencies in seconds, each with one small program."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    host_key: str
    """SHA256 fingerprint of the key that the host proved itself with; "local" for this machine."""
    auth: str
    """What netdiag logs in with, from the inventory: key, certificate, agent."""
    root: bool
    """Whether programs run as uid 0."""
    root_reason: str
    """If not, why: sudo's own words."""
    tools: tuple[str, ...]
    """Which of NEEDED and WELCOME are there."""
    missing_tools: tuple[str, ...]
    """Which of NEEDED are not."""
    clock_skew: float
    """The host's clock minus ours, at the middle of the round trip: positive is ahead. Seconds."""
    clock_within: float
    """The skew is right to this many seconds: half a round trip, and half a second where the host's date has none."""
    cold: float
    """With a new connection: login, shell and program."""
    warm: float
    """On the kept connection: one round trip."""


Inspected = Access | HostFailure
Tell = Callable[[int, int, str], None]


async def inspect(
    shell: Shell, hosts: Sequence[Host], clock: Clock, *, at_once: int = 64, tell: Tell = lambda *_: None
) -> list[tuple[str, Inspected]]:
    """Every host's `Access`, or why it cannot be read, in the order of `hosts`; `at_once` of them at a time.

    `tell(done, total, host)` is called as each is done. A host that cannot be read is a value and takes no other
    with it.
    """
    turn = asyncio.Semaphore(at_once)
    found: dict[str, Inspected] = {}

    async def one(host: Host) -> None:
        async with turn:
            found[host.name] = await inspect_host(shell, host, clock)
        tell(len(found), len(hosts), host.name)

    async with asyncio.TaskGroup() as tasks:
        for host in hosts:
            tasks.create_task(one(host))
    return [(host.name, found[host.name]) for host in hosts]


@dataclass(frozen=True, slots=True)
class _Asked:
    output: Output
    sent: datetime
    got: datetime
    seconds: float


async def inspect_host(shell: Shell, host: Host, clock: Clock) -> Inspected:
    """One host: once cold (a kept connection makes way for a fresh one), then once warm."""
    first = await _ask(shell, host, clock)
    if isinstance(first, HostFailure):
        return first
    cold = first
    if first.output.trips == 1:
        again = await _ask(shell, host, clock, fresh=True)
        if isinstance(again, HostFailure):
            return again
        cold = again
    warm = await _ask(shell, host, clock)
    if isinstance(warm, HostFailure):
        return warm
    return _access(host, cold, warm)


async def _ask(shell: Shell, host: Host, clock: Clock, *, fresh: bool = False) -> _Asked | HostFailure:
    loop = asyncio.get_running_loop()
    sent, begun = clock.now(), loop.time()
    output = await shell.run(host, _PROGRAM, deadline=DEADLINE, max_bytes=_MAX_BYTES, fresh=fresh)
    if isinstance(output, HostFailure):
        return output
    if output.status != 0:
        return _unsure(host, f"it did not finish a small program in {DEADLINE:.0f} s" if output.timed_out else
                       "the connection broke, or its shell is no POSIX sh")  # fmt: skip
    return _Asked(output, sent, clock.now(), loop.time() - begun)


def _access(host: Host, cold: _Asked, warm: _Asked) -> Inspected:
    first, *rest = warm.output.stdout.decode("utf-8", "replace").splitlines() or [""]
    told = _CLOCK.match(first)
    if told is None:
        return _unsure(host, f"date +%s printed {neutral(first, 40)!r}")
    exact = told[2] is not None
    theirs = float(f"{told[1]}.{told[2]}") if exact else int(told[1]) + 0.5
    middle = (warm.sent.timestamp() + warm.got.timestamp()) / 2
    tools = tuple(tool for tool in NEEDED + WELCOME if tool in rest)
    return Access(
        host_key=warm.output.host_key,
        auth=_auth(host),
        root=warm.output.root,
        root_reason=warm.output.root_reason,
        tools=tools,
        missing_tools=tuple(tool for tool in NEEDED if tool not in tools),
        clock_skew=round(theirs - middle, 3),
        clock_within=round(warm.seconds / 2 + (0 if exact else 0.5), 3),
        cold=round(cold.seconds, 4),
        warm=round(warm.seconds, 4),
    )


def _auth(host: Host) -> str:
    if host.transport is not Transport.SSH:
        return f"none needed ({host.transport})"
    ways = [f"certificate {host.certificate}"] if host.certificate else []
    ways += [f"key {host.key}"] if host.key else []
    ways += ["agent"] if host.agent else []
    return ", ".join(ways) or "the user's default keys"


def _unsure(host: Host, why: str) -> HostFailure:
    return HostFailure(
        cause=Cause.PROTOCOL,
        reason=f"{host.name} logs in, but {why}",
        remedy=f"log in by hand and look: ssh -p {host.port} {host.user}@{host.address} sh",
    )
