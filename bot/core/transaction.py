"""How is one change carried out on a host so that it happens at most once, over no drift, and undoes itself if cut off?

Pure: a change and the bot's time become one POSIX sh program; what the program printed becomes a value. The programs
are fed to `sh` on standard input: nothing of the change is ever in a process list of ours, and a program that arrives
cut short is not run at all. Arguments are quoted here and nowhere else.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from bot.core.change import Argv, Change, Check, Plan
from bot.core.hostside import FUNCTIONS
from bot.core.hostside_main import APPLY, CONFIRM, DEADMAN, INQUIRE

MAX_SKEW = 30
"""Seconds that the host's clock and the bot's may differ. More, and the host refuses."""

START_WITHIN = 30
"""Seconds after its composition that a program may still begin to act, on the host's clock."""

MAX_BYTES = 262_144
"""Bytes of an answer that are kept; a whole answer is far smaller (readings are bounded on the host)."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the host keeps its ledger and lock, where tools are found, and how long things may take (seconds).

    `wait` bounds the wait for the lock, `look` one read, `step` one step, `settle` the reads until a state shows.
    """

    ledger: str = "/var/lib/netdiag/changes"
    lock: str = "/run/netdiag.lock"
    path: str = "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin"
    shell: str = "sh"
    wait: int = 10
    look: int = 10
    step: int = 60
    settle: int = 5


LAYOUT = Layout()


def apply_program(change: Change, *, nonce: str, now: int, layout: Layout = LAYOUT) -> str:
    """The program that carries `change` out once. `now` is the bot's time (Unix seconds), `nonce` of this send alone.

    Raises ValueError for what no argument vector can hold (a NUL, an unpaired surrogate, an empty vector).
    """
    plan = change.plan
    return _program(change, nonce, layout, f"{_clock(now)}\n{_body(plan)}\n{_steps(plan)}\n{APPLY}")


def confirm_program(change: Change, *, nonce: str, layout: Layout = LAYOUT) -> str:
    """The program that confirms an applied change, over a new connection: it disarms the automatic revert."""
    return _program(change, nonce, layout, f"{_body(change.plan)}\n{CONFIRM}")


def inquiry_program(change: Change, *, nonce: str, layout: Layout = LAYOUT) -> str:
    """The program that waits for the lock and tells what became of a change. It never applies.

    A change that the host has not seen is entered as void, so that a program still under way can never run.
    """
    return _program(change, nonce, layout, f"{_body(change.plan)}\n{INQUIRE}")


def undo_program(change: Change, layout: Layout = LAYOUT) -> str:
    """The file `undo` in the ledger: the automatic revert, and the revert by hand (`sh undo now`)."""
    return f'{_settings(change, "none", layout)}\n{FUNCTIONS}\n{_body(change.plan)}\n{DEADMAN}\nmain "$@"\n'


def seconds(change: Change, layout: Layout = LAYOUT) -> float:
    """How long `apply_program` may take at most when everything it calls hangs."""
    plan = change.plan
    reads = len(plan.precondition) * 2 + len(plan.verify) + len(plan.steps)
    acts = len(plan.steps) + len(plan.inverse)
    return float(layout.wait + layout.look * reads + layout.step * acts + layout.settle * 2 + 10)


def invariants(plan: Plan) -> tuple[Check, ...]:
    """The checks that must hold before and after, hence all along: "this process is still in that namespace".

    The host looks at them again right before every step and before it undoes anything.
    """
    return tuple(check for check in plan.precondition if check in plan.verify)


def quote(word: str) -> str:
    """One word for a POSIX shell. Raises ValueError for a NUL or text that UTF-8 cannot carry."""
    if "\0" in word:
        raise ValueError("an argument holds a NUL byte, which no program can be given")
    word.encode()  # UnicodeEncodeError is a ValueError
    return "'" + word.replace("'", "'\\''") + "'"


def flat(text: str) -> str:
    """Blanks trimmed at both ends, runs of them one space: how host and bot compare what a check printed."""
    return " ".join(word for word in text.replace("\t", " ").replace("\n", " ").split(" ") if word)


def _program(change: Change, nonce: str, layout: Layout, rest: str) -> str:
    # The parentheses: a shell parses them whole before it runs anything, so half a program does nothing; and the
    # program's `exit` does not end a shell that is kept for the next one.
    return f"(\n{_settings(change, nonce, layout)}\n{FUNCTIONS}\n{_texts(change, layout)}\n{rest}\nmain\n) </dev/null\n"


def _settings(change: Change, nonce: str, layout: Layout) -> str:
    values = {
        "NONCE": nonce,
        "ID": change.id,
        "LEDGER": layout.ledger,
        "LOCK": layout.lock,
        "PATH": layout.path,
        "SH": layout.shell,
        "LC_ALL": "C",
        "LANG": "C",
        "WAIT": str(layout.wait),
        "LOOK": str(layout.look),
        "STEP": str(layout.step),
        "SETTLE": str(layout.settle),
        "WITHIN": str(change.confirm_within),
        # A change that can be undone needs a process that lives on by itself: the tool for it stands for "yes".
        "REVERSIBLE": "setsid" if change.plan.inverse else "",
    }
    _safe_name(change.id)
    _safe_name(nonce)
    return "\n".join(f"{name}={quote(value)}" for name, value in values.items())


def _clock(now: int) -> str:
    return f"BOT_NOW={now:d}\nNOT_AFTER={now + START_WITHIN:d}\nSKEW={MAX_SKEW:d}"


def _texts(change: Change, layout: Layout) -> str:
    text = change.canonical().decode()
    return f"CHANGE() {{ printf %s {quote(text)}; }}\nUNDO() {{ printf %s {quote(undo_program(change, layout))}; }}"


def _body(plan: Plan) -> str:
    return "\n".join(
        (
            _reads("PRE", "pre", plan.precondition),
            _reads("POST", "post", plan.verify),
            _reads("SAME", "same", invariants(plan), quiet=True),
            _function("INVERSE", (f"act undo {n} {_argv(argv)}" for n, argv in enumerate(plan.inverse)), "return 0"),
        )
    )


def _steps(plan: Plan) -> str:
    return _function("STEPS", (f"SAME && act step {n} {_argv(argv)} || return 1" for n, argv in enumerate(plan.steps)))


def _reads(name: str, kind: str, checks: Iterable[Check], *, quiet: bool = False) -> str:
    lines = [
        f"check {kind} {n} {check.compare.value} {quote(flat(check.expect))} {_argv(check.argv)} || ok=1"
        for n, check in enumerate(checks)
    ]
    return _function(
        name, ["ok=0", *(["kept=$P"] if quiet else []), *lines], "P=$kept" if quiet else "", 'return "$ok"'
    )


def _function(name: str, lines: Iterable[str], *last: str) -> str:
    return "\n".join(
        [f"{name}() {{", *(f"  {line}" for line in (*lines, *last) if line), "  :" if not last else "", "}"]
    )


def _argv(argv: Argv) -> str:
    if not argv or not argv[0]:
        raise ValueError("a command needs at least its name")
    return " ".join(quote(word) for word in argv)


def _safe_name(name: str) -> None:
    if not name or not name.isascii() or not name.replace("-", "").isalnum() or name.startswith("-"):
        raise ValueError(f"{name!r} names no change: letters, digits and hyphens only")
