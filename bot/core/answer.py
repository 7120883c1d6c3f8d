"""What did the host answer to a change, a confirmation or an inquiry? (Law 6: never a false "done".)

One framed answer: a head with the send's nonce and the length, lines of plain words and hex, an end with the nonce.
What is cut, doubled, misspelt or from another send is `NoAnswer`, which is unknown and never success.
"""

import re
from dataclasses import dataclass

from bot.core.change import Check, Plan
from bot.core.text import neutral


@dataclass(frozen=True, slots=True)
class Look:
    """One check as the host read it. `printed` is what it printed (or complained), safe to show."""

    about: str
    printed: str
    holds: bool
    status: int = 0


@dataclass(frozen=True, slots=True)
class Applied:
    """Every step ran, every verify check holds, the ledger says so. The automatic revert is still armed."""

    looks: tuple[Look, ...]


@dataclass(frozen=True, slots=True)
class Stale:
    """The host is not in the state the change was planned for; nothing was done. `looks` is what was read."""

    looks: tuple[Look, ...]


@dataclass(frozen=True, slots=True)
class RefusedOnHost:
    """The host would not begin (busy, clock, late, ledger, lock, tools, unarmed); nothing was done."""

    code: str
    reason: str


@dataclass(frozen=True, slots=True)
class FailedOnHost:
    """A step failed or the verification did not hold. `restored`: the old state was read back afterwards."""

    why: str
    said: str
    restored: bool
    looks: tuple[Look, ...]


@dataclass(frozen=True, slots=True)
class Ran:
    """The host had seen this change before and did nothing now; `state` is what its ledger says."""

    state: str


@dataclass(frozen=True, slots=True)
class Confirmed:
    """The change holds, read over a new connection, and the automatic revert is disarmed."""

    looks: tuple[Look, ...]


@dataclass(frozen=True, slots=True)
class Unverified:
    """At confirmation the change did not hold any more; it was not confirmed and will revert."""

    looks: tuple[Look, ...]


@dataclass(frozen=True, slots=True)
class Told:
    """What the ledger says ("absent": never begun, and now it never can), whether the automatic revert is armed,
    and how the host reads against the state before and after the change."""

    state: str
    armed: bool
    before: tuple[Look, ...]
    after: tuple[Look, ...]


@dataclass(frozen=True, slots=True)
class NoAnswer:
    """Nothing that can be relied on came back. What happened on the host is unknown."""

    reason: str


Answer = Applied | Stale | RefusedOnHost | FailedOnHost | Ran | Confirmed | Unverified | Told | NoAnswer

_EXIT = {
    "applied": 0,
    "confirmed": 0,
    "told": 0,
    "stale": 10,
    "refused": 11,
    "seen": 12,
    "failed": 13,
    "unverified": 14,
}
_WHY = {"step": "a step failed", "verify": "the steps ran but the result does not show", "ledger": "the ledger is full"}
_STATES = frozenset(
    "none intent begun applied confirmed reverted failed unrestored stale void absent".split()  # noqa: SIM905 - a line
)
_HEX = re.compile(r"-|(?:[0-9a-f]{2})+")


def parse(stdout: bytes, status: int | None, nonce: str, plan: Plan) -> Answer:
    """Read the answer to one send. `status` is the program's exit status, None when its end was not seen."""
    if status is None:
        return NoAnswer("the connection ended before the program did")
    lines = _frame(stdout, nonce)
    if isinstance(lines, NoAnswer):
        return lines
    try:
        return _answer(lines, status, plan)
    except (ValueError, IndexError, KeyError) as fault:
        return NoAnswer(f"the answer cannot be read: {neutral(str(fault), 80)}")


def _frame(stdout: bytes, nonce: str) -> list[list[str]] | NoAnswer:
    mark = re.escape(nonce.encode())
    heads = list(re.finditer(rb"^netdiag-answer " + mark + rb" ([0-9]{1,7})\n", stdout, re.MULTILINE))
    if len(heads) != 1:
        return NoAnswer("no answer came back" if not heads else "more than one answer came back")
    start, size = heads[0].end(), int(heads[0][1])
    if stdout[start + size :][: 13 + len(nonce)] != b"netdiag-end " + nonce.encode() + b"\n":
        return NoAnswer("the answer was cut short")
    return [line.split(" ") for line in stdout[start : start + size].decode("ascii", "replace").splitlines()]


def _answer(lines: list[list[str]], status: int, plan: Plan) -> Answer:  # noqa: PLR0911 - one return per word
    *told, (label, word, *rest) = lines
    if label != "result" or _EXIT.get(word) != status:
        return NoAnswer(f"the program ended with {status}, which does not fit its answer")
    before, after = _looks(told, "pre", plan.precondition), _looks(told, "post", plan.verify)
    match word:
        case "applied":
            return Applied(_all_hold(after, plan.verify))
        case "confirmed":
            return Confirmed(_all_hold(after, plan.verify))
        case "stale":
            return Stale(before)
        case "refused":
            # Without od the host can say that something is missing, but not what.
            return RefusedOnHost(rest[0], _text(rest[1]) or "this host has no od command")
        case "seen":
            return Ran(_state(rest[0]))
        case "failed":
            return FailedOnHost(_WHY[rest[0]], _said(told), rest[1] == "restored", before or after)
        case "unverified":
            return Unverified(after)
    return Told(_state(rest[0]), ["armed", "yes"] in told, before, after)


def _looks(lines: list[list[str]], kind: str, checks: tuple[Check, ...]) -> tuple[Look, ...]:
    """The last reading of each check: what was read before and again after an undo is one line each time."""
    found = {}
    for line in lines:
        if line[:2] == ["look", kind]:
            _, _, index, holds, status, out, err = line
            printed = _text(out) or (f"({_text(err) or 'nothing'}, exit {int(status)})" if status != "0" else "")
            found[int(index)] = Look(checks[int(index)].about, printed, holds == "1", int(status))
    return tuple(found[index] for index in sorted(found))


def _all_hold(looks: tuple[Look, ...], checks: tuple[Check, ...]) -> tuple[Look, ...]:
    if len(looks) != len(checks) or not all(look.holds for look in looks):
        raise ValueError("success without every check holding")
    return looks


def _said(lines: list[list[str]]) -> str:
    for kind, _, status, said in (line for line in lines if line[0] == "step" and len(line) == 4):  # noqa: PLR2004
        if kind == "step" and status != "0":
            return f"exit {int(status)}: {_text(said)}"
    return ""


def _state(word: str) -> str:
    if word not in _STATES:
        raise ValueError(f"no state of the ledger: {word[:20]!r}")
    return word


def _text(word: str) -> str:
    if not _HEX.fullmatch(word):
        raise ValueError(f"not hex: {word[:20]!r}")
    return "" if word == "-" else neutral(bytes.fromhex(word).decode("utf-8", "replace").strip(), 500)
