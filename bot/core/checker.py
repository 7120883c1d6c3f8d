"""Which parts of a playbook are wrong? Compiles its expressions and collects every fault with its path."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from bot.core.action import Action
from bot.core.cel_faults import BadExpression
from bot.core.condition import Condition, Expression, Names
from bot.core.probe import Probe
from bot.core.template import Template

Path = tuple[str | int, ...]
Made = TypeVar("Made")


@dataclass(frozen=True, slots=True)
class Wrong:
    """A fault of a playbook: where (path; line and column within the text there) and what."""

    path: Path
    what: str
    line: int = 1
    column: int = 0


@dataclass(slots=True)
class Checker:
    """Collects the faults of one playbook while its parts are compiled."""

    probes: Mapping[str, Probe[Any]]
    actions: Mapping[str, Action[Any]]
    asked: tuple[str, ...] = ()
    wrong: list[Wrong] = field(default_factory=list)

    def tell(self, path: Path, what: str) -> None:
        """Note a fault."""
        self.wrong.append(Wrong(path, what))

    def made(self, path: Path, make: Callable[[], Made]) -> Made | None:
        """What `make` compiles; its faults are noted at `path`."""
        try:
            return make()
        except BadExpression as bad:
            self.wrong.extend(Wrong(path, fault.what, fault.line, fault.column) for fault in bad.faults)
            return None

    def reading(self, path: Path, expressions: Iterable[Expression | None]) -> None:
        """Note functions whose probe is not asked."""
        for expression in expressions:
            for probe in sorted(expression.reads if expression else ()):
                if probe not in self.asked:
                    called = sorted(expression.calls) if expression else []
                    self.tell(path, f'{", ".join(called)} reads {probe}: add "{probe}" to probes')

    def expression(self, path: Path, source: str, names: Names, expect: str = "") -> Expression | None:
        """A compiled expression, or None with its faults noted."""
        found = self.made(path, lambda: Expression.compile(source, names, expect=expect))
        self.reading(path, [found])
        return found

    def condition(self, path: Path, source: str | None, names: Names) -> Condition | None:
        """A compiled condition, or None with its faults noted."""
        found = None if source is None else self.expression(path, source, names, "BOOL")
        return Condition(found) if found else None

    def template(self, path: Path, source: str, names: Names) -> Template:
        """A compiled template, or an empty one with its faults noted."""
        found = self.made(path, lambda: Template.compile(source, names)) or Template("", ())
        self.reading(path, found.expressions)
        return found
