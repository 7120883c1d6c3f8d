"""What became of a run's causes, for those who read only its parent message? Pure.

The verdict stays as it was told; what changes did about it stands beneath, and in its heading once all is resolved.
"""

from collections.abc import Mapping, Sequence

from bot.adapters.slack.memory import Verdict
from bot.adapters.slack.pieces import Block, Element, Message, bullets, fallback, header, line, rich, run
from bot.core.approval import Effect, Record
from bot.core.blockkit import faults

SHOWN = 8
_WORDS: Mapping[Effect, str] = {
    Effect.RESOLVED: "✔ resolved",
    Effect.NEEDS_FOLLOW_UP: "▲ not yet: needs a follow-up",
    Effect.PERSISTS: "▲ persists",
    Effect.UNKNOWN: "? effect unknown",
}


def since(verdict: Verdict, records: Sequence[Record]) -> Message | None:
    """The parent message with what the run's changes (oldest first) did; None where they did nothing yet."""
    newest = {_cause(record): record for record in records if record.effect in _WORDS or record.reverted_by}
    told = [record for record in newest.values() if _cause(record) in {root[:2] for root in verdict.roots}]
    if not told:
        return None
    resolved = {_cause(record) for record in told if record.effect is Effect.RESOLVED and not record.reverted_by}
    cured = all(root[:2] in resolved for root in verdict.roots)
    head = _heading(verdict)
    if cured:
        head = f"✔ resolved, was {head}"
    elif resolved:
        head = f"{head} ({len(resolved)} of {len(verdict.roots)} resolved)"
    names = {root[:2]: root[2] for root in verdict.roots}
    lines = [_line(record, names[_cause(record)]) for record in told[:SHOWN]]
    if len(told) > SHOWN:
        lines.append(line(f"and {len(told) - SHOWN} more in the thread"))
    news = rich(line(run("Since then", bold=True)), bullets(lines))
    first, *rest = verdict.blocks
    assert first["type"] == "header"
    whole = Message(fallback(head, *_said(told)), (header(head), rest[0], news, *rest[1:]))
    return whole if not faults(whole.body()) else Message(whole.text, (header(head), news))


def _cause(record: Record) -> tuple[str, str]:
    return record.change.host, record.change.fingerprint


def _heading(verdict: Verdict) -> str:
    block: Block = verdict.blocks[0]
    return str(block["text"]["text"])


def _said(told: Sequence[Record]) -> list[str]:
    return [f"{record.change.host}: {record.effect_note}" for record in told[:2] if record.effect_note]


def _line(record: Record, name: str) -> Element:
    words = f"↩ reverted by change {record.reverted_by}" if record.reverted_by else _WORDS[record.effect]
    note = f": {record.effect_note}" if record.effect_note and not record.reverted_by else ""
    return line(
        run(f"{words} ", bold=True, most=100),
        run(record.change.host, bold=True, most=100),
        run(f" {name}{note} ", most=300),
        run(f"(change {record.change.id})", italic=True, most=60),
    )
