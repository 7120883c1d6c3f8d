"""A visit's program runs in every common shell, and one probe's trouble stays its own."""

import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.probe import Facts, Gather, Idle, NoEvidence, ParseError, Probe, Reading, Sampling, Seen, Unknown
from bot.core.visit import budget, compose, required
from bot.core.visit_answer import read, sections
from bot.core.visit_shell import HEAD, MAX_NETNS

NONCE = "0123456789abcdef0123456789abcdef"
SHELLS = {"dash": ["dash"], "bash": ["bash"], "busybox ash": ["busybox", "sh"]}
SHELLS = {name: argv for name, argv in SHELLS.items() if shutil.which(argv[0])}


class Said(Facts):
    """What a section printed."""

    text: str
    stderr: str = ""
    uptimes: tuple[float, ...] = ()
    seen: tuple[str, ...] = ()


def said(readings: Sequence[Reading], seen: Seen) -> Said:
    last = readings[-1]
    if "nonsense" in last.text:
        raise ParseError("that is nonsense")
    if "partly" in last.text:
        raise NoEvidence("only a part was told")
    return Said(text=last.text, stderr=last.stderr, uptimes=tuple(r.uptime for r in readings), seen=tuple(sorted(seen)))


def probe(name: str, script: str, **options: object) -> Probe[Said]:
    return Probe(name=name, question="?", script=script, parse=said, facts=Said, **options)  # type: ignore[arg-type]


def visit(argv: Sequence[str], *probes: Probe[Said], root: bool = True, window: float = 0.2, feed: str = "{}"):
    program = feed.format(compose(probes, nonce=NONCE, window=window))
    done = subprocess.run(argv, input=program.encode(), capture_output=True, timeout=60, check=True)
    assert done.stderr == b""
    return read(done.stdout, probes, nonce=NONCE, root=root, root_reason="sudo: a password is required")


def text_of(outcome: object) -> str:
    assert isinstance(outcome, tuple), outcome
    return outcome[-1].text


@pytest.fixture(params=SHELLS.values(), ids=SHELLS.keys())
def shell(request: pytest.FixtureRequest) -> Sequence[str]:
    return request.param


OK = probe("ok", "echo fine", timeout=1.0)


def test_each_probe_has_its_own_answer_with_stderr_apart(shell) -> None:
    outcomes = visit(shell, OK, probe("loud", "echo out; echo err >&2; printf 'no newline'"))
    assert text_of(outcomes["ok"]) == "fine\n"
    assert outcomes["loud"][-1].text == "out\nno newline"


def readings(argv: Sequence[str], *probes: Probe[Said]):
    program = compose(probes, nonce=NONCE, window=0.2)
    done = subprocess.run(argv, input=program.encode(), capture_output=True, timeout=60, check=True)
    return sections(done.stdout, probes, nonce=NONCE).readings


TROUBLE = {
    "missing tool": ("no_such_tool_here", "no_such_tool_here: not found"),
    "missing tool, told by ourselves": ("echo 'ss: not found' >&2; exit 127", "ss: not found"),
    "failure with words": ("echo half; echo 'permission denied' >&2; exit 3", "permission denied"),
    "failure without words": ("exit 7", "exit status 7"),
    "a tool that never ends": ("echo begun; sleep 30", "timed out after 1 s"),
    "a tool that ignores its end": ("trap '' TERM; echo begun; while :; do sleep 30; done", "timed out after 1 s"),
    "flood": ("yes", "cut at 4096 bytes"),
    "flood without lines": ("yes | tr -d '\\n'", "cut at 4096 bytes"),
    "garbage": ("echo nonsense", "cannot parse: that is nonsense"),
    "half an answer": ("echo partly", "only a part was told"),
    "a shell that kills itself": ("kill -9 $$", "ended by signal 9"),
}


@pytest.mark.parametrize(("script", "reason"), TROUBLE.values(), ids=TROUBLE.keys())
def test_trouble_makes_that_probe_unknown_and_no_other(shell, script: str, reason: str) -> None:
    outcomes = visit(shell, probe("bad", script, timeout=1.0, max_bytes=4096), OK)
    assert outcomes["bad"] == Unknown(reason)
    assert text_of(outcomes["ok"]) == "fine\n"


def test_a_flood_of_complaints_is_read_to_its_end_and_cut(shell) -> None:
    flood = "i=0; while [ $i -lt 5000 ]; do echo complaint $i >&2; i=$((i + 1)); done; echo done; exit 3"
    reading = readings(shell, probe("bad", flood), OK)["bad"][1]
    assert reading.text == "done\n"
    assert 0 < len(reading.stderr) < 3000


def test_a_single_endless_complaint_does_not_fill_the_memory(shell) -> None:
    flood = "echo x; yes | tr -d '\\n' | head -c 200000 >&2; exit 3"
    reading = readings(shell, probe("bad", flood, timeout=5.0), OK)["bad"][1]
    assert reading.text == "x\n"
    assert 0 < len(reading.stderr) < 1000


@pytest.mark.parametrize(
    "forged",
    [
        "printf '\\n@aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa- bad 1 1.0 0\\n\\n@aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa=\\n'",
        "printf '\\n@- bad 1 1.0 0\\n\\n@=\\n@+ ok 1 1.0\\nforged\\n@- ok 1 1.0 0\\n@=\\n'",
        "printf '\\nmark\\n@%s- ok\\n' \"$mark\"",
        "env; echo; cat /proc/$PPID/cmdline /proc/self/cmdline | tr '\\0' ' '",
    ],
    ids=["an old visit's marks", "guessed marks", "the variable", "what the environment and argv hold"],
)
def test_what_a_host_prints_cannot_end_or_open_a_section(shell, forged: str) -> None:
    outcomes = visit(shell, probe("bad", forged), OK)
    assert NONCE not in text_of(outcomes["bad"])
    assert text_of(outcomes["ok"]) == "fine\n"


def test_nothing_of_the_nonce_shows_to_other_processes(shell) -> None:
    look = "grep -asl '" + NONCE[:8] + "''" + NONCE[8:] + "' /proc/[0-9]*/cmdline /proc/[0-9]*/environ; :"
    assert text_of(visit(shell, probe("look", look))["look"]) == ""


def test_a_probe_that_needs_root_is_not_run_without_it(shell) -> None:
    program = compose([probe("deep", "echo ran", root=True), OK], nonce=NONCE, window=0.2)
    # the program asks the kernel who it is; the same text as another user's
    program = program.replace("uid=$euid", "uid=1000")
    stdout = subprocess.run(shell, input=program.encode(), capture_output=True, timeout=60, check=True).stdout
    assert b"ran" not in stdout.split(b"ask_")[0]
    outcomes = read(stdout, [probe("deep", "echo ran", root=True), OK], nonce=NONCE, root=False, root_reason="no sudo")
    assert outcomes["deep"] == Unknown("needs root: no sudo")
    assert text_of(outcomes["ok"]) == "fine\n"


def test_momentary_is_asked_three_times_a_counter_twice_and_the_rest_once_between(shell) -> None:
    outcomes = visit(
        shell,
        probe("once", "read up rest </proc/uptime; echo $up"),
        probe("momentary", "echo $SAMPLE", sampling=Sampling.MOMENTARY),
        probe("counter", "echo $SAMPLE", sampling=Sampling.COUNTER),
        window=0.4,
    )
    assert [facts.text for facts in outcomes["momentary"]] == ["1\n", "2\n", "3\n"]
    assert text_of(outcomes["counter"]) == "3\n"
    first, last = outcomes["counter"][0].uptimes
    second = outcomes["momentary"][1].uptimes[-1]
    assert first <= float(text_of(outcomes["once"])) <= second < last


def test_samples_are_spread_over_the_window() -> None:
    program = compose([probe("m", "echo", sampling=Sampling.MOMENTARY)], nonce=NONCE, window=3.0)
    # hundredths of a second since the first sample, and the least since the one before
    assert re.findall(r"^pause .*|^section m \d", program, re.MULTILINE) == [
        "section m 1", "pause 150 75", "section m 2", "pause 300 75", "section m 3"
    ]  # fmt: skip


def test_what_is_carried_reaches_the_later_sections_only(shell) -> None:
    outcomes = visit(
        shell,
        probe("a", 'echo "[$CARRY]"; echo first word >&4; echo * >&4'),
        probe("b", 'printf %s "$CARRY"'),
    )
    assert text_of(outcomes["a"]) == "[]\n"
    assert text_of(outcomes["b"]).startswith("first word\n")


def test_a_long_lived_shell_goes_on_unchanged_after_a_visit(shell) -> None:
    before = "cd /; umask 027; IFS=:; x=kept"
    after = '[ "$PATH" = "$old" ] && [ "$IFS" = : ] && [ "$x" = kept ] && [ -z "${mark+set}" ] && echo went on'
    program = f"old=$PATH\n{before}\n{compose([OK], nonce=NONCE)}{after}\n"
    stdout = subprocess.run(shell, input=program.encode(), capture_output=True, timeout=60, check=True).stdout
    assert stdout.endswith(b"went on\n")
    assert text_of(read(stdout, [OK], nonce=NONCE, root=True)["ok"]) == "fine\n"


def test_a_section_reads_no_standard_input_and_holds_no_descriptor_of_the_collector(shell) -> None:
    outcomes = visit(shell, probe("in", "cat; ls -l /proc/$$/fd"))
    links = dict(re.findall(r" (\d+) -> (.*)", text_of(outcomes["in"])))
    assert links["0"] == "/dev/null"
    assert "3" not in links  # the visit's own output
    assert "5" not in links


def test_the_visit_is_nice(shell) -> None:
    script = "read -r line </proc/self/stat; set -- ${line##*) }; shift 16; echo $1"  # field 19 of stat
    assert text_of(visit(shell, probe("nice", script))["nice"]) == "19\n"


def test_where_timeout_is_missing_a_section_is_still_cut_short() -> None:
    program = compose([probe("bad", "sleep 30 & sleep 30", timeout=1.0), OK], nonce=NONCE, window=0.2)
    program = program.replace("timeout --help", "false").replace("if likely", "if false")
    stdout = subprocess.run(["sh"], input=program.encode(), capture_output=True, timeout=25, check=True).stdout
    outcomes = read(stdout, [probe("bad", "", timeout=1.0), OK], nonce=NONCE, root=True)
    assert outcomes["bad"] == Unknown("timed out after 1 s")
    assert text_of(outcomes["ok"]) == "fine\n"


GNU, BUSYBOX = (os.path.realpath(shutil.which(name) or name) for name in ("timeout", "busybox"))


def no_program(place: Path) -> None:
    place.touch()


TIMEOUTS: dict[str, tuple[dict[str, Callable[[Path], object]], bool]] = {
    "a file of its own": ({"a/timeout": lambda place: shutil.copy(GNU, place)}, True),
    "none": ({}, False),
    "one that is no program": ({"a/timeout": no_program}, False),
    "a directory": ({"a/timeout": Path.mkdir}, False),
    "a symbolic link": ({"a/timeout": lambda place: place.symlink_to(GNU)}, False),
    "busybox by a symbolic link": ({"a/timeout": lambda place: place.symlink_to(BUSYBOX)}, False),
    "busybox by another name of its file": (
        {"b/busybox": lambda place: shutil.copy(BUSYBOX, place),
         "a/timeout": lambda place: place.hardlink_to(place.parents[1] / "b/busybox")}, False,
    ),
    "one file for all tools, whatever it is called": (
        {"b/cat": lambda place: shutil.copy(BUSYBOX, place),
         "a/timeout": lambda place: place.hardlink_to(place.parents[1] / "b/cat")}, False,
    ),
    "a link before a file of its own": (
        {"a/timeout": lambda place: place.symlink_to(BUSYBOX), "b/timeout": lambda place: shutil.copy(GNU, place)},
        False,
    ),
    "no program before a file of its own": (
        {"a/timeout": no_program, "b/timeout": lambda place: shutil.copy(GNU, place)}, True
    ),
}  # fmt: skip


def guessed(argv: Sequence[str], path: str) -> str:
    likely = HEAD[HEAD.index("likely() {") : HEAD.index("sure() {")]
    program = f"PATH={path}\n{likely}\nif likely; then echo GNU; else echo ask; fi\n"
    done = subprocess.run(argv, input=program, capture_output=True, text=True, timeout=20, check=True)
    return done.stdout.strip()


@pytest.mark.parametrize(("files", "known"), TIMEOUTS.values(), ids=TIMEOUTS.keys())
def test_timeout_is_asked_what_it_is_unless_its_file_tells(shell, files, known: bool, tmp_path: Path) -> None:
    if not all(map(os.path.isabs, (GNU, BUSYBOX))):
        pytest.skip("needs timeout and busybox")
    for name, make in files.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        make(tmp_path / name)
    # busybox's shell has a timeout of its own, whatever is in PATH
    told = "GNU" if known and "busybox" not in shell else "ask"
    assert guessed(shell, f"{tmp_path}/a:{tmp_path}/b") == told


@pytest.mark.parametrize("does", ["exit 0", "exit 125", "kill -9 $$"])
def test_a_timeout_that_was_taken_for_another_loses_nothing(does: str, tmp_path: Path) -> None:
    (tmp_path / "timeout").write_text(f"#!/bin/sh\n{does}\n")
    (tmp_path / "timeout").chmod(0o755)
    path = f"{tmp_path}:{os.defpath}"
    assert guessed(["dash"], path) == "GNU"
    probes = [OK, probe("bad", "exit 7"), probe("slow", "sleep 30", timeout=1.0)]
    program = compose(probes, nonce=NONCE, window=0.2).replace("PATH=/usr/sbin:", f"PATH={tmp_path}:/usr/sbin:")
    stdout = subprocess.run(["dash"], input=program.encode(), capture_output=True, timeout=60, check=True).stdout
    outcomes = read(stdout, probes, nonce=NONCE, root=True)
    assert text_of(outcomes["ok"]) == "fine\n"
    assert [outcomes["bad"], outcomes["slow"]] == [Unknown("exit status 7"), Unknown("timed out after 1 s")]


def test_a_visit_that_broke_off_says_so_and_keeps_what_it_has() -> None:
    probes = [OK, probe("late", "echo later")]
    stdout = subprocess.run(["sh"], input=compose(probes, nonce=NONCE).encode(), capture_output=True, check=True).stdout
    end = stdout.index(b"+ late")
    outcomes = read(stdout[: end + 30], probes, nonce=NONCE, root=True)
    assert text_of(outcomes["ok"]) == "fine\n"
    assert outcomes["late"] == Unknown("no answer before the visit broke off")
    assert read(b"", probes, nonce=NONCE, root=True)["ok"] == Unknown("no answer before the visit broke off")


def test_joins_see_what_went_before_and_unknown_stays_unknown(shell) -> None:
    joined = probe("c", "echo c", after=("a", "b", "absent"))
    outcomes = visit(shell, joined, probe("a", "echo a"), probe("b", "exit 1"))
    assert list(outcomes) == ["c", "a", "b"]
    assert outcomes["c"][-1].seen == ("a", "b")


def test_what_is_joined_is_asked_too_and_a_circle_is_refused() -> None:
    catalog = {p.name: p for p in (probe("a", "a", after=("b",)), probe("b", "b"), probe("c", "c", after=("d",)))}
    assert [p.name for p in required(["a"], catalog)] == ["b", "a"]
    with pytest.raises(KeyError):
        required(["c"], catalog)
    catalog["d"] = probe("d", "d", after=("c",))
    with pytest.raises(ValueError, match="c > d > c"):
        required(["c"], catalog)


def test_the_budget_covers_every_section_at_its_worst() -> None:
    slow = probe("slow", "x", timeout=7.0, max_bytes=1000, sampling=Sampling.MOMENTARY)
    seconds, size = budget([slow], window=3.0)
    assert seconds > 3 * 7.0 + 3.0
    assert size > 3 * 1000


@pytest.mark.parametrize("nonce", ["", "short", "x" * 200, "Upper" * 8, "a" * 30 + "\n", "a' b" * 8])
def test_an_unfit_nonce_is_refused(nonce: str) -> None:
    with pytest.raises(ValueError, match="nonce"):
        compose([OK], nonce=nonce)


@given(st.binary(max_size=400))
def test_no_output_of_a_host_makes_reading_fail(junk: bytes) -> None:
    outcomes = read(junk, [OK], nonce=NONCE, root=True)
    assert set(outcomes) == {"ok"}


_PIECES = [
    b"\n@" + NONCE.encode() + tail for tail in (b"+ ok 1 1.0\n", b"- ok 1 1.1 0\n", b"=\n", b".\n", b"- x", b"+")
]


@given(st.lists(st.sampled_from([*_PIECES, b"fine", b"\n", b"\xff\xfe", b"@"]), max_size=14).map(b"".join))
def test_marks_in_any_order_give_an_answer_only_when_whole(stdout: bytes) -> None:
    outcome = read(stdout, [OK], nonce=NONCE, root=True)["ok"]
    whole = re.search(
        rb"\+ ok 1 1\.0\n(?:[^@]|@(?!%b)|@%b\.\n)*?\n@%b- ok 1 1\.1 0\n" % ((NONCE.encode(),) * 3), stdout
    )
    assert isinstance(outcome, Unknown) or whole


@given(st.integers(min_value=0), st.text(max_size=50))
def test_a_section_is_read_as_it_was_printed(status: int, text: str) -> None:
    mark = f"\n@{NONCE}"
    body = text.encode("utf-8", "replace")
    stdout = f"{mark}+ ok 1 5.00\n".encode() + body + f"{mark}- ok 1 5.01 {status % 256}\n{mark}=\n".encode()
    reading = sections(stdout, [OK], nonce=NONCE).readings["ok"][1]
    assert reading.text == body.decode()
    assert (reading.exit_status, reading.uptime, reading.complete) == (status % 256, 5.0, True)


def test_namespaces_are_told_to_a_script_that_asks_for_them(shell) -> None:
    script = 'printf "%s\\n" "$NETNS" "self $NETNS_SELF" "total $NETNS_TOTAL"'
    lines = text_of(visit(shell, probe("spaces", script))["spaces"]).splitlines()
    rows = [line for line in lines if re.fullmatch(r"\d+ \d+ \d+", line)]
    own = subprocess.run(["readlink", "/proc/self/ns/net"], capture_output=True, text=True, check=True).stdout
    assert f"self {own.strip()[5:-1]}" in lines
    assert own.strip()[5:-1] in {row.split()[0] for row in rows}
    assert f"total {len(rows)}" in lines
    assert len(rows) <= MAX_NETNS


def test_sections_that_give_no_trouble_share_one_shell() -> None:
    probes = [probe(f"p{n}", "echo $PPID") for n in range(3)]
    outcomes = visit(["sh"], *probes)
    assert len({text_of(outcome) for outcome in outcomes.values()}) == 1


@pytest.mark.parametrize(("carries", "told"), [("", "nothing\n"), ("one word", "asked\n")])
@pytest.mark.parametrize("alone", [False, True])
def test_where_nothing_was_carried_that_it_waits_for_a_probe_says_its_line(shell, carries, told, alone) -> None:
    first = probe("first", f"echo {carries} >&4; " + ("kill -9 $PPID" if alone else ":"))
    then = probe("then", "echo asked", idle=Idle("one word", "nothing"))
    assert text_of(visit(shell, first, then)["then"]) == told


def middling(carries: str, first: str = ":") -> Probe[Said]:
    """Asked in each sample; in the middle only where `carries` is the word it waits for."""
    awk = f"""
function middling() {{
  say("sample " SAMPLE)
  if (SAMPLE == 1) {{ carry("{carries} here"); ask("more") }}
}}
"""
    gather = Gather((), awk, between=("waiting", "dropped"))
    return probe("middling", first, sampling=Sampling.MOMENTARY, gather=gather)


@pytest.mark.parametrize(
    ("carries", "told"),
    [("nobody", ["sample 1\n", "", "sample 3\n"]), ("dropped", ["sample 1\n", "sample 2\n", "sample 3\n"])],
)
def test_a_sample_in_the_middle_is_taken_only_where_it_may_find_something_new(carries: str, told: list[str]) -> None:
    outcomes = visit(["sh"], middling(carries), OK)
    assert [facts.text.lstrip("\n") for facts in outcomes["middling"]] == told


def test_after_a_first_sample_that_failed_no_later_one_is_taken_for_calm() -> None:
    # the first is asked again at the end, alone: by then there is a file
    with tempfile.TemporaryDirectory() as directory:
        again = f"if [ -e {directory}/again ]; then echo again; else : >{directory}/again; exit 3; fi"
        outcomes = visit(["sh"], middling("nobody", again), OK)
    assert ["sample" in facts.text for facts in outcomes["middling"]] == [True, True, True]


@pytest.mark.parametrize(
    "script",
    ["sleep 30", "yes", "head -c 20000 /dev/zero", "kill -9 $$", "kill -9 $PPID", "exec 1>&-", "exec 4>&-; sleep 30"],
)
def test_trouble_in_the_middle_loses_nothing_of_those_before_and_after(shell, script: str) -> None:
    before, after = (
        probe("before", "echo a >&4; echo fine", timeout=1.0),
        probe("after", 'echo "fine $CARRY"', timeout=1.0),
    )
    outcomes = visit(shell, before, probe("bad", script, timeout=1.0, max_bytes=4096), after)
    assert text_of(outcomes["before"]) == "fine\n"
    assert text_of(outcomes["after"]) == "fine a\n\n"


def test_each_of_several_sections_is_told_once_though_it_was_asked_again(shell) -> None:
    bad = probe("bad", "echo begun; kill -9 $PPID", sampling=Sampling.MOMENTARY)
    counted = [probe(f"c{n}", "echo $SAMPLE", sampling=Sampling.COUNTER) for n in range(3)]
    outcomes = visit(shell, *counted, bad)
    assert isinstance(outcomes["bad"], Unknown)
    for one in counted:
        assert text_of(outcomes[one.name]) == "3\n"


def test_variables_of_the_collector_are_not_those_of_a_section(shell) -> None:
    names = "mark name script said status errors line n up up_frac cs rest nl told lib asks steps program cap alone "
    names += "guessed at dir word idle sized SIZES tables"
    seen = probe("seen", f'for v in {names}; do eval "echo $v=\\$$v"; done; echo "$#"')
    outcomes = visit(shell, seen, OK)
    assert text_of(outcomes["seen"]) == "".join(f"{name}=\n" for name in names.split()) + "0\n"
