"""Which of Ansible's variables say how a host is reached, and what do they mean for netdiag?"""

import re
import shlex
from collections.abc import Callable, Mapping
from typing import Any

from bot.adapters.files.ansible_tree import Fault, Vars
from bot.adapters.files.inventory_draft import FIELDS, Given
from bot.adapters.files.strict_yaml import Opaque
from bot.core.errors import Place

REMEDY = "ansible-inventory --list > hosts.json"

_TRUE = frozenset({"true", "yes", "on", "1", "y", "t"})
_FALSE = frozenset({"false", "no", "off", "0", "n", "f"})
_TRANSPORTS = {"local": "local", **dict.fromkeys(("ssh", "smart", "paramiko", "paramiko_ssh"), "ssh")}
_DESTINATION = re.compile(r"(?:[^@]+@)?(?P<host>\[[^\]]+\]|[^:]+)(?::[0-9]+)?")


def _truth(value: Any) -> Any:
    word = str(value).lower()
    return word in _TRUE if word in _TRUE | _FALSE else value


def _number(value: Any) -> Any:
    return int(value) if isinstance(value, str) and value.isdigit() else value


def _transport(value: Any) -> Any:
    return _TRANSPORTS.get(str(value).removeprefix("ansible.builtin."), value)


def _same(value: Any) -> Any:
    return value


# The later wins: modern names after their ancestors, netdiag's own after Ansible's.
_VARIABLES: tuple[tuple[str, str, Callable[[Any], Any]], ...] = (
    ("ansible_ssh_host", "address", _same),
    ("ansible_host", "address", _same),
    ("ansible_ssh_port", "port", _number),
    ("ansible_port", "port", _number),
    ("ansible_ssh_user", "user", _same),
    ("ansible_user", "user", _same),
    ("ansible_private_key_file", "key", _same),
    ("ansible_ssh_private_key_file", "key", _same),
    ("ansible_become", "sudo", _truth),
    ("ansible_connection", "transport", _transport),
    *((f"netdiag_{key}", key, _same) for key in FIELDS),
)
_ARGUMENTS = ("ansible_ssh_args", "ansible_ssh_common_args", "ansible_ssh_extra_args")


def to_given(name: str, variables: Vars, aliases: Mapping[str, str], fault: Fault) -> dict[str, Given]:
    """The settings of host `name` in our words, out of its merged variables. `aliases` are names a jump may use."""
    given: dict[str, Given] = {}
    for variable in _ARGUMENTS:
        if variable in variables and _static(variable, *variables[variable], fault):
            value, place = variables[variable]
            given.update(_from_arguments(str(value), place, aliases, fault))
    for variable, key, convert in _VARIABLES:
        if variable not in variables:
            continue
        value, place = variables[variable]
        if _static(variable, value, place, fault):
            given[key] = Given(convert(value), place)
    jump = given.get("jump")
    if jump is not None and jump.value == name:  # a group's jump host is often a member of the group
        del given["jump"]
    return given


def _static(variable: str, value: Any, place: Place, fault: Fault) -> bool:
    vault = isinstance(value, Opaque) or (isinstance(value, dict) and "__ansible_vault" in value)
    if vault or (isinstance(value, str) and value.startswith("$ANSIBLE_VAULT;")):
        fault(place, f"{variable} is in a vault; give it in the clear, or as netdiag_{_ours(variable)}")
        return False
    if isinstance(value, str) and ("{{" in value or "{%" in value):
        fault(place, f"{variable} is computed by Ansible ({value[:60]}); let Ansible compute it: {REMEDY}")
        return False
    return True


def _ours(variable: str) -> str:
    return next((key for name, key, _ in _VARIABLES if name == variable), "jump")


def _from_arguments(text: str, place: Place, aliases: Mapping[str, str], fault: Fault) -> dict[str, Given]:
    """What ssh arguments say that netdiag needs: the jump host, the known hosts, the key, the port, the user.

    Everything else stays Ansible's: host keys are checked whatever StrictHostKeyChecking says.
    """
    try:
        words = shlex.split(text)
    except ValueError as error:
        fault(place, f"ssh arguments cannot be split into words: {error}")
        return {}
    given: dict[str, Given] = {}
    for option, value in _options(words):
        if option == "proxyjump" and value.lower() != "none":
            given["jump"] = Given(_jump(value, place, aliases, fault), place)
        elif option == "proxycommand" and value.lower() != "none":
            given["jump"] = Given(_through(value, place, aliases, fault), place)
        elif option == "userknownhostsfile" and value != "/dev/null":
            given["known_hosts"] = Given(value.split()[0], place)
        elif option in ("identityfile", "port", "user"):
            key = {"identityfile": "key"}.get(option, option)
            given[key] = Given(_number(value) if key == "port" else value, place)
    return given


_SHORT = {"-J": "proxyjump", "-i": "identityfile", "-p": "port", "-l": "user"}


def _options(words: list[str]) -> list[tuple[str, str]]:
    found, rest = [], list(words)
    while rest:
        word = rest.pop(0)
        short = word[:2]
        if short not in _SHORT and short != "-o":
            continue
        value = word[2:] or (rest.pop(0) if rest else "")
        if short == "-o":
            key, _, value = value.replace("=", " ", 1).strip().partition(" ")
            found.append((key.lower(), value.strip()))
        else:
            found.append((_SHORT[short], value))
    return [(option, value) for option, value in found if value]


def _jump(value: str, place: Place, aliases: Mapping[str, str], fault: Fault) -> str | None:
    hops = [hop.strip() for hop in value.split(",")]
    match = _DESTINATION.fullmatch(hops[-1])
    if "{{" not in value and len(hops) == 1 and match and match["host"].strip("[]") in aliases:
        return aliases[match["host"].strip("[]")]
    what = (
        f'"{value[:80]}" is a chain of jumps' if len(hops) > 1 else f'jump host "{value[:80]}" is not in the inventory'
    )
    fault(place, f"{what}; add each jump host as a host (one with ansible_ssh_common_args of its own, if it jumps too)")
    return None


def _through(command: str, place: Place, aliases: Mapping[str, str], fault: Fault) -> str | None:
    """`ssh -W %h:%p … user@bastion`: the one proxy command that is a jump host by another name."""
    try:
        words = shlex.split(command)
    except ValueError:
        words = []
    if words[:1] == ["ssh"] and "-W" in words:
        rest, plain = words[1:], []
        while rest:
            word = rest.pop(0)
            if word in ("-W", "-o", "-p", "-i", "-l", "-F", "-S", "-b", "-c", "-e", "-m"):
                rest = rest[1:]
            elif not word.startswith("-"):
                plain.append(word)
        if len(plain) == 1:
            return _jump(plain[0], place, aliases, fault)
    fault(place, f"ProxyCommand {command[:80]!r} is not run; name a jump host of the inventory with ProxyJump")
    return None
