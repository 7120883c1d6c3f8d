"""Does this director send its clients to real servers that answer?

A host whose kernel has no IPVS says so and is asked no more; `ipvsadm` is run only where the table is there, for
otherwise it would load the module. Connections are counted on the host. A real server that looks wrong, and one
beside it, are dialled from the director, a few at most; everything else is read from files.
"""

from collections.abc import Mapping, Sequence

from bot.core.probe import Cost, Facts, NoEvidence, ParseError, Probe, Reading, Sampling, Scope, Seen
from bot.core.text import neutral
from bot.probes import _ipvs
from bot.probes._ipvs_index import Index
from bot.probes._ipvs_look import Key, Look, look_at
from bot.probes._ipvs_script import GATHER, MOST_DIALLED, SCRIPT
from bot.probes._text import insist, joined
from bot.probes.netns import NetnsFacts


class RealServer(Facts):
    """One real server of one virtual service."""

    netns: str
    """Id of the namespace whose table it is in."""
    netns_label: str
    """What people call that namespace."""
    service: str
    """Its virtual service, as the inventory names it: "10.9.0.1:80/tcp"; "mark 8" for a firewall mark."""
    address: str
    """Address and port: "10.0.2.2:80"."""
    forward: str
    """"Masq" (NAT), "Route" (direct routing), "Tunnel" or "Local"."""
    weight: int
    """Its share of new connections; 0: gets none (drained)."""
    active: int
    """ActiveConn, the kernel's count: connections under way."""
    inactive: int
    """InActConn: connections that are closing, and on old kernels those that begin."""
    established: int
    """Connection entries in ESTABLISHED, in the reading that had more."""
    syn_recv: int
    """Entries in SYN_RECV, in the reading that had fewer: the client's SYN went there and no connection came of it."""
    failed: int
    """Entries in SYN_RECV or CLOSE, in the last reading: connections that did not come about, or were reset."""
    entries: int
    """Connection entries of every state, in the last reading."""
    other_ports: list[int]
    """Other ports of the same address in the same service, of servers with weight above 0."""
    port_disagrees: bool
    """Whether at least half of the service's servers with weight have another port than this one."""
    others_weighted: int
    """Real servers of the service besides this one with weight above 0."""
    appeared: bool
    """Whether it was put in during the visit: whoever keeps the table is at work at this moment."""
    left_alone: bool
    """Whether the table's owner is told to leave its service alone (excludeCIDRs of kube-proxy)."""
    suspect: bool
    """Whether its port or address tells it from the others of its service, or its connections mostly do not come
    about."""
    attempts: int
    """Connections that the director tried to it, one for each reading."""
    refused: int | None
    """How many of them were refused; None: it ought to be known, and why it is not stands in `not_tried`. Only what is
    suspicious, has weight and is TCP by NAT is dialled: a directly routed server may listen on the service's address
    alone."""
    accepted: int
    """How many were accepted."""
    unanswered: int
    """How many got no answer (in 2 s), or that it cannot be reached."""
    sibling_accepts: bool
    """Whether another real server of the service accepted a connection in the same visit."""
    not_tried: str
    """Why it was not dialled, for a person; empty where it was."""


class Service(Facts):
    """One virtual service."""

    netns: str
    """Id of the namespace whose table it is in."""
    netns_label: str
    """What people call that namespace."""
    service: str
    """Address, port and protocol: "10.9.0.1:80/tcp"; "mark 8" for a firewall mark."""
    mark: int
    """The firewall mark; 0: it has an address."""
    scheduler: str
    """"rr", "wlc", …"""
    persistent: bool
    """Whether clients are kept at their real server."""
    real_servers: int
    """How many there are."""
    weighted: int
    """How many of them have a weight above 0."""
    bound: bool | None
    """Whether its address is local to the namespace, so that IPVS sees its packets; None: not known, or a mark."""


class Table(Facts):
    """The IPVS table of one network namespace."""

    netns_label: str
    """What people call that namespace."""
    owner: str
    """Who keeps the table: "kube-proxy", "kube-router", "keepalived", "ldirectord", "docker swarm"; empty: nobody
    that is known, so it was made by hand."""
    services: int
    """Virtual services."""
    real_servers: int
    """Real servers over all of them."""
    buckets: int
    """Buckets of the connection table (`size=`)."""
    entries: int
    """Connection entries in the last reading, templates of persistent services left out."""
    states: dict[str, int]
    """Entries by state, as the kernel names them: ESTABLISHED, FIN_WAIT, TIME_WAIT, SYN_RECV, …"""
    connections_per_second: float | None
    """New connections in the visit's window; None where the totals went backwards or were not read."""
    tcp: int | None
    """Seconds until an idle ESTABLISHED entry expires; None: `unread` says why."""
    tcpfin: int | None
    """Seconds for FIN_WAIT; None: `unread` says why."""
    udp: int | None
    """Seconds for UDP; None: `unread` says why."""
    unread: str
    """Why the timeouts are not known."""
    sysctls: dict[str, str]
    """net.ipv4.vs.* of the namespace, by the last part of their key: conn_reuse_mode, expire_nodest_conn, …"""


class Members(Facts):
    """The real servers of one service, sorted: what directors of one service are compared by."""

    every: list[str]
    """All of them."""
    weighted: list[str]
    """Those with weight above 0."""


class IpvsFacts(Facts):
    """What this host's IPVS does. Without IPVS in the kernel there are no tables: that is known, not unknown."""

    loaded: bool
    """Whether the kernel has IPVS."""
    tables: dict[str, Table]
    """By namespace id; namespaces without a virtual service are left out."""
    services: list[Service]
    """Every virtual service."""
    real_servers: list[RealServer]
    """Every real server."""
    suspects: list[RealServer]
    """Those of them that are `suspect`."""
    drained: list[RealServer]
    """Those of them with weight 0."""
    members: dict[str, Members]
    """By service; one that stands in the tables of several namespaces is left out."""


_MOST_PORTS = 20


def parse(readings: Sequence[Reading], seen: Seen) -> IpvsFacts:
    """The tables of the last reading, with what both readings counted and tried. Raises ParseError."""
    insist(seen, "netns")
    if readings[-1].text.strip() == "absent":
        return IpvsFacts(loaded=False, tables={}, services=[], real_servers=[], suspects=[], drained=[], members={})
    if readings[0].text.strip() == "absent":
        raise NoEvidence("the kernel began to have IPVS during the visit; ask again")
    looks = [look_at(reading.text) for reading in readings]
    last = looks[-1]
    labels = _labels(last, seen)
    index = Index.of(looks)
    real_servers = [_real(key, looks, labels, index) for key in last.servers]
    seconds = readings[-1].uptime - readings[0].uptime
    return IpvsFacts(
        loaded=True,
        tables={last.ids[pid]: _table(pid, looks, labels[pid], seconds, index) for pid in index.services},
        services=[_service(pid, one, last, labels[pid], index) for pid, one in last.services],
        real_servers=real_servers,
        suspects=[one for one in real_servers if one.suspect],
        drained=[one for one in real_servers if one.weight == 0],
        members=_members(last, real_servers),
    )


def _members(look: Look, servers: Sequence[RealServer]) -> dict[str, Members]:
    places: dict[str, set[str]] = {one.name: set() for _pid, one in look.services if one.at is not None}
    told: dict[str, list[RealServer]] = {name: [] for name in places}
    for pid, one in look.services:
        places.get(one.name, set()).add(look.ids[pid])
    for server in servers:
        if server.service in told:
            told[server.service].append(server)
    return {
        name: Members(
            every=sorted(one.address for one in told[name]),
            weighted=sorted(one.address for one in told[name] if one.weight > 0),
        )
        for name, where in places.items()
        if len(where) == 1
    }


def _labels(look: Look, seen: Seen) -> dict[int, str]:
    spaces = joined(seen, "netns")
    known = spaces.namespaces if isinstance(spaces, NetnsFacts) else {}
    return {pid: known[inode].label if inode in known else f"net:[{inode}]" for pid, inode in look.ids.items()}


def _real(key: Key, looks: Sequence[Look], labels: Mapping[int, str], index: Index) -> RealServer:
    pid, service, address = key
    last = looks[-1]
    server = last.servers[key]
    counted = [look.states.get(key, {}) for look in looks]
    tried = [look.verdicts[key] for look in looks if key in look.verdicts]
    group = index.groups[pid, service]
    weighted = server.weight > 0
    established = max(states.get("ESTABLISHED", 0) for states in counted)
    failed = counted[-1].get("SYN_RECV", 0) + counted[-1].get("CLOSE", 0)
    entries = sum(many for state, many in counted[-1].items() if state != "NONE")
    near = group.ports_of.get(server.at.address, [])[: _MOST_PORTS + 1]
    other_ports = sorted(port for port in near if port != server.at.port)
    disagrees = weighted and group.disagrees(server.at.port)
    by_mark = service.startswith("mark ")
    spared = index.excluded.get(pid)
    place = service.rpartition("/")[0].rpartition(":")[0].strip("[]")
    suspect = not by_mark and bool(other_ports or disagrees or (not established and failed * 2 > entries))
    due = suspect and weighted and server.forward == "Masq" and service.endswith("/tcp")
    not_tried = _not_tried(tried, looks) if due else ""
    return RealServer(
        netns=last.ids[pid],
        netns_label=labels[pid],
        service=service,
        address=address,
        forward=server.forward,
        weight=server.weight,
        active=server.active,
        inactive=server.inactive,
        established=established,
        syn_recv=min(states.get("SYN_RECV", 0) for states in counted),
        failed=failed,
        entries=entries,
        other_ports=other_ports,
        port_disagrees=disagrees,
        others_weighted=group.weighted - weighted,
        appeared=key not in looks[0].servers,
        left_alone=not by_mark and spared is not None and bool(spared.has(place)),
        suspect=suspect,
        attempts=len(tried),
        refused=None if not_tried else tried.count("refused"),
        accepted=tried.count("accepted"),
        unanswered=tried.count("silent") + tried.count("unreachable"),
        sibling_accepts=len(group.accepting) > (address in group.accepting),
        not_tried=not_tried,
    )


def _not_tried(tried: Sequence[str], looks: Sequence[Look]) -> str:
    """Why nothing follows from the attempts; empty where every reading has one that ended somehow."""
    if not all(look.dialler for look in looks):
        return "it was not dialled: the host has neither bash nor nc, or no timeout command"
    if len(tried) < len(looks):
        return (
            f"it was dialled {len(tried)} times of {len(looks)}: at most {MOST_DIALLED} real servers are, in a reading"
        )
    return "dialling it failed on the host" if "failed" in tried else ""


def _service(pid: int, one: _ipvs.Virtual, look: Look, label: str, index: Index) -> Service:
    group = index.groups[pid, one.name]
    return Service(
        netns=look.ids[pid],
        netns_label=label,
        service=one.name,
        mark=one.mark,
        scheduler=neutral(one.scheduler, 20),
        persistent="persistent" in one.flags,
        real_servers=group.servers,
        weighted=group.weighted,
        bound=index.local[pid].has(one.at.address) if one.at and pid in index.local else None,
    )


def _table(pid: int, looks: Sequence[Look], label: str, seconds: float, index: Index) -> Table:
    last = looks[-1]
    states = last.table_states.get(pid, {})
    tcp = tcpfin = udp = None
    unread = "not asked"
    for said in (look.timeouts[pid] for look in looks if pid in look.timeouts):
        try:
            (tcp, tcpfin, udp), unread = _ipvs.timeouts(said), ""
        except ParseError as fault:
            unread = neutral(str(fault))
    begun = [look.totals[pid] for look in looks if pid in look.totals]
    grown = begun[-1] - begun[0] if len(begun) == len(looks) else -1
    return Table(
        netns_label=label,
        owner=next((look.owners[pid] for look in looks if pid in look.owners), ""),
        services=index.services[pid],
        real_servers=index.servers.get(pid, 0),
        buckets=last.buckets.get(pid, 0),
        entries=sum(states.values()),
        states=states,
        connections_per_second=round(grown / seconds, 2) if seconds > 0 and grown >= 0 else None,
        tcp=tcp,
        tcpfin=tcpfin,
        udp=udp,
        unread=unread,
        sysctls=next((look.sysctls[pid] for look in looks if pid in look.sysctls), {}),
    )


PROBE = Probe(
    name="ipvs",
    question="Does this director send its clients to real servers that answer?",
    script=SCRIPT,
    parse=parse,
    facts=IpvsFacts,
    scope=Scope.NETNS,
    sampling=Sampling.COUNTER,
    root=True,
    cost=Cost.MODERATE,
    timeout=15.0,
    max_bytes=4_194_304,
    after=("netns",),
    gather=GATHER,
)
