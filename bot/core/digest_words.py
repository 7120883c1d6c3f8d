"""How is a digest said in words, the same in chat and terminal?"""

from collections.abc import Mapping
from datetime import datetime

from bot.core.digest import Digest, Item, News
from bot.core.outline import WORST_FIRST, few, plural
from bot.core.text import neutral

GONE = frozenset({News.BETTER, News.RESOLVED, News.LEFT})
"""News of what hurts no more, or less, or of which nobody hears any more."""
HEADINGS: Mapping[News, str] = {
    News.NEW: "New",
    News.REOPENED: "Back again",
    News.WORSE: "Worse",
    News.FLAPPING: "Flapping: comes and goes, told once until it settles",
    News.SETTLED: "No longer flapping, still there",
    News.FORECAST: "Limits ahead",
    News.REMIND: "Still there, to be reminded of",
    News.BETTER: "Better",
    News.RESOLVED: "Resolved",
    News.LEFT: "Left the inventory: nobody looks at these hosts any more",
}
COUNTED: Mapping[News, str] = {
    News.NEW: "new",
    News.REOPENED: "back again",
    News.WORSE: "worse",
    News.FLAPPING: "flapping",
    News.SETTLED: "settled",
    News.FORECAST: "limit ahead",
    News.REMIND: "still there",
    News.BETTER: "better",
    News.RESOLVED: "resolved",
    News.LEFT: "left the inventory",
}
NAMES = 8
"""Hosts that are named of one item."""
_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400


def age(since: datetime, now: datetime) -> str:
    """`5 min`, `3 h`, `4 d`: how long something has been so."""
    seconds = max(0.0, (now - since).total_seconds())
    if seconds < _HOUR:
        return f"{max(1, round(seconds / _MINUTE))} min"
    return f"{round(seconds / _HOUR)} h" if seconds < 2 * _DAY else f"{round(seconds / _DAY)} d"


def counted(digest: Digest) -> str:
    """`2 new, 1 resolved`, or that there is nothing new."""
    told = [(sum(item.news is news for item in digest.items), COUNTED[news]) for news in News]
    said = [f"{count} {word}" for count, word in told if count]
    fresh = sum(len(blind.hosts) for blind in digest.blind if blind.news and blind.whole)
    said += [f"{plural(fresh, 'host')} unreadable"] if fresh else []
    return ", ".join(said) or nothing(digest)


def nothing(digest: Digest) -> str:
    """That there is no news, and what is open all the same."""
    return f"nothing new, {len(digest.open)} still open" if digest.open else "nothing new"


def hosts_of(digest: Digest, *, compared: bool = True) -> str:
    """`200 hosts: 2 critical (+1), 1 unknown, 197 ok (-1)`: now, and against the last sweep."""
    before = digest.before or {}
    said = []
    for status in WORST_FIRST:
        now, was = digest.hosts.get(status, 0), before.get(status, 0)
        moved = f" ({now - was:+d})" if compared and digest.before is not None and now != was else ""
        if now or moved:
            said.append(f"{now} {status}{moved}")
    return f"{plural(sum(digest.hosts.values()), 'host')}: {', '.join(said) or 'none was read'}"


def first_of(item: Item) -> str:
    """For which of many hosts a change is proposed; "" where that needs no words."""
    names = few([neutral(host, 80) for host in item.canaries], NAMES)
    return f"changes are proposed for {names} first: ask for the others when these are cured" if names else ""


def end_of(item: Item, severity: str, long: str) -> tuple[str, str]:
    """How news of what is no longer so is marked, and what it says after its hosts. What left is not well: unknown."""
    ends = {News.RESOLVED: f" after {long}", News.LEFT: f", last known {severity}, open for {long}"}
    return ("-" if item.news is News.LEFT else "✔"), ends.get(item.news, f", now {severity}")


def where(item: Item) -> str:
    """The hosts of an item, the first of them by name."""
    return few(tuple(dict.fromkeys(neutral(place.host, 80) for place in item.places)), NAMES)
