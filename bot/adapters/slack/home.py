"""What does somebody see who opens the bot's Home? Pure."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from bot.adapters.slack import plans
from bot.adapters.slack.card import headline
from bot.adapters.slack.pieces import DIVIDER, Block, bullets, header, line, rich, run, when, who
from bot.adapters.slack.talk import Run, help_
from bot.core.approval import Record
from bot.core.sweep import Silence
from bot.engine.sweep_ports import Board

ROWS = 15


def view(
    pending: Sequence[Record],
    mine: Sequence[Run],
    board: Board,
    silences: Sequence[Silence],
    now: datetime,
    *,
    name: str = "/netdiag",
) -> dict[str, Any]:
    """What waits for a decision, what is looked at and what is silent, my own runs, and every command."""
    blocks: list[Block] = [header("Waiting for a decision")]
    blocks += [rich(bullets(_pending(record, now) for record in pending[:ROWS]))] if pending else []
    blocks += [] if pending else [rich(line("Nothing waits."))]
    sweeps = list(plans.lines(board, now))
    blocks += [DIVIDER, header("Sweeps"), rich(bullets(sweeps) if sweeps else line(plans.NO_SWEEPS))]
    if silences:
        blocks += [header("Silenced"), rich(bullets(plans.silence(one) for one in silences[:ROWS]))]
    blocks += [DIVIDER, header("My recent runs")]
    blocks += [rich(bullets(_run(item) for item in mine[:ROWS]))] if mine else [rich(line("None yet."))]
    return {"type": "home", "blocks": [*blocks, DIVIDER, *help_(name).blocks]}


def _pending(record: Record, now: datetime) -> dict[str, Any]:
    shape, words = headline(record, now)
    return line(
        run(f"{shape} {words}  ", bold=True),
        run(record.change.host, code=True),
        run(f"  {record.change.plan.summary}  ", most=200),
        run(f"needs {record.approval}; asked by ", most=200),
        who(record.asker or record.change.requester),
        run("; expires "),
        when(record.change.expires),
        run(f"; change {record.change.id[:12]}", italic=True),
    )


def _run(item: Run) -> dict[str, Any]:
    found = ", ".join(item.findings) or "nothing found"
    return line(when(item.at), run(f"  {item.status}: {found}", most=300), run(f"  {item.run}", italic=True))
