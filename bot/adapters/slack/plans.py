"""How are sweeps and silences listed? Pure."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from bot.adapters.slack.pieces import (
    Block,
    Element,
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
    when,
    who,
)
from bot.core.approval import stamp
from bot.core.digest_words import GONE, age
from bot.core.fire import Fire, Phase
from bot.core.outline import plural
from bot.core.sweep import Silence
from bot.core.text import neutral
from bot.engine.sweep_ports import Board, Lined

HEADINGS = ("Sweep", "When", "Next", "Last", "State")
ROWS = 30
CELL = 90
NO_SWEEPS = "No sweep is configured: hosts are read only when somebody asks. Sweeps stand in inventory/sweeps.yaml."
NO_SILENCES = "Nothing is silenced."


def board(known: Board, now: datetime, name: str = "/netdiag") -> Message:
    """Every sweep: when it comes, what its last run told, and whether it is paused."""
    head = f"Sweeps: {len(known.sweeps)}"
    blocks: list[Block] = [header(head)]
    if known.trouble:
        blocks.append(rich(line(run("▲ ", bold=True), run(known.trouble))))
    if not known.sweeps:
        blocks.append(rich(line(NO_SWEEPS)))
        return Message(fallback(head, known.trouble or NO_SWEEPS), tuple(blocks))
    body = [HEADINGS, *(_cells(one, now) for one in known.sweeps[:ROWS])]
    rows = [[{"type": "raw_text", "text": plain(cell, CELL)["text"]} for cell in row] for row in body]
    blocks.append({"type": "table", "rows": rows, "column_settings": [{"is_wrapped": True} for _ in HEADINGS]})
    if len(known.sweeps) > ROWS:
        blocks.append(context(f"and {len(known.sweeps) - ROWS} more: netdiag sweep"))
    halted = [one for one in known.sweeps if one.pause is not None]
    if halted:
        blocks.append(rich(line(run("Paused", bold=True)), bullets(_pause(one) for one in halted)))
    blocks.append(context(f"{name} sweep NAME now  ·  {name} sweep NAME pause 2h REASON  ·  {name} sweep NAME resume"))
    return packed(fallback(head, *(f"{one.sweep.name}: {_state(one, now)}" for one in known.sweeps[:6])), blocks)[0]


def lines(known: Board, now: datetime) -> Iterator[Element]:
    """The same in a line each, for the Home."""
    if known.trouble:
        yield line(run("▲ ", bold=True), run(known.trouble))
    for one in known.sweeps[:ROWS]:
        ahead = [run("  next "), when(stamp(one.next))] if one.next is not None and one.pause is None else []
        halted = [run("  ‖ paused until "), when(stamp(one.pause.until))] if one.pause is not None else []
        yield line(
            run(one.sweep.name, code=True),
            run(f"  {one.schedule}  ", most=200),
            run(_last(one, now), most=200),
            *ahead,
            *halted,
        )


def silences(known: Sequence[Silence], name: str = "/netdiag") -> Message:
    """What is silent, until when, and why."""
    head = f"Silences: {len(known)}"
    rows = bullets(silence(one) for one in known) if known else line(NO_SILENCES)
    blocks = (header(head), rich(rows), context(f"{name} unsilence ID takes one back before its time."))
    return packed(fallback(head, *(f"{one.hosts} {one.findings}: {one.why}" for one in known[:4])), blocks)[0]


def silence(one: Silence) -> Element:
    """One silence in a line."""
    return line(
        run(one.id, code=True, most=60),
        run("  "),
        run(_findings(one.findings), bold=True, most=100),
        run(f" on {one.hosts} until ", most=300),
        when(stamp(one.until)),
        run(", by "),
        who(one.owner),
        run(f": {one.why}", most=300),
    )


def silenced(one: Silence, name: str = "/netdiag") -> Message:
    """A silence that was just added."""
    said = f"Silenced: {_findings(one.findings)} on {neutral(one.hosts, 200)}"
    blocks = (
        rich(line(run("◌ Silenced  ", bold=True)), silence(one)),
        context(f"It is still looked at, and told once the silence ends. Take it back: {name} unsilence {one.id}"),
    )
    return Message(fallback(said, one.why), blocks)


def unsilenced(one: Silence) -> Message:
    """A silence that was taken back."""
    said = f"{_findings(one.findings)} on {neutral(one.hosts, 200)} is told again."
    return Message(fallback(said), (rich(line(run("Silence ended: ", bold=True), said)),))


def begun(fire: Fire, channel: str) -> Message:
    """A run that somebody asked for."""
    told = [run(" It is told in "), {"type": "channel", "channel_id": channel}, run(".")] if channel else []
    said = f"Sweep {fire.sweep} begins now."
    return Message(fallback(said), (rich(line(run(said, bold=True), *told)),))


def paused(one: Lined, name: str = "/netdiag") -> Message:
    """A sweep that was just paused."""
    blocks = (rich(line(run("Paused  ", bold=True)), _pause(one)), context(f"{name} sweep {one.sweep.name} resume"))
    return Message(fallback(f"Sweep {one.sweep.name} is paused", one.pause.why if one.pause else ""), blocks)


def resumed(one: Lined) -> Message:
    """A sweep that goes on."""
    ahead = [run(" Next: "), when(stamp(one.next))] if one.next is not None else []
    said = f"Sweep {one.sweep.name} goes on."
    return Message(fallback(said), (rich(line(run(said, bold=True), *ahead)),))


def _findings(pattern: str) -> str:
    return "every finding" if pattern == "*" else neutral(pattern, 100)


def _pause(one: Lined) -> Element:
    if one.pause is None:
        return line(run(one.sweep.name, code=True))
    return line(
        run(one.sweep.name, code=True),
        run("  until "),
        when(stamp(one.pause.until)),
        run(", by "),
        who(one.pause.by),
        run(f": {one.pause.why}", most=300),
    )


def _cells(one: Lined, now: datetime) -> tuple[str, str, str, str, str]:
    ahead = "never" if one.next is None else _clock(one.next, _zone(one.sweep.zone))
    title = one.sweep.name + (f" ({one.sweep.title})" if one.sweep.title else "")
    return (title, one.schedule, ahead, _last(one, now), _state(one, now))


def _state(one: Lined, now: datetime) -> str:
    if one.pause is not None:
        return f"‖ paused for {age(now, one.pause.until)} more"
    if one.running is not None:
        return "… under way"
    return "on" if one.sweep.enabled else "off"


def _last(one: Lined, now: datetime) -> str:
    """What the newest run came to."""
    if one.last is None:
        return "never ran"
    ago = f"{age(one.last.due, now)} ago"
    return f"{_outcome(one.last)}, {ago}"


def _outcome(fire: Fire) -> str:
    if fire.digest is None:
        return f"{fire.phase}{': ' + neutral(fire.why, 60) if fire.why else ''}"
    news = sum(item.news not in GONE for item in fire.digest.items)
    told = [f"{news} news"] * (news > 0) + [f"{len(fire.digest.open)} open"] * bool(fire.digest.open)
    blind = len({host for blind in fire.digest.blind if blind.whole for host in blind.hosts})
    told += [f"{plural(blind, 'host')} unknown"] * (blind > 0)
    untold = " (not told yet)" if fire.phase is Phase.JUDGED else ""
    return (", ".join(told) or "nothing to tell") + untold


def _clock(at: datetime, zone: tzinfo) -> str:
    return at.astimezone(zone).strftime("%a %d %b %H:%M %Z")


def _zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name or "UTC")
    except (ZoneInfoNotFoundError, ValueError):
        return UTC
