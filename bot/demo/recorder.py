"""How are the recordings made that stand in where no fleet can be had?"""

import secrets
import tempfile
from datetime import UTC, datetime

from bot import probes
from bot.adapters.files.inventory import load_inventory
from bot.adapters.ssh import HostShell
from bot.demo import replay
from bot.demo.fleet import Fleet


class _Clock:
    """The machine's."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def token(self, bits: int = 128) -> str:
        return secrets.token_hex((bits + 7) // 8)


async def renew() -> None:
    """Visit each host of a fleet of their own, and write down what it said."""
    with tempfile.TemporaryDirectory() as directory:
        async with Fleet.up(directory) as fleet:
            inventory = load_inventory(fleet.inventory_dir)
            shell = HostShell(inventory)
            try:
                replay.write(await replay.record_hosts(inventory, shell, _Clock(), probes.catalog()))
            finally:
                await shell.close()
