"""How do people read the table of a node's namespaces and pods? The same words in a terminal, a chat and a file."""

from collections.abc import Sequence
from dataclasses import dataclass

from bot.core.pods import HostPods, Row, spelled
from bot.core.report import Severity

HEADINGS = ("where", "queue", "drop/s", "fds", "c-wait", "gone", "sockets", "tcp", "tw", "retr/s", "conn/s")
"""Of the table that people read; `cells` gives its rows. What hurts most stands first: chats cut wide tables."""
LEGEND = (
    "queue: the fullest accept queue and its limit · drop/s: by listeners · fds: socket descriptors held · c-wait: of "
    "them CLOSE_WAIT · gone: of them in no table any more · sockets: all families · tcp: without TIME_WAIT · tw: "
    "TIME_WAIT · retr/s: segments sent again · conn/s: accepted · ≥ a lower bound · ? unknown"
)
_MARK = {Severity.CRITICAL: "✖", Severity.WARNING: "▲", Severity.INFO: "·"}
_SHOWN = (
    "drops", "descriptors", "close_wait", "detached", "sockets", "tcp", "time_wait", "retransmits", "accepted",
)  # fmt: skip


def cells(row: Row) -> tuple[str, ...]:
    """A row for people, as HEADINGS name it."""
    return (row.label, _queue(row), *(_cell(row, name) for name in _SHOWN))


def mark(row: Row) -> str:
    """A shape for what hurts, so that no colour is needed."""
    return _MARK[row.hurts[0].severity] if row.hurts else " "


def people(row: Row) -> str:
    """Who is behind a row: the fullest queue's listener, and the processes that hold most descriptors."""
    parts = [f"fullest accept queue: {row.fullest}"] if row.fullest else []
    holders = ", ".join(f"{one.process}[{one.pid}] {one.sockets}" for one in row.holders[:3])
    parts += [f"most socket descriptors: {holders}"] if holders else []
    return "; ".join(parts) or "no process of it is known to hold sockets"


def _cell(row: Row, name: str) -> str:
    value = row.values.get(name)
    if value is None:
        return "?"
    return ("≥" if name in row.at_least else "") + spelled(name, value)


def _queue(row: Row) -> str:
    queue, limit = row.values.get("queue"), row.values.get("queue_limit")
    if row.values.get("listeners") == 0:
        return "-"
    return "?" if queue is None or limit is None else f"{queue}/{limit}"


@dataclass(frozen=True, slots=True)
class Doubt:
    """One reason, and everything that it leaves unknown: columns, and labels of rows (all of them: none named)."""

    reason: str
    columns: tuple[str, ...]
    labels: tuple[str, ...]
    everywhere: bool


def doubts(host: HostPods) -> tuple[Doubt, ...]:
    """Why cells are unknown, each reason once."""
    by_reason: dict[str, tuple[dict[str, None], dict[str, None]]] = {}
    for row in host.rows:
        for name, reason in row.unknown.items():
            columns, labels = by_reason.setdefault(reason, ({}, {}))
            columns[name] = labels[row.label] = None
    every = {row.label for row in host.rows}
    return tuple(
        Doubt(reason, tuple(columns), tuple(labels), set(labels) == every)
        for reason, (columns, labels) in by_reason.items()
    )


def missing(host: HostPods) -> tuple[str, ...]:
    """Why whole probes have no evidence, where no row says so (a table without rows)."""
    said = {doubt.reason for doubt in doubts(host)} | set(host.unread)
    return tuple(
        f"{part.probe}: {part.reason}"
        for part in host.coverage
        if part.state != "ok" and not any(part.reason and part.reason in reason for reason in said)
    )


def told(doubt: Doubt, most: int = 6) -> str:
    """A doubt in one line."""
    few = ", ".join(doubt.labels[:most]) + (f" and {len(doubt.labels) - most} more" if len(doubt.labels) > most else "")
    where = "everywhere" if doubt.everywhere else f"in {few}"
    return f"{', '.join(doubt.columns)} {where}: {doubt.reason}"


def summary(host: HostPods) -> str:
    """The table in a line: "14 namespaces, 9 pods, 2 with something that hurts"."""
    if host.failure is not None:
        return f"could not be read: {host.failure.reason}"
    spaces = sum(row.kind == "namespace" for row in host.rows)
    pods = len({row.pod for row in host.rows if row.pod})
    hurting = sum(bool(row.hurts) for row in host.rows)
    parts = [_count(spaces, "namespace")] + ([_count(pods, "pod")] if pods else [])
    calm = "nothing hurts" if host.known else "nothing seen that hurts, but not all was seen"
    return ", ".join([*parts, f"{hurting} with something that hurts" if hurting else calm])


def _count(number: int, word: str) -> str:
    return f"{number} {word}{'s' * (number != 1)}"


def text_table(rows: Sequence[Row]) -> tuple[str, ...]:
    """The table as aligned lines of fixed-width text."""
    body = [HEADINGS, *map(cells, rows)]
    marks = [" ", *map(mark, rows)]
    widths = [max(len(line[place]) for line in body) for place in range(len(HEADINGS))]
    return tuple(
        "  ".join(
            [f"{shape} {line[0].ljust(widths[0])}"]
            + [cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True)]
        )
        for shape, line in zip(marks, body, strict=True)
    )
