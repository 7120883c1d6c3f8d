"""How is the table of a node's namespaces and pods told in a channel? A parent in short, tables in its thread. Pure."""

from collections.abc import Sequence

from bot.adapters.slack.marks import SEVERITY
from bot.adapters.slack.pieces import (
    Block,
    Element,
    File,
    Message,
    bullets,
    context,
    fallback,
    header,
    line,
    packed,
    plain,
    rich,
    run,
    who,
)
from bot.adapters.slack.report import Thread
from bot.core.pods import HostPods, PodsReport, Row
from bot.core.pods_words import HEADINGS, LEGEND, cells, doubts, mark, missing, people, summary, text_table, told
from bot.core.text import neutral

LEADS = 6
"""Rows that hurt, named in the parent message."""
ROWS = 20
"""Rows of one table in the thread; a longer one is whole in a file."""
HOSTS = 8
"""Hosts with a table of their own in the thread; all of them are in the file."""
LABEL = 90


def parent(report: PodsReport) -> Message:
    """The answer in short: what hurts where, and how much was read."""
    hurting = [(host, row) for host in report.hosts for row in host.rows if row.hurts]
    hurting.sort(key=lambda pair: min(_RANK[hurt.severity] for hurt in pair[1].hurts))
    head = f"{_shape(report)} pods of {_subject(report)}"
    parts: list[Element] = [bullets(_lead(host, row, len(report.hosts) > 1) for host, row in hurting[:LEADS])]
    parts = parts if hurting else [line(_calm(report))]
    if len(hurting) > LEADS:
        parts.append(line(f"and {len(hurting) - LEADS} more in the thread"))
    unsure = [host.host for host in report.hosts if not host.known]
    if unsure:
        parts.append(line(run("? with something unknown: ", bold=True), neutral(", ".join(unsure), 400)))
    small = f"{report.target} · pods · {report.seconds:.1f} s · nothing is judged here: ask for a diagnosis · "
    blocks = (header(head), rich(*parts), context(f"{small}run {report.run}"), rich(line(_ASKED, who(report.asker))))
    return Message(fallback(head, *(summary(host) for host in report.hosts[:3])), blocks)


def thread(report: PodsReport) -> Thread:
    """A table for each host, what hurts first; what does not fit is whole in a file."""
    messages = [message for host in report.hosts[:HOSTS] for message in _host(host)]
    if len(report.hosts) <= HOSTS and all(len(host.rows) <= ROWS for host in report.hosts):
        return Thread(tuple(messages))
    said = "Every row of every host is in the file."
    file = File(f"netdiag-{neutral(report.run, 40)}-pods.txt", f"Pods of run {report.run}", full_text(report))
    return Thread((*messages, Message(fallback(said), (context(said),))), (file,))


def full_text(report: PodsReport) -> str:
    """All tables as plain text, nothing cut."""
    lines = [f"netdiag pods {neutral(report.target)}, run {neutral(report.run)}, {report.started}", LEGEND, ""]
    for host in report.hosts:
        lines.append(f"{host.host}: {summary(host)}")
        lines += [f"  {SEVERITY[hurt.severity]} {row.label}: {hurt.say}" for row in host.rows for hurt in row.hurts]
        lines += [f"  {row}" for row in text_table(host.rows)] if host.rows else []
        lines += [f"  ? {reason}" for reason in _reasons(host, len(host.rows))]
        lines.append("")
    return "\n".join(lines)


_ASKED = run("Asked by ", italic=True)
_RANK = {severity: rank for rank, severity in enumerate(SEVERITY)}


def _shape(report: PodsReport) -> str:
    worst = min((_RANK[hurt.severity] for host in report.hosts for row in host.rows for hurt in row.hurts), default=9)
    shapes = [words.split()[0] for words in SEVERITY.values()]
    if worst < len(shapes):
        return shapes[worst]
    return "✔" if all(host.known for host in report.hosts) and report.hosts else "?"


def _subject(report: PodsReport) -> str:
    return report.hosts[0].host if len(report.hosts) == 1 else f"{len(report.hosts)} hosts"


def _calm(report: PodsReport) -> str:
    return summary(report.hosts[0]) if len(report.hosts) == 1 else "Nothing seen that hurts."


def _lead(host: HostPods, row: Row, named: bool) -> Element:
    place = [run(host.host, bold=True), run(" ")] if named else []
    said = "; ".join(hurt.say for hurt in row.hurts)
    return line(*place, run(f"{mark(row)} {row.label}: ", bold=True, most=200), run(said, most=300))


def _host(host: HostPods) -> tuple[Message, ...]:
    head = f"{host.host}: {summary(host)}"
    blocks: list[Block] = [rich(line(run(head, bold=True)))]
    if host.failure is not None and host.failure.remedy:
        blocks.append(context(host.failure.remedy))
    hurting = [row for row in host.rows if row.hurts][:LEADS]
    if hurting:
        blocks.append(rich(bullets(line(_lead_words(row), run(f" ({people(row)})", most=400)) for row in hurting)))
    if host.rows:
        blocks.append(_table(host.rows[:ROWS]))
    left = len(host.rows) - ROWS
    if left > 0:
        blocks.append(context(f"{left} more rows in the file"))
    reasons = _reasons(host, LEADS)
    if reasons:
        blocks.append(rich(line(run("? Unknown, and why", bold=True)), bullets(reasons)))
    if host.rows:
        blocks.append(context(LEGEND))
    return packed(fallback(head), blocks)


def _lead_words(row: Row) -> Element:
    said = "; ".join(hurt.say for hurt in row.hurts)
    return run(f"{mark(row)} {row.label}: {said}", most=400)


def _table(rows: Sequence[Row]) -> Block:
    body = [HEADINGS, *((f"{mark(row)} {cells(row)[0]}".strip(), *cells(row)[1:]) for row in rows)]
    shown = [[{"type": "raw_text", "text": plain(cell, LABEL)["text"]} for cell in told_] for told_ in body]
    columns = [{"align": "right" if number else "left", "is_wrapped": not number} for number in range(len(HEADINGS))]
    return {"type": "table", "rows": shown, "column_settings": columns}


def _reasons(host: HostPods, labels: int) -> list[str]:
    """Why something is unknown, each reason once, with at most so many of the rows that it concerns."""
    found = [*host.unread, *missing(host), *(told(doubt, labels) for doubt in doubts(host))]
    return [neutral(reason, 600 if labels <= LEADS else 20_000) for reason in found]
