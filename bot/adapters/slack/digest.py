"""How is a sweep told in a channel? One message of what changed and matters, the evidence in its thread. Pure."""

from collections.abc import Iterator, Mapping
from datetime import datetime

from bot.adapters.slack import report as render
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
    when,
)
from bot.adapters.slack.report import Thread
from bot.core.approval import stamp
from bot.core.ask import Progress
from bot.core.digest import Blind, Digest, Item, News, Open
from bot.core.digest_words import (
    COUNTED,
    GONE,
    HEADINGS,
    NAMES,
    age,
    counted,
    end_of,
    first_of,
    hosts_of,
    nothing,
    where,
)
from bot.core.outline import RANK, WORST_FIRST, few, plural
from bot.core.report import Report, Status
from bot.core.sweep import Sweep
from bot.core.text import neutral

SILENCE = "silence.open"
"""The button that opens the form of a silence; its value is the key of the digest."""
ITEMS, OPENS, BLINDS = 10, 6, 5
"""Of each kind named in the parent message; all of them are in the file."""
HOSTS = 12
"""Hosts with a message of their own in the thread."""
LEADS, PLACES = 12, 15
"""Items whose hosts have no message of their own that are told in the thread, and the places of each."""


def name_of(sweep: Sweep) -> str:
    """What people call it."""
    return neutral(sweep.title or sweep.name, 80)


def progress(sweep: Sweep, step: Progress) -> Message:
    """The parent message while the hosts are read."""
    count = f"{step.done} of {step.total} hosts answered"
    blocks = (
        header(f"… {name_of(sweep)}"),
        rich(line(run(count, bold=True), f": {step.say}")),
        context(f"sweep {sweep.name} · run {step.run}"),
    )
    return Message(fallback(f"{name_of(sweep)} is under way", count), blocks)


def quiet(sweep: Sweep, digest: Digest) -> Message:
    """One line for a sweep with no news: what is open and what is unknown is not hidden by it."""
    said = f"{_shape(digest)} {name_of(sweep)}: {nothing(digest)}"
    tail = [hosts_of(digest, compared=False), *_held_words(digest)]
    told = line(run(said, bold=True, most=200), run(f"  {' · '.join(tail)}  "), when(stamp(digest.due)))
    return Message(fallback(said, *tail), (rich(told),))


def parent(sweep: Sweep, digest: Digest, key: str, changes: int = 0) -> tuple[Message, ...]:
    """The digest in its message, and what did not fit into it for the thread.

    `key` is what the buttons carry, `changes` how many proposals wait in the thread.
    """
    head = f"{_shape(digest)} {name_of(sweep)}: {counted(digest)}"
    blocks = [header(head), rich(*_state(digest))]
    for news in News:
        blocks += _section(digest, news)
    if digest.open:
        blocks.append(rich(line(run("Still open", bold=True)), bullets(_opens(digest))))
    if digest.blind or digest.sighted:
        blocks.append(rich(line(run("? Unknown, and why", bold=True)), bullets(_blinds(digest))))
    if digest.held:
        blocks.append(rich(line(run("Held back", bold=True)), bullets(_held_words(digest))))
    if changes:
        blocks.append(rich(line(run(f"{plural(changes, 'change')} proposed", bold=True), ": to approve in the thread")))
    if silenceable(digest):
        blocks.append(_button(key))
    due = f"{digest.due:%Y-%m-%d %H:%M} UTC"
    blocks.append(context(f"sweep {sweep.name} · due {due} · {digest.seconds:.1f} s · run {digest.run}"))
    urgent = [f"{item.title or item.id}: {where(item)}" for item in digest.items if item.news not in GONE]
    return packed(fallback(head, *urgent[:3], hosts_of(digest)), blocks)


def thread(sweep: Sweep, digest: Digest, report: Report | None, pages: str = "") -> Thread:
    """What goes under it: the evidence of the hosts that have news, and a file with everything where that is more."""
    wanted = news_hosts(digest)
    found = {host.host: host for host in report.hosts if host.failure is None} if report is not None else {}
    telling = [found[name] for name in wanted if name in found]
    messages: list[Message] = []
    if report is not None:
        messages += [message for host in telling[:HOSTS] for message in render.host_messages(host, report, pages)]
    elsewhere = [item for item in _grave(digest) if any(place.host not in found for place in item.places)]
    messages += [message for item in elsewhere[:LEADS] for message in _places(item, found)]
    if (
        not cut(digest)
        and len(elsewhere) <= LEADS
        and len(telling) <= HOSTS
        and not any(render.cut(host) for host in telling)
    ):
        return Thread(tuple(messages))
    text = full_text(sweep, digest) + (f"\n{render.full_text(report)}" if report is not None else "")
    file = File(f"netdiag-{neutral(digest.run, 40)}.txt", f"Everything of {name_of(sweep)}", text)
    said = "Everything that is shortened here is whole in the file."
    return Thread((*messages, Message(fallback(said), (context(said),))), (file,))


def news_hosts(digest: Digest) -> tuple[str, ...]:
    """Hosts with news that hurts, those of the gravest items first."""
    return tuple(dict.fromkeys(place.host for item in _grave(digest) for place in item.places))


def _grave(digest: Digest) -> list[Item]:
    """News that hurts, the gravest first."""
    return sorted((item for item in digest.items if item.news not in GONE), key=lambda item: RANK[item.severity])


def silenceable(digest: Digest) -> tuple[tuple[str, str, tuple[str, ...]], ...]:
    """What could be silenced: finding, its title, its hosts."""
    found: dict[str, tuple[str, dict[str, None]]] = {}
    for item in digest.items:
        if item.news not in GONE:
            hosts = found.setdefault(item.id, (item.title or item.id, {}))[1]
            hosts.update(dict.fromkeys(place.host for place in item.places))
    for still in digest.open:
        found.setdefault(still.id, (still.title or still.id, {}))[1].update(dict.fromkeys(still.hosts))
    return tuple((ident, title, tuple(hosts)) for ident, (title, hosts) in found.items())


def cut(digest: Digest) -> bool:
    """Whether the parent names less than there is."""
    many = [sum(item.news is news for item in digest.items) > ITEMS for news in News]
    crowds = [len(item.places) > NAMES for item in digest.items] + [len(still.hosts) > NAMES for still in digest.open]
    blind = [len(blind.hosts) > NAMES for blind in digest.blind]
    return any([*many, *crowds, *blind, len(digest.open) > OPENS, len(digest.blind) > BLINDS])


def full_text(sweep: Sweep, digest: Digest) -> str:
    """The whole digest as plain text, nothing cut, for the file."""
    lines = [f"{name_of(sweep)}, sweep {sweep.name}, due {stamp(digest.due)}, run {digest.run}", hosts_of(digest)]
    lines += [neutral(row, 1_000) for row in digest.missed]
    for item in digest.items:
        lines += ["", f"{COUNTED[item.news]}: {SEVERITY[item.severity]} {item.id} {neutral(item.title)}"]
        lines += [
            f"  {place.host} since {stamp(place.since)}: {neutral(place.summary, 2_000)}" for place in item.places
        ]
    for still in digest.open:
        lines += ["", f"still open: {SEVERITY[still.severity]} {still.id}, oldest since {stamp(still.oldest)}"]
        lines.append(f"  {', '.join(still.hosts)}")
    for blind in digest.blind:
        lines += ["", f"? {neutral(blind.reason, 1_000)}", f"  {', '.join(blind.hosts)}"]
    lines += [""] + [f"held back: {row}" for row in _held_words(digest)]
    return "\n".join(lines) + "\n"


def _shape(digest: Digest) -> str:
    """By the worst news; without news, by whether all is well."""
    news = [item.severity for item in digest.items if item.news not in GONE]
    if news:
        return SEVERITY[min(news, key=RANK.__getitem__)].split()[0]
    bad = [status for status in WORST_FIRST if digest.hosts.get(status)]
    if not bad or bad[0] is Status.OK:
        return "✔" if bad else "?"
    return "✔" if digest.items and not digest.open and Status.UNKNOWN not in bad else "·"


def _state(digest: Digest) -> Iterator[Element]:
    compared = ", as at the last sweep" if digest.before is not None and digest.before == digest.hosts else ""
    compared = ", the first sweep" if digest.before is None else compared
    yield line(run(hosts_of(digest), bold=True), run(f"{compared}  "), when(stamp(digest.due)))
    for row in digest.missed:
        yield line(run("▲ ", bold=True), run(row, most=400))


def _section(digest: Digest, news: News) -> list[Block]:
    items = [item for item in digest.items if item.news is news]
    if not items:
        return []
    items.sort(key=lambda item: (RANK[item.severity], -len(item.places)))
    parts: list[Element] = [line(run(HEADINGS[news], bold=True)), bullets(_item(one, digest) for one in items[:ITEMS])]
    if len(items) > ITEMS:
        parts.append(line(f"and {len(items) - ITEMS} more in the file"))
    return [rich(*parts)]


def _item(item: Item, digest: Digest) -> Element:
    """One cause over all its hosts; where it is on one host alone, that host's own words."""
    title, places = neutral(item.title or item.id, 150), item.places
    oldest = min((place.since for place in places), default=digest.due)
    long = age(oldest, digest.due)
    if item.news in GONE:
        sign, end = end_of(item, SEVERITY[item.severity], long)
        return line(run(f"{sign} ", bold=True), run(title, bold=True, most=150), run(f": {where(item)}{end}", most=400))
    tail = [run(f" (explains {len(item.explains)} more)", italic=True)] if item.explains else []
    since = f", for {long}" if item.news in (News.REMIND, News.WORSE, News.SETTLED, News.FLAPPING) else ""
    mark = run(f"{SEVERITY[item.severity]} ", bold=True)
    if len({place.host for place in places}) == 1:
        return line(mark, run(f"{where(item)} ", bold=True), run(f"{places[0].summary}{since}", most=400), *tail)
    return line(
        mark,
        run(f"{len({place.host for place in places})} hosts: {title}{since}", bold=True, most=220),
        run(f": {where(item)}. Such as: {neutral(places[0].summary, 220)}" if places else "", most=600),
        *tail,
        *([run(f"; {first_of(item)}", italic=True, most=300)] if item.canaries else []),
    )


def _opens(digest: Digest) -> Iterator[Element]:
    ordered = sorted(digest.open, key=lambda one: (RANK[one.severity], -len(one.hosts)))
    for one in ordered[:OPENS]:
        yield _still(one, digest.due)
    if len(ordered) > OPENS:
        yield line(f"and {len(ordered) - OPENS} more in the file")


def _still(one: Open, now: datetime) -> Element:
    flapping = ", flapping" if one.flapping else ""
    hosts = few([neutral(host, 80) for host in one.hosts], NAMES)
    return line(
        run(f"{SEVERITY[one.severity]} ", bold=True),
        run(neutral(one.title or one.id, 150)),
        run(f", for {age(one.oldest, now)}{flapping}: ", italic=True),
        run(hosts, most=400),
    )


def _blinds(digest: Digest) -> Iterator[Element]:
    ordered = sorted(digest.blind, key=lambda one: (not one.whole, not one.news, -len(one.hosts)))
    for one in ordered[:BLINDS]:
        yield _blind(one)
    if len(ordered) > BLINDS:
        yield line(f"and {len(ordered) - BLINDS} more reasons in the file")
    if digest.sighted:
        yield line(run("readable again: ", bold=True), few([neutral(host, 80) for host in digest.sighted], NAMES))


def _blind(one: Blind) -> Element:
    what = f"{plural(len(one.hosts), 'host')} could not be read" if one.whole else "some checks undecided"
    fresh = "new: " if one.news else ""
    hosts = few([neutral(host, 80) for host in one.hosts], NAMES)
    return line(run(f"{fresh}{what}, {neutral(one.reason, 250)}: ", bold=one.news, most=350), run(hosts, most=400))


def _held_words(digest: Digest) -> list[str]:
    return [
        f"{plural(held.count, 'finding')} held back, at worst {SEVERITY[held.worst]}: {neutral(held.why, 250)}"
        for held in digest.held
    ]


def _places(item: Item, found: Mapping[str, object]) -> tuple[Message, ...]:
    """The places of an item whose hosts have no message of their own."""
    left = [place for place in item.places if place.host not in found]
    title = f"{SEVERITY[item.severity]} {item.title or item.id}"
    rows = [line(run(place.host, bold=True), run(f" {place.summary}", most=300)) for place in left[:PLACES]]
    rows += [line(f"and {len(left) - PLACES} more in the file")] if len(left) > PLACES else []
    return packed(fallback(title), [rich(line(run(title, bold=True, most=200)), bullets(rows))])


def _button(key: str) -> Block:
    button = {"type": "button", "action_id": SILENCE, "value": key, "text": plain("Silence…", 75)}
    return {"type": "actions", "elements": [button | {"accessibility_label": "Silence a finding of this sweep"}]}
