"""How does a program run on a host over SSH: on connections that stay, at most once, and never a false success?

A `HostFailure` means that the program was never given to the host. An `Output` without a status means that it was,
and that what became of it is not known; it is never given a second time.
"""

import asyncio
import logging
import secrets
from dataclasses import dataclass, field
from weakref import WeakValueDictionary

import asyncssh

from bot.adapters.ssh.channel import Channel, open_channel
from bot.adapters.ssh.credentials import Credentials
from bot.adapters.ssh.frame import Doubt, unfit
from bot.adapters.ssh.login import explain, log_in
from bot.adapters.ssh.trust import KnownHosts, Trust, place
from bot.core.host import Cause, Host, HostFailure, Inventory
from bot.engine.ports import Output

LOGINS = 64
"""Logins under way at once: each costs netdiag's machine and the host's some CPU."""

LOGINS_PER_ADDRESS = 8
"""OpenSSH drops connections at random once 10 are logging in (MaxStartups)."""

SPOILT_CHANNELS = 7
"""Channels thrown away before their connection goes too: the host may still count them, and allows 10 (MaxSessions)."""

_JITTER = 0.05
_CLOSE_WITHIN = 2.0

# What logins and channels cost in round trips, for `Output.trips`: TCP, version and key exchange (2), service,
# key offer and signature; then session, command and hello.
_TRIPS_LOGIN = 6
_TRIPS_CHANNEL = 3

_ROUTE = ("address", "port", "user", "sudo", "known_hosts", "key", "certificate", "agent", "jump")

logging.getLogger("asyncssh").setLevel(logging.WARNING)  # its chatter costs a third of a login


@dataclass(slots=True)
class _Link:
    """What is kept of one host between visits. The lock lets one program at a time in."""

    host: Host
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    connection: asyncssh.SSHClientConnection | None = None
    channel: Channel | None = None
    spoilt: int = 0

    @property
    def fingerprint(self) -> str:
        key = self.connection.get_server_host_key() if self.connection is not None else None
        return str(key.get_fingerprint("sha256")) if key is not None else ""

    @property
    def dead(self) -> bool:
        """There is no connection that could be used."""
        return self.connection is None or self.connection.is_closed()

    def spoil(self) -> None:
        """Throw the channel away, and after too many of them the connection."""
        if self.channel is not None:
            self.channel.close()
            self.channel = None
            self.spoilt += 1
        if self.spoilt >= SPOILT_CHANNELS:
            self.drop()

    def drop(self) -> None:
        """Throw the connection away."""
        if self.connection is not None:
            self.connection.abort()
        self.connection, self.channel, self.spoilt = None, None, 0


class RemoteShell:
    """Serves `ports.Shell` for hosts reached over SSH: one connection and one living shell each."""

    def __init__(self, inventory: Inventory) -> None:
        self.inventory = inventory
        self._known_hosts = KnownHosts()
        self._credentials = Credentials()
        self._links: dict[str, _Link] = {}
        self._tunnels: dict[str, _Link] = {}
        self._logins = asyncio.Semaphore(LOGINS)
        self._doors: WeakValueDictionary[tuple[str, int], asyncio.Semaphore] = WeakValueDictionary()

    async def run(
        self, host: Host, program: str, *, deadline: float, max_bytes: int, fresh: bool = False
    ) -> Output | HostFailure:
        """See `ports.Shell.run`. With `fresh`, login and shell are new and closed again afterwards."""
        fault = unfit(program)
        if fault:
            return HostFailure(cause=Cause.PROTOCOL, reason=f"{host.name}: {fault}", remedy="correct the parameters")
        until = asyncio.get_running_loop().time() + deadline
        link = _Link(host) if fresh else self._link(self._links, host)
        try:
            async with asyncio.timeout_at(until):
                await link.lock.acquire()
        except TimeoutError:
            return _late(host, "it is busy with another program of netdiag's")
        try:
            return await self._run(link, program, until, max_bytes)
        finally:
            link.lock.release()
            if fresh:
                link.drop()

    async def close(self) -> None:
        """Close every connection, those through jump hosts first."""
        for links in (self._links, self._tunnels):
            connections = [link.connection for link in links.values() if link.connection is not None]
            links.clear()
            for connection in connections:
                connection.close()
            waits = [connection.wait_closed() for connection in connections]
            try:
                async with asyncio.timeout(_CLOSE_WITHIN):
                    await asyncio.gather(*waits, return_exceptions=True)
            except TimeoutError:
                for connection in connections:
                    connection.abort()
        self._credentials.close()

    def _link(self, links: dict[str, _Link], host: Host) -> _Link:
        link = links.get(host.name)
        if link is None or any(getattr(link.host, name) != getattr(host, name) for name in _ROUTE):
            if link is not None:
                link.drop()
            link = links[host.name] = _Link(host)
        return link

    async def _run(self, link: _Link, program: str, until: float, max_bytes: int) -> Output | HostFailure:
        host = link.host
        try:
            async with asyncio.timeout_at(until):
                trips = await self._ready(link)
        except TimeoutError:
            link.drop()
            return _late(host, "no shell there in time")
        if isinstance(trips, HostFailure):
            return trips
        return await _ask(link, program, until=until, max_bytes=max_bytes, trips=trips + 1)

    async def _ready(self, link: _Link) -> int | HostFailure:
        """Make the link's shell usable; the round trips that it took. Nothing of the program is sent yet, so a
        connection that turns out dead is made anew, once.
        """
        if link.channel is not None and link.channel.usable and link.connection is not None:
            return 0
        link.spoil()
        kept = not link.dead
        for attempt in range(2 if kept else 1):
            trips = _TRIPS_CHANNEL
            if not kept or attempt:
                link.drop()
                connection = await self._connect(link.host)
                if isinstance(connection, HostFailure):
                    return connection
                link.connection = connection
                trips += _TRIPS_LOGIN
            assert link.connection is not None
            try:
                channel = await open_channel(link.connection, link.host)
            except (OSError, asyncssh.Error) as error:
                failure = _no_shell(link.host, asyncssh.ConnectionLost("no session") if link.dead else error)
                continue
            if isinstance(channel, HostFailure):
                return channel
            link.channel = channel
            return trips
        link.drop()
        return failure

    async def _connect(self, host: Host) -> asyncssh.SSHClientConnection | HostFailure:
        trust = self._known_hosts.of(host)
        if isinstance(trust, HostFailure):
            return trust
        tunnel = await self._tunnel(host) if host.jump is not None else None
        if isinstance(tunnel, HostFailure):
            return tunnel
        pairs = await self._credentials.of(host)
        if isinstance(pairs, HostFailure):
            return pairs
        door = self._doors.setdefault((host.address, host.port), asyncio.Semaphore(LOGINS_PER_ADDRESS))
        crowded = door.locked() or self._logins.locked()
        async with door, self._logins:
            if crowded:
                await asyncio.sleep(secrets.randbelow(1000) / 1000 * _JITTER)
            return await log_in(host, trust, pairs, tunnel)

    async def _tunnel(self, host: Host) -> asyncssh.SSHClientConnection | HostFailure:
        """The connection to the jump host, shared by all behind it and used for nothing else."""
        jump = self.inventory.hosts.get(host.jump or "")
        if jump is None:
            reason = f"the jump host {host.jump} of {host.name} is not in the inventory"
            return HostFailure(cause=Cause.UNREACHABLE, reason=reason, remedy="add it to the inventory")
        link = self._link(self._tunnels, jump)
        async with link.lock:
            if link.connection is None or link.dead:
                connection = await self._connect(jump)
                if isinstance(connection, HostFailure):
                    reason = f"{host.name} is reached through {jump.name}, and that failed: {connection.reason}"
                    return connection.model_copy(update={"reason": reason})
                link.connection = connection
            return link.connection


async def _ask(link: _Link, program: str, *, until: float, max_bytes: int, trips: int) -> Output:
    """From here on the program may have run, whatever happens."""
    channel = link.channel
    assert channel is not None
    timed_out, frame = False, None
    try:
        async with asyncio.timeout_at(until):
            frame = await channel.dialogue.ask(channel.write, program, max_bytes=max_bytes)
    except TimeoutError:
        timed_out = True
    except (OSError, asyncssh.Error):
        pass  # the pipe broke while the program went in: how much of it arrived is not known
    finally:
        fingerprint = link.fingerprint
        if not channel.usable:
            link.spoil()
    return Output(
        stdout=frame.cut() if frame is not None else channel.dialogue.cut,
        status=frame.status if frame is not None else None,
        root=channel.root,
        root_reason=channel.root_reason,
        host_key=fingerprint,
        truncated=frame is not None and frame.doubt is Doubt.OVERFLOW,
        timed_out=timed_out,
        trips=trips,
    )


def _late(host: Host, why: str) -> HostFailure:
    return HostFailure(
        cause=Cause.TIMEOUT,
        reason=f"{host.name} ({place(host)}) was given up: {why}",
        remedy="check that the host is up and not overloaded, and that no firewall drops the port",
    )


def _no_shell(host: Host, error: Exception) -> HostFailure:
    if isinstance(error, asyncssh.ChannelOpenError):
        return HostFailure(
            cause=Cause.PROTOCOL,
            reason=f"{host.name} opens no session: {error}"[:300],
            remedy="raise MaxSessions in the host's sshd_config; netdiag needs one, or 10 while shells there hang",
        )
    return explain(error, host, Trust((), (), (), host.address, ""))
