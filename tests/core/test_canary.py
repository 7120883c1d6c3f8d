"""A cause that many hosts have gets changes for a few of them first."""

from datetime import UTC, datetime

import pytest

from bot.core.canary import MOST, asked_for, with_canaries
from bot.core.digest import Digest, Item, News, Place
from bot.core.digest_words import first_of
from bot.core.report import Severity

AT = datetime(2030, 5, 13, tzinfo=UTC)


def told(news: News, hosts: int, *, places: int = 1) -> Digest:
    found = tuple(
        Place(host=f"node-{host}", fingerprint=f"{host}-{place}", summary="", since=AT, severity=Severity.WARNING)
        for host in range(hosts)
        for place in range(places)
    )
    item = Item(news=news, id="rp-filter-strict", playbook="rp", title="", severity=Severity.WARNING, places=found)
    return Digest(sweep="fleet", due=AT, run="r1", begun=AT, seconds=1.0, hosts={}, items=(item,))


def everywhere(said: Digest) -> set[tuple[str, str]]:
    return {(place.host, place.fingerprint) for item in said.items for place in item.places}


@pytest.mark.parametrize("news", [News.NEW, News.WORSE])
def test_of_many_hosts_the_first_few_are_asked_for(news: News) -> None:
    said = told(news, 60, places=2)
    said = with_canaries(said, everywhere(said))
    assert said.items[0].canaries == ("node-0", "node-1", "node-2")
    assert {host for host, _ in asked_for(said)} == {"node-0", "node-1", "node-2"}
    assert len(asked_for(said)) == 2 * MOST
    assert "node-0, node-1, node-2 first" in first_of(said.items[0])


def test_a_host_that_cannot_be_cured_is_no_canary() -> None:
    said = told(News.NEW, 60)
    curable = {place for place in everywhere(said) if place[0] not in ("node-0", "node-2")}
    assert with_canaries(said, curable).items[0].canaries == ("node-1", "node-3", "node-4")


@pytest.mark.parametrize(("news", "hosts"), [(News.NEW, MOST), (News.RESOLVED, 60), (News.REMIND, 60)])
def test_few_hosts_and_old_news_need_no_canaries(news: News, hosts: int) -> None:
    said = told(news, hosts)
    said = with_canaries(said, everywhere(said))
    assert said.items[0].canaries == ()
    assert first_of(said.items[0]) == ""
    assert asked_for(said) == (everywhere(said) if news is News.NEW else set())
