"""What is wrong with an expression, in words that help? (The CEL library's complaints, translated.)"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from bot.core.errors import nearest
from bot.core.functions import FUNCTIONS

_ERROR = re.compile(r"ERROR: <input>:(-?\d+):(-?\d+): (.*)")
_STATUS = re.compile(r"^[A-Z_]+: ")
_NO_FIELD = re.compile(r"undefined field '(\w+)' not found in struct '([\w.]+)'")
_NO_NAME = re.compile(r"undeclared reference to '([\w.]+)'")
_ABOUT = {function.name: function.about for function in FUNCTIONS}


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with an expression, and where in its text (line and column from 1)."""

    what: str
    line: int = 1
    column: int = 1


class BadExpression(ValueError):
    """An expression that cannot be used; `faults` tells all of it."""

    def __init__(self, *faults: Fault) -> None:
        super().__init__("; ".join(f"{fault.what} (column {fault.column})" for fault in faults))
        self.faults = faults


_WORDS = {
    "BOOL": "true or false",
    "INT": "an integer",
    "DOUBLE": "a number",
    "STRING": "text",
    "LIST": "a list",
    "MAP": "a map",
}


def spoken(kind: str) -> str:
    """A CEL type in words: `an integer`, `a list of Listener`."""
    if kind.startswith("LIST<"):
        return f"a list of {kind[5:-1].removeprefix('facts.')}"
    return _WORDS.get(kind.partition("<")[0], kind.removeprefix("facts."))


def bare(said: str) -> str:
    """The library's words without its status codes."""
    return _STATUS.sub("", said).removesuffix(" [INVALID_ARGUMENT]").removesuffix(" [INTERNAL]")


def refusal(said: str, names: Iterable[str], fields: Mapping[str, Iterable[str]]) -> BadExpression:
    """The library's complaint as faults. `names` are the variables, `fields` the field names of each message."""
    faults = [
        Fault(_explained(what, names, fields), max(1, int(line)), max(1, int(column)))  # -1: of the whole
        for line, column, what in _ERROR.findall(said)
        if "*error*" not in what  # a fault that only follows from one before it
    ]
    if not faults:
        faults = [Fault(bare(said.splitlines()[0]))]
    return BadExpression(*faults)


def _explained(what: str, names: Iterable[str], fields: Mapping[str, Iterable[str]]) -> str:
    """The library's words, with the nearest valid name."""
    what = bare(what).removesuffix(" (in container '')")
    if found := _NO_FIELD.search(what):
        known, owner = fields.get(found[2], ()), found[2].removeprefix("facts.")
        return f'{owner} has no field "{found[1]}"{nearest(found[1], known)}'
    if found := _NO_NAME.search(what):
        name = found[1].partition(".")[0]
        if name in _ABOUT:
            return f"other arguments than {_ABOUT[name]}"
        return f'no name "{name}"{nearest(name, [*names, *_ABOUT])}'
    what = what.replace("facts.", "")
    if "(double, int)" in what or "(int, double)" in what:
        return f"{what}; write 1.0 for 1, or double(x)"
    return what[:1].lower() + what[1:]
