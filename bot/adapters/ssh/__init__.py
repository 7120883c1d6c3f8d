"""How do bytes get to a host: over SSH, to this machine itself, or from a recorded visit?"""

from collections.abc import Mapping

from bot.adapters.ssh.local import LocalShell
from bot.core.host import Host, HostFailure, Inventory, Transport
from bot.engine.ports import Output, Shell


class HostShell:
    """Serves `ports.Shell` for every host of an inventory, by its transport.

    A `HostFailure` means that the program was never given to the host; an `Output` without a status that it was, and
    that its end is not known. asyncssh is imported with the first host that needs it.
    """

    def __init__(self, inventory: Inventory) -> None:
        self._inventory = inventory
        self._shells: dict[Transport, Shell] = {}

    async def run(
        self, host: Host, program: str, *, deadline: float, max_bytes: int, fresh: bool = False
    ) -> Output | HostFailure:
        """See `ports.Shell.run`."""
        shell = self._shells.get(host.transport)
        if shell is None:
            shell = self._shells[host.transport] = self._made(host.transport)
        return await shell.run(host, program, deadline=deadline, max_bytes=max_bytes, fresh=fresh)

    async def close(self) -> None:
        """Close every connection; safe to call twice."""
        shells: Mapping[Transport, Shell] = self._shells
        for shell in tuple(shells.values()):
            await shell.close()

    def _made(self, transport: Transport) -> Shell:
        if transport is Transport.SSH:
            from bot.adapters.ssh.remote import RemoteShell  # noqa: PLC0415 - a third of a second, not for --help

            return RemoteShell(self._inventory)
        if transport is Transport.REPLAY:
            from bot.adapters.ssh.replay import ReplayShell  # noqa: PLC0415 - seldom needed

            return ReplayShell()
        return LocalShell()
