"""Which hosts are there? One file in the inventory directory says it: netdiag's own YAML, or an Ansible inventory."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bot.adapters.files import inventory_ansible, inventory_netdiag, strict_yaml
from bot.adapters.files.inventory_draft import Draft, finish
from bot.core.errors import ConfigError
from bot.core.host import Inventory

FILES = ("hosts.yaml", "hosts.yml", "hosts.ini", "hosts", "hosts.json")
MAX_BYTES = 8_000_000
"""Of one inventory file: a fleet of ten thousand hosts with variables to spare."""


def load_inventory(directory: Path) -> Inventory:
    """The inventory of `directory`, read from the one of `FILES` that is there.

    Relative paths in it (keys, known hosts, recordings) are taken from the directory, `~` is the user's home. Where
    nothing names a known_hosts file, it is `known_hosts` beside the inventory if there is one, else the user's own.
    Raises ConfigError with every fault, one a line: `file:line: what, nearest valid name, remedy`.
    """
    return finish(_draft(directory, _file(directory)))


def _file(directory: Path) -> Path:
    found = [directory / name for name in FILES if (directory / name).is_file()]
    if not found:
        raise ConfigError(
            f"{directory}: no inventory; write {directory / FILES[0]}, or put one of {', '.join(FILES)} there"
        )
    if len(found) > 1:
        names = " and ".join(file.name for file in found)
        raise ConfigError(f"{directory}: {names} are both inventories; keep one, so that it is clear which is meant")
    return found[0]


def _draft(directory: Path, file: Path) -> Draft:
    text = _read(file)
    if file.suffix == ".json" or text.lstrip().startswith("{"):
        return inventory_ansible.read_json(text, directory, file)
    if file.suffix not in (".yaml", ".yml") and not _looks_like_yaml(text):
        return inventory_ansible.read_ini(text, directory, file)
    document = strict_yaml.load(text, str(file), max_bytes=MAX_BYTES, max_events=MAX_BYTES, opaque_tags=True)
    if isinstance(document.value, dict) and _is_ansible(document.value):
        return inventory_ansible.read_yaml(document, directory, file)
    return inventory_netdiag.read(document, directory)


def _read(file: Path) -> str:
    try:
        if file.stat().st_size > MAX_BYTES:
            raise ConfigError(f"{file}:1: more than {MAX_BYTES} bytes; keep only what netdiag needs of it")
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise ConfigError(f"{file}:1: not UTF-8; save the file as UTF-8") from None
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read ({error.strerror}); make it readable for this user") from None


def _looks_like_yaml(text: str) -> bool:
    """A file named `hosts` may be either: YAML begins with `---` or a key, INI with a section or a host."""
    lines = (line.rstrip() for line in text.splitlines())
    first = next((line for line in lines if line and not line.lstrip().startswith(("#", ";"))), "")
    return first == "---" or (first.endswith(":") and not first.startswith("["))


def _is_ansible(value: Mapping[str, Any]) -> bool:
    """`all` is never a section of ours, and a group of Ansible's holds nothing but hosts, children and vars."""
    if "all" in value or "ungrouped" in value:
        return True
    if value.keys() & set(inventory_netdiag.SECTIONS):
        return False
    return bool(value) and all(
        group is None or (isinstance(group, dict) and group.keys() <= {"hosts", "children", "vars"})
        for group in value.values()
    )
