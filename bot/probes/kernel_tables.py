"""Do the tables and queues that all connections share run full?

Connection tracking is counted per network namespace. The neighbour tables and the CPUs' backlogs belong to the whole
machine: they are read only where the visit stands on the machine itself, not in a container that plays a host.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from bot.core.probe import Facts, Gather, ParseError, Probe, Reading, Sampling, Seen
from bot.probes._text import insist, names, number, split_netns
from bot.probes.tcp_ext import Counters, compare


class Table(Counters):
    """One table of the kernel: its counters by the kernel's own names, summed over the CPUs, and its size."""

    entries: int
    """Entries at the end of the window."""
    entries_before: int
    """Entries at its beginning."""


class Backlog(Facts):
    """What one CPU took from its receive queue within the window (/proc/net/softnet_stat)."""

    cpu: int
    """Its number; on kernels before 5.10 the number of its row."""
    processed: int
    """Packets taken."""
    dropped: int
    """Packets dropped because the queue (netdev_max_backlog) was full."""
    squeezed: int
    """Times that it stopped with work left, for its budget (netdev_budget, netdev_budget_usecs) was spent."""


class OpenFiles(Facts):
    """Open files of all processes together (fs.file-nr): what open(), socket() and accept() take from."""

    allocated: int
    """File structures in use."""
    most: int
    """fs.file-max: how many there may be; root may have more. 9223372036854775807: as good as no limit."""


class KernelTablesFacts(Facts):
    """The shared tables and queues of the kernel."""

    seconds: float
    """The window: host seconds between the two readings."""
    machine: bool
    """Whether the machine's own tables were there to be read: inside a container they are not."""
    files: OpenFiles | None
    """Open files of the whole machine, at the end of the window. None inside a container, or where not told."""
    conntrack: dict[str, Table]
    """Connection tracking by namespace id, from stat/nf_conntrack (drop, early_drop, insert_failed; clashres on new
    kernels). Empty: the kernel does not track connections."""
    neighbours: dict[str, Table]
    """"arp" and "ndisc" (IPv6), from stat/arp_cache and ndisc_cache (table_fulls, unresolved_discards, …), over all
    namespaces. Empty inside a container."""
    cpus: list[Backlog]
    """Receive queues by CPU. Empty inside a container, and for CPUs that came or went within the window."""
    mem_available: int
    """Bytes that programs and the kernel may still take (MemAvailable of /proc/meminfo); 0: not told."""


# netdev_max_backlog exists in the first namespace alone. Of the rows of conntrack, one for each CPU in each namespace,
# the columns that tell of losses remain, and rows without any go.
GATHER = Gather(
    (
        "net/stat/nf_conntrack", "/proc/sys/net/core/netdev_max_backlog", "/proc/meminfo",
        "/proc/net/softnet_stat", "/proc/net/stat/arp_cache", "/proc/net/stat/ndisc_cache",
        "/proc/sys/fs/file-nr",
    ),
    skips="^([^M]|M[^e])[A-Za-z_()0-9]*: +[0-9]+( kB)?$",
    awk=r"""
function kernel_tables(   i, k, machine, n, path, part) {
  spaces()
  machine = ROWS["/proc/sys/net/core/netdev_max_backlog"] > 0
  say("machine " (machine ? "yes" : ""))
  path = "/proc/meminfo"
  for (k = 1; k <= ROWS[path]; k++) if (ROW[path, k] ~ /^MemAvailable:/) say(ROW[path, k])
  n = machine ? split("net/softnet_stat net/stat/arp_cache net/stat/ndisc_cache sys/fs/file-nr", part, " ") : 0
  for (i = 1; i <= n; i++) {
    path = "/proc/" part[i]
    for (k = 1; k <= ROWS[path]; k++) say(path ":" ROW[path, k])
  }
  for (i = 1; i <= SPACES; i++) kernel_tables_conntrack(net(i, "stat/nf_conntrack"))
}
function kernel_tables_conntrack(path,   k, i, n, line, word, column, columns, names, row, lost, first) {
  for (line = 1; line <= ROWS[path]; line++) {
    n = split(ROW[path, line], word)
    if (word[1] == "entries") {
      columns = 1; first = 1; names = path ":entries"
      for (i = 2; i <= n; i++) if (word[i] ~ /^(insert_failed|drop|early_drop|clashres|clash_resolve)$/) {
        column[++columns] = i; names = names " " word[i]
      }
      say(names); continue
    }
    row = path ":" word[1]; lost = ""
    for (k = 2; k <= columns; k++) { row = row " " word[column[k]]; lost = lost word[column[k]] }
    if (first || lost ~ /[1-9a-f]/) say(row)
    first = 0
  }
}
""",
)  # fmt: skip

_FILE_NR = "/proc/sys/fs/file-nr:"
_LINE = re.compile(r"/proc/(?:(\d{1,10})/)?net/(softnet_stat|stat/[a-z_]{1,30}):(.{0,600})")
_HEX = re.compile(r"[0-9a-fA-F]{1,16}")
_PROCESSED, _DROPPED, _SQUEEZED, _CPU = 0, 1, 2, 12
_WORD = 1 << 32

Rows = Mapping[str, Sequence[str]]


def parse(readings: Sequence[Reading], seen: Seen) -> KernelTablesFacts:
    """Hold the last reading against the first. Raises ParseError for a row that does not fit its header."""
    insist(seen, "netns")
    first, last = readings[0], readings[-1]
    seconds = last.uptime - first.uptime
    if seconds <= 0:
        raise ParseError(f"{seconds:.2f} seconds between two readings")
    before, after = _split(first.text), _split(last.text)
    tables = {
        path: compared(table(before.rows[path]), table(rows), seconds)
        for path, rows in after.rows.items()
        if path in before.rows and not path.endswith("softnet_stat")
    }
    own = {"arp": "/stat/arp_cache", "ndisc": "/stat/ndisc_cache"}
    return KernelTablesFacts(
        seconds=round(seconds, 2),
        machine=after.machine,
        files=after.files,
        conntrack={
            inode: found
            for pid, inode in after.pids.items()
            if (found := tables.get(f"{pid}/stat/nf_conntrack")) is not None
        },
        neighbours={name: tables[path] for name, path in own.items() if path in tables},
        cpus=backlogs(before.rows["/softnet_stat"], after.rows["/softnet_stat"])
        if after.machine and before.machine
        else [],
        mem_available=after.available,
    )


@dataclass(slots=True)
class _Look:
    """One reading: rows by path, representatives' namespaces by pid, and what stands in a line of its own."""

    pids: dict[int, str]
    machine: bool = False
    rows: dict[str, list[str]] = field(default_factory=dict)
    available: int = 0
    files: OpenFiles | None = None


def _split(text: str) -> _Look:
    pids, body = split_netns(text)
    head, *lines = body.splitlines() or [""]
    if head not in ("machine yes", "machine "):
        raise ParseError(f"expected whose tables these are, got {head[:60]!r}")
    look = _Look(pids, machine=head == "machine yes")
    for line in lines:
        if line.startswith("MemAvailable:"):
            look.available = number(line.split()[1] if len(line.split()) > 1 else "") * 1024
            continue
        if line.startswith(_FILE_NR):
            look.files = open_files(line.removeprefix(_FILE_NR))
            continue
        found = _LINE.fullmatch(line)
        if found is None:
            raise ParseError(f"expected a table of the kernel, got {line[:60]!r}")
        look.rows.setdefault(f"{found[1] or ''}/{found[2]}", []).append(found[3])
    if look.machine:
        names(look.rows, "/softnet_stat", "/stat/arp_cache")
    return look


def open_files(line: str) -> OpenFiles:
    """/proc/sys/fs/file-nr: allocated, unused (0 since Linux 2.6), the most. Raises ParseError."""
    words = line.split()
    if len(words) != 3:  # noqa: PLR2004 - its three columns
        raise ParseError(f"expected three numbers of fs.file-nr, got {line[:60]!r}")
    allocated, unused, most = map(number, words)
    return OpenFiles(allocated=allocated - unused, most=most)


def table(lines: Iterable[str]) -> dict[str, int]:
    """A file of /proc/net/stat: the columns by name, hexadecimal, summed over the CPUs; `entries` is not a sum."""
    header, *rows = [line.split() for line in lines if line.strip()] or [[]]
    if not header or header[0] != "entries" or not rows:
        raise ParseError(f"expected entries and counters, got {' '.join(header)[:60]!r}")
    total = dict.fromkeys(header, 0)
    for row in rows:
        if len(row) != len(header):
            raise ParseError(f"{len(row)} values for {len(header)} columns")
        for name, value in zip(header, map(_hex, row), strict=True):
            total[name] = value if name == "entries" else total[name] + value
    return total


def compared(before: dict[str, int], after: dict[str, int], seconds: float) -> Table:
    """A table's growth within the window."""
    sizes = {"entries": after.pop("entries"), "entries_before": before.pop("entries")}
    return Table(**compare(before, after, seconds).model_dump(), **sizes)


def backlogs(before: Sequence[str], after: Sequence[str]) -> list[Backlog]:
    """Rows of softnet_stat against those before, CPU by CPU: 32-bit counters that may pass their end."""
    old, new = dict(map(_cpu, enumerate(before))), dict(map(_cpu, enumerate(after)))
    found = []
    for cpu, row in new.items():
        if cpu not in old:
            continue
        grown = [(value - old[cpu][column]) % _WORD for column, value in enumerate(row)]
        if max(grown) >= _WORD // 2:
            continue  # it began anew
        found.append(Backlog(cpu=cpu, processed=grown[_PROCESSED], dropped=grown[_DROPPED], squeezed=grown[_SQUEEZED]))
    return found


def _cpu(numbered: tuple[int, str]) -> tuple[int, list[int]]:
    position, line = numbered
    words = line.split()
    if len(words) <= 8:  # noqa: PLR2004 - no kernel prints fewer than nine columns
        raise ParseError(f"expected nine or more columns of softnet_stat, got {line[:60]!r}")
    return _hex(words[_CPU]) if len(words) > _CPU else position, [_hex(word) for word in words[: _SQUEEZED + 1]]


def _hex(word: str) -> int:
    if not _HEX.fullmatch(word):
        raise ParseError(f"expected a hexadecimal number, got {word[:40]!r}")
    return int(word, 16)


PROBE = Probe(
    name="kernel_tables",
    question="Do the tables and queues that all connections share run full?",
    script="",
    parse=parse,
    facts=KernelTablesFacts,
    sampling=Sampling.COUNTER,
    root=True,
    max_bytes=1_048_576,
    after=("netns",),
    gather=GATHER,
)
