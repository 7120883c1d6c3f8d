"""Which machine is this, what runs on it, and since when?"""

import re
from collections.abc import Sequence

from bot.core.probe import Facts, Gather, ParseError, Probe, Reading, Seen
from bot.core.text import neutral
from bot.probes._text import names, need, number


class IdentityFacts(Facts):
    """The host's kernel, system and clock."""

    kernel: str
    """Kernel release (`uname -r`)."""
    boot_id: str
    """/proc/sys/kernel/random/boot_id: another one means that the host restarted and every counter began anew."""
    os_id: str
    """ID of os-release ("debian"); empty when the host has none."""
    os_name: str
    """PRETTY_NAME of os-release."""
    os_version: str
    """VERSION_ID of os-release; empty for rolling systems."""
    hostname: str
    """The name the kernel goes by (`uname -n`)."""
    machine: str
    """Hardware name (`uname -m`)."""
    uptime: float
    """Seconds since boot, /proc/uptime."""
    epoch: float
    """The host's own clock, seconds since 1970 UTC: boot time (/proc/stat) plus uptime, exact to a second."""
    page_size: int
    """Bytes in a page: the unit of tcp_mem and of sockstat's `mem`."""
    cpus: int
    """Processors online."""
    uid: int
    """The effective user id that the visit ran with: 0 is root."""


GATHER = Gather(
    (
        "/proc/sys/kernel/hostname", "/proc/sys/kernel/osrelease", "/proc/sys/kernel/random/boot_id",
        "/proc/sys/kernel/arch", "/proc/self/status", "/proc/self/statm", "/proc/stat", "/etc/os-release",
    ),
    skips="^(intr|softirq) ",
    awk=r"""
function identity(   k, path, word, size, page) {
  say("hostname=" ROW["/proc/sys/kernel/hostname", 1]); say("kernel=" ROW["/proc/sys/kernel/osrelease", 1])
  say("boot_id=" ROW["/proc/sys/kernel/random/boot_id", 1])
  path = "/proc/self/status"
  for (k = 1; k <= ROWS[path]; k++) if (split(ROW[path, k], word) && word[1] ~ /^(Uid|VmSize):$/) {
    if (word[1] == "Uid:") say("uid=" word[3]); else size = word[2] * 1024
  }
  path = "/proc/stat"
  for (k = 1; k <= ROWS[path]; k++) if (ROW[path, k] ~ /^(btime [0-9]+$|cpu[0-9])/) say(ROW[path, k])
  path = "/etc/os-release"
  for (k = 1; k <= ROWS[path]; k++) if (ROW[path, k] ~ /^(ID|PRETTY_NAME|VERSION_ID)=/) say(ROW[path, k])
  # the same size in bytes and in pages; it may grow in between
  if (split(ROW["/proc/self/statm", 1], word) && size > 0 && word[1] > 0)
    for (page = 4096; page * 1.5 < size / word[1]; ) page *= 2
  if (page) say("page_size=" page); else ask("page")
  path = "/proc/sys/kernel/arch" # since Linux 6.1
  if (ROWS[path]) say("machine=" ROW[path, 1]); else ask("machine")
}
""",
)  # fmt: skip

SCRIPT = (
    r"""
case $PLAN in *page*) echo "page_size=$(getconf PAGESIZE)" ;; esac
case $PLAN in *machine*) ;; *) exit 0 ;; esac
"""
    + need("uname")
    + r"""
echo "machine=$(uname -m)"
"""
)

_KEYS = frozenset({"kernel", "boot_id", "hostname", "machine", "page_size", "uid", "ID", "PRETTY_NAME", "VERSION_ID"})


def parse(readings: Sequence[Reading], _seen: Seen) -> IdentityFacts:
    """Read `key=value` lines. Raises ParseError when one that every Linux has is missing."""
    reading = readings[-1]
    values: dict[str, str] = {}
    cpus = 0
    for line in reading.text.splitlines():
        key, _, value = line.partition("=")
        if line.startswith("btime "):
            values["btime"] = line.removeprefix("btime ")
        elif re.match(r"cpu\d+ ", line):
            cpus += 1
        elif key in _KEYS:
            values[key] = value
        else:
            raise ParseError(f"expected key=value, got {line[:60]!r}")
    names(values, "kernel", "boot_id", "hostname", "machine", "btime", "page_size", "uid")
    page_size = number(values["page_size"])
    if page_size <= 0 or cpus <= 0:
        raise ParseError(f"page size {page_size}, {cpus} processors")

    def text(key: str) -> str:
        return neutral(values.get(key, "").strip().strip("\"'"))

    return IdentityFacts(
        kernel=text("kernel"),
        boot_id=text("boot_id"),
        os_id=text("ID"),
        os_name=text("PRETTY_NAME"),
        os_version=text("VERSION_ID"),
        hostname=text("hostname"),
        machine=text("machine"),
        uptime=reading.uptime,
        epoch=number(values["btime"]) + reading.uptime,
        page_size=page_size,
        cpus=cpus,
        uid=number(values["uid"]),
    )


PROBE = Probe(
    name="identity",
    question="Which machine is this, what runs on it, and since when?",
    script=SCRIPT,
    parse=parse,
    facts=IdentityFacts,
    max_bytes=131_072,
    gather=GATHER,
)
