"""Which UDP sockets drop what they receive, and whose are they?

Listing sockets walks the kernel's whole table, so it is done only in namespaces whose counters say that a receive
buffer ever overflowed; owners are looked for only while one does.
"""

import re
from collections.abc import Mapping, Sequence
from ipaddress import IPv4Address, IPv6Address

from bot.core.probe import Cost, Facts, Gather, ParseError, Probe, Reading, Sampling, Scope, Seen
from bot.core.text import neutral
from bot.probes._cgroup import Membership, membership
from bot.probes._text import by_process, insist, joined, need, number, split_netns, stat_fields
from bot.probes.netns import NetnsFacts


class UdpSocket(Facts):
    """One UDP socket that dropped something during the visit."""

    netns: str
    """Id of its network namespace."""
    netns_label: str
    """What people call that namespace."""
    local: str
    """Address and port: "0.0.0.0:53", "[::]:53"."""
    port: int
    """Local port."""
    inode: int
    """The socket's inode."""
    drops: int
    """What it dropped so far, full receive buffer and other reasons (last column of /proc/net/udp)."""
    drops_now: int
    """The same within the window."""
    rate: float
    """`drops_now` per second."""
    queued: int
    """Bytes in its receive buffer at the end of the window, as the kernel accounts them."""
    pid: int
    """A process that holds it; 0: none was found."""
    process: str
    """That process's name; empty: none was found."""
    container: str
    """Its container (12 digits); empty: none."""
    pod: str
    """Its pod's uid; empty: none."""
    unit: str
    """Its service unit; empty: none."""


class UdpSocketsFacts(Facts):
    """Sockets that drop now; sockets that once did and do not any more are left out."""

    seconds: float
    """The window: host seconds between the two readings."""
    sockets: list[UdpSocket]
    """The largest first."""


GATHER = Gather(
    ("net/snmp", "net/snmp6"),
    awk=r"""
function udp_sockets(   i, k, path, errors, word, before) {
  spaces()
  for (i = 1; i <= LINES; i++) { split(CARRIED[i], word); if (word[1] == "udp") before[word[2]] = word[3] }
  for (i = 1; i <= SPACES; i++) {
    errors = counter(net(i, "snmp"), "Udp", "RcvbufErrors") + 0; path = net(i, "snmp6")
    for (k = 1; k <= ROWS[path]; k++) if (ROW[path, k] ~ /^Udp6RcvbufErrors/) {
      split(ROW[path, k], word); errors += word[2]
    }
    if (!errors) continue
    if (SAMPLE == 1) carry("udp " PID[i] " " errors)
    if (SAMPLE == 1 || before[PID[i]] != errors) ask(net(i, "udp") " " net(i, "udp6"))
  }
}
""",
)

SCRIPT = (
    need("grep", "awk", "ls")
    + r"""
rows=$(grep -sHE '^ *[0-9]+: .* [1-9][0-9]* *$' $PLAN)
printf '%s\n' "$rows"
[ "$SAMPLE" != 1 ] && [ -n "$rows" ] || exit 0
owners=$({ printf '%s\n' "$rows"; echo -; ls -ln /proc/[0-9]*/fd 2>/dev/null; } | awk '
  $0 == "-" { listing = 1; next }
  !listing { wanted[$(NF - 3)] = 1; next }
  /^\/proc\/[0-9]+\/fd:$/ { split($0, part, "/"); pid = part[3]; next }
  $NF ~ /^socket:\[/ {
    inode = substr($NF, 9, length($NF) - 9)
    if (inode in wanted && !(inode in told)) { told[inode] = 1; print "holds", pid, inode }
  }')
printf '\n%s\n' "$owners"
files=; set -- $owners
while [ $# -ge 3 ]; do files="$files /proc/$2/stat /proc/$2/cgroup"; shift 3; done
[ -z "$files" ] || grep -sHE '^[0-9]+ \(|^[0-9]*:[^:]*:' $files
:
"""
)

_PORT = re.compile(r"([0-9A-F]{8}|[0-9A-F]{32}):([0-9A-F]{4})")


def parse(readings: Sequence[Reading], seen: Seen) -> UdpSocketsFacts:
    """Hold the sockets of the last reading against the first. Raises ParseError."""
    insist(seen, "netns")
    first, last = readings[0], readings[-1]
    seconds = last.uptime - first.uptime
    if seconds <= 0:
        raise ParseError(f"{seconds:.2f} seconds between two readings")
    before, _ = _rows(first.text)
    after, rest = _rows(last.text)
    owners, processes, groups = _owners(rest.splitlines())
    facts = joined(seen, "netns")
    spaces = facts.namespaces if isinstance(facts, NetnsFacts) else {}
    found = []
    for (netns, inode), words in after.items():
        old = before.get((netns, inode))
        new = number(words[-1]) - (number(old[-1]) if old else 0)
        if new <= 0:
            continue
        pid = owners.get(inode, 0)
        member = membership(groups.get(pid, ())) if pid else Membership()
        local, port = place(words[1])
        found.append(
            UdpSocket(
                netns=netns,
                netns_label=spaces[netns].label if netns in spaces else f"net:[{netns}]",
                local=local,
                port=port,
                inode=number(inode),
                drops=number(words[-1]),
                drops_now=new,
                rate=round(new / seconds, 2),
                queued=queued(words),
                pid=pid,
                process=neutral(processes.get(pid, ""), 64),
                container=member.container[:12],
                pod=neutral(member.pod, 64),
                unit=neutral(member.unit, 128),
            )
        )
    found.sort(key=lambda one: (-one.drops_now, one.inode))
    return UdpSocketsFacts(seconds=round(seconds, 2), sockets=found)


def _rows(text: str) -> tuple[dict[tuple[str, str], list[str]], str]:
    pids, body = split_netns(text)
    listed, _, rest = body.partition("\n\n")
    found: dict[tuple[str, str], list[str]] = {}
    for pid, _, line in by_process(row for row in listed.splitlines() if row):
        words = row_words(line)
        if pid not in pids:
            raise ParseError(f"process {pid} was not asked")
        found[pids[pid], words[9]] = words
    return found, rest


def row_words(line: str) -> list[str]:
    """A row of /proc/net/udp: slot, addresses, state, queues, …, inode, ref, pointer, drops. Raises ParseError."""
    words = line.split()
    if len(words) != 13 or not _PORT.fullmatch(words[1]) or not words[9].isdecimal():  # noqa: PLR2004 - its columns
        raise ParseError(f"expected a row of /proc/net/udp, got {line[:60]!r}")
    number(words[-1])
    return words


def queued(words: Sequence[str]) -> int:
    """Bytes that wait in the receive buffer."""
    _, _, received = words[4].partition(":")
    if not re.fullmatch(r"[0-9A-F]{8}", received):
        raise ParseError(f"expected two queues, got {words[4][:40]!r}")
    return int(received, 16)


def place(word: str) -> tuple[str, int]:
    """`0100007F:0035` as "127.0.0.1:53" and 53: words of four bytes, each the other way round."""
    found = _PORT.fullmatch(word)
    if found is None:
        raise ParseError(f"expected an address and a port, got {word[:60]!r}")
    raw = b"".join(bytes.fromhex(found[1][at : at + 8])[::-1] for at in range(0, len(found[1]), 8))
    port = int(found[2], 16)
    return (f"[{IPv6Address(raw)}]:{port}" if len(raw) > 4 else f"{IPv4Address(raw)}:{port}"), port  # noqa: PLR2004 - IPv4


def _owners(lines: Sequence[str]) -> tuple[dict[str, int], Mapping[int, str], Mapping[int, list[str]]]:
    owners: dict[str, int] = {}
    processes: dict[int, str] = {}
    groups: dict[int, list[str]] = {}
    for line in lines:
        words = line.split()
        if words[:1] == ["holds"] and len(words) == 3:  # noqa: PLR2004 - pid, inode
            owners.setdefault(words[2], number(words[1]))
        elif line:
            for pid, file, text in by_process([line]):
                if file == "stat":
                    processes[pid] = stat_fields(text)[1]
                else:
                    groups.setdefault(pid, []).append(text)
    return owners, processes, groups


PROBE = Probe(
    name="udp_sockets",
    question="Which UDP sockets drop what they receive, and whose are they?",
    script=SCRIPT,
    parse=parse,
    facts=UdpSocketsFacts,
    scope=Scope.NETNS,
    sampling=Sampling.COUNTER,
    root=True,
    cost=Cost.MODERATE,
    timeout=10.0,
    max_bytes=524_288,
    after=("netns",),
    gather=GATHER,
)
