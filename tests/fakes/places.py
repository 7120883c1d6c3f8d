"""How do other users of this machine reach a test's directory? pytest makes all of them its own user's alone."""

from itertools import takewhile
from pathlib import Path


def let_others_in(directory: Path) -> None:
    """Let everybody pass through pytest's directories down to this one and read it."""
    ours = takewhile(lambda path: not path.name.startswith("pytest-of-"), (directory, *directory.parents))
    for path in (*ours, next(path for path in directory.parents if path.name.startswith("pytest-of-"))):
        path.chmod(path.stat().st_mode | 0o055)
