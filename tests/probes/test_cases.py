"""Each probe's parser is held against what hosts printed: cases are data."""

import contextlib
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from bot.core.probe import ParseError, Reading, Sampling
from bot.probes import catalog

CASES = sorted((Path(__file__).parent / "cases").glob("*/*.yaml"))
PROBES = catalog()


def readings(case: Mapping[str, Any]) -> list[Reading]:
    rows = case.get("readings") or [{key: case[key] for key in ("text", "uptime", "asked") if key in case}]
    return [Reading(**row) for row in rows]


def at(facts: Any, path: str) -> Any:
    """The value at a path of keys, of which some hold dots themselves; "absent" where there is none."""
    if not path:
        return facts
    if isinstance(facts, Mapping):
        for key in sorted(facts, key=len, reverse=True):
            if path == key or path.startswith(f"{key}."):
                return at(facts[key], path[len(key) + 1 :])
        return "absent"
    head, _, rest = path.partition(".")
    return at(facts[int(head)], rest) if isinstance(facts, Sequence) else "absent"


@pytest.mark.parametrize("path", CASES, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_probe_finds_what_the_host_printed(path: Path) -> None:
    case = yaml.safe_load(path.read_text())
    probe = PROBES[path.parent.name]
    if "unknown" in case:
        with pytest.raises(ParseError, match=case["unknown"]):
            probe.parse(readings(case), {})
        return
    facts = probe.parse(readings(case), {})
    found = facts.model_dump(mode="json")
    assert {key: at(found, key) for key in case["facts"]} == case["facts"]
    assert type(facts).model_validate_json(facts.model_dump_json()) == facts


def test_every_probe_has_its_cases_and_one_that_it_refuses() -> None:
    refused = {path.parent.name for path in CASES if "unknown" in yaml.safe_load(path.read_text())}
    assert refused == set(PROBES)


@pytest.mark.parametrize("probe", PROBES.values(), ids=PROBES.keys())
def test_every_fact_says_what_it_means(probe: Any) -> None:
    schema = probe.facts.model_json_schema()
    for model in (schema, *schema.get("$defs", {}).values()):
        for name, field in model["properties"].items():
            assert field.get("description"), f"{model['title']}.{name}"


def _mutations(texts: Sequence[str]) -> st.SearchStrategy[str]:
    """What hosts printed, with lines lost, doubled, shuffled, cut and garbled."""
    lines = sorted({line for text in texts for line in text.splitlines()})
    junk = st.text(alphabet=st.characters(codec="utf-8"), max_size=30)
    line = st.one_of(
        st.sampled_from(lines),
        st.builds(lambda a, n: a[:n], st.sampled_from(lines), st.integers(0, 80)),
        st.builds(lambda a, n, j: a[:n] + j + a[n:], st.sampled_from(lines), st.integers(0, 80), junk),
        junk,
    )
    return st.one_of(junk, st.lists(line, max_size=12).map("\n".join), _prefix(texts, line))


def _prefix(texts: Sequence[str], line: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.builds(
        lambda text, n, more: "\n".join([*text.splitlines()[:n], more, *text.splitlines()[n:]]),
        st.sampled_from(list(texts)),
        st.integers(0, 30),
        line,
    )


@pytest.mark.parametrize("name", PROBES)
def test_no_input_breaks_a_parser_but_with_a_parse_error(name: str) -> None:
    probe = PROBES[name]
    cases = [yaml.safe_load(path.read_text()) for path in CASES if path.parent.name == name]
    texts = [reading.text for case in cases for reading in readings(case)]
    count = 2 if probe.sampling is Sampling.COUNTER else 1

    @given(st.lists(_mutations(texts), min_size=count, max_size=count))
    def check(mutated: list[str]) -> None:
        try:
            facts = probe.parse([Reading(text=text, uptime=float(n)) for n, text in enumerate(mutated)], {})
        except ParseError:
            return
        assert isinstance(facts, probe.facts)

    check()


@pytest.mark.parametrize("name", PROBES)
def test_a_parser_is_linear_in_what_the_host_prints(name: str) -> None:
    """A hostile megabyte must not keep the bot busy: the parser looks at each character a bounded number of times."""
    probe = PROBES[name]
    cases = [
        yaml.safe_load(path.read_text()) for path in CASES if path.parent.name == name and "unknown" not in path.name
    ]
    text = max((reading.text for case in cases for reading in readings(case)), key=len)
    longest = max(text.splitlines(), key=len)
    for hostile in (longest * 400, "(" * 100_000, f"{text}\n" + " " * 100_000 + ":", re.sub(r"\d", "9" * 3000, text)):
        with contextlib.suppress(ParseError):
            probe.parse([Reading(text=hostile, uptime=1.0), Reading(text=hostile, uptime=2.0)], {})


def _more(text: str, times: int) -> str:
    """The body of a section so many times; numbers of three digits and more are others each time."""
    head, gap, body = text.partition("\n\n")
    head, body = (head + gap, body) if gap else ("", text)
    other = re.compile(r"(?<![\w.])\d{3,9}(?![\w.:])")
    return head + "".join(other.sub(lambda m: str(int(m[0]) + turn), f"{body}\n") for turn in range(times))  # noqa: B023


GROWING = {
    "all of it again": lambda text, times: text * times,
    "every line again": lambda text, times: "\n".join(line for line in text.splitlines() for _ in range(times)),
    "its body with other numbers": _more,
}
ALLOWED = {("keepalived", "every line again"): 1_500_000}
"""Steps beyond that: a file that is included again and again is one, up to a number of lines."""


def _steps(probe: Any, given: Sequence[Reading]) -> int:
    """Lines of Python that a parser runs, turns of its loops among them."""
    count = 0

    def trace(_frame: Any, _event: str, _arg: Any) -> Any:
        nonlocal count
        count += 1
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        with contextlib.suppress(ParseError):
            probe.parse(given, {})
    finally:
        sys.settrace(before)
    return count


@pytest.mark.parametrize("how", GROWING)
@pytest.mark.parametrize("name", PROBES)
def test_twice_as_much_takes_a_parser_twice_as_many_steps(name: str, how: str) -> None:
    cases = [yaml.safe_load(path.read_text()) for path in CASES if path.parent.name == name]
    given = [readings(case) for case in cases if "unknown" not in case]
    for several in sorted(given, key=lambda each: -len(each[0].text))[:2]:
        once, twice = (
            _steps(PROBES[name], [Reading(text=GROWING[how](one.text, times), uptime=one.uptime) for one in several])
            for times in (15, 30)
        )
        assert twice <= 2.3 * once + ALLOWED.get((name, how), 500)
