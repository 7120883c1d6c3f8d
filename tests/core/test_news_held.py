"""What puts the telling of news off: silences, maintenance, quiet hours, and the cap on messages."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.fault import Stage
from bot.core.faults import HERE
from bot.core.news import URGENT
from bot.core.report import HostReport, Severity, Undecided
from bot.core.sweep import Tuning
from tests.core.channel import HUSH, SWEEP, C, Fleet, W, blind, finding, host_report, news


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
