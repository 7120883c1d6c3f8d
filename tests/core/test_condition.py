"""Is a condition checked before it is run, and unknown rather than false when evidence is missing?"""

from enum import StrEnum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.cel_faults import BadExpression
from bot.core.condition import Condition, Expression, Names, World
from bot.core.facts_schema import Schema
from bot.core.probe import Facts, Unknown
from bot.core.template import Template, spell


class Kind(StrEnum):
    A = "a"


class Listener(Facts):
    netns: str
    recv_q: int
    send_q: int
    drops: int | None
    ratio: float
    kind: Kind
    by_state: dict[str, int]
    tags: tuple[str, ...]
    up: bool


class Queues(Facts):
    listeners: list[Listener]
    named: dict[str, Listener]


class Sysctls(Facts):
    namespaces: dict[str, dict[str, str]]


class Tree(Facts):
    children: "list[Tree]"
    odd: list[list[int]]
    anything: Any


MODELS = {"queues": Queues, "sysctl_net": Sysctls, "tcp_ext": Sysctls, "tree": Tree}
NAMES = Names.of(Schema.of(MODELS))
LISTENER = {
    "netns": "1",
    "recv_q": 5,
    "send_q": 3,
    "drops": None,
    "ratio": 0.5,
    "kind": "a",
    "by_state": {"listen": 1},
    "tags": ["x"],
    "up": True,
}
QUEUES = Queues(listeners=[Listener.model_validate(LISTENER)], named={})
WORLD = World(
    {
        "queues": QUEUES.model_dump(mode="json"),
        "sysctl_net": {"namespaces": {"1": {"net.core.somaxconn": "128"}}},
        "tcp_ext": {
            "namespaces": {
                "1": {"value": {"A": 7, "B": 1}, "delta": {"A": 3}, "rate": {"A": 1}},
            }
        },
    },
    {"tree": Unknown("tree: ss is not installed")},
)

VALUES = {
    "queues.listeners[0].recv_q > queues.listeners[0].send_q": True,
    "queues.listeners.exists(q, q.recv_q > 9)": False,
    "queues.listeners[0].drops == null": True,
    "queues.listeners[0].ratio * 2.0": 1.0,
    'queues.listeners[0].kind == "a"': True,
    'queues.listeners[0].by_state["listen"]': 1,
    "queues.listeners[0].by_state.listen == 1": True,
    '"listen" in queues.listeners[0].by_state': True,
    'queues.listeners[0].tags == ["x"]': True,
    "queues.listeners.map(q, q.recv_q).sum()": 5,
    "[3, 1, 2].take(2)": [3, 1],
    "[3, 1, 2].take(-1)": [],
    '["a", "b"].join(", ")': "a, b",
    "max(1, 2.5)": 2.5,
    "min(queues.listeners[0].recv_q, 3)": 3,
    'delta("1", "A")': 3,
    'rate("1", "A")': 1.0,
    'counter("1", "B")': 1,
    'sysctl("1", "net.core.somaxconn")': "128",
    'int(sysctl("1", "net.core.somaxconn")) * 2': 256,
    "tree.children.size() > 0 || true": True,
    "tree.children.size() > 0 && false": False,
}


@pytest.mark.parametrize(("source", "value"), VALUES.items())
def test_an_expression_has_its_plain_value(source: str, value: object) -> None:
    found = Expression.compile(source, NAMES).value(WORLD)
    assert (found, type(found)) == (value, type(value))


UNKNOWN = {
    "tree.children.size() > 0": "tree: ss is not installed",
    "tree.children.size() > 0 || false": "tree: ss is not installed",
    'delta("2", "A") > 0': "no counters of network namespace 2",
    'delta("1", "B") > 0': "the counters were reset",
    'delta("1", "C") > 0': "the kernel counts no C",
    'sysctl("1", "net.ipv4.tcp_mem") == ""': "net.ipv4.tcp_mem was not read",
    'sysctl("2", "x") == ""': "read nothing of network namespace 2",
    "queues.listeners[7].up": "index",
    "queues.named.x.up": "Key not found",
    "queues.listeners[0].drops > 0": "null",
    "1 / (queues.listeners[0].recv_q - 5) > 0": "divide by zero",
    "int('x') > 0": "",
    "['a', 'b'].sum() > 0": "not all numbers",
    "queues.listeners[0].recv_q + 9223372036854775807 > 0": "overflow",
}


@pytest.mark.parametrize(("source", "reason"), UNKNOWN.items())
def test_a_condition_without_evidence_is_unknown_with_the_reason(source: str, reason: str) -> None:
    truth = Condition.compile(source, NAMES).truth(WORLD)
    assert isinstance(truth, Unknown), truth
    assert reason in truth.reason


def test_a_name_that_was_never_asked_is_unknown() -> None:
    assert Condition.compile("queues.listeners.size() > 0", NAMES).truth(World()) == Unknown("queues was not asked")


@pytest.mark.parametrize(
    "source", ["1.0 / 0.0", "0.0 / 0.0", "-1.0 / 0.0", "timestamp('2026-01-01T00:00:00Z')", "b'x'"]
)
def test_what_is_no_plain_finite_value_is_unknown(source: str) -> None:
    assert isinstance(Expression.compile(source, NAMES).value(WORLD), Unknown)


FAULTS = {
    "queues.listners.size() > 0": (7, 'Queues has no field "listners"; did you mean "listeners"?'),
    "queus.listeners.size() > 0": (6, 'no name "queus"; did you mean "queues"?'),
    "queues.listeners.exists(q, q.recvq > 1)": (29, 'Listener has no field "recvq"; did you mean "recv_q"?'),
    "queues.listeners[0].recv_q > 'x'": (28, "no matching overload"),
    "queues.listeners[0].recv_q * 0.8 > 1.0": (28, "write 1.0 for 1, or double(x)"),
    "detla('1', 'A') > 0": (6, 'no name "detla"; did you mean "delta"?'),
    "delta('1') > 0": (6, 'other arguments than delta(netns, "Counter")'),
    "queues.listeners[0].recv_q": (1, "must be true or false, but is an integer"),
    "queues.listeners": (1, "must be true or false, but is a list of Listener"),
    "queues.listeners[0].recv_q >": (29, "Syntax error"),
    "": (1, "is empty"),
    "  ": (1, "is empty"),
    "true" + " || true" * 600: (1, "longer than 4096"),
    "[1].all(a, [1].all(b, [1].all(c, [1].all(d, [1].all(e, true)))))": (1, "5 comprehensions"),
    "1" + " + 1" * 25 + " > 0": (1, "25 plus signs"),
    "(" * 40 + "true" + ")" * 40: (1, ""),
    "'": (1, "syntax error"),
    "1" + "-1" * 2000 + " > 0": (1, "recursion depth"),
}


@pytest.mark.parametrize(("source", "fault"), FAULTS.items(), ids=[source[:40] for source in FAULTS])
def test_a_wrong_condition_is_refused_with_its_column_and_the_nearest_name(source: str, fault: tuple[int, str]) -> None:
    with pytest.raises(BadExpression) as refused:
        Condition.compile(source, NAMES)
    first = refused.value.faults[0]
    assert fault[1].lower() in first.what.lower()
    if fault[1]:
        assert first.column == fault[0]


def test_a_fault_in_a_later_line_has_its_line() -> None:
    with pytest.raises(BadExpression) as refused:
        Condition.compile("true &&\n  queues.nope", NAMES)
    assert [(fault.line, fault.column) for fault in refused.value.faults] == [(2, 9)]


def test_work_without_end_is_unknown() -> None:
    source = "l.all(a, l.all(b, l.all(c, l.all(d, true))))"
    names = NAMES.bind("l", Expression.compile("[1]", NAMES).kind)
    truth = Condition.compile(source, names).truth(WORLD.bind({"l": list(range(100))}))
    assert isinstance(truth, Unknown)
    assert "too much work" in truth.reason


LARGE = {
    "a list of lists": "l.map(x, [l, l, l, l])",
    "a long text": "t + t",
    "a long joined text": 'l.map(x, t).join("")',
    "a list of long texts": "l.map(x, t + t + t + t)",
}


@pytest.mark.parametrize("source", LARGE.values(), ids=LARGE)
def test_a_value_that_grows_too_large_is_unknown(source: str) -> None:
    names = NAMES.bind("l", Expression.compile("[1]", NAMES).kind).bind("t", Expression.compile("'x'", NAMES).kind)
    found = Expression.compile(source, names).value(WORLD.bind({"l": list(range(2_000)), "t": "x" * 1_500}))
    assert isinstance(found, Unknown)
    assert "more than" in found.reason


def test_reasons_carry_no_control_characters_of_the_host() -> None:
    names = NAMES.bind("k", Expression.compile("'x'", NAMES).kind)
    truth = Condition.compile("queues.named[k].up", names).truth(WORLD.bind({"k": "\x1b[31m<!channel>\u202e"}))
    assert isinstance(truth, Unknown)
    assert "\x1b" not in truth.reason
    assert "\u202e" not in truth.reason


def test_an_expression_tells_what_it_reads() -> None:
    found = Expression.compile("delta('1', 'A') > 0 && queues.listeners.size() > 0 && 'tree sysctl(' != ''", NAMES)
    assert found.reads == {"tcp_ext"}
    assert found.names == {"queues"}


def test_shapes_that_have_no_message_type_are_untyped_but_readable() -> None:
    world = WORLD.bind({"tree": {"children": [], "odd": [[1, 2]], "anything": {"x": 5}}})
    assert Expression.compile("tree.odd[0][1]", NAMES).value(world) == 2
    assert Expression.compile("tree.anything.x > 4", NAMES).value(world) is True
    with pytest.raises(BadExpression, match="childrn"):
        Expression.compile("tree.children[0].childrn", NAMES)


LINES = {
    "{queues.listeners[0].recv_q}/{queues.listeners[0].send_q} waiting": "5/3 waiting",
    "no expression": "no expression",
    "{{}} and {{x}}": "{} and {x}",
    "+{rate('1', 'A')}/s": "+1.0/s",
    "{1234567}": "1234567",
    "{0.012}": "0.012",
    "{'}' + \"{\"}": "}{",
    "{ {'a': 1}.a }": "1",
    "{tree.odd.size()} rows": "unknown rows",
    "{null} {true} {['a', 'b']}": "none true a, b",
    "{'\\x1b[31m'}": "\\x1b[31m",
}


@pytest.mark.parametrize(("source", "line"), LINES.items())
def test_a_template_says_its_line(source: str, line: str) -> None:
    assert Template.compile(source, NAMES).render(WORLD) == line


BAD_LINES = {
    "a {queues.nope} b {nope}": [(1, 10), (1, 20)],
    "a {": [(1, 3)],
    "a } b": [(1, 3)],
    "one\ntwo {nope}": [(2, 6)],
    "{}": [(1, 2)],
}


@pytest.mark.parametrize(("source", "places"), BAD_LINES.items())
def test_a_wrong_template_is_refused_with_every_place(source: str, places: list[tuple[int, int]]) -> None:
    with pytest.raises(BadExpression) as refused:
        Template.compile(source, NAMES)
    assert [(fault.line, fault.column) for fault in refused.value.faults] == places


def test_a_single_expression_keeps_its_type_and_text_around_it_makes_text() -> None:
    assert Template.compile("{max(1, 4096)}", NAMES).value(WORLD) == 4096
    assert Template.compile("{max(1, 4096)} ", NAMES).value(WORLD) == "4096 "
    assert Template.compile("x{tree.odd.size()}", NAMES).value(WORLD) == Unknown("tree: ss is not installed")


def test_long_text_is_cut() -> None:
    assert len(spell("x" * 5_000)) == 400


@given(st.text(max_size=60) | st.text(alphabet="q.recv_ >|&()[]{}'\"12,+-*/!?:\n", max_size=60))
def test_no_source_does_anything_but_compile_or_raise_bad_expression(source: str) -> None:
    for compile_ in (Condition.compile, Template.compile):
        try:
            compile_(source, NAMES)
        except BadExpression as refused:
            faults = refused.faults
        else:
            continue
        assert faults


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@given(PLAIN)
def test_no_facts_do_anything_but_decide_or_be_unknown(value: object) -> None:
    names = NAMES.bind("x", Expression.compile("tree.anything", NAMES).kind)
    for source in ("x.a > 1", "x[0] == 'a'", "x.exists(y, y > 0)", "x == 1 || x > 2", "size(x) > 1"):
        assert isinstance(Condition.compile(source, names).truth(WORLD.bind({"x": value})), bool | Unknown)
