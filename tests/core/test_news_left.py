"""What is told of hosts that left the inventory: once that nobody looks at them any more, never that all is well."""

from bot.core.digest_words import counted
from bot.core.faults import left
from bot.core.report import Undecided
from tests.core.channel import HUSH, C, Fleet, blind, finding, host_report, news


def leaves(fleet: Fleet, host: str) -> None:
    fleet.faults = tuple(left(fault, fleet.now) if fault.host == host else fault for fault in fleet.faults)


def test_the_open_faults_of_a_host_that_left_the_inventory_are_told_once_and_as_that() -> None:
    fleet = Fleet()
    bad, lost = finding("n1", severity=C), Undecided(id="backlog-capped", playbook="rp-filter", reason="needs root")
    for _ in range(2):
        fleet.sees(host_report("n1", bad, undecided=[lost]), host_report("n2", finding("n2")), host_report("n3"))
    fleet.sees(blind("n1"), host_report("n2", finding("n2")), host_report("n3"))
    leaves(fleet, "n1")
    said = fleet.sees(host_report("n2", finding("n2")), host_report("n3"))
    assert news(said) == [("left", "rp-filter-drops", ("n1",)), ("left", "host-unread", ("n1",))]
    assert (said.sighted, [part.hosts for part in said.open]) == ((), [("n2",)])
    assert "left the inventory" in counted(said)
    assert fleet.sees(host_report("n2", finding("n2")), host_report("n3")).quiet
    back = fleet.sees(host_report("n1", bad), host_report("n2", finding("n2")), host_report("n3"))
    assert news(back) == [("new", "rp-filter-drops", ("n1",))]


def test_what_was_never_told_of_a_host_leaves_without_a_word() -> None:
    fleet = Fleet()
    fleet.sees(host_report("n1", finding("n1")), host_report("n2"), silences=[HUSH])
    leaves(fleet, "n1")
    assert fleet.sees(host_report("n2")).quiet


def test_a_host_that_is_back_before_anybody_heard_that_it_left_never_left() -> None:
    fleet = Fleet()
    fleet.sees(host_report("n1", finding("n1")), host_report("n2", finding("n2")))
    leaves(fleet, "n1")
    leaves(fleet, "n2")
    assert news(fleet.sees(host_report("n1", finding("n1")), host_report("n2"))) == [
        ("resolved", "rp-filter-drops", ("n2",))
    ]


def test_that_a_host_left_can_wait_for_the_morning_and_for_room() -> None:
    for hold in ({"quiet": "night"}, {"capped": "full"}):
        fleet = Fleet()
        fleet.sees(host_report("n1", finding("n1", severity=C)), host_report("n2"))
        leaves(fleet, "n1")
        said = fleet.sees(host_report("n2"), **hold)
        assert (said.quiet, [part.count for part in said.held]) == (True, [1])
        assert news(fleet.sees(host_report("n2"))) == [("left", "rp-filter-drops", ("n1",))]
