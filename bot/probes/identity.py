"""Which machine is this, what runs on it, and since when?"""

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
    """The host's own clock, seconds since 1970 UTC, full seconds."""
    page_size: int
    """Bytes in a page: the unit of tcp_mem and of sockstat's `mem`."""
    cpus: int
    """Processors online."""
    uid: int
    """The effective user id that the visit ran with: 0 is root."""


SCRIPT = (
    need("uname", "date", "getconf")
    + r"""
put() { printf '%s=%s\n' "$1" "$2"; }
uname=$(uname -rnm) || exit
set -- $uname
put hostname "$1"; put kernel "$2"; put machine "$3"
read -r boot </proc/sys/kernel/random/boot_id; put boot_id "$boot"
put epoch "$(date +%s)"
put page_size "$(getconf PAGESIZE)"
cpus=0; while read -r key rest; do case $key in cpu[0-9]*) cpus=$((cpus + 1)) ;; intr) break ;; esac; done </proc/stat
put cpus "$cpus"
while read -r key uid euid rest; do [ "$key" != Uid: ] || { put uid "$euid"; break; }; done </proc/self/status
for file in /etc/os-release /usr/lib/os-release; do
  [ -r "$file" ] || continue
  while IFS= read -r line; do
    case $line in ID=*|PRETTY_NAME=*|VERSION_ID=*) printf 'os.%s\n' "$line" ;; esac
  done <"$file"
  break
done
:
"""
)


def parse(readings: Sequence[Reading], _seen: Seen) -> IdentityFacts:
    """Read `key=value` lines. Raises ParseError when one that every Linux has is missing."""
    reading = readings[-1]
    values: dict[str, str] = {}
    for line in reading.text.splitlines():
        key, equals, value = line.partition("=")
        if not equals:
            raise ParseError(f"expected key=value, got {line[:60]!r}")
        values[key] = value
    names(values, "kernel", "boot_id", "hostname", "machine", "epoch", "page_size", "cpus", "uid")
    page_size, cpus = number(values["page_size"]), number(values["cpus"])
    if page_size <= 0 or cpus <= 0:
        raise ParseError(f"page size {page_size}, {cpus} processors")

    def text(key: str) -> str:
        return neutral(values.get(key, "").strip().strip("\"'"))

    return IdentityFacts(
        kernel=text("kernel"),
        boot_id=text("boot_id"),
        os_id=text("os.ID"),
        os_name=text("os.PRETTY_NAME"),
        os_version=text("os.VERSION_ID"),
        hostname=text("hostname"),
        machine=text("machine"),
        uptime=reading.uptime,
        epoch=float(number(values["epoch"])),
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
    max_bytes=16_384,
)
