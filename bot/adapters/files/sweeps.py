"""What is looked at on a schedule, as `sweeps.yaml` beside the inventory says it, and what is wrong with that file?

The file is optional: without it nothing is swept. It is read again when it changes; a new one with any fault is refused
as a whole, the plan before it is kept, and every fault is told with its line.
"""

import hashlib
import stat
from collections.abc import Callable, Collection, Mapping
from functools import partial
from pathlib import Path

from bot.adapters.files import strict_yaml, times
from bot.adapters.files.sweep_entries import PlanEntries, World
from bot.adapters.files.sweep_reader import Reader, tried
from bot.adapters.files.validate import validate
from bot.core.errors import ConfigError
from bot.core.host import Inventory
from bot.core.playbook import Playbook
from bot.core.policy import Policy
from bot.core.sweep import Plan

FILE = "sweeps.yaml"


class FilePlan:
    """`sweep_ports.PlanSource` over `sweeps.yaml`: the bytes are read each time, parsed when they changed."""

    def __init__(
        self,
        directory: Path,
        inventory: Inventory,
        playbooks: Mapping[str, Playbook],
        policy: Callable[[], Policy] = Policy,
    ) -> None:
        self._path = directory / FILE
        self._inventory, self._playbooks, self._policy = inventory, playbooks, policy
        self._plan = Plan()
        self._seen: tuple[str, str] | None = None
        self.trouble = ""

    def load(self) -> Plan:
        """The plan in the file. Raises ConfigError with a line for every fault."""
        content, version, people, key = self._read()
        plan = read_plan(content, str(self._path), version, World(self._inventory, self._playbooks, people))
        self._plan, self._seen, self.trouble = plan, key, ""
        return plan

    def plan(self) -> Plan:
        """The plan in force: that of the file, or the one before while the file is broken (`trouble` says how)."""
        try:
            if self._read()[3] != self._seen:
                self.load()
        except ConfigError as fault:
            kept = "the plan before is kept" if self._plan.sweeps else "nothing is swept"
            self.trouble = f"{fault}\n{kept} until that is mended"
        return self._plan

    def _read(self) -> tuple[bytes, str, Collection[str] | None, tuple[str, str]]:
        try:
            policy: Policy | None = self._policy()
        except ConfigError:
            policy = None  # that is told where changes are approved; sweeps go on reading
        people = None if policy is None else policy.people.keys()
        known = "" if policy is None else policy.version
        try:
            mode, content = self._path.stat().st_mode, self._path.read_bytes()
        except FileNotFoundError:
            return b"", "none", people, ("none", known)
        except OSError as fault:
            raise ConfigError(f"{self._path}: cannot be read ({fault.strerror})") from fault
        if mode & stat.S_IWOTH:
            raise ConfigError(f"{self._path}: everybody may write it; chmod o-w {self._path}")
        version = hashlib.sha256(content).hexdigest()
        return content, version, people, (version, known)


def read_plan(content: bytes, file: str, version: str, world: World) -> Plan:
    """A plan from the file's bytes. Raises ConfigError with a line for every fault."""
    document = strict_yaml.load(content, file)
    if document.value in (None, {}):
        return Plan(version=version)
    parsed = validate(PlanEntries, document)
    faults: list[str] = []
    sweeps = {name: Reader(document, parsed, name, faults, world).sweep() for name in parsed.sweeps}
    maintenance = [
        tried(faults, document, ("maintenance", index), partial(times.window, entry))
        for index, entry in enumerate(parsed.maintenance)
    ]
    if faults:
        raise ConfigError("\n".join(dict.fromkeys(faults)))
    return Plan(
        sweeps={name: sweep for name, sweep in sweeps.items() if sweep is not None},
        maintenance=tuple(window for window in maintenance if window is not None),
        messages_per_hour=parsed.messages_per_hour,
        version=version,
    )
