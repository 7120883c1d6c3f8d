"""How many round trips does a conversation take on the wire? A relay between the bot and a host counts them.

It sees encrypted bytes, and whose turn it is: each time the bot speaks after the host (or first), a new round trip
begins. Whoever asks for a new channel, for a command in it and then for its output has to wait for the host each
time, and is counted each time; a program sent and its answer, however long, are one.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from bot.core.host import Host

CHUNK = 65_536


@dataclass(frozen=True, slots=True)
class Tally:
    """Connections made, turns taken by the bot, and bytes each way."""

    logins: int = 0
    turns: int = 0
    sent: int = 0
    received: int = 0

    def since(self, before: "Tally") -> "Tally":
        """What came on top of an earlier tally."""
        return Tally(
            self.logins - before.logins,
            self.turns - before.turns,
            self.sent - before.sent,
            self.received - before.received,
        )


@dataclass(slots=True)
class Relay:
    """Stands on 127.0.0.1:`port` for one host."""

    address: str
    host_port: int
    port: int = 0
    logins: int = 0
    turns: int = 0
    sent: int = 0
    received: int = 0
    _open: set[asyncio.StreamWriter] = field(default_factory=set)

    @property
    def tally(self) -> Tally:
        """How much passed so far."""
        return Tally(self.logins, self.turns, self.sent, self.received)

    def cut(self) -> None:
        """Break every connection, as a restarted firewall does."""
        for writer in tuple(self._open):
            writer.transport.abort()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator["Relay"]:
        """Relay while the block lasts."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()
            self.cut()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.logins += 1
        there_reader, there = await asyncio.open_connection(self.address, self.host_port)
        ends = {writer, there}
        self._open |= ends
        speaking = ""

        async def pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter, name: str) -> None:
            nonlocal speaking
            try:
                while data := await source.read(CHUNK):
                    if name == "bot":
                        self.turns += speaking != name
                        self.sent += len(data)
                    else:
                        self.received += len(data)
                    speaking = name
                    sink.write(data)
                    await sink.drain()
            except OSError:
                pass  # one end broke: the other is closed below
            finally:
                sink.close()

        try:
            async with asyncio.TaskGroup() as pumps:
                pumps.create_task(pump(reader, there, "bot"))
                pumps.create_task(pump(there_reader, writer, "host"))
        finally:
            self._open -= ends


@asynccontextmanager
async def relayed(hosts: Mapping[str, Host], inventory: Path) -> AsyncIterator[Mapping[str, Relay]]:
    """A relay before each host, and an inventory in `inventory` that leads through them."""
    async with AsyncExitStack() as stack:
        relays = {
            name: await stack.enter_async_context(Relay(host.address, host.port).listening())
            for name, host in hosts.items()
        }
        known = inventory / "known_hosts"
        keys = {line.split()[0].split(",")[0]: line.split(maxsplit=1)[1] for line in known.read_text().splitlines()}
        known.write_text("".join(f"[127.0.0.1]:{relays[name].port} {keys[name]}\n" for name in hosts))
        path = inventory / "hosts.yaml"
        document = yaml.safe_load(path.read_text())
        for name, entry in document["hosts"].items():
            entry |= {"address": "127.0.0.1", "port": relays[name].port}
        path.write_text(yaml.safe_dump(document, sort_keys=False))
        yield relays
