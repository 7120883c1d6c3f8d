"""How are the kernel's small formats read, and what shell do the scripts share? (`_`: no probe.)"""

import re
from collections.abc import Iterable, Iterator, Mapping

from bot.core.probe import Facts, NoEvidence, ParseError, Seen, Unknown


def need(*tools: str) -> str:
    """Shell that ends a script with "TOOL: not found" where a tool it cannot do without is missing."""
    return (
        f"for tool in {' '.join(tools)}; do\n"
        '  command -v "$tool" >/dev/null || { echo "$tool: not found" >&2; exit 127; }\n'
        "done\n"
    )


def namespace_files(*names: str) -> str:
    """Shell that puts `/proc/PID/net/NAME` of every namespace's representative into `$files`."""
    paths = " ".join(f"/proc/$2/net/{name}" for name in names)
    return f'files=\nset -- $NETNS\nwhile [ $# -ge 3 ]; do files="$files {paths}"; shift 3; done\n'


SHOW_NETNS = "printf '%s\\n' \"$NETNS\" ''\n"
"""Shell that prints the namespaces, and an empty line: the head of every section that is keyed by representative."""

_ROW = re.compile(r"(\d{1,20}) (\d{1,10}) (\d{1,10})")


def split_netns(text: str) -> tuple[dict[int, str], str]:
    """Take :data:`SHOW_NETNS` off: the namespace of every representative pid, and the text that follows.

    Raises ParseError when the head is not there.
    """
    head, gap, body = text.partition("\n\n")
    rows = [_ROW.fullmatch(line) for line in head.splitlines()]
    if not gap or not rows or not all(rows):
        raise ParseError(f"expected lines of namespace, pid and processes, got {head[:60]!r}")
    return {int(row[2]): row[1] for row in rows if row}, body


_PROC = re.compile(r"/proc/(\d{1,10})/([\w/.-]{1,60}):(.*)", re.DOTALL)


def by_process(lines: Iterable[str]) -> Iterator[tuple[int, str, str]]:
    """`grep -H` lines as (pid, path below /proc/PID, line). A line without such a path raises ParseError."""
    for line in lines:
        found = _PROC.fullmatch(line)
        if found is None:
            raise ParseError(f"expected /proc/PID/…: and a line, got {line[:60]!r}")
        yield int(found[1]), found[2], found[3]


def number(word: str) -> int:
    """A decimal that the kernel printed (64 bits at most). Raises ParseError."""
    if not re.fullmatch(r"-?[0-9]{1,20}", word):
        raise ParseError(f"expected a number, got {word[:40]!r}")
    return int(word)


def stat_fields(line: str) -> tuple[int, str, list[str]]:
    """/proc/PID/stat as (pid, command, the fields from the third on). The command may hold anything, `)` too."""
    head, _, tail = line.rpartition(")")
    pid, opened, command = head.partition(" (")
    fields = tail.split()
    if not opened or len(fields) < 20 or not pid.isdecimal():  # noqa: PLR2004 - starttime is the 20th from there
        raise ParseError(f"expected the fields of /proc/PID/stat, got {line[:60]!r}")
    return number(pid), command, fields


def start_time(fields: list[str]) -> int:
    """Field 22 of /proc/PID/stat: when the process began, in clock ticks since boot."""
    return number(fields[19])


def joined(seen: Seen, probe: str) -> Facts | None:
    """The facts of another probe that this one adds to its own, or None when it was not asked or is unknown."""
    facts = seen.get(probe)
    return None if facts is None or isinstance(facts, Unknown) else facts


def insist(seen: Seen, probe: str) -> None:
    """Raise NoEvidence when a probe that this one stands on was asked and has no evidence itself."""
    facts = seen.get(probe)
    if isinstance(facts, Unknown):
        raise NoEvidence(f"{probe} is unknown: {facts.reason}")


def header_value_pairs(lines: Iterable[str]) -> dict[str, dict[str, int]]:
    """`Tcp: A B` / `Tcp: 1 2` pairs as {"Tcp": {"A": 1, "B": 2}}, by header name, whatever the columns.

    Raises ParseError for a header without its values, and for values that do not fit it.
    """
    groups: dict[str, dict[str, int]] = {}
    header: list[str] | None = None
    for line in lines:
        words = line.split()
        if not words or not words[0].endswith(":"):
            raise ParseError(f"expected NAME: and columns, got {line[:60]!r}")
        if header is None:
            header = words
            continue
        if words[0] != header[0] or len(words) != len(header):
            raise ParseError(f"{header[0]} {len(header) - 1} columns, then {words[0]} {len(words) - 1} values")
        groups[header[0][:-1]] = {name: number(value) for name, value in zip(header[1:], words[1:], strict=True)}
        header = None
    if header is not None:
        raise ParseError(f"{header[0]} a header without its values")
    return groups


def names(mapping: Mapping[str, object], *wanted: str) -> None:
    """Raise ParseError unless every wanted key is there: a missing number is no zero."""
    for name in wanted:
        if name not in mapping:
            raise ParseError(f"no {name} among {', '.join(list(mapping)[:8])}")
