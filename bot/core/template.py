"""What does a line of text say once the facts are put in? `"{q.process} drops {rate(q.netns, "X")}/s"`.

Between braces stands CEL, checked like any condition; `{{` and `}}` are braces. What a host printed is neutralised
where it enters the text.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from bot.core.cel_faults import BadExpression, Fault
from bot.core.condition import MAX_SOURCE, Expression, Names, World
from bot.core.probe import Unknown
from bot.core.text import neutral

MAX_LINE = 1_000
"""Characters of a rendered line; what is longer ends in `…`."""
MAX_VALUE = 400
"""Characters of one value in it."""
_TINY = 0.05


@dataclass(frozen=True, slots=True)
class Template:
    """Text with expressions in it."""

    source: str
    parts: tuple[str | Expression, ...]

    @staticmethod
    def compile(source: str, names: Names) -> "Template":
        """Check every expression of the text. Raises BadExpression with all faults, placed within the text."""
        if len(source) > MAX_SOURCE:
            raise BadExpression(Fault(f"longer than {MAX_SOURCE} characters"))
        parts: list[str | Expression] = []
        faults: list[Fault] = []
        for offset, text, is_code in _split(source, faults):
            if not is_code:
                parts.append(text)
                continue
            try:
                parts.append(Expression.compile(text, names))
            except BadExpression as bad:
                faults.extend(_moved(fault, source, offset) for fault in bad.faults)
        if faults:
            raise BadExpression(*faults)
        return Template(source, tuple(parts))

    @property
    def expressions(self) -> tuple[Expression, ...]:
        """The expressions in it, in order."""
        return tuple(part for part in self.parts if isinstance(part, Expression))

    @property
    def single(self) -> Expression | None:
        """The expression that is the whole text, so that its value keeps its type."""
        return self.parts[0] if len(self.parts) == 1 and isinstance(self.parts[0], Expression) else None

    def render(self, world: World) -> str:
        """The line for people; a part without evidence reads "unknown"."""
        pieces = (part if isinstance(part, str) else spell(part.value(world)) for part in self.parts)
        return neutral("".join(pieces), MAX_LINE)

    def value(self, world: World) -> Any:
        """A parameter's value: typed when one expression is all of it, else text; Unknown when any part is."""
        if self.single is not None:
            return self.single.value(world)
        values = [part if isinstance(part, str) else part.value(world) for part in self.parts]
        unknown = next((value for value in values if isinstance(value, Unknown)), None)
        return unknown or "".join(value if isinstance(value, str) else spell(value) for value in values)


def written(source: str) -> tuple[tuple[str, bool], ...]:
    """The parts of a sound template as (text, is it code), for those who explain it rather than render it."""
    return tuple((text, is_code) for _, text, is_code in _split(source, []))


def spell(value: Any) -> str:
    """A value for people: numbers plainly, fractions with one decimal, host text neutralised."""
    if isinstance(value, Unknown):
        return "unknown"
    if isinstance(value, str):
        return neutral(value, MAX_VALUE)
    if isinstance(value, float):
        return f"{value:.2g}" if 0 < abs(value) < _TINY else f"{value:.1f}"
    if isinstance(value, list):
        return ", ".join(spell(item) for item in value)
    if value is None:
        return "none"
    return neutral(json.dumps(value), MAX_VALUE)


def _split(source: str, faults: list[Fault]) -> Iterator[tuple[int, str, bool]]:
    """(offset, text, is it code) of each part; unbalanced braces become faults."""
    text, at = "", 0
    while at < len(source):
        if source.startswith(("{{", "}}"), at):
            text, at = text + source[at], at + 2
        elif source[at] == "{":
            end = _closing(source, at + 1)
            if end is None:
                faults.append(_moved(Fault('"{" is never closed; write "{{" for a brace'), source, at))
                return
            if text:
                yield at, text, False
            yield at + 1, source[at + 1 : end], True
            text, at = "", end + 1
        elif source[at] == "}":
            faults.append(_moved(Fault('"}" closes nothing; write "}}" for a brace'), source, at))
            return
        else:
            text, at = text + source[at], at + 1
    if text:
        yield at, text, False


def _closing(source: str, at: int) -> int | None:
    """Where the brace closes that opened before `at`, past nested braces and quoted text."""
    depth, quote = 0, ""
    while at < len(source):
        char = source[at]
        if quote:
            at += char == "\\"
            quote = "" if char == quote else quote
        elif char in "\"'":
            quote = char
        elif char == "{":
            depth += 1
        elif char == "}":
            if depth == 0:
                return at
            depth -= 1
        at += 1
    return None


def _moved(fault: Fault, source: str, offset: int) -> Fault:
    """A fault of an expression that begins at `offset`, placed in the whole text."""
    before = source[:offset]
    line = before.count("\n")
    column = fault.column + (len(before) - before.rfind("\n") - 1 if fault.line == 1 else 0)
    return Fault(fault.what, fault.line + line, column)
