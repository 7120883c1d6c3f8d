"""Is it true, false or unknown, given these facts? The only file that knows the CEL library's manners.

An expression is checked once against the facts' types and then run untyped over plain values. Errors of the library
are values with text in them; here they become `Unknown` with a reason, so that a missing fact never reads as "no".
`||` and `&&` absorb: what the known side decides is decided.
"""

import re
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from functools import cache, cached_property, lru_cache
from typing import Any

from cel_expr_python import cel

from bot.core.cel_faults import BadExpression, Fault, bare, refusal, spoken
from bot.core.cel_values import plain
from bot.core.facts_schema import Schema, parse_type
from bot.core.functions import FUNCTIONS, Read, reader
from bot.core.probe import NoEvidence, Unknown
from bot.core.text import neutral

MAX_SOURCE = 4_096
MAX_LOOPS = 4
"""Comprehensions in one expression: each may multiply the work and the memory of the one inside it."""
MAX_SUMS = 24
MAX_WEIGHT = 20_000
"""Plus signs in one expression and items in its value: with the cap on texts, no chain of `let` and no loop over facts
grows without bound. The library itself bounds iterations, not memory."""

Truth = bool | Unknown

ANYTHING = cel.Type.DYN
"""The type of a value that is looked at only when it is there."""

_LOOP = re.compile(r"\b(all|exists|exists_one|map|filter)\b")
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_CALL = re.compile(r"\b([A-Za-z_][A-Za-z0-9_]*)\s*\(")
_PATH = re.compile(r"[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)*")
_QUOTED = re.compile(r'"(?:\\.|[^"\\])*(?:"|$)|\'(?:\\.|[^\'\\])*(?:\'|$)')
_NO_VALUE = re.compile(r'No value with name "(\w+)" found')
_FUNCTIONS = frozenset(function.name for function in FUNCTIONS)
_READ: ContextVar[Read] = ContextVar("read")


def _call(apply: Callable[..., Any], *, reads: bool) -> Callable[..., Any]:
    # The library keeps the text of a ValueError alone; every other exception loses it or hides the cause.
    def call(*args: Any) -> Any:
        try:
            return apply(_READ.get(), *args) if reads else apply(*args)
        except (NoEvidence, KeyError, TypeError, ArithmeticError) as error:
            raise ValueError(str(error)) from None

    return call


_OVERLOADS = [
    (function, f"{function.name}_{number}", parameters, result)
    for function in FUNCTIONS
    for number, (parameters, result) in enumerate(function.overloads)
]
_DECLARED = [
    cel.FunctionDecl(
        function.name,
        [
            cel.Overload(label, return_type=result, parameters=list(parameters), is_member=function.member)
            for owner, label, parameters, result in _OVERLOADS
            if owner is function
        ],
    )
    for function in FUNCTIONS
]
_IMPLEMENTED = {
    label: _call(function.apply, reads=bool(function.reads)) for function, label, _parameters, _result in _OVERLOADS
}


@dataclass(frozen=True)
class Names:
    """The variables that expressions at one place may use, with their types."""

    schema: Schema
    types: Mapping[str, cel.Type]

    @cached_property
    def env(self) -> cel.Env:
        """The environment that expressions are checked in: one for all of a place, since it is large."""
        return cel.NewEnv(self.schema.pool, variables=dict(self.types), functions=_DECLARED)

    @staticmethod
    def of(schema: Schema) -> "Names":
        """Every name of the schema."""
        return Names(schema, schema.types)

    def bind(self, name: str, kind: cel.Type) -> "Names":
        """These names and one more (an item of a list, a value computed before)."""
        return replace(self, types={**self.types, name: kind})


@dataclass(frozen=True, slots=True)
class World:
    """What the names stand for in one evaluation on one host: plain values, or why there is none."""

    values: Mapping[str, Any] = field(default_factory=dict)
    missing: Mapping[str, Unknown] = field(default_factory=dict)
    host: str = ""

    def bind(self, values: Mapping[str, Any]) -> "World":
        """The same world with more names; a value that is Unknown is a name without evidence."""
        known = {name: value for name, value in values.items() if not isinstance(value, Unknown)}
        unknown = {name: value for name, value in values.items() if isinstance(value, Unknown)}
        return replace(self, values={**self.values, **known}, missing={**self.missing, **unknown})


@cache
def _runner(names: frozenset[str]) -> cel.Env:
    """The environment that untyped expressions over these names run in."""
    return cel.NewEnv(variables=dict.fromkeys(names, cel.Type.DYN), functions=_DECLARED, function_impls=_IMPLEMENTED)


@lru_cache(maxsize=4096)
def _runnable(source: str, names: frozenset[str]) -> tuple[cel.Env, cel.Expression]:
    """What runs an expression that was checked; made when it is first asked for, since most never are."""
    env = _runner(names)
    return env, env.compile(source)


@dataclass(frozen=True, slots=True)
class Expression:
    """A checked CEL expression. `kind` is its static type; `names` and `calls` are what it may touch."""

    source: str
    kind: cel.Type
    names: frozenset[str]
    calls: frozenset[str]
    path: tuple[str, ...]
    """Its names when it is no more than a name and fields (`listen_queues.listeners`), else empty."""

    @staticmethod
    def compile(source: str, names: Names, *, expect: str = "") -> "Expression":
        """Check `source` and make it ready to run. Raises BadExpression with every fault.

        `expect` is the type it must have (`BOOL`, `INT`, `STRING`, `LIST`, …); `DYN` passes and is looked at when run.
        """
        _bound(source)
        kind = _checked(names.env, source, names).return_type()
        if expect and not _fits(kind.name(), expect):
            raise BadExpression(Fault(f"must be {spoken(expect)}, but is {spoken(kind.name())}"))
        code = _QUOTED.sub('""', source)
        used = frozenset(_WORD.findall(code)) & frozenset(names.types)
        called = _FUNCTIONS & frozenset(_CALL.findall(code))
        path = tuple(source.strip().split(".")) if _PATH.fullmatch(source.strip()) else ()
        return Expression(source, kind, used, called, path)

    @property
    def reads(self) -> frozenset[str]:
        """The probes that the functions it calls look into."""
        return frozenset(function.reads for function in FUNCTIONS if function.reads and function.name in self.calls)

    def value(self, world: World, *, weight: int = MAX_WEIGHT) -> Any:
        """Its plain value (JSON types), or Unknown with the reason. Never raises for what a host printed."""
        data = {name: world.values[name] for name in self.names if name in world.values}
        token = _READ.set(reader(world.values, world.missing))
        try:
            env, program = _runnable(self.source, self.names)
            result = program.eval(env.Activation(data))
            if result.type() == cel.Type.ERROR:
                return Unknown(_reason(str(result.value()), world))
            return plain(result, weight)
        except (RuntimeError, MemoryError) as error:
            return Unknown(_reason(str(error), world))
        finally:
            _READ.reset(token)

    def looked_up(self, world: World) -> Any:
        """The value of a plain path without copying it through the library: lists of facts may be long."""
        name, *fields = self.path
        if name not in world.values:
            return world.missing.get(name, Unknown(f"{name} was not asked"))
        value = world.values[name]
        for place in fields:
            if not isinstance(value, dict) or place not in value:
                return Unknown(f"{self.source}: no {place} in what was read")
            value = value[place]
        return value


@dataclass(frozen=True, slots=True)
class Condition:
    """An expression that must say true or false."""

    expression: Expression

    @staticmethod
    def compile(source: str, names: Names) -> "Condition":
        """Check `source`. Raises BadExpression, also when it cannot be a truth."""
        return Condition(Expression.compile(source, names, expect="BOOL"))

    def truth(self, world: World) -> Truth:
        """True, False, or Unknown when what it needs was not seen."""
        value = self.expression.value(world)
        if isinstance(value, bool | Unknown):
            return value
        return Unknown(neutral(f"{self.expression.source} is neither true nor false but {value!r}"))


def element(kind: cel.Type) -> tuple[cel.Type, cel.Type] | None:
    """The types of the key (a list's index) and the value when iterated; None when it is nothing to iterate."""
    name = kind.name()
    if name == "DYN":
        return cel.Type.DYN, cel.Type.DYN
    if name.startswith("LIST<"):
        return cel.Type.INT, parse_type(name[5:-1])
    if name.startswith("MAP<"):
        key, _, value = name[4:-1].partition(", ")
        return parse_type(key), parse_type(value)
    return None


def _fits(kind: str, expect: str) -> bool:
    return kind == "DYN" or kind.partition("<")[0] == expect


def _bound(source: str) -> None:
    if len(source) > MAX_SOURCE:
        raise BadExpression(Fault(f"longer than {MAX_SOURCE} characters"))
    if not source.strip():
        raise BadExpression(Fault("is empty"))
    sums = _QUOTED.sub("", source).count("+")
    if sums > MAX_SUMS:
        raise BadExpression(Fault(f"{sums} plus signs, more than {MAX_SUMS}; compute parts of it before, with let"))
    loops = len(_LOOP.findall(source))
    if loops > MAX_LOOPS:
        raise BadExpression(Fault(f"{loops} comprehensions (all, exists, map, filter), more than {MAX_LOOPS}"))


def _checked(env: cel.Env, source: str, names: Names) -> cel.Expression:
    try:
        return env.compile(source)
    except RuntimeError as error:
        raise refusal(str(error), names.types, names.schema.fields) from None


def _reason(said: str, world: World) -> str:
    if found := _NO_VALUE.search(said):
        name = found[1]
        return world.missing[name].reason if name in world.missing else f"{name} was not asked"
    if "Iteration budget exceeded" in said:
        return "too much work: the condition looks at more than 10,000 items"
    return neutral(bare(said))
