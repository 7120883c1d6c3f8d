"""Does the loader read plain data exactly, and refuse everything else with its line?"""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field

from bot.adapters.files.strict_yaml import Document, load
from bot.adapters.files.validate import validate
from bot.core.errors import ConfigError

MERGE_BOMB = "a: &a {k: v}\n" + "\n".join(
    f"{c}: &{c} {{<<: [{', '.join(['*' + p] * 9)}]}}" for p, c in zip("abcdefghi", "bcdefghij", strict=True)
)
ALIAS_BOMB = "a: &a [x, x]\n" + "\n".join(
    f"{c}: &{c} [*{p}, *{p}]" for p, c in zip("abcdefghi", "bcdefghij", strict=True)
)

SCALARS = {
    "no": "no",
    "off": "off",
    "yes": "yes",
    "y": "y",
    "true": True,
    "False": False,
    "0644": 644,
    "0o17": 15,
    "0x1F": 31,
    "12:30": "12:30",
    "22:22": "22:22",
    "1_000": "1_000",
    "2026-11-21": "2026-11-21",
    "-5": -5,
    "+5": 5,
    "1.5": 1.5,
    "1e3": 1000.0,
    ".5": 0.5,
    "1.": 1.0,
    "~": None,
    "null": None,
    "": None,
    "'5'": "5",
    '"no"': "no",
    "=": "=",
    "9223372036854775807": 2**63 - 1,
    "1.2.3.4": "1.2.3.4",
}


@pytest.mark.parametrize(("text", "value"), SCALARS.items())
def test_scalars_follow_the_core_schema(text: str, value: object) -> None:
    found = load(f"key: {text}\n", "f.yaml").value["key"]
    assert (found, type(found)) == (value, type(value))


REFUSED = {
    "alias bomb": (ALIAS_BOMB, 1, "anchors"),
    "merge key bomb": (MERGE_BOMB, 1, "anchors"),
    "merge key": ("x: 1\na:\n  <<: {k: v}\n", 3, "merge keys"),
    "alias": ("a: 1\nb: *x\n", 2, "aliases"),
    "tag": ("a: 1\nb: !!python/object/apply:os.system [id]\n", 2, "tags"),
    "tag of a scalar": ("a: !!str 5\n", 1, "tags"),
    "deep": ("[" * 30_000, 1, "nested deeper"),
    "deep block": ("".join(" " * n + "a:\n" for n in range(40)), 21, "nested deeper"),
    "two documents": ("a: 1\n---\nb: 2\n", 2, "second document"),
    "directive": ("%YAML 1.1\n---\na: 1\n", 1, "directives"),
    "twice": ("a: 1\nb: 2\na: 3\n", 3, 'key "a" is given twice (first on line 1)'),
    "twice in flow": ("x: {a: 1, 'a': 2}\n", 1, "given twice"),
    "list as key": ("a: 1\n? [x]\n: 1\n", 2, "must be a word"),
    "huge number": ("a: 9223372036854775808\n", 1, "64 bits"),
    "long number": ("a: " + "1" * 5_000, 1, "64 bits"),
    "infinity": ("a: .inf\n", 1, "64 bits"),
    "overflow": ("a: 1e999\n", 1, "64 bits"),
    "control character": ("a: 1\x00\n", 1, "not YAML"),
    "open bracket": ("a: 1\nb: [1,\n", 3, "not YAML"),
    "tab": ("a:\n\t- b\n", 2, "not YAML"),
    "too long": ("a: " + "x" * 65_536, 1, "more than the 65536"),
    "too many parts": ("[" + "1," * 60_000 + "]", 1, "more than"),
    "surrogate": ("a: \ud800", 1, "surrogate"),
}


@pytest.mark.parametrize(("text", "line", "words"), REFUSED.values(), ids=REFUSED)
def test_what_is_not_plain_data_is_refused_with_its_line(text: str, line: int, words: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load(text, "f.yaml")
    assert str(refused.value).startswith(f"f.yaml:{line}: ")
    assert words in str(refused.value)


def test_bytes_that_are_not_utf8_are_refused_with_their_line() -> None:
    with pytest.raises(ConfigError, match=r"^f\.yaml:2: not UTF-8"):
        load(b"a: 1\nb: \xff\n", "f.yaml")


def test_caps_are_parameters() -> None:
    text = "a: " + "x" * 70_000
    assert len(load(text, "f.yaml", max_bytes=100_000).value["a"]) == 70_000
    with pytest.raises(ConfigError, match="deeper than 2"):
        load("a: {b: {c: 1}}", "f.yaml", max_depth=2)


def test_every_part_has_its_place() -> None:
    document = load(
        "a: 1\nlist:\n  - x: 1\n    y:\n      deep: true\ntext: |\n  one\n  two\nfolded: >\n  a\n  b\n", "f.yaml"
    )
    lines = {
        ("a",): 1,
        ("list",): 2,
        ("list", 0): 3,
        ("list", 0, "y"): 4,
        ("list", 0, "y", "deep"): 5,
        ("list", 0, "y", "gone"): 4,
        ("gone",): 1,
    }
    assert {path: document.place(path).line for path in lines} == lines
    assert document.inside(("text",), 2).line == 8
    assert document.inside(("folded",), 2).line == 9
    assert document.inside(("a",), 1).line == 1


def test_an_empty_document_is_nothing() -> None:
    assert load("", "f.yaml").value is None
    assert load("# only words\n", "f.yaml").value is None


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")
    port: int = Field(default=1, ge=1, le=65535)
    words: tuple[str, ...] = ()


class Outer(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: str
    inner: Inner = Inner()
    many: dict[str, Inner] = Field(default_factory=dict)
    with_: str | None = Field(default=None, alias="with")
    either: tuple[str | Inner, ...] = ()


def read(text: str) -> Outer:
    return validate(Outer, load(text, "f.yaml"))


def test_a_fitting_document_becomes_the_model() -> None:
    text = "name: x\ninner: {port: 80, words: [a]}\nmany:\n  a: {port: 2}\nwith: no\neither: [a, {port: 3}]\n"
    assert read(text).model_dump(by_alias=True) == {
        "name": "x",
        "inner": {"port": 80, "words": ("a",)},
        "many": {"a": {"port": 2, "words": ()}},
        "with": "no",
        "either": ("a", {"port": 3, "words": ()}),
    }


def test_every_fault_is_told_at_once_with_its_line_and_the_nearest_name() -> None:
    with pytest.raises(ConfigError) as refused:
        read('inner:\n  port: "80"\n  word: [a]\nmany:\n  a:\n    prot: 2\nwiht: x\ninnner: {}\n')
    assert str(refused.value).splitlines() == [
        'f.yaml:1: "name" is missing',
        'f.yaml:2: inner.port: input should be a valid integer, not "80"',
        'f.yaml:3: unknown key "word" in inner; did you mean "words"?',
        'f.yaml:6: unknown key "prot" in many.a; did you mean "port"?',
        'f.yaml:7: unknown key "wiht"; did you mean "with"?',
        'f.yaml:8: unknown key "innner"; did you mean "inner"?',
    ]


@pytest.mark.parametrize("text", ["", "5", "[]", "null", "x"])
def test_a_document_of_another_shape_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"^f\.yaml:1: "):
        read(text)


WORDS = st.text(alphabet="abc:-[]{}&*!|>%#'\"\n\t ?,~0123<.é\ud800\x00", max_size=80)


@given(st.one_of(st.text(max_size=200), WORDS, st.binary(max_size=200)))
def test_no_text_does_anything_but_load_or_raise_config_error(text: str | bytes) -> None:
    try:
        found: Document | str = load(text, "f.yaml")
    except ConfigError as refused:
        found = str(refused)
    assert isinstance(found, Document) or found.startswith("f.yaml:")


DATA = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text(alphabet="ab: #'\"\\-\n{}[]é", max_size=12),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(alphabet="abcno1 -", max_size=4), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(DATA)
def test_json_reads_as_itself(value: object) -> None:
    import json

    assert load(json.dumps(value, ensure_ascii=False), "f.yaml").value == value
