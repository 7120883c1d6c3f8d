"""A recorded visit answers the same program again, as a readable file, and without saying whose host it was."""

from collections.abc import Sequence

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bot.core.errors import ConfigError
from bot.core.probe import Facts, Probe, Reading, Sampling, Seen, Unknown
from bot.core.recording import Recording, dump, load, record, redact, replay
from bot.core.visit import compose
from bot.core.visit_answer import read

NONCE, AGAIN = "0123456789abcdef0123456789abcdef", "fedcba9876543210fedcba9876543210"


class Said(Facts):
    """What a section printed."""

    texts: tuple[str, ...]
    uptime: float


def said(readings: Sequence[Reading], _seen: Seen) -> Said:
    return Said(texts=tuple(reading.text for reading in readings), uptime=readings[-1].uptime)


def probe(name: str, **options: object) -> Probe[Said]:
    return Probe(name=name, question="?", script=f"echo {name}", parse=said, facts=Said, **options)  # type: ignore[arg-type]


PROBES = (
    probe("once"),
    probe("counter", sampling=Sampling.COUNTER),
    probe("momentary", sampling=Sampling.MOMENTARY),
    probe("deep", root=True),
)


def recording(root: bool = True, **probes: Sequence[Reading]) -> Recording:
    kept = {name: tuple(readings) for name, readings in probes.items()}
    return Recording(host="node-3", taken="2024-05-01T10:00:00Z", root=root, host_key="SHA256:abc", probes=kept)


def answer(kept: Recording, probes: Sequence[Probe[Said]] = PROBES):
    stdout = replay(kept, compose(probes, nonce=AGAIN))
    return read(stdout, probes, nonce=AGAIN, root=kept.root, root_reason=kept.root_reason)


def rows(*texts: str) -> list[Reading]:
    return [Reading(text=text, uptime=10.0 + n) for n, text in enumerate(texts)]


def test_each_sample_answers_in_its_turn() -> None:
    kept = recording(
        once=rows("a\n"), counter=rows("1\n", "2\n"), momentary=rows("x\n", "y\n", "z\n"), deep=rows("root\n")
    )
    outcomes = answer(kept)
    assert outcomes["once"][0].texts == ("a\n",)
    assert outcomes["counter"][0].texts == ("1\n", "2\n")
    assert [facts.texts[-1] for facts in outcomes["momentary"]] == ["x\n", "y\n", "z\n"]
    assert outcomes["counter"][0].uptime == 11.0
    assert outcomes["deep"][0].texts == ("root\n",)


def test_every_kind_of_trouble_is_told_again() -> None:
    kept = recording(
        once=[Reading(text="half", timed_out=True, exit_status=124)],
        counter=rows("only one"),
        momentary=[Reading(text="", exit_status=127, stderr="sh: 1: ss: not found")] * 3,
        deep=[Reading(text="y\n" * 10, complete=False, exit_status=141)],
    )
    assert answer(kept) == {
        "once": Unknown("timed out after 5 s"),
        "counter": Unknown("no answer"),
        "momentary": Unknown("ss: not found"),
        "deep": Unknown("cut at 262144 bytes"),
    }


def test_a_visit_without_root_is_replayed_without_root() -> None:
    kept = recording(root=False, once=rows("a\n"), deep=rows("never\n"))
    assert b"never" not in replay(kept, compose(PROBES, nonce=AGAIN))
    assert answer(kept)["deep"] == Unknown("needs root")


def test_what_was_not_recorded_has_no_answer() -> None:
    assert answer(recording())["once"] == Unknown("no answer")


def test_a_recording_answers_visits_only() -> None:
    with pytest.raises(ValueError, match="no mark"):
        replay(recording(), "echo hello")


TEXTS = st.text(alphabet=st.characters(codec="utf-8"), max_size=60)
READINGS = st.builds(
    Reading,
    text=TEXTS,
    # the collector keeps standard error without its last line breaks
    stderr=TEXTS.map(lambda text: text.strip("\n")),
    exit_status=st.integers(0, 255),
    uptime=st.integers(0, 10**9).map(lambda cs: cs / 100),
)


@example([Reading(text=text) for text in ("\x85", "x\n\u2028", "\r\n")])
@given(st.lists(READINGS, min_size=3, max_size=3))
def test_a_file_gives_back_what_was_written(readings: list[Reading]) -> None:
    kept = recording(momentary=readings)
    assert load(dump(kept)) == kept


@given(st.lists(READINGS, min_size=3, max_size=3))
def test_recording_a_replay_gives_the_same_recording(readings: list[Reading]) -> None:
    kept = recording(momentary=readings)
    again = record(
        replay(kept, compose(PROBES, nonce=AGAIN)), PROBES, AGAIN,
        host=kept.host, taken=kept.taken, root=True, host_key=kept.host_key,
    )  # fmt: skip
    timed_out = [reading.timed_out for reading in again.probes["momentary"]]
    assert again == kept or any(timed_out)


def test_a_person_can_read_the_file() -> None:
    text = dump(recording(once=rows("TCP: inuse 3\nUDP: inuse 1\n")))
    assert "  - text: |\n      TCP: inuse 3\n      UDP: inuse 1\n    uptime: 10.0\n" in text
    assert "exit_status" not in text


REFUSED = {
    "an alias": ("host: &a x\ntaken: *a\nroot: true\n", "rec.yaml:1: anchors, aliases and tags are refused"),
    "a tag": ("host: x\ntaken: !!python/name:os.system ''\n", "rec.yaml:2: anchors"),
    "an unknown key": ("host: x\ntaken: t\nroot: true\nhots: y\n", "rec.yaml: hots"),
    "no YAML": ("host: [\n", "rec.yaml:"),
    "a wrong type": ("host: x\ntaken: t\nroot: perhaps\n", "rec.yaml: root"),
    "nothing": ("", "rec.yaml"),
    "too deep": ("[" * 1_000_000, "rec.yaml:1: nested deeper than 20 levels"),
}


@pytest.mark.parametrize(("text", "message"), REFUSED.values(), ids=REFUSED.keys())
def test_a_broken_file_says_where(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as fault:
        load(text, "rec.yaml")
    assert message in str(fault.value)


def test_an_unquoted_time_stays_text() -> None:
    assert load("host: x\ntaken: 2024-05-01T10:00:00Z\nroot: true\n").taken == "2024-05-01T10:00:00Z"


def redacted(text: str, **options: object) -> str:
    identity = Reading(text="hostname=node-3.example.com\nkernel=6.1.0.3\nboot_id=675716b9-db8d\n")
    kept = recording(identity=[identity], once=rows(text))
    return redact(kept, **options).probes["once"][0].text  # type: ignore[arg-type]


def test_public_addresses_are_replaced_the_same_way_everywhere() -> None:
    assert redacted("8.8.8.8:53 1.1.1.1:80 8.8.8.8:443\n") == "192.0.2.1:53 192.0.2.2:80 192.0.2.1:443\n"
    assert redacted("[2a00:1450::1]:443 2A00:1450::1\n") == "[2001:db8::1]:443 2001:db8::1\n"


@pytest.mark.parametrize(
    "kept",
    [
        "10.0.0.1:80", "0.0.0.0:443", "127.0.0.53%lo:53", "192.168.1.7", "[::1]:80", "[::]:443", "fe80::1", "fd00::7",
        "ino:452086", "skmem:(r0,rb131072)", "/proc/1/net/sockstat:TCP: inuse 3", "12:34:56", "1.2.3", "v1.2.3.4.5",
    ],
)  # fmt: skip
def test_what_names_nobody_stays(kept: str) -> None:
    assert redacted(f"{kept}\n") == f"{kept}\n"


def test_the_host_s_name_goes_wherever_it_stands() -> None:
    text = redacted("node-3 node-3.example.com node-30 x.node-3 /run/node-3/pid\n", name="host")
    assert text == "host host node-30 x.host /run/host/pid\n"


def test_what_identifies_the_machine_goes_and_its_kernel_stays() -> None:
    kept = recording(identity=[Reading(text="hostname=node-3\nkernel=6.1.0.3\nboot_id=675716b9-db8d\n")])
    clean = redact(kept, name="web")
    assert clean.host == "web"
    assert clean.host_key == ""
    assert clean.probes["identity"][0].text == (
        "hostname=web\nkernel=6.1.0.3\nboot_id=00000000-0000-4000-8000-000000000000\n"
    )


def test_process_names_go_only_when_asked() -> None:
    line = "/proc/7/stat:7 (secretd (v2)) S 1 1\n"
    assert redacted(line) == line
    assert redacted(line * 2, processes=True) == "/proc/7/stat:7 (process-1) S 1 1\n" * 2


def test_more_addresses_than_the_documentation_has() -> None:
    text = redacted("".join(f"8.8.{n // 250}.{n % 250}\n" for n in range(1000)))
    assert len(set(text.split())) == 1000
    assert "8.8." not in text


@given(TEXTS)
def test_redaction_takes_any_text(text: str) -> None:
    assert redact(redact(recording(once=rows(text)))).host == "host"
