"""Which changes can be made to a host? One file, one action; the folder is the registry.

A module here that defines `ACTION` is found by :func:`catalog`; `sysctl_set.py` holds `sysctl.set`.
"""

from importlib import import_module
from pkgutil import iter_modules
from types import MappingProxyType
from typing import Any

from bot.core.action import Action


def catalog() -> "MappingProxyType[str, Action[Any]]":
    """Every action by id, as its module's `ACTION` defines it.

    Raises ValueError when a module's name does not match its action's id (dots become underscores).
    """
    found: dict[str, Action[Any]] = {}
    for module in sorted(iter_modules(__path__), key=lambda m: m.name):
        if module.name.startswith("_"):
            continue
        action = import_module(f"{__name__}.{module.name}").ACTION
        if action.name.replace(".", "_") != module.name:
            raise ValueError(f"actions/{module.name}.py defines the action {action.name!r}; the file is the name")
        found[action.name] = action
    return MappingProxyType(found)
