"""The life of a fault, as a table and as laws that hold for every history of looks."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.digest import News
from bot.core.fault import CHECKS_UNKNOWN, HOST_UNREAD, OVER, Fault, Stage, Told, ended
from bot.core.faults import HERE, TRANSITIONS, Asked, Look, Sight, left, live, look, seen, unseen
from bot.core.host import Cause, HostFailure
from bot.core.news import news
from bot.core.outline import RANK
from bot.core.report import Coverage, Finding, HostReport, Severity, Status, Undecided
from bot.core.sweep import Tuning
from tests.fakes.clock import START

HOUR = timedelta(hours=1)
C, W = Severity.CRITICAL, Severity.WARNING
USUAL = Tuning()
SIGHT = Sight("f1", "backlog-capped", "listen-queue", W)


def sight(severity: Severity = W) -> Sight:
    return Sight("f1", "backlog-capped", "listen-queue", severity)


def walk(looks: str, tuning: Tuning = USUAL, every: timedelta = HOUR) -> list[Fault | None]:
    """The fault after each look: `c`, `w`, `i` saw it so severe, `-` saw that it is gone, `?` could not tell,
    `x` its host had left the inventory.
    """
    fault, at, after = None, START, []
    for letter in looks:
        if letter in "cwi":
            fault = seen(fault, "node-1", sight({"c": C, "w": W, "i": Severity.INFO}[letter]), at, tuning)
        elif letter == "-" and fault is not None:
            fault = unseen(fault, at, tuning)
        elif letter == "x" and fault is not None:
            fault = left(fault, at)
        after.append(fault)
        at += every
    return after


def stages(looks: str, **tuning: int) -> str:
    return " ".join(fault.stage if fault else "none" for fault in walk(looks, Tuning(**tuning)))


LIVES = [
    ("w", {}, "open"),
    ("w-", {}, "open resolved"),
    ("www", {"open_after": 3}, "seen seen open"),
    ("ww-ww", {"open_after": 3}, "seen seen resolved seen seen"),
    ("w?w?w", {"open_after": 3}, "seen seen seen seen open"),
    ("w--", {"resolve_after": 2}, "open going resolved"),
    ("w-w-w", {"resolve_after": 2}, "open going open going open"),
    ("w-?-", {"resolve_after": 2}, "open going going resolved"),
    ("w????", {}, "open open open open open"),
    ("w-w-", {}, "open resolved open resolved"),
    ("-w", {}, "none open"),
]


@pytest.mark.parametrize(("looks", "tuning", "expected"), LIVES)
def test_a_fault_lives_by_the_table(looks: str, tuning: dict[str, int], expected: str) -> None:
    assert stages(looks, **tuning) == expected


def test_the_table_knows_every_stage_and_every_answer() -> None:
    assert set(TRANSITIONS) == {(stage, there) for stage in (None, *Stage) for there in (True, False)} - {(None, False)}


def test_a_fault_remembers_its_bouts() -> None:
    *_, fault = walk("w--w")
    assert fault is not None
    assert (fault.first, fault.since, fault.last) == (START, START + 3 * HOUR, START + 3 * HOUR)
    assert (fault.times, len(fault.changes)) == (2, 3)


@pytest.mark.parametrize(
    ("looks", "tuning", "severities"),
    [
        ("wc", {}, "warning critical"),
        ("wcc", {"open_after": 2}, "warning critical critical"),
        ("wwcc", {"open_after": 2}, "warning warning warning critical"),
        ("cww", {"resolve_after": 2}, "critical critical warning"),
        ("cwcww", {"resolve_after": 2}, "critical critical critical critical warning"),
        ("c-w", {}, "critical critical warning"),
    ],
)
def test_a_severity_changes_as_slowly_as_a_fault(looks: str, tuning: dict[str, int], severities: str) -> None:
    after = walk(looks, Tuning(**tuning))
    assert " ".join(fault.severity for fault in after if fault) == severities


def test_many_changes_in_a_short_time_are_one_flapping_fault_until_few_are_left_in_it() -> None:
    flaps = [fault.flapping for fault in walk("w-w-w-" + "w" * 30) if fault]
    assert flaps[:3] == [False] * 3
    assert flaps[3:7] == [True] * 4
    assert flaps[-1] is False
    settled = flaps.index(False, 4)
    assert settled == 29, "a day after the last changes but one"


def test_a_severity_that_goes_to_and_fro_is_flapping_too() -> None:
    assert [fault.flapping for fault in walk("wcwcw") if fault][-1]


def test_what_changes_once_a_day_does_not_flap() -> None:
    assert not any(fault.flapping for fault in walk("w-w-w-w-", every=timedelta(days=1)) if fault)


# --- what a report says -----------------------------------------------------------------------------------------------


def finding(ident: str = "backlog-capped", *, print_: str = "f1", under: str | None = None, severity=W) -> Finding:
    return Finding(
        id=ident, playbook="listen-queue", severity=severity, scope={}, summary=ident, cause="", evidence={},
        fingerprint=print_, explained_by=under,
    )  # fmt: skip


def report(*findings: Finding, **fields: object) -> HostReport:
    return HostReport.model_validate({"host": "node-1", "status": Status.OK, "findings": findings, **fields})


ALL = Asked({"listen-queue": {}})
FAULT = seen(None, "node-1", SIGHT, START, Tuning())
FAILURE = HostFailure(cause=Cause.UNREACHABLE, reason="connection refused", remedy="start it")
UNSURE = Undecided(id="backlog-capped", playbook="listen-queue", reason="sysctl_net: needs root")
GONE = [
    ("it was judged and not found", report(healthy=("backlog-capped",)), ALL, True),
    ("the same check found another", report(finding(print_="f2")), ALL, True),
    ("the check is undecided", report(undecided=(UNSURE,)), ALL, False),
    ("the check found another and is undecided", report(finding(print_="f2"), undecided=(UNSURE,)), ALL, False),
    ("the host could not be read", report(failure=FAILURE), ALL, False),
    ("its playbook was not asked", report(healthy=("other",)), Asked({"dns": {}}), False),
    ("the check is no more", report(healthy=("other",)), ALL, False),
    (
        "it was looked for elsewhere",
        report(healthy=("backlog-capped",)),
        Asked({"listen-queue": {"port": "443"}}),
        False,
    ),
]


@pytest.mark.parametrize(("why", "told", "asked", "gone"), GONE, ids=[why for why, *_ in GONE])
def test_a_fault_is_gone_only_where_a_look_could_have_seen_it(why, told, asked, gone) -> None:
    assert look(told, asked, [FAULT]).gone == (frozenset({"f1"}) if gone else frozenset())


def test_a_fault_that_was_found_with_parameters_is_gone_when_they_are_asked_again() -> None:
    port = Asked({"listen-queue": {"port": "443"}})
    there = look(report(finding()), port, ()).sights["f1"]
    fault = seen(None, "node-1", there, START, Tuning())
    assert look(report(healthy=("backlog-capped",)), port, [fault]).gone
    assert look(report(healthy=("backlog-capped",)), ALL, [fault]).gone
    assert not look(report(healthy=("backlog-capped",)), Asked({"listen-queue": {"port": "80"}}), [fault]).gone


def over(target: str, *books: str) -> Asked:
    return Asked({name: {} for name in books}, {"fleet": {"target": target, "playbooks": " ".join(books)}})


@pytest.mark.parametrize(
    ("later", "gone"),
    [
        (over("all", "dns", "udp"), True),
        (over("all", "dns", "udp", "mtu"), True),
        (over("all", "dns"), False),
        (over("role=db", "dns", "udp"), False),
        (Asked({"dns": {}, "udp": {}}), False),
    ],
    ids=["the same", "more", "fewer playbooks", "other hosts", "an ask, which judges no fleet"],
)
def test_a_fault_that_only_the_fleet_tells_is_gone_where_as_much_of_it_was_read(later: Asked, gone: bool) -> None:
    odd = finding("outlier").model_copy(update={"playbook": "fleet"})
    fault = seen(None, "node-1", look(report(odd), over("all", "dns", "udp"), ()).sights["f1"], START, USUAL)
    assert bool(look(report(healthy=("outlier",)), later, [fault]).gone) is gone
    unsure = Undecided(id="outlier", playbook="fleet", reason="x")
    assert not look(report(undecided=(unsure,)), later, [fault]).gone


def test_a_cause_is_as_severe_as_the_worst_that_it_explains_and_symptoms_know_their_cause() -> None:
    sights = look(report(finding(), finding("listen-drops", print_="f2", under="f1", severity=C)), ALL, ()).sights
    assert (sights["f1"].severity, sights["f1"].under) == (C, "")
    assert (sights["f2"].severity, sights["f2"].under) == (C, "f1")


def test_a_host_that_cannot_be_read_is_a_fault_that_ends_when_it_can() -> None:
    (there,) = look(report(failure=FAILURE), ALL, ()).sights.values()
    assert (there.id, there.summary) == (HOST_UNREAD, "connection refused")
    fault = seen(None, "node-1", there, START, Tuning())
    assert look(report(), ALL, [fault]).gone == {fault.fingerprint}


def test_checks_that_are_unknown_are_one_fault_for_each_reason_once_confirmed() -> None:
    lost = Coverage(probe="tcp_ext", state="unknown", reason="timed out after 12.1 s")
    unsure = report(coverage=(lost,), undecided=(UNSURE,))
    sights = {part.summary: part for part in look(unsure, ALL, ()).sights.values()}
    assert set(sights) == {"timed out after 12.1 s", "sysctl_net: needs root"}
    assert {part.id for part in sights.values()} == {CHECKS_UNKNOWN}
    later = lost.model_copy(update={"reason": "timed out after 11.9 s"})
    assert look(report(coverage=(later,)), ALL, ()).sights.keys() <= look(unsure, ALL, ()).sights.keys()
    once = live((), [look(unsure, ALL, ())], START, Tuning())
    assert {fault.stage for fault in once} == {Stage.SEEN}
    twice = live(once, [look(unsure, ALL, once)], START + HOUR, Tuning())
    assert {fault.stage for fault in twice} == {Stage.OPEN}
    asked = Coverage(probe="tcp_ext", state="ok")
    assert len(look(report(coverage=(asked,)), ALL, twice).gone) == 2
    assert len(look(report(), Asked({"dns": {}}), twice).gone) == 0, "what was not asked does not end it"


def test_a_look_changes_only_what_it_could_tell() -> None:
    other = FAULT.model_copy(update={"host": "node-2"})
    after = live([FAULT, other], [Look("node-1", {}, frozenset({"f1"}))], START + HOUR, Tuning())
    assert {(fault.host, fault.stage) for fault in after} == {("node-1", Stage.RESOLVED), ("node-2", Stage.OPEN)}


def test_the_faults_of_a_host_that_left_are_past_and_nobody_calls_them_resolved() -> None:
    for looks, tuning in (("w", USUAL), ("w-", Tuning(resolve_after=2)), ("w", Tuning(open_after=2)), ("w-w-", USUAL)):
        *_, fault = walk(looks, tuning)
        assert fault is not None
        gone = left(fault, START + 9 * HOUR)
        assert (gone.stage, gone.flapping) == (Stage.LEFT, False)
        assert left(gone, START + 10 * HOUR) == gone
        assert ended(gone) == (START + 9 * HOUR if fault.stage in HERE else ended(fault))
    *_, fault = walk("w-")
    assert fault is not None
    assert left(fault, START + 9 * HOUR) == fault, "that was seen"


def test_a_host_that_comes_back_begins_anew() -> None:
    *_, fault = walk("w-w-cc")
    assert fault is not None
    known = fault.model_copy(update={"told": {"C1": Told(stage=Stage.LEFT, severity=C, at=START)}})
    at = START + 20 * HOUR
    back = seen(left(known, START + 9 * HOUR), "node-1", SIGHT, at, USUAL)
    assert (back.stage, back.first, back.since, back.times, back.changes) == (Stage.OPEN, at, at, 1, (at,))
    assert news(back, back.told["C1"], USUAL) is News.NEW
    assert unseen(left(known, START), at, USUAL).stage is Stage.RESOLVED
    assert news(unseen(left(known, START), at, USUAL), back.told["C1"], USUAL) is None


# --- laws -------------------------------------------------------------------------------------------------------------

LOOKS = st.text(alphabet="ccwwi------????x", max_size=60)
TUNINGS = st.builds(
    Tuning,
    open_after=st.integers(1, 3),
    resolve_after=st.integers(1, 3),
    flap_changes=st.integers(0, 6),
    flap_window=st.sampled_from([3_600, 6 * 3_600, 86_400]),
    least=st.sampled_from(["info", "warning"]),
)


@dataclass
class Channel:
    """Somebody who is told whatever is news, and believes it. Nothing may be told that is believed already."""

    tuning: Tuning
    told: Told | None = None
    tellings: list[tuple[int, News]] = field(default_factory=list)

    def hear(self, number: int, fault: Fault | None, at: datetime) -> None:
        kind = news(fault, self.told, self.tuning) if fault else None
        if fault is None or kind is None:
            return
        said = Told(
            stage=fault.stage if fault.stage in OVER and not fault.flapping else Stage.OPEN,
            severity=fault.severity,
            at=at,
            flapping=fault.flapping,
        )
        before, self.told = self.told, said
        self.tellings.append((number, kind))
        if before is not None:
            assert (before.stage, before.severity, before.flapping) != (said.stage, said.severity, said.flapping), kind

    @property
    def believes(self) -> str:
        if self.told is None or self.told.stage in OVER:
            return "nothing"
        return "flapping" if self.told.flapping else self.told.severity


def told(looks: str, tuning: Tuning) -> Channel:
    channel = Channel(tuning)
    for number, fault in enumerate(walk(looks, tuning)):
        channel.hear(number, fault, START + number * HOUR)
    return channel


@given(LOOKS, TUNINGS)
def test_nothing_is_told_twice(looks: str, tuning: Tuning) -> None:
    channel = told(looks, tuning)
    opened = [kind for _, kind in channel.tellings if kind in (News.NEW, News.REOPENED, News.RESOLVED, News.LEFT)]
    for one, next_ in pairwise(opened):
        assert not (one in (News.NEW, News.REOPENED) and next_ in (News.NEW, News.REOPENED))
        assert not {one, next_} <= {News.RESOLVED, News.LEFT} or News.FLAPPING in [kind for _, kind in channel.tellings]


@given(LOOKS, st.integers(0, 60), st.integers(1, 5), TUNINGS.filter(lambda tuning: tuning.flap_changes == 0))
def test_looks_that_cannot_tell_change_nothing(looks: str, where: int, many: int, tuning: Tuning) -> None:
    plain, blind = told(looks, tuning), told(looks[:where] + "?" * many + looks[where:], tuning)
    assert [kind for _, kind in plain.tellings] == [kind for _, kind in blind.tellings]
    assert plain.believes == blind.believes


@given(st.text(alphabet="cwi?x", min_size=1, max_size=40), TUNINGS)
def test_what_was_never_seen_gone_is_never_resolved(looks: str, tuning: Tuning) -> None:
    assert all(fault.stage is not Stage.RESOLVED for fault in walk(looks, tuning) if fault)
    assert News.RESOLVED not in [kind for _, kind in told(looks, tuning).tellings]


@given(LOOKS, TUNINGS)
def test_what_left_is_believed_by_nobody_and_told_once(looks: str, tuning: Tuning) -> None:
    channel = told(looks + "x", tuning)
    assert channel.believes == "nothing"
    after = told(looks + "xxx", tuning)
    assert after.tellings == channel.tellings


@given(LOOKS, st.sampled_from("cw-"), TUNINGS)
def test_what_lasts_is_told_as_soon_as_it_is_confirmed(looks: str, lasting: str, tuning: Tuning) -> None:
    looks += lasting * max(tuning.open_after, tuning.resolve_after)
    channel, fault = told(looks, tuning), walk(looks, tuning)[-1]
    if fault is not None and fault.flapping:
        matters = RANK[fault.severity] <= RANK[Severity(tuning.least)]
        assert channel.believes == "flapping" or not matters
    elif lasting == "-":
        assert channel.believes == "nothing"
    else:
        assert channel.believes == {"c": C, "w": W}[lasting]


@given(st.text(alphabet="cw-", min_size=40, max_size=120), st.integers(3, 6))
def test_a_storm_of_changes_is_a_handful_of_tellings(looks: str, most: int) -> None:
    """Within one window: up to the changes that make it flap, once that it does, and once that it got worse then."""
    tuning = Tuning(flap_changes=most, flap_window=1_000 * 3_600)
    assert len(told(looks, tuning).tellings) <= most + 1


@given(LOOKS, TUNINGS)
def test_a_fault_that_is_there_was_seen_and_its_numbers_agree(looks: str, tuning: Tuning) -> None:
    for fault in walk(looks, tuning):
        if fault is not None:
            assert fault.first <= fault.since <= fault.last
            assert (fault.stage in HERE) <= (fault.times > 0)
            assert fault.streak >= 1
            assert RANK[fault.severity] in RANK.values()
