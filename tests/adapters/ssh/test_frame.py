"""The frame believes exactly what one program printed, however it arrives, in every shell that is here."""

import shutil
import subprocess
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.adapters.ssh.frame import Doubt, Frame, script, unfit

NONCE = "k3" * 16
SHELLS = [shell for shell in ("sh", "dash", "bash --posix", "bash", "busybox ash", "ksh", "mksh", "zsh --emulate sh") if
          shutil.which(shell.split()[0])]  # fmt: skip


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[low:high] for low, high in pairwise(edges)]


def framed(stdout: bytes, status: int, nonce: str = NONCE) -> bytes:
    return f"b{nonce}\n".encode() + stdout + f"\ne{nonce} {status}\n".encode()


printed = st.binary(max_size=200) | st.lists(
    st.sampled_from([b"\n", b"b", b"e", b" 0\n", NONCE[:-1].encode(), f"\ne{NONCE[1:]} 0\n".encode()])
).map(b"".join)
places = st.lists(st.integers(0, 1000), max_size=8)


@given(printed, st.integers(0, 255), places)
def test_a_whole_answer_is_exact_however_it_is_cut(stdout: bytes, status: int, cuts: list[int]) -> None:
    frame = Frame(NONCE, max_bytes=len(stdout))
    for piece in cut(framed(stdout, status), cuts):
        assert not (frame.over and piece)
        frame.feed(piece)
    assert (frame.stdout, frame.status, frame.doubt) == (stdout, status, None)


@given(printed, places, st.integers(0, 400))
def test_a_part_of_an_answer_has_no_status(stdout: bytes, cuts: list[int], size: int) -> None:
    whole = framed(stdout, 0)
    frame = Frame(NONCE, max_bytes=1000)
    for piece in cut(whole[: min(size, len(whole) - 1)], cuts):
        frame.feed(piece)
    assert frame.status is None
    assert whole.removeprefix(f"b{NONCE}\n".encode()).startswith(frame.cut())


@given(printed, places, st.binary(min_size=1, max_size=9))
def test_anything_after_the_answer_takes_its_status(stdout: bytes, cuts: list[int], more: bytes) -> None:
    frame = Frame(NONCE, max_bytes=1000)
    for piece in [*cut(framed(stdout, 0), cuts), more]:
        frame.feed(piece)
    assert (frame.status, frame.doubt) == (None, Doubt.STRAY_AFTER)


@given(printed.filter(bool), places, st.integers(1, 50))
def test_more_than_the_cap_is_cut_and_has_no_status(stdout: bytes, cuts: list[int], over: int) -> None:
    cap = max(0, len(stdout) - over)
    frame = Frame(NONCE, max_bytes=cap)
    for piece in cut(framed(stdout, 0), cuts):
        frame.feed(piece)
    assert (frame.status, frame.doubt) == (None, Doubt.OVERFLOW)
    assert frame.stdout == stdout[:cap]


@given(st.lists(st.binary(max_size=64), max_size=20), st.integers(0, 100), st.integers(0, 200))
def test_what_a_frame_keeps_is_bounded(pieces: list[bytes], cap: int, noise: int) -> None:
    frame = Frame(NONCE, max_bytes=cap, noise=noise)
    for piece in [f"b{NONCE}\n".encode(), *pieces]:
        if not frame.over:
            frame.feed(piece)
    assert len(frame.cut()) <= cap
    assert frame.status is None


@given(st.binary(max_size=100), printed)
def test_noise_is_allowed_only_where_it_is(noise: bytes, stdout: bytes) -> None:
    for allowed in (0, 100):
        frame = Frame(NONCE, max_bytes=1000, noise=allowed)
        frame.feed(noise + framed(stdout, 0))
        assert (frame.status == 0) is (not noise or allowed > 0)


@pytest.mark.parametrize("bulk", [False, True])
@pytest.mark.parametrize("shell", SHELLS)
def test_every_shell_frames_a_program_and_survives_it(shell: str, bulk: bool) -> None:
    if bulk and "bash" not in shell:
        pytest.skip("only bash leaves on the pipe what it did not need yet")
    programs = {"a": "echo one; exit 3", "b": "if", "c": "printf '%s' \"it's\"", "d": "cat; set -e; false", "e": ":"}
    text = b"".join(script(program, nonce * 16, bulk=bulk) for nonce, program in programs.items())
    done = subprocess.run(shell.split(), input=text, capture_output=True, timeout=30, check=False)
    # One frame after the other: a shell that died would leave the later ones out.
    expected = {
        "a": (b"one\n", {3}),
        "b": (b"", set(range(1, 256))),
        "c": (b"it's", {0}),
        "d": (b"", {1}),
        "e": (b"", {0}),
    }
    rest = done.stdout
    for nonce, (stdout, statuses) in expected.items():
        end = rest.index(f"\ne{nonce * 16} ".encode())
        newline = rest.index(b"\n", end + 1) + 1
        frame = Frame(nonce * 16, max_bytes=100)
        frame.feed(rest[:newline])
        assert (frame.stdout, frame.doubt) == (stdout, None), shell
        assert frame.status in statuses, shell
        rest = rest[newline:]
    assert rest == b""


def test_a_program_cut_short_on_the_way_is_not_run() -> None:
    whole = script("echo begun\n" + ": \n" * 100 + "echo ended", NONCE, bulk=True)
    for size in range(0, len(whole) - 60, 7):
        done = subprocess.run(["bash"], input=whole[:size], capture_output=True, timeout=30, check=False)
        assert b"begun" not in done.stdout
    plain = script("echo begun\n" + ": \n" * 100 + "echo ended", NONCE)
    for shell in SHELLS:
        done = subprocess.run(shell.split(), input=plain[:200], capture_output=True, timeout=30, check=False)
        assert b"begun" not in done.stdout, shell


@pytest.mark.parametrize("bulk", [False, True])
@given(text=st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\0"), max_size=60))
def test_any_text_reaches_a_shell_unchanged(bulk: bool, text: str) -> None:
    assert not unfit(text)
    program = "printf '%s' '" + text.replace("'", "'\\''") + "'"
    shell = ["bash", "--posix"] if bulk else ["sh"]
    done = subprocess.run(shell, input=script(program, NONCE, bulk=bulk), capture_output=True, timeout=30, check=False)
    frame = Frame(NONCE, max_bytes=1000)
    frame.feed(done.stdout)
    assert (frame.stdout.decode(), frame.status) == (text, 0)
