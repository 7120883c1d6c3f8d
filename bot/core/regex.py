"""Does a pattern match a whole text, in time linear in the text?

Patterns come from a file, texts from a network. Python's own matcher goes back and forth, and some harmless-looking
patterns keep it busy for years; the CEL library brings RE2, which never does (and so knows neither look-around nor
back-references).
"""

from dataclasses import dataclass
from functools import cache
from typing import Any

from cel_expr_python import cel

LONGEST = 1_000
"""Characters of a pattern."""


@dataclass(frozen=True, slots=True)
class Pattern:
    """A pattern in RE2's syntax; `compiled` makes one that is sound."""

    source: str

    @staticmethod
    def compiled(source: str) -> "Pattern":
        """Check a pattern. Raises ValueError with what RE2 says."""
        if len(source) > LONGEST:
            raise ValueError(f"longer than {LONGEST} characters")
        answer = _run("", source)  # bare: the brackets around it would balance its own
        if answer not in (True, False):
            raise ValueError(str(answer).partition("invalid regular expression: ")[2] or str(answer))
        return Pattern(source)

    def matches(self, text: str) -> bool:
        """Whether the whole text matches; `.` is every character, a line break too."""
        return _run(text, rf"\A(?s:{self.source})\z") is True


def _run(text: str, pattern: str) -> Any:
    return _program().eval(data={"text": text, "pattern": pattern}).value()


@cache
def _program() -> cel.Expression:
    env = cel.NewEnv(variables={"text": cel.Type.STRING, "pattern": cel.Type.STRING})
    return env.compile("text.matches(pattern)")
