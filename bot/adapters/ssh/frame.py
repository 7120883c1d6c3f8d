"""How does one program run in a shell that lives on, and when may its answer be believed?

The program goes through the shell's standard input to `eval`, in a subshell: it is in no argument vector, its `exit`,
`cd` or syntax errors stay its own, and it cannot eat the shell's input. What it prints stands between two lines that
nobody else can write, the second with its exit status. Anything else (bytes before the first line or after the
second, too many bytes, no second line) makes the answer doubtful, and a doubtful answer has no status.
"""

from enum import StrEnum

_STATUS_DIGITS = 3


class Doubt(StrEnum):
    """Why an answer cannot be believed."""

    STRAY_BEFORE = "something else wrote before the program began"
    STRAY_AFTER = "something went on writing after the program ended"
    OVERFLOW = "it printed more than the allowed bytes"
    GARBLED = "the line that ends the answer is broken"


def unfit(program: str) -> str:
    """Why no shell can be given this program, or nothing: a NUL ends a connection, half a character is none."""
    if "\0" in program:
        return "the program holds a NUL byte"
    if any("\ud800" <= char <= "\udfff" for char in program):
        return "the program holds half of a surrogate pair"
    return ""


def script(program: str, nonce: str, *, bulk: bool = False) -> bytes:
    """What to write to the shell so that it runs `program` and frames its output with `nonce` ([a-z0-9] only).

    With `bulk`, head(1) takes the program off the pipe in one piece: bash reads its own input byte by byte, which
    costs a host more than the whole visit. The program is run only if it arrived to its end.
    """
    end = f"printf '\\ne%s %s\\n' {nonce} \"$?\"\n"
    if bulk:
        text = f"{program}\n#{nonce}".encode()
        take = f"program_=$(head -c {len(text)})\n".encode()
        run = f'case $program_ in *"#{nonce}") eval "$program_" ;; *) exit 125 ;; esac'
        return take + text + f"\nprintf 'b%s\\n' {nonce}; ( {run} ) </dev/null; {end}".encode()
    quoted = program.replace("'", "'\\''")
    return f"printf 'b%s\\n' {nonce}; ( eval '{quoted}' ) </dev/null; {end}".encode()


class Frame:
    """One program's answer so far: feed it what the shell prints until it is `over`.

    `noise` bytes may come before the first line (a login shell's greetings, on a new channel only).
    """

    def __init__(self, nonce: str, max_bytes: int, noise: int = 0) -> None:
        self._begin = f"b{nonce}\n".encode()
        self._end = f"\ne{nonce} ".encode()
        self._max = max_bytes
        self._noise = noise
        self._data = bytearray()
        self._start = -1
        """Where the program's output starts, -1 until its first line came."""
        self.stdout = b""
        self.status: int | None = None
        self.doubt: Doubt | None = None

    @property
    def over(self) -> bool:
        """No more is to be expected: the answer is whole, or in doubt."""
        return self.status is not None or self.doubt is not None

    def feed(self, data: bytes) -> None:
        """Take what the shell printed. What comes after `over` makes even a whole answer doubtful."""
        if not data:
            return
        if self.over:
            self._suspect(Doubt.STRAY_AFTER)
            return
        before = len(self._data)
        self._data += data
        if self._start < 0 and not self._begun(before):
            return
        resume = before - len(self._end) - _STATUS_DIGITS - 1  # the last line may have come in pieces
        at = self._data.find(self._end, max(self._start, resume))
        if at >= 0:
            self._ended(at)
        elif len(self._data) - self._start > self._max + len(self._end) + _STATUS_DIGITS + 1:
            self._suspect(Doubt.OVERFLOW)

    def overflow(self) -> None:
        """Too much came by another way (standard error): stop here."""
        self._suspect(Doubt.OVERFLOW)

    def cut(self) -> bytes:
        """What the program printed as far as it came, for an answer that never ended."""
        if self.over:
            return self.stdout
        return bytes(self._data[self._start : self._start + self._max]) if self._start >= 0 else b""

    def _begun(self, before: int) -> bool:
        at = self._data.find(self._begin, max(0, before - len(self._begin)), self._noise + len(self._begin))
        if at >= 0:
            self._start = at + len(self._begin)
            return True
        if len(self._data) >= self._noise + len(self._begin):
            self._suspect(Doubt.STRAY_BEFORE)
        return False

    def _ended(self, at: int) -> None:
        tail = bytes(self._data[at + len(self._end) :])
        digits, newline, after = tail.partition(b"\n")
        if not newline and len(digits) <= _STATUS_DIGITS:
            return
        if not newline or not digits.isdigit() or len(digits) > _STATUS_DIGITS:
            self._suspect(Doubt.GARBLED)
            return
        self.stdout = bytes(self._data[self._start : at])
        if len(self.stdout) > self._max:
            self._suspect(Doubt.OVERFLOW)
        elif after:
            self._suspect(Doubt.STRAY_AFTER)
        else:
            self.status = int(digits)

    def _suspect(self, doubt: Doubt) -> None:
        if self.doubt is not None:
            return
        if not self.stdout and self._start >= 0:
            self.stdout = bytes(self._data[self._start : self._start + self._max])
        self.stdout = self.stdout[: self._max]
        self.status, self.doubt = None, doubt
