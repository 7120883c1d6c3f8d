"""How is a demo fleet had by hand? `python -m bot.demo up DIR`, or `record`, which renews the recordings shipped."""

import argparse
import asyncio
import secrets
import signal
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from bot import probes
from bot.adapters.files.inventory import load_inventory
from bot.adapters.ssh import HostShell
from bot.demo import replay
from bot.demo.faults import FAULTS
from bot.demo.fleet import Fleet
from bot.demo.machine import FleetError
from bot.demo.parts import PARTS


class _Clock:
    """The machine's."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def token(self, bits: int = 128) -> str:
        return secrets.token_hex((bits + 7) // 8)


async def up(directory: Path, hosts: int, parts: list[str]) -> None:
    """Keep a fleet until interrupted."""
    over = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, over.set)
    async with Fleet.up(directory, hosts=hosts, parts=parts) as fleet:
        for name, node in fleet.hosts.items():
            print(f"{name}  {node.address}  {node.role.labels['role']}")
        for word in fleet.weak:
            print(f"weaker here: {word}")
        options = f"-i {fleet.inventory_dir}/id_ed25519 -o UserKnownHostsFile={fleet.inventory_dir}/known_hosts"
        print(f"ssh {options} netdiag@{next(iter(fleet.hosts.values())).address}")
        print("Ctrl-C takes it down", flush=True)
        await over.wait()


async def record() -> None:
    """Renew the recordings that stand in where no fleet can be had."""
    with tempfile.TemporaryDirectory() as directory:
        async with Fleet.up(directory) as fleet:
            inventory = load_inventory(fleet.inventory_dir)
            shell = HostShell(inventory)
            try:
                replay.write(await replay.record_hosts(inventory, shell, _Clock(), probes.catalog()))
            finally:
                await shell.close()


def main() -> None:
    """Parse and run."""
    parser = argparse.ArgumentParser(prog="python -m bot.demo", description=__doc__)
    words = parser.add_subparsers(required=True, dest="word")
    keep = words.add_parser("up", help="keep a fleet until interrupted")
    keep.add_argument("directory", type=Path, help="where its inventory goes")
    keep.add_argument("--hosts", type=int, default=4)
    keep.add_argument("--parts", default="", help="comma list of " + ", ".join(PARTS))
    words.add_parser("list", help="every fault that can be made")
    words.add_parser("record", help="renew the recordings shipped with the demo")
    given = parser.parse_args()
    if given.word == "list":
        for fault in FAULTS.values():
            print(f"{fault.name:28}  {fault.part:7}  {fault.shows}")
        return
    try:
        parts = [part for part in given.parts.split(",") if part] if given.word == "up" else []
        asyncio.run(up(given.directory, given.hosts, parts) if given.word == "up" else record())
    except (FleetError, ValueError) as fault:
        sys.exit(f"netdiag demo: {fault}")


if __name__ == "__main__":
    main()
