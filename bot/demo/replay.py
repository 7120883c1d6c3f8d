"""What is shown where this machine cannot have a fleet? The same hosts as recordings, which say so in their names.

A recorded host answers every visit as it did when it was recorded. It can be diagnosed, and what would be
proposed is shown; nothing can be carried out on it.
"""

import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from bot.core import visit
from bot.core.host import HostFailure, Inventory
from bot.core.probe import Probe
from bot.core.recording import Recording, dump, record, redact
from bot.demo import papers
from bot.demo.disk import HERE
from bot.demo.machine import FleetError
from bot.engine.ports import Clock, Shell

RECORDINGS: Final = HERE / "recordings"
PREFIX: Final = "recorded-"


def replay_inventory(
    directory: Path | str, people: papers.People | None = None, *, self_approval: str = "never"
) -> Path:
    """Write an inventory of recorded hosts into `directory`, and answer it. `people` as for `Fleet.start`."""
    place = Path(directory).resolve()
    (place / "recordings").mkdir(parents=True, exist_ok=True)
    hosts = {}
    for path in sorted(RECORDINGS.glob("*.yaml")):
        shutil.copyfile(path, place / "recordings" / path.name)
        hosts[PREFIX + path.stem] = {
            "address": "recorded",
            "transport": "replay",
            "recording": f"recordings/{path.name}",
            "labels": {"recorded": "yes"},
        }
    papers.dump(place / "hosts.yaml", {"hosts": hosts, "groups": {"recorded": {"hosts": list(hosts)}}})
    papers.put_policy(place, people or {}, self_approval)
    return place


def notice(reason: str) -> str:
    """What to tell those who look at recorded hosts; `reason` is `availability`'s, why these are no real ones."""
    return (
        f"This is not a fleet: {reason}. The hosts named {PREFIX}* are recordings of real visits. They show the same "
        "numbers whenever they are asked, and no change can be carried out on them."
    )


async def record_hosts(
    inventory: Inventory, shell: Shell, clock: Clock, probes: Mapping[str, Probe[Any]], window: float = 3.0
) -> Mapping[str, Recording]:
    """Visit every host with every probe and keep what it printed, without what tells whose machine it was.

    Raises FleetError for a host that could not be read: a recording of nothing is worth nothing.
    """
    asked, found = visit.required(probes, probes), {}
    deadline, most = visit.budget(asked, window)
    for host in inventory.hosts.values():
        nonce = clock.token()
        begun = clock.now()
        program = visit.compose(asked, nonce=nonce, window=window)
        output = await shell.run(host, program, deadline=deadline, max_bytes=most)
        if isinstance(output, HostFailure):
            raise FleetError(f"{host.name}: {output.reason}")
        taken = begun.strftime("%Y-%m-%dT%H:%M:%SZ")
        kept = record(output.stdout, asked, nonce, host=host.name, taken=taken, root=output.root)
        found[host.name] = redact(kept, name=PREFIX + host.name)
    return found


_BUILD = re.compile(r"(?m)^(\s*kernel=\d+\.\d+\.\d+)-\S+$")


def write(recordings: Mapping[str, Recording], directory: Path = RECORDINGS) -> None:
    """Write recordings as files; the kernel's build name goes, its version stays."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, recording in recordings.items():
        (directory / f"{name}.yaml").write_text(_BUILD.sub(r"\1", dump(recording)))
