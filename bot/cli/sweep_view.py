"""How is the list of sweeps shown on a terminal, and as a document?"""

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from bot.core.approval import stamp
from bot.core.digest_words import age, counted
from bot.core.fire import Fire, Phase
from bot.core.outline import plural
from bot.core.text import neutral
from bot.engine.sweep_ports import Board, Lined

HEADINGS = ("Sweep", "Schedule", "Next", "Last", "Owner")
STYLES = {
    Phase.TOLD: "",
    Phase.JUDGED: "yellow",
    Phase.FAILED: "bold red",
    Phase.MISSED: "yellow",
    Phase.SKIPPED: "dim",
}
EMPTY = "Nothing is swept: write inventory/sweeps.yaml; docs/sweeps.md shows how."


def board(known: Board, now: datetime) -> RenderableType:
    """A table of sweeps, and what is wrong with the file."""
    parts: list[RenderableType] = [Text(f"▲ {line}", style="yellow") for line in known.trouble.splitlines()]
    if not known.sweeps:
        return Group(*parts, Text(EMPTY))
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    for heading in HEADINGS:
        table.add_column(heading, overflow="fold")
    for line in known.sweeps:
        name = Text(line.sweep.name, style="bold" if line.sweep.enabled else "dim")
        if line.sweep.title:
            name.append(f"\n{neutral(line.sweep.title, 60)}", style="dim")
        table.add_row(
            name, line.schedule, _next(line, now), _last(line, now), line.sweep.owner or Text("nobody", "dim")
        )
    return Group(*parts, table)


def _next(line: Lined, now: datetime) -> Text:
    if line.next is None:
        return Text("switched off", style="dim")
    if line.pause is not None:
        until = _clock(line.pause.until, line.sweep.zone, now)
        said = Text(f"paused until {until}", style="yellow")
        return said.append(f"\nby {neutral(line.pause.by, 60)}: {neutral(line.pause.why, 120)}", style="dim")
    said = Text(_clock(line.next, line.sweep.zone, now))
    return said.append(f"\nin {age(now, line.next)}", style="dim")


def _last(line: Lined, now: datetime) -> Text:
    said = Text()
    if line.running is not None:
        said.append(f"under way for {age(line.running.begun or line.running.due, now)}\n", style="cyan")
    if line.last is None:
        return said.append("never", style="dim")
    said.append(result(line.last), style=STYLES.get(line.last.phase, ""))
    return said.append(f"\n{age(line.last.due, now)} ago", style="dim")


def result(fire: Fire) -> str:
    """What came of a run, in words."""
    if fire.digest is not None:
        sick = {status: number for status, number in fire.digest.hosts.items() if number and status != "ok"}
        hosts = ", ".join(f"{number} {status}" for status, number in sick.items())
        untold = "; not told yet" if fire.phase is Phase.JUDGED else ""
        return f"{counted(fire.digest)} ({hosts or plural(sum(fire.digest.hosts.values()), 'host') + ' ok'}){untold}"
    return f"{fire.phase}{': ' if fire.why else ''}{neutral(fire.why, 160)}"


def _clock(moment: datetime, zone: str, now: datetime) -> str:
    here = ZoneInfo(zone)
    local, today = moment.astimezone(here), now.astimezone(here)
    return f"{local:%H:%M} {zone}" if local.date() == today.date() else f"{local:%a %d %b %H:%M} {zone}"


def document(known: Board) -> str:
    """The list as one JSON object, `netdiag.sweeps/1`."""
    value = {"schema": "netdiag.sweeps/1", "trouble": known.trouble, "sweeps": [_row(line) for line in known.sweeps]}
    return json.dumps(value, indent=2, ensure_ascii=False)


def _row(line: Lined) -> dict[str, Any]:
    sweep, pause, last = line.sweep, line.pause, line.last
    return {
        "name": sweep.name,
        "title": sweep.title,
        "schedule": line.schedule,
        "zone": sweep.zone,
        "target": sweep.target,
        "playbooks": list(sweep.playbooks),
        "channel": sweep.channel or None,
        "owner": sweep.owner or None,
        "enabled": sweep.enabled,
        "next": _stamp(line.next),
        "last": None if last is None else dict(_fire(last)),
        "running": None if line.running is None else dict(_fire(line.running)),
        "pause": None if pause is None else {"by": pause.by, "why": pause.why, "until": stamp(pause.until)},
    }


def _fire(fire: Fire) -> Iterator[tuple[str, Any]]:
    yield from (("due", stamp(fire.due)), ("phase", str(fire.phase)), ("run", fire.run or None), ("why", fire.why))
    yield from (("begun", _stamp(fire.begun)), ("ended", _stamp(fire.ended)))
    if fire.digest is not None:
        yield "hosts", {str(status): number for status, number in fire.digest.hosts.items()}


def _stamp(moment: datetime | None) -> str | None:
    return None if moment is None else stamp(moment)
