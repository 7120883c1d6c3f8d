"""Do pictures say in words what they show, and do numbers and times on them read as people write them?"""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.adapters.chart import layout, words
from bot.core.digest import Blind, Digest, Item, Moved, News, Open, Outlook, Place
from bot.core.fault import Fault, Stage
from bot.core.past import Curve, HostPast, Point, place_of
from bot.core.report import Severity, Status

NOW = datetime(2030, 5, 13, 9, 0, tzinfo=UTC)
BERLIN = ZoneInfo("Europe/Berlin")
C, W, U, O = Status.CRITICAL, Status.WARNING, Status.UNKNOWN, Status.OK  # noqa: E741 - rows of a grid


def digest(grid: dict[str, tuple[Status, ...]], **fields: object) -> Digest:
    values: dict[str, object] = {"sweep": "s", "due": NOW, "run": "r1", "begun": NOW, "seconds": 1.0, "hosts": {}}
    return Digest.model_validate(values | {"grid": grid} | fields)


def sick(host: str, title: str, severity: Severity = Severity.CRITICAL, news: News = News.NEW) -> Item:
    place = Place(host=host, fingerprint="f", summary="s", since=NOW, severity=severity)
    return Item(news=news, id="x", playbook="p", title=title, severity=severity, places=(place,))


GRID = {"a": (O, O, O), "b": (O, W, W), "c": (O, O, C), "d": (U, U, U), "e": (O, C, O), "f": (O,)}


def test_the_worst_hosts_are_named_first_and_new_hosts_have_no_past() -> None:
    shown = layout.fleet(digest(GRID))
    assert [row.host for row in shown.rows] == ["c", "b", "d", "e", "a", "f"]
    assert shown.rows[-1].past == (None, None, O)


def test_two_hundred_hosts_are_a_few_rows_and_a_square_for_each_other() -> None:
    grid = {f"n{n}": (O, O) for n in range(200)} | {"n7": (O, C), "n9": (W, O)}
    shown = layout.fleet(digest(grid))
    assert [row.host for row in shown.rows] == ["n7", "n9"]
    assert len(shown.packed) == 198
    assert shown.total == 200
    assert shown.counts == {C: 1, O: 199}


def test_no_host_is_left_out_silently() -> None:
    grid = {f"n{n}": (C,) for n in range(layout.PACKED + 500)}
    shown = layout.fleet(digest(grid))
    assert shown.total == len(grid)
    assert shown.left == 500 - layout.ROWS


def test_each_row_says_the_gravest_thing_that_is_so_now() -> None:
    made = digest(
        GRID,
        items=(sick("c", "small", Severity.WARNING), sick("c", "grave"), sick("e", "over", news=News.RESOLVED)),
        open=(Open(id="o", playbook="p", title="old", severity=Severity.WARNING, hosts=("b",), oldest=NOW),),
        blind=(Blind(reason="no route", hosts=("d",), whole=True), Blind(reason="sudo", hosts=("a",), whole=False)),
    )
    assert {row.host: row.cause for row in layout.fleet(made).rows} == {
        "c": "grave", "b": "old", "d": "no route", "e": "", "a": "", "f": "",
    }  # fmt: skip


def test_the_heat_map_is_told_in_words() -> None:
    made = digest(GRID, items=(sick("c", "Accept queue overflows"),), sighted=("f",))
    assert words.fleet(layout.fleet(made), made) == (
        "Heat map of 6 hosts over the newest 3 sweeps: 1 critical, 1 warning, 1 unknown, 3 ok. "
        "Critical: c (Accept queue overflows). Warning: b. Unknown: d. "
        "Ok now, but not at every sweep shown: e. Readable again: f."
    )


@given(st.dictionaries(st.text(max_size=30), st.lists(st.sampled_from(Status), max_size=20).map(tuple), max_size=60))
def test_any_grid_has_a_layout_and_words_that_slack_takes(grid: dict[str, tuple[Status, ...]]) -> None:
    made = digest(grid)
    shown = layout.fleet(made)
    assert shown.total == len([past for past in grid.values() if past])
    assert len(words.fleet(shown, made)) <= 1_000


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        (65536, "sockets", "65,536 sockets"),
        (0, "", "0"),
        (0.034, "1/s", "0.034/s"),
        (41.04, "1/s", "41.0/s"),
        (99.5, "%", "99.5%"),
        (1536, "bytes", "1.5 KiB"),
        (3 * 2**30, "bytes", "3 GiB"),
        (-2048, "bytes/s", "-2 KiB/s"),
        (12_400_000, "packets", "12.4M packets"),
        (262_144, "entries", "262k entries"),
    ],
)
def test_quantities(value: float, unit: str, expected: str) -> None:
    assert words.quantity(value, unit) == expected


def moved(**fields: object) -> Moved:
    values: dict[str, object] = {
        "host": "node-3", "key": "tcp-sockets", "title": "TCP sockets", "unit": "sockets", "before": 800, "now": 3000,
        "limit": 4096, "points": ((NOW - timedelta(hours=1), 800), (NOW, 3000)),
    }  # fmt: skip
    return Moved.model_validate(values | fields)


def ahead(soonest: int | None, latest: int | None) -> Outlook:
    at = [None if hours is None else NOW + timedelta(hours=hours) for hours in (soonest, latest)]
    return Outlook(until=NOW + timedelta(days=1), low=3500, high=4500, soonest=at[0], latest=at[1])


@pytest.mark.parametrize(
    ("outlook", "expected"),
    [
        (None, ""),
        (ahead(None, None), ""),
        (ahead(5, None), "limit in 5 h at the earliest"),
        (ahead(5, 9), "limit in 5 h to 9 h"),
        (ahead(5, 72), "limit in 5 h to 3 d"),
        (ahead(-1, 0), "limit in 1 min"),
    ],
)
def test_a_forecast_says_no_more_than_it_knows(outlook: Outlook | None, expected: str) -> None:
    assert words.outlook(moved(outlook=outlook), NOW) == expected
    assert words.outlook(moved(outlook=outlook, limit=None), NOW) == ""


def test_what_moved_is_told_in_words() -> None:
    assert words.moved([moved(outlook=ahead(5, 9))]) == (
        "Line charts of 1 measure that moved. "
        "node-3, TCP sockets: 800 sockets to 3,000 sockets, limit 4,096 sockets, limit in 5 h to 9 h."
    )
    assert len(words.moved([moved(title="t" * 400)] * 50)) <= 1_000


def test_a_history_is_told_in_words() -> None:
    point = Point(NOW - timedelta(hours=1), 0, 1, 10, 30, 20, 100)
    fault = Fault(
        host="node-3", fingerprint="f", id="x", playbook="p", severity=Severity.WARNING, title="It drops",
        stage=Stage.OPEN, first=NOW - timedelta(days=2), since=NOW - timedelta(days=1), last=NOW, times=2,
    )  # fmt: skip
    past = HostPast(
        "node-3", NOW - timedelta(days=14), NOW, (Curve("k", "Sockets", "sockets", (point,), "netns 7"),), (fault,)
    )
    assert words.history(past, BERLIN) == (
        "History of node-3 over 14 d until Mon 13 May 2030 11:00 CEST. "
        "warning It drops: still open, since Sun 12 May 2030 11:00 CEST, opened 2 times. "
        "Sockets (netns 7): 20 sockets now, between 10 sockets and 30 sockets, limit 100 sockets."
    )


def curve(title: str, *values: float, limit: float | None = None, place: str = "") -> Curve:
    points = tuple(Point(NOW, 0, 1, value, value, value, limit) for value in values)
    return Curve(f"{title} {place}", title, "", points, place)


def test_a_history_shows_each_measure_where_it_says_most_and_leaves_out_what_is_nothing_but_zero() -> None:
    near, far = curve("a", 90, limit=100, place="1"), curve("a", 10, limit=100, place="2")
    moving, flat, zero = curve("b", 1, 9), curve("c", 5, 5), curve("d", 0, 0)
    shown = layout.telling([zero, flat, far, moving, near, curve("e")])
    assert [(one.title, one.place) for one in shown] == [("a", "1"), ("b", ""), ("c", ""), ("a", "2")]
    assert layout.telling([zero]) == [zero]


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("tcp-sockets", ""),
        ('fd {"netns":"web/shop","process":"nginx"}', "netns web/shop, process nginx"),
        ("fd {broken", "{broken"),
        ("fd [1]", "[1]"),
    ],
)
def test_the_place_of_a_measure_is_read_from_its_key(key: str, expected: str) -> None:
    assert place_of(key) == expected


@pytest.mark.parametrize("hours", [1, 5, 24, 72, 24 * 14, 24 * 90, 24 * 4000])
@pytest.mark.parametrize("most", [4, 7])
def test_marks_of_an_axis_are_few_in_order_and_inside(hours: int, most: int) -> None:
    until = datetime(2030, 3, 31, 12, 7, tzinfo=UTC)  # the day on which the clocks of Berlin went forward
    since = until - timedelta(hours=hours)
    marks = words.ticks(since, until, BERLIN, most)
    assert 1 <= len(marks) <= most + 1
    assert all(since <= at <= until for at, _ in marks)
    assert all(a.astimezone(UTC) < b.astimezone(UTC) for (a, _), (b, _) in pairwise(marks))


def test_days_are_marked_at_midnight_of_the_zone_over_a_change_of_its_clocks() -> None:
    until = datetime(2030, 4, 2, 0, 0, tzinfo=UTC)
    marks = words.ticks(until - timedelta(days=4), until, BERLIN, 6)
    assert [said for _, said in marks] == ["30 Mar", "31 Mar", "01 Apr", "02 Apr"]
    assert {at.astimezone(BERLIN).hour for at, _ in marks} == {0}
