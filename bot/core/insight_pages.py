"""What do the findings mean that no playbook file decides? For their pages."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bot.core.ahead import WORTH
from bot.core.drift import KEPT
from bot.core.insight_kinds import CHANGED, DIFFERS, LIMIT, OUTLIER
from bot.core.norms import SPAN, VISITS
from bot.core.peers import MAJORITY, PEERS, TIMES
from bot.core.spans import span
from bot.core.trend import MIN_POINTS, REACH


@dataclass(frozen=True, slots=True)
class Insight:
    """One of them: its id, title, levels, what it means, how it is decided, what looks like it, what to do."""

    id: str
    title: str
    levels: str
    means: str
    decided: str
    looks_like: Sequence[str]
    remedy: str


INSIGHTS: Sequence[Insight] = (
    Insight(
        LIMIT,
        "A limit lies ahead",
        "critical, warning or info",
        "A number that is kept over time rises towards the limit at which something breaks, and reaches it within the "
        "sweep's horizon if nothing changes. The range of time and the word behind it say how far "
        "that may be believed: "
        "`likely` is a warning, critical where all of the range is within an hour, and `possible` is for information. "
        "What has reached its limit stays as critical for as long as it is there.",
        f"From {MIN_POINTS} visits on, by the median slope over all pairs of visits and its 95 % "
        "interval, carried on at "
        f"most {REACH:.0f} times as far as it was seen. Restarts, garbage collection, a rise that "
        "slows down, and the same "
        f"rise a day or a week ago speak against it. Below {WORTH:.0%} of its limit no measure is looked at.",
        (
            "A cache that fills up and levels off: while it slows down it is `possible` at most.",
            "The rise of every morning: it is held against yesterday's, and last week's.",
            "A heap that grows until it is collected: what came down twice by itself is not carried on.",
        ),
        "Find out what is not given back: the finding names the process, and other findings of the "
        "same process. Making "
        "room (a higher limit) or a restart buys time.",
    ),
    Insight(
        OUTLIER,
        "One host is far from its peers",
        "warning",
        "Hosts with the same `role` label do the same work. This one holds ten times as much of "
        "something as they do: it "
        "gets more than its share, or does not give back what the others do.",
        f"{TIMES:.0f} times the median of at least {PEERS} peers, and six times their own spread "
        "away from them; more than "
        "the measure's `notable`. What `netdiag learn` found to be usual for the host itself is no outlier "
        f"({VISITS} visits over {span(SPAN.total_seconds())} are needed to learn it).",
        ("A host with another task under the same label: give it a role of its own.",),
        "Look at what the host has that its peers have not: a balancer's weights, clients that stick to it, a leak.",
    ),
    Insight(
        DIFFERS,
        "A kernel setting that its peers do not have",
        "warning",
        "A setting under `net.` has one value on nearly all hosts of a role, and another one here. The same work then "
        "fails in other ways, and on this host alone.",
        f"At least {PEERS} hosts of the role, and {MAJORITY:.0%} of those that were read, agree on "
        "another value. Sizes "
        "that the kernel derives from its memory may differ by a twentieth.",
        ("An experiment: silence it with a reason and an end, or give the host a role of its own.",),
        "Make it like the others, or the others like it, where it is managed (/etc/sysctl.d, an image, a role).",
    ),
    Insight(
        CHANGED,
        "Kernel setting changed",
        "warning or info",
        "A setting under `net.` is not what it was when the host was last seen. If netdiag set it, "
        "the change, who asked "
        "for it and who approved it are named, and it is for information.",
        f"Its value is held against that of the last visit, and told for {span(KEPT.total_seconds())}.",
        ("A restart: what was set while the host ran, and not written to /etc/sysctl.d, is gone.",),
        "If nobody knows of it, set it back, and write it to /etc/sysctl.d.",
    ),
)


def index() -> Iterator[str]:
    """Their part of the index."""
    yield from ("", "## Trends and the fleet", "")
    yield from ("What only the past of a host or its peers tell: see [trends](../trends.md).", "")
    yield from (f"- [{one.id}]({one.id}.md): {one.title} ({one.levels})" for one in INSIGHTS)


def page(one: Insight) -> Iterator[str]:
    """One page."""
    yield from (f"# {one.title}", "", f"`{one.id}`, {one.levels}. Told by sweeps, see [trends](../trends.md).", "")
    yield from ("## What it means", "", one.means, "", "## How it is decided", "", one.decided, "")
    yield from ("What was not read is no evidence: nothing is told of it, and nothing counts as gone.", "")
    yield from ("## What else looks like it", "", *(f"- {line}" for line in one.looks_like), "")
    yield from ("## What can be done", "", one.remedy)
