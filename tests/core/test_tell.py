"""What a digest tells: the difference between what is so and what its channel knows, grouped by cause."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.digest import Digest, News
from bot.core.fault import Fault, Stage
from bot.core.faults import HERE, Asked, live, look
from bot.core.host import Cause, Host, HostFailure
from bot.core.report import Finding, HostReport, Report, Severity, Status, Undecided
from bot.core.sweep import Every, Silence, Sweep, Tuning
from bot.core.tell import COLUMNS, URGENT, Scene, answered, digest, heard, still
from tests.fakes.clock import START

C, W = Severity.CRITICAL, Severity.WARNING
SWEEP = Sweep("fleet", Every(3_600), "all", channel="C1")
ASKED = Asked({"rp-filter": {}, "listen-queue": {}, "trends": {}})
CHECKS = ("rp-filter-drops", "backlog-capped", "listen-drops", "limit-forecast", "setting-changed")
UNREADABLE = HostFailure(cause=Cause.UNREACHABLE, reason="connection refused", remedy="start it")


def finding(host: str, ident: str = "rp-filter-drops", severity: Severity = W, **fields: Any) -> Finding:
    values = {
        "id": ident, "playbook": "trends" if ident == "limit-forecast" else "rp-filter", "severity": severity,
        "title": ident.replace("-", " "), "scope": {}, "summary": f"{ident} on {host}", "cause": "", "evidence": {},
        "fingerprint": f"{ident}@{host}",
    }  # fmt: skip
    return Finding.model_validate(values | fields)


def host_report(host: str, *findings: Finding, undecided: Sequence[Undecided] = ()) -> HostReport:
    found = {part.id for part in findings} | {part.id for part in undecided}
    worst = min((part.severity for part in findings if part.severity in (C, W)), default=None)
    return HostReport(
        host=host, status=Status(worst) if worst else Status.UNKNOWN if undecided else Status.OK, findings=findings,
        healthy=tuple(name for name in CHECKS if name not in found), undecided=tuple(undecided),
    )  # fmt: skip


def blind(host: str, reason: str = "connection refused") -> HostReport:
    failure = UNREADABLE.model_copy(update={"reason": reason})
    return HostReport(host=host, status=Status.UNKNOWN, failure=failure)


@dataclass
class Fleet:
    """A channel, the faults that are known, and one sweep an hour."""

    sweep: Sweep = SWEEP
    now: Any = START
    faults: tuple[Fault, ...] = ()
    before: Digest | None = None
    said: list[Digest] = field(default_factory=list)

    def sees(self, *hosts: HostReport, told: bool = True, sweep: Sweep | None = None, **scene: Any) -> Digest:
        """One sweep: what its digest says, and the channel has heard it unless `told` is false."""
        sweep = sweep or self.sweep
        self.now += timedelta(hours=1)
        by_host = {host.host: [fault for fault in self.faults if fault.host == host.host] for host in hosts}
        under = scene.get("maintenance", {})
        looks = [look(host, ASKED, by_host[host.host]) for host in hosts if host.host not in under]
        self.faults = live(self.faults, looks, self.now, sweep.tuning)
        named = {host.host for host in hosts}
        report = Report(run="r1", started="", seconds=1.0, hosts=hosts)
        made = digest(
            Scene(
                sweep=sweep, due=self.now, begun=self.now, now=self.now, report=report,
                hosts={name: Host(name=name, address="192.0.2.1") for name in named},
                faults=[fault for fault in self.faults if fault.host in named], before=self.before, **scene,
            )
        )  # fmt: skip
        if told:
            self.hears(made, sweep.channel)
        self.before = made
        return made

    def hears(self, said: Digest, channel: str = "C1") -> None:
        known = {(fault.host, fault.fingerprint): fault for fault in self.faults}
        known |= {(fault.host, fault.fingerprint): fault for fault in heard(self.faults, said.heard, channel)}
        self.faults = tuple(known.values())
        self.said.append(said)


def news(said: Digest) -> list[tuple[str, str, tuple[str, ...]]]:
    return [(item.news.value, item.id, tuple(place.host for place in item.places)) for item in said.items]


def test_the_same_fault_of_many_hosts_is_one_item() -> None:
    hosts = [f"node-{number}" for number in range(14)]
    said = Fleet().sees(*(host_report(host, finding(host)) for host in hosts))
    (item,) = said.items
    assert (item.news, item.id, [place.host for place in item.places]) == (News.NEW, "rp-filter-drops", hosts)
    assert said.hosts[Status.WARNING] == 14


def test_what_was_told_is_open_with_its_age_and_not_news() -> None:
    fleet = Fleet()
    first = fleet.sees(host_report("n1", finding("n1")), host_report("n2"))
    fleet.sees(host_report("n1", finding("n1")), host_report("n2"))
    said = fleet.sees(host_report("n1", finding("n1")), host_report("n2", finding("n2")))
    assert news(said) == [("new", "rp-filter-drops", ("n2",))]
    (still_open,) = said.open
    assert (still_open.hosts, still_open.oldest) == (("n1",), first.due)
    assert not said.quiet


def test_nothing_new_is_quiet() -> None:
    fleet = Fleet()
    assert fleet.sees(host_report("n1")).quiet
    fleet.sees(host_report("n1", finding("n1")))
    assert fleet.sees(host_report("n1", finding("n1"))).quiet


def test_worse_better_resolved_and_reopened_are_told_each_once() -> None:
    fleet = Fleet(replace(SWEEP, tuning=Tuning(flap_changes=0)))
    tellings = []
    for severity in (W, W, C, C, W, None, None, W):
        found = [finding("n1", severity=severity)] if severity else []
        tellings += [item.news.value for item in fleet.sees(host_report("n1", *found)).items]
    assert tellings == ["new", "worse", "better", "resolved", "reopened"]


def test_a_flapping_fault_is_told_once_as_that_and_once_when_it_settled() -> None:
    fleet = Fleet()
    tellings = []
    for there in [True, False] * 10 + [True] * 30:
        found = [finding("n1")] if there else []
        said = fleet.sees(host_report("n1", *found))
        tellings += [item.news.value for item in said.items if item.news is not News.REMIND]
    assert tellings == ["new", "resolved", "reopened", "flapping", "settled"]


def test_a_flapping_fault_that_stays_away_is_resolved_when_it_settled() -> None:
    fleet = Fleet()
    tellings = []
    for there in [True, False] * 4 + [False] * 30:
        found = [finding("n1")] if there else []
        tellings += [item.news.value for item in fleet.sees(host_report("n1", *found)).items]
    assert tellings == ["new", "resolved", "reopened", "flapping", "resolved"]


def test_a_cause_leads_and_its_symptoms_are_folded() -> None:
    fleet = Fleet()
    cause = finding("n1", "backlog-capped")
    symptom = finding("n1", "listen-drops", C, explained_by=cause.fingerprint)
    said = fleet.sees(host_report("n1", cause, symptom))
    (item,) = said.items
    assert (item.id, item.severity, item.explains) == ("backlog-capped", C, ("listen-drops",))
    assert fleet.sees(host_report("n1", cause, symptom)).quiet
    assert news(fleet.sees(host_report("n1", cause))) == [("better", "backlog-capped", ("n1",))]
    assert news(fleet.sees(host_report("n1"))) == [("resolved", "backlog-capped", ("n1",))]


def test_a_symptom_stays_folded_while_nobody_can_tell_its_cause() -> None:
    fleet = Fleet()
    cause = finding("n1", "backlog-capped")
    symptom = finding("n1", "listen-drops", explained_by=cause.fingerprint)
    fleet.sees(host_report("n1", cause, symptom))
    lost = Undecided(id="backlog-capped", playbook="rp-filter", reason="sysctl_net: needs root")
    alone = symptom.model_copy(update={"explained_by": None})
    assert "new" not in [kind for kind, _, _ in news(fleet.sees(host_report("n1", alone, undecided=[lost])))]


def test_a_symptom_that_outlives_its_cause_is_news() -> None:
    fleet = Fleet()
    cause = finding("n1", "backlog-capped")
    symptom = finding("n1", "listen-drops", explained_by=cause.fingerprint)
    fleet.sees(host_report("n1", cause, symptom))
    alone = symptom.model_copy(update={"explained_by": None})
    assert news(fleet.sees(host_report("n1", alone))) == [
        ("new", "listen-drops", ("n1",)),
        ("resolved", "backlog-capped", ("n1",)),
    ]


def test_a_symptom_that_was_told_before_its_cause_was_found_goes_with_it_without_a_word() -> None:
    fleet = Fleet()
    cause = finding("n1", "backlog-capped")
    symptom = finding("n1", "listen-drops")
    fleet.sees(host_report("n1", symptom))
    under = symptom.model_copy(update={"explained_by": cause.fingerprint})
    assert news(fleet.sees(host_report("n1", cause, under))) == [("new", "backlog-capped", ("n1",))]
    assert news(fleet.sees(host_report("n1"))) == [("resolved", "backlog-capped", ("n1",))]
    assert fleet.sees(host_report("n1")).quiet
    assert news(fleet.sees(host_report("n1", symptom))) == [("reopened", "listen-drops", ("n1",))]


def test_a_forecast_is_told_as_one() -> None:
    assert news(Fleet().sees(host_report("n1", finding("n1", "limit-forecast")))) == [
        ("forecast", "limit-forecast", ("n1",))
    ]


def test_a_setting_that_changed_is_told_once_and_never_as_resolved() -> None:
    fleet = Fleet()
    change = finding("web-1", "setting-changed", playbook="trends")
    assert [item.news for item in fleet.sees(host_report("web-1", change)).items] == [News.NEW]
    again = replace(SWEEP, tuning=Tuning(remind_after=3_600))
    assert all(fleet.sees(host_report("web-1", change), sweep=again).quiet for _ in range(3)), "nobody is reminded"
    assert not fleet.sees(host_report("web-1")).items
    other = change.model_copy(update={"fingerprint": "another"})
    assert [item.news for item in fleet.sees(host_report("web-1", other)).items] == [News.NEW]


def test_what_is_below_the_threshold_is_not_told_but_what_was_told_is_until_it_is_gone() -> None:
    fleet = Fleet(replace(SWEEP, tuning=Tuning(flap_changes=0)))
    info = finding("n1", severity=Severity.INFO)
    assert fleet.sees(host_report("n1", info)).quiet
    assert news(fleet.sees(host_report("n1", finding("n1")))) == [("new", "rp-filter-drops", ("n1",))]
    assert news(fleet.sees(host_report("n1", info))) == [("better", "rp-filter-drops", ("n1",))]
    assert news(fleet.sees(host_report("n1"))) == [("resolved", "rp-filter-drops", ("n1",))]


# --- what cannot be read ----------------------------------------------------------------------------------------------


def test_hosts_that_cannot_be_read_are_told_once_by_reason_and_resolve_nothing() -> None:
    fleet = Fleet()
    fleet.sees(host_report("n1", finding("n1")), host_report("n2"), host_report("n3"))
    said = fleet.sees(blind("n1"), blind("n2"), host_report("n3"))
    assert [(part.reason, part.hosts, part.whole, part.news) for part in said.blind] == [
        ("connection refused", ("n1", "n2"), True, True)
    ]
    assert not said.items
    assert said.open[0].hosts == ("n1",), "nobody saw it gone"
    said = fleet.sees(blind("n1"), blind("n2"), blind("n3"))
    assert [(part.hosts, part.news) for part in said.blind] == [(("n3",), True), (("n1", "n2"), False)]
    assert fleet.sees(blind("n1"), blind("n2"), blind("n3")).quiet
    said = fleet.sees(host_report("n1", finding("n1")), blind("n2"), blind("n3"))
    assert (said.sighted, said.items, said.quiet) == (("n1",), (), False)


def test_a_reason_that_changes_its_words_is_no_news() -> None:
    fleet = Fleet()
    fleet.sees(blind("n1", "timed out after 10.2 s"))
    assert fleet.sees(blind("n1", "timed out after 11.7 s")).quiet


def test_a_host_that_comes_and_goes_is_told_as_flapping() -> None:
    fleet = Fleet()
    said = [fleet.sees(blind("n1") if number % 2 == 0 else host_report("n1")) for number in range(20)]
    assert [number for number, part in enumerate(said) if not part.quiet] == [0, 1, 2, 3]
    assert news(said[3]) == [("flapping", "host-unread", ("n1",))]


def test_checks_that_are_unknown_twice_are_news_and_their_end_is_not() -> None:
    fleet = Fleet()
    lost = Undecided(id="backlog-capped", playbook="rp-filter", reason="tcp_ext: needs root")
    assert fleet.sees(host_report("n1", undecided=[lost])).quiet
    (part,) = fleet.sees(host_report("n1", undecided=[lost])).blind
    assert (part.whole, part.news, part.reason) == (False, True, "tcp_ext: needs root")
    assert fleet.sees(host_report("n1", undecided=[lost])).quiet
    assert fleet.sees(host_report("n1")).quiet


# --- what is put off --------------------------------------------------------------------------------------------------

HUSH = Silence("s1", "n1", "rp-*", "slack:U1", "we know", START, START + timedelta(hours=3))


def test_a_silence_puts_off_the_telling_and_says_so() -> None:
    fleet = Fleet()
    said = fleet.sees(host_report("n1", finding("n1")), host_report("n2", finding("n2")), silences=[HUSH])
    assert news(said) == [("new", "rp-filter-drops", ("n2",))]
    assert [(part.why, part.count, part.worst) for part in said.held] == [("silenced by slack:U1: we know", 1, W)]
    fleet.sees(host_report("n1", finding("n1")), host_report("n2", finding("n2")), silences=[HUSH])
    said = fleet.sees(host_report("n1", finding("n1")), host_report("n2", finding("n2")), silences=[HUSH])
    assert news(said) == [("new", "rp-filter-drops", ("n1",))]


def test_what_came_and_went_under_a_silence_is_never_told() -> None:
    fleet = Fleet()
    fleet.sees(host_report("n1", finding("n1")), silences=[HUSH])
    fleet.sees(host_report("n1"), silences=[HUSH])
    assert fleet.sees(host_report("n1")).quiet


def test_maintenance_tells_nothing_and_resolves_nothing() -> None:
    fleet = Fleet()
    fleet.sees(host_report("n1", finding("n1")))
    under = {"n1": "new kernel"}
    said = fleet.sees(host_report("n1", finding("n1", "backlog-capped", C)), maintenance=under)
    assert said.quiet
    assert [(part.why, part.count, part.worst) for part in said.held] == [("maintenance: new kernel", 1, C)]
    assert fleet.sees(blind("n1"), maintenance=under).quiet
    assert fleet.sees(host_report("n1", finding("n1"))).quiet, "it was there before and is now"


def test_quiet_hours_tell_what_is_critical_and_the_first_sweep_after_tells_the_rest() -> None:
    fleet = Fleet()
    bad = finding("n1", "backlog-capped", C)
    said = fleet.sees(host_report("n1", finding("n1"), bad), quiet="night", missed=("1 run missed",))
    assert news(said) == [("new", "backlog-capped", ("n1",))]
    assert [(part.why, part.count) for part in said.held] == [("quiet hours: night", 1)]
    assert not said.missed
    said = fleet.sees(host_report("n1", finding("n1")), quiet="night")
    assert said.quiet, "that it is gone can wait"
    said = fleet.sees(host_report("n1", finding("n1")))
    assert [kind for kind, _, _ in news(said)] == ["new", "resolved"]


def test_a_rate_cap_holds_back_what_is_not_critical_until_there_is_room() -> None:
    fleet = Fleet()
    bad = finding("n1", "backlog-capped", C)
    full = {"capped": "20 messages an hour", "missed": ("1 run missed",)}
    said = fleet.sees(host_report("n1", finding("n1"), bad), blind("n2"), **full)
    assert news(said) == [("new", "backlog-capped", ("n1",))]
    assert [(part.why, part.count, part.worst) for part in said.held] == [("rate cap: 20 messages an hour", 2, W)]
    assert not said.missed
    said = fleet.sees(host_report("n1", finding("n1"), bad), blind("n2"), **full)
    assert said.quiet, "told once"
    said = fleet.sees(host_report("n1", finding("n1"), bad), blind("n2"))
    assert news(said) == [("new", "rp-filter-drops", ("n1",))]
    assert said.blind[0].news


@pytest.mark.parametrize(
    ("before", "now", "told"),
    [
        ("", "c", "new"),
        ("", "w", ""),
        ("c-", "c", "reopened"),
        ("w", "c", "worse"),
        ("i", "w", ""),
        ("c-c-", "c", "flapping"),
        ("c", "-", ""),
        ("c", "w", ""),
        ("c", "c", ""),
    ],
)
def test_over_the_cap_is_told_what_is_critical_and_new_back_worse_or_flapping(before: str, now: str, told: str) -> None:
    fleet = Fleet(replace(SWEEP, tuning=Tuning(flap_changes=5, remind_after=3_600, least="info")))
    severities = {"c": C, "w": W, "i": Severity.INFO}

    def seen(letter: str) -> HostReport:
        return host_report("n1", *([finding("n1", severity=severities[letter])] if letter in severities else []))

    for letter in before:
        fleet.sees(seen(letter))
    assert [item.news.value for item in fleet.sees(seen(now), capped="full").items] == ([told] if told else [])


def test_neither_silence_nor_maintenance_gives_way_to_what_is_critical() -> None:
    fleet = Fleet()
    bad = host_report("n1", finding("n1", severity=C))
    assert fleet.sees(bad, silences=[HUSH], capped="full").quiet
    assert fleet.sees(bad, maintenance={"n1": "new kernel"}, capped="full").quiet


NOW = st.lists(st.tuples(st.sampled_from("cwi-?"), st.sampled_from("cwi-?"), st.sampled_from(["", "cap", "night"])))


@given(NOW, st.builds(Tuning, open_after=st.integers(1, 2), resolve_after=st.integers(1, 2)))
def test_whatever_the_cap_says_what_is_critical_is_known_and_nothing_else_is_told_over_it(
    looks: Sequence[tuple[str, str, str]], tuning: Tuning
) -> None:
    """Over any history of two faults, with and without room: nothing critical waits, and nothing is lost."""
    fleet = Fleet(replace(SWEEP, tuning=tuning))
    for one, other, why in (*looks, ("c", "w", ""), ("c", "w", "")):
        found = [
            (finding("n1", ident, {"c": C, "w": W, "i": Severity.INFO}[letter]))
            for ident, letter in (("backlog-capped", one), ("rp-filter-drops", other))
            if letter in "cwi"
        ]
        lost = [
            Undecided(id=ident, playbook="rp-filter", reason="needs root")
            for ident, letter in (("backlog-capped", one), ("rp-filter-drops", other))
            if letter == "?"
        ]
        hold = {"cap": {"capped": "full"}, "night": {"quiet": "night"}}.get(why, {})
        said = fleet.sees(host_report("n1", *found, undecided=lost), **hold)
        for fault in fleet.faults:
            told = fault.told.get("C1")
            if fault.severity is C and fault.stage in HERE and not fault.flapping:
                assert told is not None
                assert (told.stage, told.severity) == (Stage.OPEN, C)
        if why == "cap":
            assert all(item.severity is C and item.news in URGENT for item in said.items)
        if not why:
            assert not said.held
    believed = {fault.id: fault.told["C1"].stage for fault in fleet.faults if "C1" in fault.told}
    assert {"backlog-capped", "rp-filter-drops"} <= believed.keys()


# --- who told it ------------------------------------------------------------------------------------------------------


def test_what_another_sweep_or_an_answer_told_the_channel_is_no_news() -> None:
    fleet = Fleet()
    fleet.sees(host_report("n1", finding("n1")), sweep=replace(SWEEP, name="nightly"))
    assert fleet.sees(host_report("n1", finding("n1"))).quiet
    elsewhere = replace(SWEEP, channel="C2")
    assert news(fleet.sees(host_report("n1", finding("n1")), sweep=elsewhere)) == [("new", "rp-filter-drops", ("n1",))]

    fleet = Fleet()
    fleet.faults = live((), [look(host_report("n1", finding("n1")), ASKED, ())], START, Tuning())
    fleet.faults = answered(fleet.faults, "C1", START)
    assert fleet.sees(host_report("n1", finding("n1"))).quiet
    assert news(fleet.sees(host_report("n1", finding("n1", severity=C)))) == [("worse", "rp-filter-drops", ("n1",))]


def test_an_answer_tells_also_what_a_sweep_would_still_confirm() -> None:
    fleet = Fleet(replace(SWEEP, tuning=Tuning(open_after=3)))
    fleet.faults = live((), [look(host_report("n1", finding("n1")), ASKED, ())], START, fleet.sweep.tuning)
    fleet.faults = answered(fleet.faults, "C1", START)
    assert all(fleet.sees(host_report("n1", finding("n1"))).quiet for _ in range(5))


def test_a_stored_digest_is_told_without_what_the_channel_heard_meanwhile() -> None:
    fleet = Fleet()
    late = fleet.sees(host_report("n1", finding("n1")), blind("n2"), host_report("n3"), told=False)
    later = fleet.sees(host_report("n1", finding("n1")), host_report("n2"), host_report("n3", finding("n3")))
    assert news(later) == [("new", "rp-filter-drops", ("n1", "n3"))]
    now = still(late, fleet.faults, "C1")
    assert (now.items, now.blind[0].news, now.quiet) == ((), True, False), "only of n2 it has not heard"
    fleet.hears(now)
    assert fleet.sees(host_report("n1", finding("n1")), host_report("n2"), host_report("n3", finding("n3"))).sighted


def test_a_digest_that_was_told_by_a_process_that_died_is_told_the_same() -> None:
    fleet = Fleet()
    said = fleet.sees(host_report("n1", finding("n1")), blind("n2"))
    assert still(said, fleet.faults, "C1") == said


def test_a_clock_that_is_set_back_tells_nothing_twice() -> None:
    fleet = Fleet()
    fleet.sees(host_report("n1", finding("n1")))
    fleet.now -= timedelta(hours=12)
    assert news(fleet.sees(host_report("n1"))) == [("resolved", "rp-filter-drops", ("n1",))]
    (fault,) = fleet.faults
    assert fault.told["C1"].at > START + timedelta(hours=1), "the newest telling counts, so it is the newest"


# --- reminders and the rest -------------------------------------------------------------------------------------------


def test_what_stays_is_told_again_after_a_day_all_of_it_at_once() -> None:
    fleet = Fleet()
    reminders = []
    for hour in range(60):
        found = [host_report("n1", finding("n1")), host_report("n2", *([finding("n2")] if hour >= 8 else []))]
        said = fleet.sees(*found)
        if any(item.news is News.REMIND for item in said.items):
            reminders.append((hour, news(said)))
    assert reminders == [
        (24, [("remind", "rp-filter-drops", ("n1", "n2"))]),
        (48, [("remind", "rp-filter-drops", ("n1", "n2"))]),
    ]


def test_nobody_is_reminded_in_quiet_hours() -> None:
    fleet = Fleet(replace(SWEEP, tuning=Tuning(remind_after=7_200)))
    fleet.sees(host_report("n1", finding("n1")))
    assert all(fleet.sees(host_report("n1", finding("n1")), quiet="night").quiet for _ in range(5))
    assert news(fleet.sees(host_report("n1", finding("n1")))) == [("remind", "rp-filter-drops", ("n1",))]


def test_the_grid_shows_the_newest_sweeps_and_this_one_last() -> None:
    past = {"n1": [Status.OK] * 40}
    said = Fleet().sees(host_report("n1", finding("n1")), host_report("n2"), statuses=past)
    assert said.grid["n1"] == (*[Status.OK] * (COLUMNS - 1), Status.WARNING)
    assert said.grid["n2"] == (Status.OK,)


def test_the_digest_compares_with_the_last_one() -> None:
    fleet = Fleet()
    assert fleet.sees(host_report("n1")).before is None
    said = fleet.sees(host_report("n1", finding("n1")))
    assert (said.before or {})[Status.OK] == 1
    assert said.hosts[Status.WARNING] == 1


def test_missed_runs_make_a_digest_worth_telling() -> None:
    assert not Fleet().sees(host_report("n1"), missed=("2 runs missed (02:00, 03:00 UTC): the bot was down",)).quiet


def test_a_digest_survives_its_json() -> None:
    said = Fleet().sees(host_report("n1", finding("n1")), blind("n2"), silences=[HUSH])
    assert Digest.model_validate_json(said.document()) == said
    assert said.heard[0].told.stage is Stage.OPEN
