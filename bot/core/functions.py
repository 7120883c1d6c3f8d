"""Which functions may a condition call, and what do they read?

A function that reads facts names their probe, so that a playbook which calls it must ask that probe. Every failure is
a NoEvidence: the condition becomes unknown with its message.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cel_expr_python import cel

from bot.core.probe import NoEvidence, Unknown

_INT, _DOUBLE, _STRING, _DYN = cel.Type.INT, cel.Type.DOUBLE, cel.Type.STRING, cel.Type.DYN
_LIST = cel.Type.List(_DYN)
_MOST_JOINED = 2_000


Read = Callable[[str], Any]
"""The plain facts of a probe by name. Raises NoEvidence with the probe's own reason."""


@dataclass(frozen=True, slots=True)
class Function:
    """One CEL function: its typed overloads, the probe it reads ("" for none), and what it does with plain values."""

    name: str
    about: str
    overloads: tuple[tuple[tuple[cel.Type, ...], cel.Type], ...]
    apply: Callable[..., Any]
    """Called with `Read` first where `reads` is set, then the arguments."""
    reads: str = ""
    member: bool = False


def _counters(read: Read, netns: str, part: str) -> Mapping[str, Any]:
    namespaces = read("tcp_ext")["namespaces"]
    if netns not in namespaces:
        raise NoEvidence(f"tcp_ext has no counters of network namespace {netns}")
    counters: Mapping[str, Any] = namespaces[netns]
    if part not in counters:
        raise NoEvidence(f"tcp_ext has no {part} of network namespace {netns}")
    return counters


def _counter(part: str, convert: Callable[[Any], Any]) -> Callable[[Read, str, str], Any]:
    def look(read: Read, netns: str, name: str) -> Any:
        counters = _counters(read, netns, part)
        if name in counters[part]:
            return convert(counters[part][name])
        if name in counters.get("value", {}):
            raise NoEvidence(f"{name} of network namespace {netns} went backwards: the counters were reset")
        raise NoEvidence(f"the kernel counts no {name} in network namespace {netns}")

    return look


def _sysctl(read: Read, netns: str, key: str) -> str:
    namespaces = read("sysctl_net")["namespaces"]
    if netns not in namespaces:
        raise NoEvidence(f"sysctl_net read nothing of network namespace {netns}")
    if key not in namespaces[netns]:
        raise NoEvidence(f"{key} was not read in network namespace {netns}")
    return str(namespaces[netns][key])


def _unknown(reason: str) -> bool:
    raise NoEvidence(reason)


def _sum(items: Sequence[Any]) -> Any:
    if not all(isinstance(item, int | float) and not isinstance(item, bool) for item in items):
        raise NoEvidence("sum() of what is not all numbers")
    return sum(items)


def _join(items: Sequence[Any], by: str) -> str:
    text = by.join(str(item) for item in items[: _MOST_JOINED + 1])
    if len(items) > _MOST_JOINED or len(text) > _MOST_JOINED:
        raise NoEvidence(f"join() of more than {_MOST_JOINED} items or characters; take() fewer")
    return text


def _pair(pick: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def choose(a: Any, b: Any) -> Any:
        return float(pick(a, b)) if isinstance(a, float) or isinstance(b, float) else pick(a, b)

    return choose


_NUMBERS = (
    ((_INT, _INT), _INT),
    ((_DOUBLE, _DOUBLE), _DOUBLE),
    ((_INT, _DOUBLE), _DOUBLE),
    ((_DOUBLE, _INT), _DOUBLE),
)
_LOOK = (_STRING, _STRING)

FUNCTIONS: tuple[Function, ...] = (
    Function(
        "delta",
        'delta(netns, "Counter"): how much a kernel counter of a network namespace rose during the visit',
        ((_LOOK, _INT),),
        _counter("delta", int),
        reads="tcp_ext",
    ),
    Function(
        "rate",
        'rate(netns, "Counter"): the same per second',
        ((_LOOK, _DOUBLE),),
        _counter("rate", float),
        reads="tcp_ext",
    ),
    Function(
        "counter",
        'counter(netns, "Counter"): its value since the namespace began: history, never an alarm by itself',
        ((_LOOK, _INT),),
        _counter("value", int),
        reads="tcp_ext",
    ),
    Function(
        "sysctl",
        'sysctl(netns, "key"): a sysctl of a network namespace, as text; int(sysctl(…)) for a number',
        ((_LOOK, _STRING),),
        _sysctl,
        reads="sysctl_net",
    ),
    Function(
        "unknown",
        'unknown("why"): what cannot be told from what was read; the finding is undecided, with this reason',
        (((_STRING,), cel.Type.BOOL),),
        _unknown,
    ),
    Function("min", "min(a, b): the smaller number", _NUMBERS, _pair(min)),
    Function("max", "max(a, b): the larger number", _NUMBERS, _pair(max)),
    Function("sum", "list.sum(): the total of a list of numbers", (((_LIST,), _DYN),), _sum, member=True),
    Function(
        "take",
        "list.take(n): the first n items",
        (((_LIST, _INT), _LIST),),
        lambda items, count: items[: max(0, count)],
        member=True,
    ),
    Function(
        "join",
        'list.join(", "): the items as one text',
        (((_LIST, _STRING), _STRING),),
        _join,
        member=True,
    ),
)


def reader(values: Mapping[str, Any], missing: Mapping[str, Unknown]) -> Read:
    """How functions look facts up in one evaluation."""

    def read(probe: str) -> Any:
        if probe in values:
            return values[probe]
        raise NoEvidence(missing[probe].reason if probe in missing else f"{probe} was not asked")

    return read
