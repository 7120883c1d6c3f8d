"""What do all commands share that print for people? Colours where there is a terminal, plain text when piped."""

import sys
from collections.abc import Mapping

from rich.console import Console
from rich.text import Text

from bot.core.report import Severity, Status

WIDTH_WHEN_PIPED = 120

LOOK: Mapping[str, tuple[str, str]] = {
    Status.CRITICAL: ("✖", "bold red"),
    Status.WARNING: ("▲", "bold yellow"),
    Status.OK: ("✔", "bold green"),
    Status.UNKNOWN: ("?", "bold magenta"),
    Severity.INFO: ("i", "cyan"),
}
"""A mark and a style per word: the mark and the word carry the meaning, colour only helps."""


def stdout() -> Console:
    """Standard output: coloured on a terminal, plain and wide when piped."""
    return Console(width=None if sys.stdout.isatty() else WIDTH_WHEN_PIPED, highlight=False, soft_wrap=False)


def stderr() -> Console:
    """Standard error, for progress and faults."""
    return Console(stderr=True, width=None if sys.stderr.isatty() else WIDTH_WHEN_PIPED, highlight=False)


def marked(word: str, label: str | None = None) -> Text:
    """`✖ critical`: the mark and the word of a status or severity."""
    mark, style = LOOK[word]
    return Text(f"{mark} {label or word}", style=style)
