"""What did a host print in a visit? Sections between marks that hold the visit's nonce, read into outcomes.

One that is missing, slow, flooding or garbled makes that probe Unknown with the reason, and no other (law 8).
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bot.core.probe import Facts, NoEvidence, ParseError, Probe, Reading, Sampling, Unknown
from bot.core.snapshot import Outcome
from bot.core.text import neutral
from bot.core.visit import required, samples, seconds_of

_SIGNALLED = 128  # a shell adds it to the signal that ended a command


@dataclass(frozen=True, slots=True)
class Answer:
    """What a host printed, taken apart: the readings of each probe by sample, and whether the program ended."""

    readings: Mapping[str, Mapping[int, Reading]]
    ended: bool


def sections(
    stdout: bytes, probes: Sequence[Probe[Any]], *, nonce: str, asked: tuple[float, float] | None = None
) -> Answer:
    """Split what a host printed at the marks of this visit. Anything outside of them is ignored; never raises.

    `asked` is when the visit began and ended by the bot's clock, Unix seconds.
    """
    mark = f"\n@{nonce}".encode()
    known = {probe.name: probe for probe in probes}
    readings: dict[str, dict[int, Reading]] = {}
    spans: dict[tuple[str, int], tuple[float, float]] = {}
    ended = False
    opened: tuple[str, int, float, bytes] | None = None
    closed: tuple[str, int, float, bytes] | None = None
    for piece in (b"\n" + stdout).split(mark)[1:]:
        kind, (head, _, body) = piece[:1], piece[1:].partition(b"\n")
        words = head.decode(errors="replace").split()
        match kind:
            case b"+":
                opened, closed = _place(words, body), None
            case b"-" if opened is not None and closed is None:
                closed = _place(words, body)
                opened = opened if closed is not None else None
            case b"=" if opened is not None and closed is not None and opened[:2] == closed[:2]:
                name, sample = opened[:2]
                if name in known and sample not in readings.setdefault(name, {}):
                    readings[name][sample] = _reading(known[name], opened, closed)
                    spans[name, sample] = opened[2], closed[2]
                opened = closed = None
            case b".":
                ended = True
            case _:
                opened = closed = None
    if asked is not None and spans:
        for (name, sample), when in _placed(spans, asked).items():
            readings[name][sample] = replace(readings[name][sample], asked=when)
    return Answer(readings, ended)


def _placed(
    spans: Mapping[tuple[str, int], tuple[float, float]], asked: tuple[float, float]
) -> Mapping[tuple[str, int], tuple[float, float]]:
    """Between which times of the bot each section ran; nothing where the host's clock ran longer than the visit."""
    first, last = min(begun for begun, _ in spans.values()), max(ended for _, ended in spans.values())
    began, over = asked
    if not 0 <= last - first <= over - began:
        return {}
    return {key: (began + (begun - first), over - (last - ended)) for key, (begun, ended) in spans.items()}


def _place(words: Sequence[str], body: bytes) -> tuple[str, int, float, bytes] | None:
    try:
        name, sample, uptime = words[0], int(words[1]), float(words[2])
    except (IndexError, ValueError):
        return None
    return name, sample, uptime, (words[3].encode() + b"\n" + body if len(words) > 3 else body)  # noqa: PLR2004


def _reading(
    probe: Probe[Any], opened: tuple[str, int, float, bytes], closed: tuple[str, int, float, bytes]
) -> Reading:
    text = opened[3]
    head, _, errors = closed[3].partition(b"\n")
    try:
        status = int(head)
    except ValueError:
        status = -1  # the section's own shell was killed before it could tell
    took = closed[2] - opened[2]
    # timeout says 124; killed as well 137; busybox passes its own TERM on as 143
    timed_out = status in (124, 137, 143, -1) and took >= float(seconds_of(probe)) - 0.1
    return Reading(
        text=text.decode(errors="replace"),
        stderr=errors.decode(errors="replace").strip("\n"),
        exit_status=status,
        complete=len(text) < probe.max_bytes,
        timed_out=timed_out,
        uptime=opened[2],
    )


def read(
    stdout: bytes,
    probes: Sequence[Probe[Any]],
    *,
    nonce: str,
    root: bool,
    root_reason: str = "",
    asked: tuple[float, float] | None = None,
) -> Mapping[str, Outcome]:
    """What each probe found, or why it found nothing. Never raises for anything that a host printed."""
    answer = sections(stdout, probes, nonce=nonce, asked=asked)
    return judge(answer, probes, root=root, root_reason=root_reason)


def judge(answer: Answer, probes: Sequence[Probe[Any]], *, root: bool, root_reason: str = "") -> Mapping[str, Outcome]:
    """The same from readings: joined probes first (`after`), one outcome for each probe."""
    outcomes: dict[str, Outcome] = {}
    seen: dict[str, Facts | Unknown] = {}
    for probe in required((p.name for p in probes), _completed(probes)):
        if probe.name not in {p.name for p in probes}:
            continue
        if probe.root and not root:
            outcome: Outcome = Unknown(f"needs root: {root_reason}" if root_reason else "needs root")
        else:
            outcome = _outcome(probe, answer, {name: seen[name] for name in probe.after if name in seen})
        outcomes[probe.name] = outcome
        seen[probe.name] = outcome if isinstance(outcome, Unknown) else outcome[-1]
    return {probe.name: outcomes[probe.name] for probe in probes}


def _completed(probes: Sequence[Probe[Any]]) -> Mapping[str, Probe[Any]]:
    """The probes by name, with joins to what is not in this visit left out."""
    names = {probe.name for probe in probes}
    return {probe.name: _without(probe, names) for probe in probes}


def _without(probe: Probe[Any], names: set[str]) -> Probe[Any]:
    return replace(probe, after=tuple(name for name in probe.after if name in names))


def _outcome(probe: Probe[Any], answer: Answer, seen: Mapping[str, Facts | Unknown]) -> Outcome:
    found = answer.readings.get(probe.name, {})
    readings: list[Reading] = []
    for sample in samples(probe):
        reading = found.get(sample)
        if reading is None:
            return Unknown("no answer" if answer.ended else "no answer before the visit broke off")
        fault = _fault(probe, reading)
        if fault:
            return Unknown(fault)
        readings.append(reading)
    try:
        if probe.sampling is Sampling.MOMENTARY:
            return tuple(probe.parse(readings[: number + 1], seen) for number in range(len(readings)))
        return (probe.parse(readings, seen),)
    except NoEvidence as reason:
        return Unknown(neutral(str(reason)))
    except ParseError as fault_:
        return Unknown(neutral(f"cannot parse: {fault_}"))


def _fault(probe: Probe[Any], reading: Reading) -> str | None:
    if reading.timed_out:
        return f"timed out after {seconds_of(probe)} s"
    if not reading.complete:
        return f"cut at {probe.max_bytes} bytes"
    if reading.exit_status == 0:
        return None
    if _SIGNALLED < reading.exit_status < _SIGNALLED + 65:
        return f"ended by signal {reading.exit_status - _SIGNALLED}"
    missing = re.search(r"(?:^|[\s:/])([\w.+-]{1,40}): (?:command )?not found", reading.stderr) or re.search(
        r"failed to execute ([\w.+/-]{1,60}): No such file", reading.stderr
    )
    if missing:
        return f"{missing[1]}: not found"
    said = reading.stderr.strip().splitlines()
    return neutral(said[-1]) if said else f"exit status {reading.exit_status}"
