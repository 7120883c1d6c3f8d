"""How often did the virtual routers of this host change places lately, and what was written around it?"""

import re
from collections.abc import Mapping, Sequence

from bot.core.probe import Cost, Facts, Gather, NoEvidence, ParseError, Probe, Reading, Seen
from bot.core.text import neutral
from bot.probes._keepalived_log import HORIZON, Event, Story, events, goes_on, stamped, story
from bot.probes._text import insist, joined, number
from bot.probes.keepalived import KeepalivedFacts, VrrpInstance


class VrrpHistory(Facts):
    """One virtual router and what keepalived wrote of it in the last ten minutes."""

    name: str
    """Its name in the configuration."""
    netns: str
    """Id of the network namespace that it routes in."""
    netns_label: str
    """What people call that namespace."""
    pid: int
    """keepalived's VRRP process."""
    container: str
    """keepalived's container; empty: none."""
    unit: str
    """keepalived's service unit; empty: none."""
    interface: str
    """The interface that its adverts use."""
    vrid: int
    """Virtual router id."""
    addresses: list[str]
    """Its virtual addresses."""
    networks: list[str]
    """Networks of its interface."""
    advert_interval: float
    """Seconds between two adverts of the master."""
    master_down: float
    """Seconds without an advert after which it takes over."""
    state: str
    """What it became last: "MASTER", "BACKUP", "FAULT"; empty: not written within the log that was read."""
    moves: int
    """How often its addresses came or went: changes of state, and elections it had to force (away and back)."""
    last_move: float | None
    """Seconds since the last of them; None: none."""
    flapping: bool
    """Whether the moves still go on: they have not rested for 30 s, nor for 1.5 times the longest pause before."""
    cause: str
    """What most of the last four moves are put down to by what was written around them: "stall" (keepalived itself did
    not run), "adverts" (they stayed away, nothing else was written), "check" (a tracked script or process of this
    host), "peer" (the other router's priority fell), "interface", "refused" (adverts came and were refused), "handover"
    (somebody stopped a router), "election"; empty: there was no move."""
    late: int
    """How often adverts stayed away for the master-down time with nothing written here that explains it."""
    last_late: float | None
    """Seconds since the last time; None: never."""
    late_now: bool
    """Whether that still goes on, by the same measure as `flapping`."""
    stalls: int
    """How often keepalived found that its own timers were late ("A thread timer expired")."""
    longest_stall: float
    """The longest of them, seconds."""
    last_stall: float | None
    """Seconds since the last one; None: none."""
    checks: list[str]
    """Tracked scripts and processes whose result changed."""
    link_changes: int
    """How often keepalived saw an interface go up or down."""
    refused: int
    """Adverts that it refused: password, interval, version or addresses differ."""
    rivals: list[str]
    """Addresses that adverts of a lower or higher priority came from."""


class KeepalivedLogFacts(Facts):
    """The recent past of every virtual router whose keepalived runs."""

    source: str
    """Where it was read: "journal", a file's path; empty: no keepalived runs."""
    reaches: float
    """Seconds that it reaches back, at most 600."""
    routers: list[VrrpHistory]
    """As in `keepalived`."""


_KEEP = (
    "Entering|Now in|timer expired|advert|VRRP_Script|[Qq]uorum|effective priority|Netlink reports|is reporting"
    "|Starting Keepalived|Starting VRRP|Startup complete|Transition to|new MASTER election|invalid|mismatch|Dropping"
)

GATHER = Gather(
    (),
    awk=r"""
function keepalived_log(   k, pids) {
  for (k = 1; k <= LINES; k++) if (CARRIED[k] ~ /^keepalived /) pids = substr(CARRIED[k], 12)
  if (pids == "") say("absent")
  else ask(pids)
}
""",
)

SCRIPT = (
    r"""
pids=$PLAN
date '+now %s %z'
# $1 says "ident" where others write to the same file; the first lines tell how far it reaches
told() {
  awk -v own="$1" '
    NR < 3 { print "from " substr($0, 1, 48) }
    own == "ident" && !/[Kk]eepalived/ { next }
    /gratuitous ARP/ { next }
    /"""
    + _KEEP
    + r"""/ { print substr($0, 1, 300) }' | tail -n 2000
}
console=
for pid in $pids; do
  shown=
  for fd in /proc/$pid/fd/*; do
    [ -f "$fd" ] && [ -s "$fd" ] || continue
    [ -z "$shown" ] || ! [ "$fd" -ef "$shown" ] || continue
    lines=$(tail -c 400000 "$fd" | told console)
    case $lines in *"STATE"*) ;; *) continue ;; esac
    shown=$fd console=yes
    echo "-- $pid $(readlink "$fd")"
    printf '%s\n' "$lines"
  done
done
[ -z "$console" ] || exit 0
if [ -d /run/systemd/journal ] && command -v journalctl >/dev/null; then
  journal='journalctl -q --no-pager -o short-unix -n'
  lines=$($journal 4000 --since=-15min _COMM=keepalived + _COMM=keepalived_vrrp | told journal)
  if [ -n "$lines" ] || [ -n "$($journal 1)" ]; then
    echo "-- 0 journal"
    printf '%s\n' "$lines"
    exit 0
  fi
fi
for file in /var/log/keepalived.log /var/log/messages /var/log/syslog /var/log/daemon.log; do
  [ -f "$file" ] || continue
  lines=$({ [ ! -f "$file.1" ] || tail -c 200000 "$file.1"; tail -c 400000 "$file"; } | told ident)
  case $lines in *eepalived*STATE*) echo "-- 0 $file"; printf '%s\n' "$lines"; exit 0 ;; esac
done
:
"""
)

_NOW = re.compile(r"now (\d{1,11}) ([+-])(\d\d)(\d\d)")


def parse(readings: Sequence[Reading], seen: Seen) -> KeepalivedLogFacts:
    """Tell each router's story. Raises NoEvidence when there is no log, or none that reaches far enough back."""
    reading = readings[-1]
    head, _, rest = reading.text.partition("\n")
    if head.strip() == "absent":
        return KeepalivedLogFacts(source="", reaches=HORIZON, routers=[])
    clock = _NOW.fullmatch(head.strip())
    if clock is None:
        raise ParseError(f"expected the host's time, got {head[:60]!r}")
    insist(seen, "keepalived")
    facts = joined(seen, "keepalived")
    instances = [i for i in facts.instances if i.pid] if isinstance(facts, KeepalivedFacts) else []
    now, offset = float(clock[1]), (int(clock[3]) * 3600 + int(clock[4]) * 60) * (1 if clock[2] == "+" else -1)
    logs = _logs(rest.splitlines())
    if not logs:
        raise NoEvidence("no log of keepalived: none in the journal, in /var/log, or in a file that it writes to")
    told: dict[int, list[Event]] = {}
    reaches = HORIZON
    for pid, (source, lines) in logs.items():
        told[pid] = events((line for line in lines if not line.startswith("from ")), now, offset)
        reaches = min(reaches, _reach(source, lines, told[pid], now, offset))
    routers = [_history(i, _of(i, instances, told), now) for i in instances]
    if reaches < HORIZON and not any(r.flapping or r.late_now for r in routers):
        raise NoEvidence(f"the log of keepalived reaches back {reaches:.0f} s only, not {HORIZON:.0f}")
    source = ", ".join(dict.fromkeys(neutral(source, 120) for source, _ in logs.values()))
    return KeepalivedLogFacts(source=source, reaches=round(reaches, 1), routers=routers)


def _logs(lines: Sequence[str]) -> dict[int, tuple[str, list[str]]]:
    """The lines by the process that writes them; 0 where the lines name it themselves."""
    found: dict[int, tuple[str, list[str]]] = {}
    here: list[str] | None = None
    for line in lines:
        if line.startswith("-- ") and (head := line.split(" ", 2))[1].isdecimal() and len(head) > 2:  # noqa: PLR2004
            _, here = found.setdefault(number(head[1]), (head[2], []))
        elif here is not None:
            here.append(line)
        elif line.strip():
            raise ParseError(f"expected where the log is, got {line[:60]!r}")
    return found


def _reach(source: str, lines: Sequence[str], told: Sequence[Event], now: float, offset: float) -> float:
    """How far back a log goes. What begins with keepalived's own start reaches far enough: there was nothing before."""
    if source == "journal":
        return HORIZON  # it was asked for more
    firsts = [at[0] for line in lines if line.startswith("from ") and (at := stamped(line[5:] + " x: ", now, offset))]
    if any(event.kind == "start" for event in told):
        return HORIZON
    return max(0.0, min(HORIZON, now - min(firsts))) if firsts else 0.0


def _of(instance: VrrpInstance, others: Sequence[VrrpInstance], told: Mapping[int, Sequence[Event]]) -> list[Event]:
    """What was written of a router: by its own process, or by one that ended and had the only router of the name."""
    own = told.get(instance.pid)
    if own is not None:
        return [event for event in own if event.name in ("", instance.name)]
    alive = {other.pid for other in others}
    alone = sum(other.name == instance.name for other in others) == 1
    return [
        event
        for event in told.get(0, ())
        if event.name in ("", instance.name) and (event.pid == instance.pid or (alone and event.pid not in alive))
    ]


def _history(instance: VrrpInstance, mine: Sequence[Event], now: float) -> VrrpHistory:
    found: Story = story(mine, now, interval=instance.advert_interval, master_down=instance.master_down)
    return VrrpHistory(
        **{name: getattr(instance, name) for name in VrrpHistory.model_fields if name in VrrpInstance.model_fields},
        state=found.state,
        moves=len(found.moves),
        last_move=found.moves[-1] if found.moves else None,
        flapping=goes_on(found.moves),
        cause=found.cause,
        late=len(found.late),
        last_late=found.late[-1] if found.late else None,
        late_now=goes_on(found.late),
        stalls=len(found.stalls),
        longest_stall=round(found.longest_stall, 3),
        last_stall=found.stalls[-1] if found.stalls else None,
        checks=[neutral(name, 64) for name in found.checks[:10]],
        link_changes=found.links,
        refused=found.refused,
        rivals=[neutral(rival, 45) for rival in found.rivals[:10]],
    )


PROBE = Probe(
    name="keepalived_log",
    question="How often did the virtual routers of this host change places lately, and what was written around it?",
    script=SCRIPT,
    parse=parse,
    facts=KeepalivedLogFacts,
    root=True,
    cost=Cost.MODERATE,
    timeout=10.0,
    max_bytes=1_048_576,
    after=("keepalived",),
    gather=GATHER,
)
