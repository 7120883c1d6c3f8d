"""IPVS tables, connections and totals of many directors are read, where captures are at hand."""

from collections.abc import Callable
from typing import Any

import pytest

from bot.core.probe import ParseError
from bot.probes import _ipvs, rp_filter
from tests.probes.test_samples import SAMPLES, lines

pytestmark = pytest.mark.skipif(not SAMPLES.is_dir(), reason="no captures beside the project (../shared/samples)")


def table(rows: list[str]) -> dict[str, list[_ipvs.Real]]:
    """Services by name with their real servers; heads and empty lines are passed over."""
    found: dict[str, list[_ipvs.Real]] = {}
    name = ""
    for row in rows:
        if row.startswith("  ->") and "RemoteAddress" not in row:
            found[name].append(_ipvs.real(row))
        elif row.startswith(("TCP", "UDP", "FWM")):
            name = _ipvs.virtual(row).name
            found.setdefault(name, [])
    return found


TABLES: dict[str, dict[str, list[tuple[Any, ...]]]] = {
    "dpvs-destcheck.ipvsadm_-ln": {
        "192.168.88.1:80/tcp": [
            ("192.168.88.30:80", "FullNat", 1, 0, 0),
            ("192.168.88.68:80", "FullNat", 1, 0, 0),
        ]
    },
    "fwmark.ipvsadm_-ln": {"mark 8": [("192.168.1.197:0", "Route", 2, 0, 0)]},
    "k8s-134147-stale-vs.ipvsadm_grep": {"3.3.3.1:80/tcp": [], "8.5.2.2:80/tcp": []},
    "k8s-70493.ansible_multi_node": {
        "10.109.131.66:6379/tcp": [("172.31.3.224:6379", "Masq", 1, 0, 0), ("172.31.3.224:6379", "Masq", 1, 0, 0)]
    },
    "k8s-99162-graceful.ipvsadm_-Ln_-t": {
        "192.168.1.2:32502/tcp": [
            ("11.0.1.8:80", "Masq", 0, 3, 555),
            ("11.0.2.7:80", "Masq", 1, 0, 599),
            ("11.0.2.9:80", "Masq", 1, 0, 599),
            ("11.0.2.10:80", "Masq", 0, 48, 99),
            ("11.0.2.11:80", "Masq", 1, 0, 252),
            ("11.0.3.7:80", "Masq", 0, 63, 269),
            ("11.0.3.8:80", "Masq", 1, 0, 599),
        ]
    },
    "kube-router-docs.ipvsadm_-L_-n": {
        "10.3.0.1:443/tcp": [("10.10.3.2:443", "Masq", 1, 0, 0)],
        "10.3.0.10:53/tcp": [("10.2.0.2:53", "Masq", 1, 0, 0)],
        "10.3.0.15:2379/tcp": [("10.10.3.3:2379", "Masq", 1, 45, 0)],
        "10.3.0.155:2379/tcp": [("10.10.3.3:2379", "Masq", 1, 0, 0)],
        "10.3.0.10:53/udp": [("10.2.0.2:53", "Masq", 1, 0, 0)],
    },
    "noservers.ipvsadm_-Ln_--rate_empty": {},
}


@pytest.mark.parametrize("name", TABLES)
def test_tables_of_many_directors(name: str) -> None:
    found = {
        service: [(str(one.at), one.forward, one.weight, one.active, one.inactive) for one in servers]
        for service, servers in table(lines(f"ipvsadm/{name}")).items()
    }
    assert found == TABLES[name]


def test_a_persistent_service_says_so() -> None:
    first = next(row for row in lines("ipvsadm/kube-router-docs.ipvsadm_-L_-n") if row.startswith("TCP"))
    assert _ipvs.virtual(first).flags == "persistent 10800 mask 0.0.0.0"


def test_the_size_of_the_connection_table() -> None:
    assert _ipvs.size(lines("ipvsadm/lvs-dr-1M.ipvsadm_-ln_--stats")[0]) == 1048576
    assert _ipvs.size(lines("ipvsadm/dodo.ipvsadm_-ln_--rate")[0]) == 4096


OTHERS: dict[str, Callable[[str], object]] = {
    # names for numbers: cut, and with them the port
    "ipvsadm/seed4-stale-rs.ipvsadm_grep": lambda text: table(text.splitlines()),
    # columns of --stats and --rate are not those of a table
    "ipvsadm/loxilb.ipvsadm_-l_--stats": lambda text: table(text.splitlines()),
    "ipvsadm/lvs-dr-1M.ipvsadm_-ln_--stats": lambda text: table(text.splitlines()),
    "ipvsadm/dpvs-tc.ipvsadm_-ln_--stats": lambda text: table(text.splitlines()),
    "ipvsadm/mysql-lvs.ipvsadm_-L_-n_--stats_-t": lambda text: table(text.splitlines()),
    "ipvsadm/dodo.ipvsadm_-ln_--rate": lambda text: table(text.splitlines()),
    "ipvsadm/lab.ipvsadm_no_module": _ipvs.timeouts,
}


@pytest.mark.parametrize("name", OTHERS)
def test_what_is_no_table_is_refused_with_a_reason(name: str) -> None:
    with pytest.raises(ParseError, match="expected"):
        OTHERS[name]("\n".join(lines(name)))


def test_timeouts() -> None:
    assert _ipvs.timeouts(lines("ipvsadm/seed4.ipvsadm_timeout_after_set")[0]) == (900, 30, 300)


CONNECTIONS = {
    "erlang-test.ip_vs_conn": {("10.0.79.182:8080", "10.0.79.182:8081", "SYN_RECV"): 2},
    "hotsos-kubernetes.ip_vs_conn": {},
    "indexed-go-comment.ip_vs_conn": {
        ("81.20.49.101:443", "10.117.106.12:443", "ESTABLISHED"): 5,
        ("81.20.49.146:443", "10.117.102.30:443", "SYN_RECV"): 1,
        ("81.20.49.101:443", "10.117.106.12:443", "TIME_WAIT"): 2,
        ("81.20.49.111:8081", "10.117.106.11:8081", "TIME_WAIT"): 1,
    },
}


@pytest.mark.parametrize("name", CONNECTIONS)
def test_connections_by_service_server_and_state(name: str) -> None:
    found: dict[tuple[str, str, str], int] = {}
    for row in lines(f"proc_net_ip_vs_conn/{name}")[1:]:
        words = row.split()
        key = (str(_ipvs.parts(words[3], words[4])), str(_ipvs.parts(words[5], words[6])), words[7])
        found[key] = found.get(key, 0) + 1
    assert found == CONNECTIONS[name]


@pytest.mark.parametrize("name", ["lvs-names.ipvsadm_-L_-c", "seed4-synrecv.ipvsadm_-lnc_grep"])
def test_connections_as_the_tool_prints_them(name: str) -> None:
    """Real servers in numbers are read, names are refused."""
    for row in lines(f"ipvsadm_conn/{name}"):
        words = row.split()
        if words[0] != "TCP" or len(words) != 6:
            continue
        if words[5].rpartition(":")[2].isdecimal():
            assert str(_ipvs.endpoint(words[5])) == words[5]
        else:
            with pytest.raises(ParseError, match="in numbers"):
                _ipvs.endpoint(words[5])


def test_totals_are_hexadecimal() -> None:
    totals = lines("proc_net_ip_vs_stats/node_exporter-proc_net_ip_vs_stats")[2].split()
    assert _ipvs.total(totals) == 23765872
    assert _ipvs.total(lines("proc_net_ip_vs_stats/hotsos-kubernetes.ip_vs_stats")[2].split()) == 0


def test_filters_in_force_on_a_kube_router_host() -> None:
    values = {}
    for row in lines("sysctl/seed4-rp_filter.sysctl"):
        key, _, value = row.partition(" = ")
        values[key.removeprefix("net.ipv4.conf.").removesuffix(".rp_filter")] = int(value)
    found = rp_filter.in_force(values)
    assert (found.all, found.loose) == (1, ["docker0"])
    assert "kube-bridge" in found.strict
    assert "tun-192168926" in found.strict
    assert "lo" not in found.strict
