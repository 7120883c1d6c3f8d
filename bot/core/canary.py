"""On which hosts of a cause that many have is a change proposed first?

One cause on sixty hosts is no reason for sixty buttons: a change is proposed for a few of them, the worst first. Once
those are cured, somebody asks for the others.
"""

from collections.abc import Collection

from bot.core.digest import Digest, Item, News

MOST = 3
"""Hosts of one cause for which a sweep proposes changes."""
ASKING = frozenset({News.NEW, News.REOPENED, News.WORSE, News.FORECAST})
"""News for which changes are proposed."""

Place = tuple[str, str]
"""Host and fingerprint."""


def with_canaries(said: Digest, offering: Collection[Place]) -> Digest:
    """The digest that names the first hosts of every cause that is curable (`offering`) on more than MOST."""
    return said.model_copy(update={"items": tuple(_chosen(item, offering) for item in said.items)})


def asked_for(said: Digest) -> frozenset[Place]:
    """The places for which changes are proposed."""
    return frozenset(
        (place.host, place.fingerprint)
        for item in said.items
        if item.news in ASKING
        for place in item.places
        if not item.canaries or place.host in item.canaries
    )


def _chosen(item: Item, offering: Collection[Place]) -> Item:
    able = [place.host for place in item.places if (place.host, place.fingerprint) in offering]
    hosts = tuple(dict.fromkeys(able))
    if item.news not in ASKING or len(hosts) <= MOST:
        return item
    return item.model_copy(update={"canaries": hosts[:MOST]})
