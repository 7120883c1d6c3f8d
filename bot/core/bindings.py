"""Which names may the expressions of one finding or measure use: its items, and what it names before?"""

import re
from collections.abc import Mapping
from types import MappingProxyType

from bot.core.cel_faults import spoken
from bot.core.checker import Checker, Path
from bot.core.condition import ANYTHING, Expression, Names, element
from bot.core.playbook_spec import WORD, FindingSpec, MeasureSpec

MAX_LETS = 12
"""Values a finding may name before its condition."""

RESERVED = frozenset(
    {
        "params",
        "expect",
        "others",
        "true",
        "false",
        "null",
        "in",
        "as",
        "break",
        "const",
        "continue",
        "else",
        "for",
        "function",
        "if",
        "import",
        "let",
        "loop",
        "package",
        "namespace",
        "return",
        "var",
        "void",
        "while",
        "int",
        "uint",
        "double",
        "bool",
        "string",
        "bytes",
        "list",
        "map",
        "type",
        "size",
        "has",
        "dyn",
        "duration",
        "timestamp",
        "matches",
    }
)
"""What CEL keeps for itself, and the names that parameters, expectations and other hosts have."""


def bindings(
    checker: Checker, at: Path, spec: FindingSpec | MeasureSpec, names: Names
) -> tuple[Expression | None, tuple[str, ...], Mapping[str, Expression], Names]:
    """The list that is looked through, its items' names, the values named before, and every name that there is."""
    each = None if spec.each is None else checker.expression((*at, "each"), spec.each, names)
    item, names = _item(checker, at, spec, each, names)
    lets: dict[str, Expression] = {}
    if len(spec.let) > MAX_LETS:
        checker.tell((*at, "let"), f"{len(spec.let)} names, more than {MAX_LETS}")
    for name, source in spec.let.items():
        fresh(checker, (*at, "let", name), name, names)
        value = checker.expression((*at, "let", name), source, names)
        names = names.bind(name, value.kind if value else ANYTHING)
        if value:
            lets[name] = value
    return each, item, lets, names


def fresh(checker: Checker, path: Path, name: str, names: Names) -> None:
    """A name must be a word, and not be taken."""
    if not re.fullmatch(WORD, name) or name in RESERVED:
        checker.tell(path, f'"{name}" cannot be a name: use lower-case letters, digits and _')
    elif name in names.types:
        checker.tell(path, f'"{name}" is taken already')


def _item(
    checker: Checker, at: Path, spec: FindingSpec | MeasureSpec, each: Expression | None, names: Names
) -> tuple[tuple[str, ...], Names]:
    given = spec.as_
    item = () if given is None else (given,) if isinstance(given, str) else given
    path = (*at, "as" if item else "each")
    if (spec.each is None) != (not item):
        checker.tell(path, "each and as go together" if item else 'each needs "as": the name of its items')
    for name in item:
        fresh(checker, path, name, names)
    kinds = element(each.kind) if each else None
    if each and kinds is None:
        checker.tell((*at, "each"), f"is {spoken(each.kind.name())}: nothing to look through")
    is_map = each is not None and each.kind.name().startswith("MAP<")
    is_list = each is not None and each.kind.name().startswith("LIST<")
    if is_map and len(item) == 1:
        checker.tell(path, "each is a map: name both, as: [key, value]")
    if is_list and len(item) == 2:  # noqa: PLR2004 - a key and a value
        checker.tell(path, "each is a list: name its item, as: item")
    for name, kind in zip(item, (kinds or (ANYTHING, ANYTHING))[-len(item) :] if item else (), strict=False):
        names = names.bind(name, kind)
    return item, names


def values(checker: Checker, at: Path, sources: Mapping[str, str], names: Names) -> Mapping[str, Expression]:
    """Compiled expressions by name, without those that are at fault."""
    found = {key: checker.expression((*at, key), source, names) for key, source in sources.items()}
    return MappingProxyType({key: expression for key, expression in found.items() if expression})
