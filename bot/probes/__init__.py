"""Which questions can be asked of a host? One file, one probe; the folder is the registry.

A module here that defines `PROBE` is found by :func:`catalog`; nothing is registered by hand.
"""

from importlib import import_module
from pkgutil import iter_modules
from types import MappingProxyType
from typing import Any

from bot.core.probe import Probe


def catalog() -> "MappingProxyType[str, Probe[Any]]":
    """Every probe by name, as its module's `PROBE` defines it.

    Raises ValueError when a module's name and its probe's name differ: the file is the name.
    """
    found: dict[str, Probe[Any]] = {}
    for module in sorted(iter_modules(__path__), key=lambda m: m.name):
        if module.name.startswith("_"):
            continue
        probe = import_module(f"{__name__}.{module.name}").PROBE
        if probe.name != module.name:
            raise ValueError(f"probes/{module.name}.py defines the probe {probe.name!r}; the file is the name")
        found[probe.name] = probe
    return MappingProxyType(found)
