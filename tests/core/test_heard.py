"""What a channel knows already: told by this sweep, by another one, or by an answer."""

from dataclasses import replace
from datetime import timedelta

from bot.core.faults import live, look
from bot.core.heard import answered, heard, only, unheard, untold
from bot.core.sweep import Tuning
from tests.core.channel import ASKED, SWEEP, C, Fleet, blind, finding, host_report, news
from tests.fakes.clock import START


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
    now = only(late, untold(fleet.faults, late.heard, "C1"))
    assert (now.items, now.blind[0].news, now.quiet) == ((), True, False), "only of n2 it has not heard"
    fleet.hears(now)
    assert fleet.sees(host_report("n1", finding("n1")), host_report("n2"), host_report("n3", finding("n3"))).sighted


def test_a_digest_that_was_told_by_a_process_that_died_is_told_the_same() -> None:
    fleet = Fleet()
    said = fleet.sees(host_report("n1", finding("n1")), blind("n2"))
    assert only(said, untold(fleet.faults, said.heard, "C1")) == said


def test_of_two_digests_that_would_tell_the_same_in_the_same_moment_one_may() -> None:
    fleet = Fleet()
    first = fleet.sees(host_report("n1", finding("n1")), blind("n2"), told=False)
    twin = [part.model_copy(update={"told": part.told.model_copy(update={"by": "r2"})}) for part in first.heard]
    assert untold(fleet.faults, twin, "C1") == tuple(twin)
    fleet.hears(first)
    assert untold(fleet.faults, twin, "C1") == ()
    assert untold(fleet.faults, first.heard, "C1") == first.heard, "the same again"


def test_what_the_chat_did_not_take_is_as_it_was_but_for_what_others_told_meanwhile() -> None:
    fleet = Fleet()
    fleet.sees(host_report("n1", finding("n1")), host_report("n2"))
    before = fleet.faults
    said = fleet.sees(host_report("n1"), host_report("n2", finding("n2")))
    assert {fault.host for fault in unheard(fleet.faults, said.heard, "C1")} == {"n1", "n2"}
    back = {fault.host: fault.told for fault in unheard(fleet.faults, said.heard, "C1")}
    assert back == {"n1": before[0].told, "n2": {}}
    other = [part.model_copy(update={"told": part.told.model_copy(update={"by": "r2"})}) for part in said.heard[:1]]
    others = heard(fleet.faults, other, "C1")
    assert unheard(others, said.heard, "C1") == ()


def test_a_clock_that_is_set_back_tells_nothing_twice() -> None:
    fleet = Fleet()
    fleet.sees(host_report("n1", finding("n1")))
    fleet.now -= timedelta(hours=12)
    assert news(fleet.sees(host_report("n1"))) == [("resolved", "rp-filter-drops", ("n1",))]
    (fault,) = fleet.faults
    assert fault.told["C1"].at > START + timedelta(hours=1), "the newest telling counts, so it is the newest"
