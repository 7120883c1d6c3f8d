"""What does an Ansible inventory in INI form say? (`[group]`, `[group:children]`, `[group:vars]`, ranges, host:port)"""

import re
import shlex

from bot.adapters.files.ansible_tree import Fault, Tree, hosts_in
from bot.core.errors import Place

_SECTION = re.compile(r"\[([^:\]]+)(?::([^\]]*))?\]\s*(?:[#;].*)?")
_PORT = re.compile(r"(?P<host>[^:]+|\[[0-9A-Fa-f:.]+\]):(?P<port>[0-9]+)")


def parse_ini(text: str, file: str, fault: Fault) -> Tree:
    """The tree of an INI inventory; faults are told and their lines left out."""
    tree = Tree(Place(file, 1))
    group, kind = "ungrouped", "hosts"
    for number, line in enumerate(text.splitlines(), start=1):
        place, bare = Place(file, number), line.strip()
        if not bare or bare[0] in "#;":
            continue
        section = _SECTION.fullmatch(bare)
        if section:
            group, kind = section[1].strip(), section[2] or "hosts"
            tree.group(group, place)
            if kind not in ("hosts", "children", "vars"):
                fault(place, f'section "{bare}" is none of [{group}], [{group}:children] and [{group}:vars]')
        elif kind == "hosts":
            _hosts(tree, group, bare, place, fault)
        elif kind == "children":
            tree.group(group, place).children[bare.split("#")[0].strip()] = place
        elif kind == "vars":
            _variable(tree, group, bare, place, fault)
    return tree


def _variable(tree: Tree, group: str, line: str, place: Place, fault: Fault) -> None:
    key, sign, value = line.partition("=")
    if not sign:
        fault(place, f'"{line[:60]}" is no variable; write key=value')
    tree.group(group, place).vars[key.strip()] = (_unquoted(value.strip()), place)


def _unquoted(text: str) -> str:
    if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"":
        return text[1:-1]
    return text.split(" #", maxsplit=1)[0].rstrip()


def _hosts(tree: Tree, group: str, line: str, place: Place, fault: Fault) -> None:
    try:
        words = shlex.split(line, comments=True)
        pattern, port = words[0], None
        # A range has colons too: only what follows the brackets can be a port.
        match = _PORT.fullmatch(re.sub(r"\[[^\]]*\]", lambda part: "_" * len(part[0]), pattern))
        if match:
            pattern, port = pattern[: match.start("port") - 1], match["port"]
        names = hosts_in(pattern)
    except ValueError as error:
        fault(place, f"{error}"[:200])
        return
    given = [word.partition("=") for word in words[1:]]
    for key, sign, _ in given:
        if not sign:
            fault(place, f'"{key}" is no variable; write key=value after the host')
    for name in names:
        tree.group(group, place).hosts[name] = place
        variables = tree.host(name, place)
        if port is not None:
            variables["ansible_port"] = (port, place)
        variables.update({key: (value, place) for key, _, value in given})
