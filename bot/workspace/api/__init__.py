"""Which Web API methods does the workspace answer? The folder is the registry: each module exports `METHODS`."""

from collections.abc import Mapping
from importlib import import_module
from pkgutil import iter_modules
from types import MappingProxyType

from bot.workspace.api.call import Method


def _registry() -> Mapping[str, Method]:
    found: dict[str, Method] = {}
    for module in iter_modules(__path__):
        for method in getattr(import_module(f"{__name__}.{module.name}"), "METHODS", ()):
            found[method.name] = method
    return MappingProxyType(found)


METHODS = _registry()
