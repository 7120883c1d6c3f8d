"""Which playbooks are in a folder, and what is wrong with them?"""

import hashlib
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from bot.adapters.files.strict_yaml import Document, load
from bot.adapters.files.validate import validate
from bot.core.action import Action
from bot.core.checker import Wrong
from bot.core.errors import ConfigError
from bot.core.playbook import Playbook
from bot.core.playbook_check import check
from bot.core.playbook_link import link
from bot.core.playbook_spec import PlaybookSpec
from bot.core.probe import Probe

Probes = Mapping[str, Probe[Any]]
Actions = Mapping[str, Action[Any]]


def load_playbooks(directory: Path, probes: Probes, actions: Actions) -> Mapping[str, Playbook]:
    """Every playbook of a folder (`*.yaml`) by name. Raises one ConfigError that lists every fault of every file."""
    found, faults = _read_all(directory, probes, actions)
    if faults:
        raise ConfigError("\n".join(faults))
    return MappingProxyType({playbook.name: playbook for playbook in found})


def lint(directory: Path, probes: Probes, actions: Actions) -> Sequence[str]:
    """Every fault of a folder's playbooks, as `file:line: what`; none when they are sound."""
    try:
        return _read_all(directory, probes, actions)[1]
    except ConfigError as error:
        return str(error).splitlines()


def read_playbook(text: str | bytes, file: str, probes: Probes, actions: Actions, *, linked: bool = True) -> Playbook:
    """One playbook from its text. Raises ConfigError with every fault.

    With `linked` what it explains must be among its own findings (a folder is linked as a whole).
    """
    data = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else text
    document = load(data, file)
    spec = validate(PlaybookSpec, document)
    playbook, wrong = check(spec, hashlib.sha256(data).hexdigest(), probes, actions)
    wrong = [*wrong, *(link([spec])[0] if linked else ())]
    if playbook is None or wrong:
        raise ConfigError("\n".join(_lines(document, wrong)))
    return playbook


def read_specs(directory: Path) -> Sequence[PlaybookSpec]:
    """The playbooks of a folder as written; `load_playbooks` tells whether they are sound. Raises ConfigError."""
    return [validate(PlaybookSpec, load(file.read_bytes(), str(file))) for file in sorted(directory.glob("*.yaml"))]


def _read_all(directory: Path, probes: Probes, actions: Actions) -> tuple[Sequence[Playbook], Sequence[str]]:
    if not directory.is_dir():
        raise ConfigError(f"{directory}: no such folder; playbooks are *.yaml files in it")
    files = sorted(directory.glob("*.yaml"))
    if not files:
        raise ConfigError(f"{directory}: no playbook (*.yaml) in it")
    faults: list[str] = []
    read: list[tuple[Path, bytes, _Checked]] = []
    for file in files:
        try:
            data = file.read_bytes()
            read.append((file, data, _checked(data, str(file), probes, actions)))
        except ConfigError as error:
            faults.extend(str(error).splitlines())
        except OSError as error:
            faults.append(f"{file}: cannot be read: {error.strerror}")
    links = link([checked.spec for _file, _data, checked in read])
    for index, (file, data, checked) in enumerate(read):
        named = () if file.stem == checked.spec.name else (Wrong(("name",), "must be the file's name"),)
        if wrong := [*named, *checked.wrong, *links[index]]:
            faults.extend(_lines(load(data, str(file)), wrong))
    return [checked.playbook for _file, _data, checked in read if checked.playbook], faults


@dataclass(frozen=True, slots=True)
class _Checked:
    """A file against the probes and actions that there are: as written, ready to use, and what is wrong with it."""

    probes: Probes
    actions: Actions
    spec: PlaybookSpec
    playbook: Playbook | None
    wrong: Sequence[Wrong]


_KNOWN: OrderedDict[str, _Checked] = OrderedDict()
"""The files checked last, by the hash of their bytes: several parts of a command ask for the same playbooks, and to
check them is most of what a command costs.
"""
_MOST = 128


def _checked(data: bytes, file: str, probes: Probes, actions: Actions) -> _Checked:
    """The same bytes are checked once. Raises ConfigError."""
    revision = hashlib.sha256(data).hexdigest()
    known = _KNOWN.get(revision)
    if known is None or (known.probes, known.actions) != (probes, actions):
        spec = validate(PlaybookSpec, load(data, file))
        _KNOWN[revision] = known = _Checked(probes, actions, spec, *check(spec, revision, probes, actions))
        if len(_KNOWN) > _MOST:
            _KNOWN.popitem(last=False)
    return known


def _lines(document: Document, wrong: Sequence[Wrong]) -> list[str]:
    placed = [
        (document.inside(fault.path, fault.line) if fault.column else document.place(fault.path), fault)
        for fault in wrong
    ]
    placed.sort(key=lambda pair: pair[0].line)
    return list(dict.fromkeys(f"{place}: {_told(document, fault)}" for place, fault in placed))


def _told(document: Document, fault: Wrong) -> str:
    where = ".".join(_step(document, fault.path[: size + 1]) for size in range(len(fault.path)))
    return f"{where}: {fault.what}{f' (column {fault.column})' if fault.column else ''}"


def _step(document: Document, path: tuple[str | int, ...]) -> str:
    """A part of a path for people: a finding by its id, not by its number."""
    value: Any = document.value
    for part in path:
        try:
            value = value[part]
        except (KeyError, IndexError, TypeError):
            return str(path[-1])
    named = value.get("id") if isinstance(path[-1], int) and isinstance(value, dict) else None
    return named if isinstance(named, str) else str(path[-1])
