"""Take a real server that is not there any more out of a virtual service, without harm to open connections.

Weight 0 first, so that nobody new is sent there; then wait until its connections have ended; then delete. A server
with established connections is only drained: a wait that may last hours is none for a transaction.
"""

from pydantic import Field

from bot.actions._plan import entered, known, namespace
from bot.core.action import Action, Params, Refused
from bot.core.change import Argv, Check, Plan
from bot.core.expect import ipvs as meant
from bot.core.report import Risk
from bot.core.snapshot import Snapshot
from bot.probes.endpoints import EndpointsFacts
from bot.probes.ipvs import IpvsFacts, RealServer
from bot.probes.netns import Namespace, NetnsFacts

DRAIN, DRAIN_WATCHED = 45, 5
"""Seconds in which connections must have ended: less where two sync periods are watched afterwards."""
SYNC = 31
"""Seconds, just more than kube-proxy's sync period (30 s): a server that is put in again shows within two of them."""
RESTS = 60
"""Seconds that the server must have stayed as it was seen before it is touched: somebody who puts one in and starts it
then is not taken for one who forgot it."""

FORWARD = {"Masq": "-m", "Route": "-g"}
"""Repeated in every command: without it `ipvsadm -e` makes NAT direct routing without a word."""
PROTOCOL = {"tcp": "-t", "udp": "-u", "sctp": "--sctp-service"}
SYNCING = ("kube-proxy", "kube-router")

# Whether the server is there, how, with its thresholds (which `ipvsadm -e` takes away), and whether it is the last one
# with weight: "-m -w 1 0 0, others yes".
READ = r"""{ ipvsadm -Sn && ipvsadm -Ln "$1" "$2" --thresholds; } | awk -v kind="$1" -v service="$2" -v server="$3" '
  $1 == "-a" && $2 == kind && $3 == service && $5 == server { how = $6 " " $7 " " $8; next }
  $1 == "-a" && $2 == kind && $3 == service && $8 > 0 { others = 1 }
  $1 == "->" && $2 == server { limits = $3 " " $4 }
  END { print (how == "" ? "absent" : how " " limits) ", others " (others ? "yes" : "no") }'"""

# By the clock and not by turns: a busy host takes longer than a second for one.
DRAINED = r"""read -r up rest </proc/uptime; end=$((${up%.*} + $4))
while :; do
  active=$(ipvsadm -Ln "$1" "$2" | awk -v server="$3" '$1 == "->" && $2 == server { print $5 }')
  [ "${active:-0}" -gt 0 ] || exit 0
  read -r up rest </proc/uptime
  [ "${up%.*}" -lt "$end" ] || {
    echo "$active connections are still active: weight 0 for longer will end them"; exit 1; }
  sleep 1
done"""

ABSENT = r"""read -r up rest </proc/uptime; end=$((${up%.*} + $4))
while :; do
  if ipvsadm -Ln "$1" "$2" | awk -v server="$3" '$1 == "->" && $2 == server { found = 1 } END { exit !found }'; then
    echo "it was put in again: whoever keeps the table believes in it"; exit 1
  fi
  read -r up rest </proc/uptime
  [ "${up%.*}" -lt "$end" ] || exit 0
  sleep 1
done"""


class IpvsPrune(Params):
    """Which real server of which service, where."""

    netns: str = Field(min_length=1, max_length=32)
    """"host", or the inode of a network namespace, decimal."""
    service: str = Field(max_length=80)
    """Address, port and protocol of the virtual service: "10.108.152.210:6379/tcp"."""
    real_server: str = Field(max_length=80)
    """Its address and port: "172.26.6.185:80"."""


def plan(params: IpvsPrune, snapshot: Snapshot) -> Plan | Refused:
    """Plan drain, wait and delete; the drain alone where connections are open; the delete where it is drained."""
    spaces, facts = known(snapshot, "netns", NetnsFacts), known(snapshot, "ipvs", IpvsFacts)
    if isinstance(spaces, Refused):
        return spaces
    if isinstance(facts, Refused):
        return facts
    space = namespace(spaces, params.netns)
    if space is None:
        return Refused(f"there is no network namespace {params.netns} on this host")
    server = _server(facts, space, params)
    if server is None:
        return Refused(f"{params.service} has no real server {params.real_server} in {space.label}")
    fault = _unsafe(server, snapshot)
    return Refused(fault) if fault else _plan(server, space, facts.tables[space.id].owner)


def _server(facts: IpvsFacts, space: Namespace, params: IpvsPrune) -> RealServer | None:
    wanted = (space.id, params.service, params.real_server)
    return next((one for one in facts.real_servers if (one.netns, one.service, one.address) == wanted), None)


def _unsafe(server: RealServer, snapshot: Snapshot) -> str:
    try:
        expected = meant(snapshot.expect.get("ipvs", {})).get(server.service, ())
    except ValueError as fault:
        return f"what the inventory expects cannot be read: {fault}"
    here, service = server.address, server.service
    kubernetes = snapshot.facts("endpoints")
    named = kubernetes.services.get(service, []) if isinstance(kubernetes, EndpointsFacts) else []
    reasons = (
        (service.startswith("mark "), "a service by firewall mark may stand for many addresses: nothing is taken out"),
        (here in expected, f"the inventory names {here} for {service}: mend the server, or the inventory"),
        (here in named, f"Kubernetes names {here} as an endpoint of {service}: it belongs there"),
        (server.left_alone, f"{service} is one that kube-proxy is told to leave alone (excludeCIDRs)"),
        (server.appeared, f"{here} was put in during the visit: whoever keeps the table is at work"),
        (not server.others_weighted, f"{here} is the last real server of {service} that may get connections"),
        (server.accepted > 0, f"{here} accepted a connection from the director: it is there"),
        (server.forward not in FORWARD, f"{here} is reached by {server.forward}: it could not be put back as it is"),
    )
    return next((reason for holds, reason in reasons if holds), "")


def _plan(server: RealServer, space: Namespace, owner: str) -> Plan:
    enter, target = entered(space)
    place, _, protocol = server.service.rpartition("/")
    kind, flag = PROTOCOL[protocol], FORWARD[server.forward]

    def ipvsadm(verb: str, *weight: str) -> Argv:
        return (*enter, "ipvsadm", verb, kind, place, "-r", server.address, *weight)

    def script(text: str, *more: str) -> Argv:
        return (*enter, "sh", "-c", text, "sh", kind, place, server.address, *more)

    weight = str(server.weight)
    read = Check(
        about=f"{server.address} in {server.service}",
        argv=script(READ),
        expect=f"{flag} -w {weight} 0 0, others yes",
    )
    drain, back = ipvsadm("-e", flag, "-w", "0"), ipvsadm("-e", flag, "-w", weight)
    remove, put_in = ipvsadm("-d"), ipvsadm("-a", flag, "-w", weight)
    only_drain = server.established > 0 and server.weight > 0
    watch = tuple(script(ABSENT, str(SYNC)) for _period in range(2)) if owner in SYNCING else ()
    patience = DRAIN_WATCHED if watch else DRAIN
    wait = script(DRAINED, str(patience))
    after = f"{flag} -w 0 0 0, others yes" if only_drain else "absent, others yes"
    before = (drain,) if only_drain else (remove, *watch) if server.weight == 0 else (drain, wait, remove, *watch)
    return Plan(
        steps=before,
        precondition=(*target, read),
        inverse=(back,) if only_drain else (put_in, back),
        verify=(*target, read.model_copy(update={"expect": after})),
        risk=Risk.MEDIUM,
        summary=_summary(server, space, only_drain=only_drain),
        impact=_impact(server, only_drain=only_drain),
        not_fixed=_not_fixed(owner, only_drain=only_drain),
        rests=RESTS,
        takes=patience * (wait in before) + SYNC * len(watch) * (not only_drain),
    )


def _summary(server: RealServer, space: Namespace, *, only_drain: bool) -> str:
    where = "" if space.host else f" in {space.label} (net:[{space.id}])"
    what = "drain (weight 0)" if only_drain else "take out" if server.weight == 0 else "drain, wait, take out"
    return f"{what} {server.address} of {server.service}{where}"


def _impact(server: RealServer, *, only_drain: bool) -> str:
    rest = "connections through the other real servers are not touched"
    calm = f"not before it has stayed as it was seen for {RESTS} s"
    if only_drain:
        return (
            f"nobody new is sent to {server.address}; its {server.established} open connections go on; {rest}; {calm}"
        )
    return f"nobody is sent to {server.address} any more, and it must have no active connection; {rest}; {calm}"


def _not_fixed(owner: str, *, only_drain: bool) -> str:
    keeps = {
        "kube-proxy": "kube-proxy puts it in again if it still believes in it, and is what does not sync: look at it",
        "kube-router": "kube-router puts it in again if it still believes in it, and is what does not sync: look at it",
        "keepalived": "a reload of keepalived puts it in again as long as keepalived.conf names it",
        "ldirectord": "ldirectord puts it in again as long as its configuration names it",
    }.get(owner, "a saved table that is loaded at boot brings it back")
    later = ["it stays in the table: take it out when its connections have ended"] if only_drain else []
    return "; ".join([*later, keeps, "connection entries that it had stay until they expire"])


ACTION = Action(
    name="ipvs.prune",
    title="Take a stale real server out of a virtual service",
    params=IpvsPrune,
    reads=("netns", "ipvs"),
    plan=plan,
)
