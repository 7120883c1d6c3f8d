"""What is news to a channel: the kinds of it, and what is told again."""

from dataclasses import replace

from bot.core.digest import News
from bot.core.report import Severity, Undecided
from bot.core.sweep import Tuning
from tests.core.channel import SWEEP, C, Fleet, W, finding, host_report, news


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


# --- reminders --------------------------------------------------------------------------------------------------------


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
