"""TARGET means what the one who typed it expects, or says what is the nearest name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.errors import AskError
from bot.core.host import Host, Inventory
from bot.core.selector import select

FLEET = Inventory(
    hosts={
        "lb-1": Host(name="lb-1", address="192.0.2.1", labels={"role": "ingress", "dc": "fra1"}),
        "web-1": Host(name="web-1", address="192.0.2.11", labels={"role": "web", "dc": "fra1"}),
        "web-2": Host(name="web-2", address="192.0.2.12", labels={"role": "web", "dc": "ams2"}),
        "db-1": Host(name="db-1", address="db.example.org"),
    },
    groups={"edge": ("lb-1",), "apps": ("web-2", "web-1")},
)

MEANT = [
    ("web-1", "web-1"),
    ("192.0.2.12", "web-2"),
    ("apps", "web-1 web-2"),
    ("role=web", "web-1 web-2"),
    ("dc=*", "lb-1 web-1 web-2"),
    ("web-*", "web-1 web-2"),
    ("[ld]b-1", "lb-1 db-1"),
    ("all", "lb-1 web-1 web-2 db-1"),
    ("db-1, lb-1 ,db-1", "lb-1 db-1"),
    ("all,!web-*", "lb-1 db-1"),
    ("!role=web", "lb-1 db-1"),
    ("apps,!dc=ams2", "web-1"),
]

REFUSED = [
    ("lb1", 'no host or group "lb1"; did you mean "lb-1"?'),
    ("app", 'no host or group "app"; did you mean "apps"?'),
    ("role=wbe", 'no host has the label "role=wbe"; did you mean "role=web"?'),
    ("cache-*", 'no host name matches "cache-*"; known: edge, apps, lb-1'),
    ("", "no target: name a host"),
    (" , ", "no target"),
    ("web-1,!apps", "no host is left of 'web-1,!apps'"),
    ("all,!web-9", 'no host or group "web-9"'),
    ("x\x1b]0;", 'no host or group "x\\x1b]0;"'),
]


@pytest.mark.parametrize(("target", "names"), MEANT, ids=[target for target, _ in MEANT])
def test_a_target_means(target: str, names: str) -> None:
    assert [host.name for host in select(FLEET, target)] == names.split()


@pytest.mark.parametrize(("target", "message"), REFUSED, ids=[repr(target) for target, _ in REFUSED])
def test_a_target_that_means_nothing_says_what_is_near(target: str, message: str) -> None:
    with pytest.raises(AskError) as refusal:
        select(FLEET, target)
    assert message in str(refusal.value)


@given(st.text(max_size=40) | st.lists(st.sampled_from([term for term, _ in MEANT] + ["!lb-1", "!all"])).map(",".join))
def test_a_selection_is_a_part_of_the_inventory_in_its_order_or_an_ask_error(target: str) -> None:
    try:
        chosen = [host.name for host in select(FLEET, target)]
    except AskError:
        return
    assert chosen
    assert chosen == [name for name in FLEET.hosts if name in set(chosen)]


def test_a_host_and_an_inventory_can_be_written_as_json() -> None:
    assert FLEET.hosts["web-1"].model_dump(mode="json")["labels"] == {"role": "web", "dc": "fra1"}
    assert Inventory.model_validate_json(FLEET.model_dump_json()) == FLEET
