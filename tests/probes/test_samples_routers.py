"""What many hosts printed of bonds, clocks and UDP sockets is read right, or refused with a reason."""

from collections.abc import Callable
from typing import Any

import pytest

from bot.core.probe import ParseError
from bot.probes.bonding import bond
from bot.probes.clock import ntp, timesyncd
from bot.probes.udp_sockets import place, row_words
from tests.probes.test_samples import SAMPLES, lines

pytestmark = pytest.mark.skipif(not SAMPLES.is_dir(), reason="no captures beside the project (../shared/samples)")

BONDS = {
    "facter-bond_interface_data": (True, ["eth2", "eth3"], [], ["eth3"], True),
    "insights-bond.BONDINFO_1": (False, ["eno1", "eno2"], [], [], False),
    "insights-bond.BONDINFO_MODE_2": (False, ["eno1", "eno2"], [], [], False),
    "insights-bond.BONDINFO_MODE_4": (True, ["eth1", "eth2"], [], ["eth2"], True),
}


@pytest.mark.parametrize(("name", "expected"), BONDS.items(), ids=BONDS.keys())
def test_bonds_of_many_kernels(name: str, expected: tuple[Any, ...]) -> None:
    found = bond(lines(f"bonding/{name}"), name="bond0")
    legs = [leg.name for leg in found.legs]
    assert (found.lacp, legs, found.down, found.apart, found.partner_missing) == expected
    assert found.monitored


def test_an_lacp_partner_that_gave_up_is_seen() -> None:
    found = bond(lines("bonding/facter-bond_interface_data"), name="bond0")
    assert [(leg.aggregator, leg.churned, leg.failures, leg.speed) for leg in found.legs] == [
        (1, True, 1, "1000 Mbps"),
        (2, True, 1, "1000 Mbps"),
    ]


CLOCKS: dict[str, tuple[Callable[[list[str]], dict[str, object]], bool, float | None, int | None, str]] = {
    "time/insights-ntp_sources.ntpd_qn_doc": (ntp, True, -0.001939, 1, "2001:388:608c:8"),
    "time/insights-ntp_sources.ntpd_output": (ntp, True, -0.000149, 2, "ntp103.cm4.tbsi"),
    "time/insights-ntp_sources.ntpd_qn": (ntp, False, None, None, ""),
    "time/jc-centos-7.7-ntpq-p.out": (ntp, False, None, None, ""),
    "time/jc-generic-timedatectl-timesync-status.out": (timesyncd, True, 0.005224, 1, "216.239.35.8 (time.google.com)"),
}


@pytest.mark.parametrize("name", CLOCKS)
def test_clocks_of_many_daemons(name: str) -> None:
    read, synchronized, offset, stratum, source = CLOCKS[name]
    told = read(lines(name))
    assert (told["synchronized"], told["offset"], told["stratum"], told["source"]) == (
        synchronized,
        offset,
        stratum,
        source,
    )


UDP = {
    "hotsos-kubernetes.udp": ["127.0.0.53:53", "10.6.3.201:68", "0.0.0.0:8472"],
    "pcp-bigsys-hpbl920gen8.udp": ["0.0.0.0:68", "0.0.0.0:619", "0.0.0.0:111", "0.0.0.0:631", "10.16.184.81:123"],
}


@pytest.mark.parametrize(("name", "expected"), UDP.items(), ids=UDP.keys())
def test_udp_sockets_of_many_kernels(name: str, expected: list[str]) -> None:
    rows = [row_words(line) for line in lines(f"proc_net_udp/{name}")[1:]]
    assert [place(words[1])[0] for words in rows][: len(expected)] == expected
    assert {words[-1] for words in rows} == {"0"}


@pytest.mark.parametrize(
    ("read", "name"),
    [
        (lambda text: bond(text, name="x"), "bonding/insights-teamdctl_state_dump.TEAMDCTL_STATE_DUMP_INFO_NONE"),
        (lambda text: bond(text, name="x"), "bonding/insights-bond.CONTEXT_PATH_1"),
        (ntp, "time/insights-ntp_sources.ntpq_leap_output_2"),
        (timesyncd, "time/hotsos-kubernetes.timedatectl"),
        (lambda text: [row_words(line) for line in text], "proc_net_udp/procfs-proc_net_udp_broken"),
        (lambda text: [row_words(line) for line in text[1:]], "proc_net_udp/node_exporter-proc_net_udp"),
    ],
)
def test_what_is_something_else_is_refused(read: Callable[[list[str]], object], name: str) -> None:
    with pytest.raises(ParseError):
        read(lines(name))
