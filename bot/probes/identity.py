"""Which machine is this, what runs on it, and since when?"""

import re
from collections.abc import Sequence

from bot.core.probe import Facts, ParseError, Probe, Reading, Seen
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


SCRIPT = (
    need("uname", "grep")
    + r"""
put() { printf '%s=%s\n' "$1" "$2"; }
uname=$(uname -rnm) || exit
set -- $uname
put hostname "$1"; put kernel "$2"; put machine "$3"
read -r boot </proc/sys/kernel/random/boot_id; put boot_id "$boot"
page=
while read -r key size unit; do
  [ "$key" != KernelPageSize: ] || { page=$((size * 1024)); break; }
done </proc/self/smaps
put page_size "${page:-$(getconf PAGESIZE)}"
while read -r key uid euid rest; do [ "$key" != Uid: ] || { put uid "$euid"; break; }; done </proc/self/status
grep -shE '^(btime [0-9]+$|cpu[0-9]|ID=|PRETTY_NAME=|VERSION_ID=)' /proc/stat /etc/os-release
:
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
)
