"""Which words of a scope change when a process is started again, though the place is the same?"""

from collections.abc import Mapping
from typing import Any

VOLATILE = frozenset({"pid", "inode"})
"""Scope keys that change over a restart: told to people, but no part of an identity."""


def lasting(scope: Mapping[str, Any]) -> dict[str, Any]:
    """The scope without what changes over a restart."""
    return {key: value for key, value in scope.items() if key not in VOLATILE}
