"""What the inventory means is written one way, or refused; conditions see it beside the facts."""

from dataclasses import replace

import pytest

from bot.core.diagnosis import diagnose
from bot.core.expect import settled
from tests.fakes.doctor import playbook, snapshot

BOOK = playbook("""
- id: not-meant
  when: '!("ipvs" in expect && size(expect.ipvs["192.0.2.1:80/tcp"]) == 1)'
  severity: warning
  say: "not meant"
""")


def test_services_and_servers_are_written_one_way() -> None:
    written = {"ipvs": {"[2001:DB8:0::1]:0080/TCP": ["[2001:db8::0:b]:80"]}, "other": {"a": 1}}
    assert settled(written) == {"ipvs": {"[2001:db8::1]:80/tcp": ["[2001:db8::b]:80"]}, "other": {"a": 1}}


@pytest.mark.parametrize(
    "section",
    [
        ["192.0.2.1:80/tcp"],
        {"192.0.2.1:80/icmp": []},
        {"192.0.2.1:http/tcp": []},
        {"192.0.2.300:80/tcp": []},
        {"192.0.2.1:99999/tcp": []},
        {"192.0.2.1:80/tcp": "192.0.2.11:80"},
        {"192.0.2.1:80/tcp": [80]},
        {"192.0.2.1:80/tcp": [], "192.0.2.1:080/TCP": []},
    ],
)
def test_what_is_no_service_is_refused(section: object) -> None:
    with pytest.raises(ValueError, match=r"^expect\.ipvs: "):
        settled({"ipvs": section})


def test_a_condition_sees_what_is_meant_to_be() -> None:
    meant = replace(snapshot(), expect=settled({"ipvs": {"192.0.2.1:80/tcp": ["192.0.2.11:80"]}}))
    other = replace(snapshot(), expect=settled({"ipvs": {"192.0.2.2:80/tcp": []}}))
    assert [finding.id for finding in diagnose([BOOK], snapshot(), {}).findings] == ["not-meant"]
    assert diagnose([BOOK], meant, {}).findings == ()
    assert [one.id for one in diagnose([BOOK], other, {}).undecided] == ["not-meant"]
