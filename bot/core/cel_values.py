"""What did an expression come to, as a plain value of bounded size?"""

import math
from typing import Any

from cel_expr_python import cel

from bot.core.probe import Unknown

MAX_TEXT = 2_000
"""Characters of a text."""


class _TooMuch(Exception):
    """What an expression came to is no value for people and programs; the message says why."""


def plain(value: cel.Value, weight: int) -> Any:
    """The value in JSON types, or Unknown when it is too large or no plain value. `weight` bounds its items."""
    try:
        return _Unpacked(weight).plain(value)
    except _TooMuch as error:
        return Unknown(str(error))


class _Unpacked:
    """Turns the library's value into a plain one, bit by bit: what is shared inside it grows when it is unpacked."""

    def __init__(self, weight: int) -> None:
        self.left = self.weight = weight

    def plain(self, packed: cel.Value) -> Any:
        """JSON types only. Raises _TooMuch."""
        self.left -= 1
        if self.left < 0:
            raise _TooMuch(f"its value is too large (more than {self.weight} items)")
        value = packed.value()
        if isinstance(value, str) and len(value) > MAX_TEXT:
            raise _TooMuch(f"its text is too long (more than {MAX_TEXT} characters)")
        if isinstance(value, float) and not math.isfinite(value):
            raise _TooMuch("not a finite number (division by zero?)")
        if isinstance(value, list):
            return [self.plain(item) for item in value]
        if isinstance(value, dict):
            return {key: self.plain(item) for key, item in value.items()}
        if value is None or isinstance(value, bool | int | float | str):
            return value
        raise _TooMuch(f"{type(value).__name__} is no plain value")
