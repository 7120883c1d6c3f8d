"""What does the engine need of the world? One Protocol each; adapters serve them, fakes stand in for tests."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from bot.core.approval import Decision, Record
from bot.core.ask import Ask, Progress
from bot.core.audit import Entry, Event
from bot.core.halt import Halt, Switched
from bot.core.host import Host, HostFailure
from bot.core.pods import PodsReport
from bot.core.policy import Policy, Standing
from bot.core.report import Report


@dataclass(frozen=True, slots=True)
class Output:
    """What a program printed on a host.

    `status` is the program's exit status, or None when the end mark never came (connection lost, deadline, byte
    cap): None is UNKNOWN and never success (law 6). `root` tells whether the program ran as uid 0; if not,
    `root_reason` says why (sudo's own words, neutralised). `host_key` is the SHA256 fingerprint of the connection.
    `trips` counts round trips of this call (1 on a warm connection).
    """

    stdout: bytes
    status: int | None
    root: bool
    root_reason: str
    host_key: str
    truncated: bool = False
    timed_out: bool = False
    trips: int = 1


class Shell(Protocol):
    """Runs one POSIX sh program on a host. Never raises for what a host or a network does: HostFailure is a value."""

    async def run(
        self, host: Host, program: str, *, deadline: float, max_bytes: int, fresh: bool = False
    ) -> Output | HostFailure:
        """Run `program` (fed to `sh` on standard input, as root where the host's `sudo` or user allows).

        `deadline` is in seconds from now; `max_bytes` bounds what is kept of the output; `fresh` makes a new
        connection (the dead-man's confirmation must prove that the host still accepts one).
        """
        ...

    async def close(self) -> None:
        """Close every connection; safe to call twice."""
        ...


class Clock(Protocol):
    """The time, and chance, as arguments."""

    def now(self) -> datetime:
        """UTC, aware."""
        ...

    def token(self, bits: int = 128) -> str:
        """An unguessable lowercase token of at least `bits` of randomness, [a-z0-9]."""
        ...


class PolicySource(Protocol):
    """Where the access policy is read, anew whenever its file changed."""

    def policy(self) -> Policy:
        """The policy in force. Raises ConfigError when the file is broken (mutations are then refused)."""
        ...


Decide = Callable[[Record], Decision]


class Journal(Protocol):
    """The durable store of changes and the audit chain. One transaction holds both: state and entry never differ."""

    async def create(self, record: Record, events: Sequence[Event]) -> None:
        """Store a new change and append its audit events, atomically."""
        ...

    async def transact(self, change: str, decide: Decide) -> Decision:
        """Load the record, apply the pure `decide`, store its record and append its events, all in one transaction.

        Serialised against every other writer (BEGIN IMMEDIATE / row lock), so two simultaneous clicks see each
        other. Raises KeyError for an unknown change and JournalDown when it cannot be written (mutations stop).
        """
        ...

    async def get(self, change: str) -> Record | None:
        """One change by id or unambiguous prefix of at least 6 characters."""
        ...

    async def list(self, *, states: Sequence[str] = (), host: str | None = None, limit: int = 200) -> Sequence[Record]:
        """Changes, newest first."""
        ...

    async def changed_since(self, serial: int) -> Sequence[tuple[int, Record]]:
        """Records written after store serial `serial`, oldest first, each with its serial: front ends follow this."""
        ...

    async def append(self, events: Sequence[Event]) -> None:
        """Append audit events that move no change (refusals, reads of the log, sweeps, policy changes)."""
        ...

    def entries(self, *, first: int = 1) -> AsyncIterator[Entry]:
        """The audit chain in order, from sequence number `first`, exact bytes as stored."""
        ...

    async def remember(self, kind: str, key: str, value: Mapping[str, Any]) -> bool:
        """Keep a small value once: False when (kind, key) was there already (inbox dedupe, first claim wins)."""
        ...

    async def recall(self, kind: str, key: str) -> Mapping[str, Any] | None:
        """A remembered value (message receipts, runs)."""
        ...

    async def replace(self, kind: str, key: str, value: Mapping[str, Any]) -> None:
        """Set a small value, new or not."""
        ...

    async def halted(self) -> str:
        """Why nothing may be sent (the kill switch), or "". Read it just before the claim, the intent and the send."""
        ...

    async def switch(self, decide: Callable[[Halt | None], Switched]) -> Switched:
        """Set or clear the kill switch by a pure decision of `bot.core.halt`, stored with its events."""
        ...


class Directory(Protocol):
    """Who somebody is right now: never from a cache (a deactivated approver must not count)."""

    async def standing(self, key: str) -> Standing:
        """The standing of the actor named by `Actor.key`. A failed look-up is a Standing with a fault."""
        ...


class Desk(Protocol):
    """What every front end (Slack, terminal, scheduler) may ask of the engine."""

    async def diagnose(self, ask: Ask, tell: Callable[[Progress], None]) -> Report:
        """Read the hosts and say what is wrong; proposals are stored as pending changes. Raises AskError."""
        ...

    async def pods(self, ask: Ask, tell: Callable[[Progress], None]) -> PodsReport:
        """Read the hosts, and give each as a table of its network namespaces and pods. Raises AskError."""
        ...

    async def approve(self, change: str, standing: Standing) -> Decision:
        """Cast a vote. Raises AskError for an unknown change."""
        ...

    async def deny(self, change: str, standing: Standing, reason: str) -> Decision:
        """Deny: final until claimed. Raises AskError for an unknown change."""
        ...

    async def revert(self, change: str, standing: Standing) -> Record:
        """Propose the inverse of a change that is in force, as a change of its own. Raises AskError."""
        ...

    async def halt(self, standing: Standing, reason: str) -> Switched:
        """Set the kill switch. Who may not is refused in `say` (not `moved`). Raises ConfigError, JournalDown."""
        ...

    async def resume(self, standing: Standing) -> Switched:
        """Ask to clear the kill switch: the last of as many people as the policy asks for clears it."""
        ...


class JournalDown(Exception):
    """The store cannot be written: no mutation may start (fail closed)."""
