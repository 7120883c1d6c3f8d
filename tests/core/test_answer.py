"""An answer counts only when it is whole, of this send, and agrees with itself."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.answer import (
    Applied,
    Confirmed,
    FailedOnHost,
    Look,
    NoAnswer,
    Ran,
    RefusedOnHost,
    Stale,
    Told,
    Unverified,
    parse,
)
from bot.core.change import Check, Plan
from bot.core.report import Risk

NONCE = "0123456789abcdef"
CHECK = Check(about="the value", argv=("cat", "v"), expect="old")
PLAN = Plan(
    steps=(("true",),),
    precondition=(CHECK,),
    inverse=(("false",),),
    verify=(CHECK.model_copy(update={"expect": "new"}),),
    risk=Risk.LOW,
    summary="s",
    impact="i",
)
NEW = Look("the value", "new", True)


def hexed(text: str) -> str:
    return text.encode().hex() or "-"


def frame(*lines: str, nonce: str = NONCE) -> bytes:
    body = "".join(line + "\n" for line in lines)
    return f"netdiag-answer {nonce} {len(body)}\n{body}netdiag-end {nonce}\n".encode()


def look(kind: str, value: str, holds: int, status: int = 0, err: str = "") -> str:
    return f"look {kind} 0 {holds} {status} {hexed(value)} {hexed(err)}"


APPLIED = frame("time 1700000000", look("pre", "old", 1), look("post", "new", 1), "result applied")

ANSWERS = [
    (APPLIED, 0, Applied((NEW,))),
    (frame(look("post", "new", 1), "result confirmed"), 0, Confirmed((NEW,))),
    (frame(look("pre", "x", 0), "result stale"), 10, Stale((Look("the value", "x", False),))),
    (frame(f"result refused late {hexed('too late')}"), 11, RefusedOnHost("late", "too late")),
    (frame("result refused tools -"), 11, RefusedOnHost("tools", "this host has no od command")),
    (frame("result seen applied 17"), 12, Ran("applied")),
    (
        frame(f"step 0 3 {hexed('no such device')}", look("pre", "old", 1), "result failed step restored"),
        13,
        FailedOnHost("a step failed", "exit 3: no such device", True, (Look("the value", "old", True),)),
    ),
    (frame(look("post", "x", 0), "result unverified"), 14, Unverified((Look("the value", "x", False),))),
    (
        frame("armed yes", look("pre", "old", 1), look("post", "old", 0), "result told applied 17"),
        0,
        Told("applied", True, (Look("the value", "old", True),), (Look("the value", "old", False),)),
    ),
    (
        frame(look("pre", "", 0, 1, "cat: v: No such file"), "result stale"),
        10,
        Stale((Look("the value", "(cat: v: No such file, exit 1)", False, 1),)),
    ),
]


@pytest.mark.parametrize(("stdout", "status", "value"), ANSWERS, ids=lambda value: type(value).__name__)
def test_each_answer_is_read(stdout: bytes, status: int, value: object) -> None:
    assert parse(stdout, status, NONCE, PLAN) == value


@pytest.mark.parametrize(("stdout", "status", "value"), ANSWERS, ids=lambda value: type(value).__name__)
def test_an_answer_that_is_cut_anywhere_is_none(stdout: bytes, status: int, value: object) -> None:
    for cut in range(len(stdout)):
        assert isinstance(parse(stdout[:cut], status, NONCE, PLAN), NoAnswer), cut


@pytest.mark.parametrize(("stdout", "status", "value"), ANSWERS, ids=lambda value: type(value).__name__)
def test_without_the_programs_end_there_is_no_answer(stdout: bytes, status: int, value: object) -> None:
    assert isinstance(parse(stdout, None, NONCE, PLAN), NoAnswer)


@pytest.mark.parametrize(
    ("stdout", "status"),
    [
        (APPLIED, 1),
        (APPLIED.replace(b"result applied", b"result confirmed"), 0),
        (APPLIED + APPLIED, 0),
        (frame(look("pre", "old", 1), look("post", "new", 1), "result applied", nonce="other"), 0),
        (frame(look("post", "new", 0), "result applied"), 0),
        (frame("result applied"), 0),
        (frame(look("post", "new", 1), "result done"), 0),
        (frame("look post 7 1 0 6e6577 -", "result applied"), 0),
        (frame("look post x 1 0 6e6577 -", "result applied"), 0),
        (frame("look post 0 1 0 nothex -", "result applied"), 0),
        (frame("look post 0 1 0 6e6 -", "result applied"), 0),
        (frame("result refused"), 11),
        (frame("result failed fire restored"), 13),
        (frame(), 0),
        (b"", 0),
    ],
    ids=range(15),
)
def test_what_does_not_agree_with_itself_is_no_answer(stdout: bytes, status: int) -> None:
    assert isinstance(parse(stdout, status, NONCE, PLAN), NoAnswer)


def test_noise_around_the_answer_is_no_matter() -> None:
    noisy = b"Welcome!\n\xff\x00\n" + APPLIED + b"bye\n"
    assert parse(noisy, 0, NONCE, PLAN) == Applied((NEW,))


def test_what_the_host_printed_is_made_safe() -> None:
    answered = parse(frame(look("pre", "\x1b[2J\u202e<!channel>", 0), "result stale"), 10, NONCE, PLAN)
    assert isinstance(answered, Stale)
    assert answered.looks[0].printed == "\\x1b[2J\\u202e<!channel>"


@given(st.binary(max_size=400), st.one_of(st.none(), st.integers(0, 20)))
def test_any_bytes_are_read_without_an_exception_and_never_as_success(noise: bytes, status: int | None) -> None:
    assert isinstance(parse(noise, status, NONCE, PLAN), NoAnswer)


@given(st.data())
def test_one_changed_byte_never_turns_another_answer_into_success(data: st.DataObject) -> None:
    stdout, status, _ = data.draw(st.sampled_from([one for one in ANSWERS if one[1] != 0]))
    at = data.draw(st.integers(0, len(stdout) - 1))
    changed = stdout[:at] + bytes([data.draw(st.integers(0, 255))]) + stdout[at + 1 :]
    assert not isinstance(parse(changed, status, NONCE, PLAN), Applied | Confirmed)
