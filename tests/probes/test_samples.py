"""The parsers read captures of many systems, where those are at hand."""

import subprocess
from pathlib import Path

import pytest

from bot.core.probe import ParseError
from bot.probes import kernel_tables, listen_queues, resolver, routes, sockstat, tcp_ext
from bot.probes._cgroup import membership
from bot.probes._text import header_value_pairs
from bot.probes.socket_fds import open_files

HERE = Path(__file__).resolve().parent


def _samples() -> Path:
    """Beside the project; a worktree finds them beside the checkout that it belongs to."""
    argv = ["git", "-C", str(HERE), "rev-parse", "--path-format=absolute", "--git-common-dir"]
    common = subprocess.run(argv, capture_output=True, text=True, check=False).stdout.strip()
    places = [HERE.parents[2], *([Path(common).parents[1]] if common else [])]
    found = [place / "shared" / "samples" for place in places]
    return next((path for path in found if path.is_dir()), found[0])


SAMPLES = _samples()
pytestmark = pytest.mark.skipif(not SAMPLES.is_dir(), reason="no captures beside the project (../shared/samples)")


def lines(name: str) -> list[str]:
    path = SAMPLES / name
    if not path.exists():
        pytest.skip(f"no {name} among the captures")
    return path.read_text(errors="replace").splitlines()


SOCKSTAT = {
    "hotsos-kubernetes": (383, 91, 0, 76, 151, 7),
    "hotsos-446": (3837, 28, 0, 3, 41, 1),
    "lab-leak_rst": (213, 101, 0, 100, 398, 147),
    "lab-stuck": (585, 0, 266, 0, 352, 528),
    "netdata-743": (4205, 1761, 6, 800, 3522, 551),
    "node_exporter-proc_net_sockstat": (229, 4, 0, 4, 17, 1),
}


@pytest.mark.parametrize(("name", "expected"), SOCKSTAT.items(), ids=SOCKSTAT.keys())
def test_sockstat_of_many_kernels(name: str, expected: tuple[int, ...]) -> None:
    file = f"sockstat/{name}" if "proc_net" in name else f"sockstat/{name}.sockstat"
    rows = dict(sockstat.row(line) for line in lines(file))
    tcp = rows["TCP"]
    assert (rows["sockets"]["used"], *(tcp[key] for key in ("inuse", "orphan", "tw", "alloc", "mem"))) == expected


def test_a_lecture_is_no_sockstat() -> None:
    with pytest.raises(ParseError):
        [sockstat.row(line) for line in lines("malformed/banner+sudo-lecture.sockstat")]


# columns differ by kernel: 82 on RHEL 7, 136 on 6.18; names decide
NETSTAT = {
    "proc_net_netstat/hotsos-kubernetes.netstat": ("ListenOverflows", "ListenDrops"),
    "proc_net_netstat/hotsos-vault.netstat": ("ListenOverflows", "ListenDrops"),
    "proc_net_netstat/node_exporter-proc_net_netstat": ("ListenOverflows", "ListenDrops"),
    "proc_net_netstat/jc-linux-proc-net_netstat": ("ListenOverflows", "ListenDrops"),
    "proc_net_netstat/pcp-bigsys-hpbl920gen8.netstat": ("ListenOverflows", "ListenDrops"),
}


@pytest.mark.parametrize("name", NETSTAT)
def test_netstat_of_many_kernels_by_header_name(name: str) -> None:
    rows = [line for line in lines(name) if line.strip()]
    groups = header_value_pairs(rows)
    header, values = rows[0].split()[1:], rows[1].split()[1:]
    for counter in NETSTAT[name]:
        assert groups["TcpExt"][counter] == int(values[header.index(counter)])


def test_the_lab_s_snmp() -> None:
    tcp = header_value_pairs(lines("proc_net_snmp/lab-aq.proc_net_snmp"))["Tcp"]
    assert {key: tcp[key] for key in ("PassiveOpens", "CurrEstab", "MaxConn", "InCsumErrors")} == {
        "PassiveOpens": 4,
        "CurrEstab": 8,
        "MaxConn": -1,
        "InCsumErrors": 0,
    }


def test_a_header_without_values_is_refused() -> None:
    with pytest.raises(ParseError):
        header_value_pairs(lines("malformed/truncated-mid-header.proc_net_netstat"))


LISTENING = {
    "ss/lab-aq.ss_-lntpe": [("127.0.0.1:8080", 4, 3, 452086), ("[::1]:8081", 0, 8, 452087)],
    "ss/lab-aq.ss_-Htlnp": [("127.0.0.1:8080", 4, 3, 0), ("[::1]:8081", 0, 8, 0)],
    "ss/lab-names.ss_-lntp_unprivileged": [("0.0.0.0:8443", 0, 511, 0), ("*:8444", 0, 511, 0), ("[::1]:8445", 0, 1, 0)],
    "ss/lab-names.ss_-lntp": [("0.0.0.0:8443", 0, 511, 0), ("*:8444", 0, 511, 0), ("[::1]:8445", 0, 1, 0)],
    "ss/seed2-acceptq.ss_-lnt": [("*:80", 129, 128, 0)],
    "ss/seed2-acceptq-511.ss_-lnt": [("*:80", 512, 511, 0)],
}


@pytest.mark.parametrize(("name", "expected"), LISTENING.items(), ids=LISTENING.keys())
def test_listeners_of_many_ss(name: str, expected: list[tuple[object, ...]]) -> None:
    found = [listen_queues.listener(row) for row in listen_queues.whole_rows(lines(name))]
    assert [(q.local, q.recv_q, q.send_q, q.inode) for q in found] == expected


def test_limits() -> None:
    rows = [line for line in lines("limits/procfs-proc_26231_limits") if line.startswith("Max open files")]
    assert [open_files(row) for row in rows] == [2048]


CONTAINERS = {
    "elastic-apm-gardener_proc_self_cgroup": "1cd3449e930b",
    "facter-docker_cgroup": "ee6e3c05422f",
    "insights-init_process_cgroup.CGROUP_CONTAINER": "55b2b88feeb4",
    "insights-init_process_cgroup.CGROUP_CONTAINER_1": "af097fa761cd",
    "neuvector-TestCrio_Container_Cgroupv2.0": "f33f47b0db74",
    "neuvector-TestDockerIDKubepods.0": "cb1eadb7abe3",
    "neuvector-TestDockerIDKubepods2.0": "b5b6f2da8008",
    "neuvector-TestK8sBottleRocket.0": "f45298cd514d",
    "neuvector-TestK8sContainerd_v1_2_13.0": "5dd96d5394ca",
    "neuvector-TestK8sContainerd_v1_4_4.0": "d3d8ccf5cca9",
    "neuvector-TestK8sProxyProcess.0": "c04e0a88a1de",
    "pcp-procpid-4.14.5-root-005.proc_26304_cgroup": "0ea0c47ef0e1",
    "coroot-proc_600_cgroup": "",
    "facter-lxc_cgroup": "",
    "neuvector-TestNsEnterProcess.0": "",
    "pcp-procpid-5.5.7-root-007.proc_291591_cgroup": "",
}


@pytest.mark.parametrize(("name", "expected"), CONTAINERS.items(), ids=CONTAINERS.keys())
def test_containers_of_many_runtimes(name: str, expected: str) -> None:
    assert membership(lines(f"proc_pid_cgroup/{name}")).container[:12] == expected


def test_growth_is_counted_between_two_captures() -> None:
    before = header_value_pairs(lines("proc_net_netstat/hotsos-kubernetes.netstat"))["TcpExt"]
    after = {name: value + 3 for name, value in before.items()}
    assert set(tcp_ext.compare(before, after, 3.0).delta.values()) == {3}


SOFTNET = {
    "hotsos-rabbitmq": [(0, 0x02976291, 0, 0x114), (1, 0x0077389C, 0, 0xB0)],
    "lab-aq": [(0, 0x2CE6C, 0, 0), (1, 0x2FA4C, 0, 1)],
    "lab-host": [(0, 0xA8109, 0x7AF, 0), (1, 0xADDC7, 0, 2)],
}


@pytest.mark.parametrize(("name", "expected"), SOFTNET.items(), ids=SOFTNET.keys())
def test_backlogs_of_kernels_with_11_and_15_columns(name: str, expected: list[tuple[int, ...]]) -> None:
    after = lines(f"softnet_stat/{name}.softnet_stat")
    width = len(after[0].split())
    before = [" ".join(["00000000"] * 12 + [f"{cpu:08x}"] * (width - 12)) for cpu in range(len(after))]
    before = [" ".join(row.split()[:width]) for row in before]
    found = kernel_tables.backlogs(before, after)
    assert [(one.cpu, one.processed, one.dropped, one.squeezed) for one in found] == expected


def test_backlogs_with_ten_columns_and_four_cpus() -> None:
    after = lines("softnet_stat/insights-softnet_stat.SOFTNET_STAT")
    zero = [" ".join("00000000" for _ in row.split()) for row in after]
    assert [(one.dropped, one.squeezed) for one in kernel_tables.backlogs(zero, after)] == [
        (0x12, 1),
        (0xFF, 2),
        (0, 3),
        (1, 4),
    ]


def test_a_broken_softnet_stat_is_refused() -> None:
    broken = lines("softnet_stat/procfs-proc_net_softnet_stat.broken")
    with pytest.raises(ParseError, match="nine or more columns"):
        kernel_tables.backlogs(broken, broken)


TABLES = {
    "hotsos-kubernetes.stat_arp_cache": {"entries": 0x17, "allocs": 0x26, "table_fulls": 0},
    "node_exporter-proc_net_stat_ndisc_cache": {"entries": 0x24, "table_fulls": 0xFB + 0x107},
    "node_exporter-proc_net_stat_nf_conntrack": {"entries": 0x21, "drop": 0, "insert_failed": 0, "invalid": 0x35},
    "hotsos-storage-ceph-mon.stat_rt_cache": {"entries": 0x4A, "in_martian_src": 0x6A + 0x71F},
}


@pytest.mark.parametrize(("name", "expected"), TABLES.items(), ids=TABLES.keys())
def test_tables_are_summed_over_the_cpus(name: str, expected: dict[str, int]) -> None:
    found = kernel_tables.table(lines(f"proc_net_stat/{name}"))
    assert {key: found[key] for key in expected} == expected


def test_routes_of_a_node() -> None:
    rows = [line.split() for line in lines("route/hotsos-kubernetes.route")[1:] if line.strip()]
    words = [[row[place] for place in (0, 1, 2, 3, 6, 7, 8)] for row in rows]
    (default,) = [routes._four(row) for row in words if row[1] == row[5] == "00000000"]
    assert (default.interface, default.gateway, default.metric) == ("ens3", "10.6.0.1", 100)
    assert "10.1.7.0/24" in [routes._network(row) for row in words]


RESOLV = {
    "jc-generic-resolve.conf-1": (
        ["75.75.75.75", "75.75.76.76", "2001:558:feed::1", "2001:558:feed::2"], ["hello.com", "world.com"], []
    ),
    "jc-generic-resolve.conf-2": (
        ["10.136.17.15"],
        ["eng.myprime.com", "dev.eng.myprime.com", "labs.myprime.com", "qa.myprime.com"],
        ["rotate", "ndots:1"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", RESOLV)
def test_resolv_conf_of_many_hands(name: str) -> None:
    assert resolver.configuration(lines(f"dns/{name}")) == RESOLV[name]


def test_ip_and_udp_counters_of_another_kernel() -> None:
    groups = header_value_pairs(lines("proc_net_snmp/hotsos-scn-udp.proc_net_snmp"))
    assert (groups["Udp"]["InErrors"], groups["Udp"]["RcvbufErrors"], groups["Ip"]["OutNoRoutes"]) == (1234, 0, 15)
