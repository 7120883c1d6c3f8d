"""What a digest tells: the difference between what is so and what its channel knows, grouped by cause."""

from bot.core.digest import Digest, News
from bot.core.fault import Stage
from bot.core.report import Status, Undecided
from bot.core.tell import COLUMNS
from tests.core.channel import HUSH, Fleet, blind, finding, host_report, news


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


# --- reminders and the rest -------------------------------------------------------------------------------------------


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
