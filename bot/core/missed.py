"""How is told that runs of a sweep did not happen, or that their messages were held back?"""

from collections.abc import Sequence
from datetime import UTC, datetime

from bot.core.fire import Fire, Phase
from bot.core.outline import plural

SPELLED = 4
"""So many times are told one by one; of more, the first and the last."""
_WORDS = {Phase.MISSED: "missed", Phase.SKIPPED: "skipped", Phase.FAILED: "failed"}


def missed(fires: Sequence[Fire], held_back: Sequence[Fire], now: datetime) -> tuple[str, ...]:
    """Each reason once: `2 runs missed (02:00, 03:00 UTC): the bot was down`. Fires in any order."""
    groups: dict[tuple[Phase, str], list[datetime]] = {}
    for fire in sorted(fires, key=lambda fire: fire.due):
        groups.setdefault((fire.phase, fire.why), []).append(fire.due)
    lines = [
        f"{plural(len(times), 'run')} {_WORDS[phase]} ({_times(times, now)}): {why or 'no reason is known'}"
        for (phase, why), times in groups.items()
    ]
    if held_back:
        times = sorted(fire.due for fire in held_back)
        lines.append(
            f"{plural(len(times), 'digest')} held back by the rate cap, but for what is critical "
            f"({_times(times, now)}): what still holds is told here"
        )
    return tuple(lines)


def _times(times: Sequence[datetime], now: datetime) -> str:
    shown = [_time(time, now) for time in times]
    words = ", ".join(shown) if len(shown) <= SPELLED else f"{shown[0]} to {shown[-1]}"
    return f"{words} UTC"


def _time(time: datetime, now: datetime) -> str:
    utc = time.astimezone(UTC)
    return utc.strftime("%H:%M" if utc.date() == now.astimezone(UTC).date() else "%d %b %H:%M")
