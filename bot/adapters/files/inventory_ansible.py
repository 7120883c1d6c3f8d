"""What does an existing Ansible inventory say of the hosts that netdiag reads?

The static half of Ansible's language: groups, children, variables, ranges, group_vars and host_vars, with Ansible's
precedence. What only Ansible can compute (vault, Jinja, plugins) is a fault where it is needed, and nothing where not.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from bot.adapters.files import strict_yaml
from bot.adapters.files.ansible_ini import parse_ini
from bot.adapters.files.ansible_tree import Group, Tree, Vars, hosts_in
from bot.adapters.files.ansible_vars import REMEDY, to_given
from bot.adapters.files.inventory_draft import Draft, GroupDraft, HostDraft
from bot.adapters.files.strict_yaml import Document
from bot.core.errors import ConfigError, Place

_IMPLICIT = frozenset({"all", "ungrouped"})
_QUOTED = re.compile(r'"([^"\\]{1,253})"')
_VARS_SUFFIXES = ("", ".yml", ".yaml", ".json")


def read_ini(text: str, directory: Path, file: Path) -> Draft:
    """The draft of an INI inventory."""
    draft = Draft(directory)
    return _draft(draft, parse_ini(text, str(file), draft.fault))


def read_yaml(document: Document, directory: Path, file: Path) -> Draft:
    """The draft of a YAML inventory (`all: {hosts, children, vars}`)."""
    draft, tree = Draft(directory), Tree(Place(str(file), 1))
    for name, body in document.value.items():
        _yaml_group(draft, tree, document, (name,), body)
    return _draft(draft, tree)


def read_json(text: str, directory: Path, file: Path) -> Draft:
    """The draft of what `ansible-inventory --list` printed (`_meta.hostvars` and groups)."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        line = getattr(error, "lineno", 1)
        raise ConfigError(f"{file}:{line}: not JSON: {error}; write it with: {REMEDY}") from None
    if not isinstance(value, dict) or not isinstance(value.get("_meta", {}), dict):
        raise ConfigError(f"{file}:1: not what ansible-inventory prints; write it with: {REMEDY}")
    draft, tree = Draft(directory), Tree(Place(str(file), 1))
    place = _json_places(text, str(file))
    for name, body in value.items():
        if name != "_meta":
            _json_group(draft, tree.group(name, place(name)), body, place)
    hostvars = value.get("_meta", {}).get("hostvars", {})
    for name, given in hostvars.items() if isinstance(hostvars, dict) else ():
        tree.host(name, place(name)).update(
            {key: (item, place(name)) for key, item in given.items()} if isinstance(given, dict) else {}
        )
    return _draft(draft, tree)


def _json_group(draft: Draft, group: Group, body: Any, place: Callable[[str], Place]) -> None:
    body = {"hosts": body} if isinstance(body, list) else body
    if not isinstance(body, dict):
        draft.fault(group.place, f'group "{group.name}" must be an object; write it with: {REMEDY}')
        return
    for host in body.get("hosts") or ():
        group.hosts[str(host)] = place(str(host))
    for child in body.get("children") or ():
        group.children[str(child)] = place(str(child))
    given = body.get("vars") or {}
    group.vars.update({key: (value, group.place) for key, value in given.items()} if isinstance(given, dict) else {})


def _json_places(text: str, file: str) -> Callable[[str], Place]:
    """Where each name first stands: good enough to find it, without a JSON parser that counts lines."""
    first: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        for word in _QUOTED.findall(line):
            first.setdefault(word, number)
    return lambda name: Place(file, first.get(name, 1))


def _yaml_group(draft: Draft, tree: Tree, document: Document, path: tuple[str, ...], body: Any) -> None:
    place, name = document.place(path), path[-1]
    group = tree.group(name, place)
    if body is not None and not isinstance(body, dict):
        draft.fault(place, f'group "{name}" must be a mapping of hosts, children and vars')
        return
    for key, part in (body or {}).items():
        where = (*path, key)
        if key not in ("hosts", "children", "vars"):
            draft.fault(document.place(where), f'group "{name}" holds "{key}"; known: hosts, children, vars')
        elif part is not None and not isinstance(part, dict):
            draft.fault(document.place(where), f'{key} of group "{name}" must be a mapping, each name with a colon')
        elif key == "vars":
            group.vars.update({name: (value, document.place((*where, name))) for name, value in (part or {}).items()})
        elif key == "children":
            for child, inner in (part or {}).items():
                group.children[child] = document.place((*where, child))
                _yaml_group(draft, tree, document, (*where, child), inner)
        else:
            for pattern, given in (part or {}).items():
                at = (*where, pattern)
                for host in _yaml_hosts(draft, document, at, given):
                    group.hosts[host] = document.place(at)
                    own = {key: (value, document.place((*at, key))) for key, value in (given or {}).items()}
                    tree.host(host, document.place(at)).update(own)


def _yaml_hosts(draft: Draft, document: Document, path: tuple[str, ...], given: Any) -> list[str]:
    if given is not None and not isinstance(given, dict):
        draft.fault(document.place(path), f'variables of "{path[-1]}" must be a mapping, not {given!r}'[:300])
        return []
    try:
        return hosts_in(path[-1])
    except ValueError as error:
        draft.fault(document.place(path), str(error))
        return []


def _draft(draft: Draft, tree: Tree) -> Draft:
    """Variables by Ansible's precedence, then ours out of them."""
    tree.settle(draft.fault)
    group_files = {name: _vars_files(draft, "group_vars", name) for name in tree.groups}
    aliases = _aliases(tree)
    for name, own in tree.hosts.items():
        lineage = tree.lineage(name)
        merged: Vars = {}
        for group in lineage:
            merged.update(tree.groups[group].vars)
        for group in lineage:
            merged.update(group_files[group])
        merged.update(own)
        merged.update(_vars_files(draft, "host_vars", name))
        draft.hosts[name] = HostDraft(tree.places[name], to_given(name, merged, aliases, draft.fault))
    for title, group_ in tree.groups.items():
        if title not in _IMPLICIT:
            members = dict.fromkeys(tree.members(title), group_.place)
            draft.groups[title] = GroupDraft(group_.place, members)
    expect = tree.groups["all"].vars.get("netdiag_expect") or group_files["all"].get("netdiag_expect")
    draft.expect = expect[0] if expect and isinstance(expect[0], dict) else {}
    return draft


def _aliases(tree: Tree) -> Mapping[str, str]:
    """How ssh arguments may name a host of the inventory: by its name, or by its address."""
    by_address = {
        str(given[key][0]): name
        for name, given in tree.hosts.items()
        for key in ("ansible_ssh_host", "ansible_host")
        if key in given
    }
    return {**by_address, **{name: name for name in tree.hosts}}


def _vars_files(draft: Draft, kind: str, name: str) -> Vars:
    merged: Vars = {}
    for file in _found(draft.directory / kind, name):
        try:
            text = file.read_text(encoding="utf-8-sig")
        except (OSError, UnicodeDecodeError) as error:
            draft.fault(Place(str(file), 1), f"cannot be read ({error})")
            continue
        if text.startswith("$ANSIBLE_VAULT;"):
            continue  # what is needed of it shows as missing; secrets are none of netdiag's business
        try:
            document = strict_yaml.load(text, str(file), opaque_tags=True)
        except ConfigError as error:
            draft.faults.append(f"{error}; or let Ansible read it: {REMEDY}")
            continue
        values = document.value if isinstance(document.value, dict) else {}
        merged.update({key: (value, document.place((key,))) for key, value in values.items()})
    return merged


def _found(folder: Path, name: str) -> Iterator[Path]:
    if "/" in name or name in (".", ".."):
        return
    for suffix in _VARS_SUFFIXES:
        path = folder / f"{name}{suffix}"
        if path.is_dir() and not suffix:
            yield from sorted(file for file in path.iterdir() if file.is_file() and file.suffix in _VARS_SUFFIXES)
        elif path.is_file():
            yield path
