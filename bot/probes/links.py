"""In what state are the host's interfaces, and what did they count while we watched?

The interfaces of the host's own namespace: a container's veth stands here by its outer end. Counters come from
/proc/net/dev for all of them; the finer ones of sysfs, speed and queues only from those with a driver of their own.
"""

import re
from collections.abc import Mapping, Sequence

from bot.core.probe import Facts, Gather, ParseError, Probe, Reading, Sampling, Seen
from bot.core.text import neutral
from bot.probes._text import number

_UP, _LOOPBACK, _PROMISCUOUS = 0x1, 0x8, 0x100


class Link(Facts):
    """One interface (/sys/class/net/NAME)."""

    name: str
    """Its name: "eth0"."""
    index: int
    """Its number (ifindex)."""
    physical: bool
    """Whether a device of the machine is behind it (a card, a virtio or Hyper-V device): it has a driver."""
    driver: str
    """That device's driver: "virtio_net", "hv_netvsc"; empty for interfaces made of software."""
    kind: str
    """DEVTYPE of those made of software, where the kernel tells it: "bridge", "bond", "vxlan", "vlan"; else empty."""
    master: str
    """The bridge or bond that it is a port of; empty: none."""
    admin_up: bool
    """Whether it is meant to be up (IFF_UP)."""
    operstate: str
    """RFC 2863 state: "up", "down", "lowerlayerdown", "dormant"; "unknown" is normal for tunnels and loopback."""
    carrier: bool | None
    """Whether there is a link; None while it is administratively down."""
    carrier_changes: int | None
    """Times that the link came or went since the interface was made; None on kernels before 3.15."""
    carrier_flaps: int
    """The same within the window."""
    mtu: int
    """Largest packet in bytes."""
    tx_queue_len: int
    """Packets that a plain queue holds (txqueuelen)."""
    promiscuous: bool
    """Whether it takes every frame (IFF_PROMISC of sysfs: also when a bridge or a capture asked for it)."""
    speed: int | None
    """Mbit/s; None where the driver does not know, as in most virtual machines."""
    duplex: str
    """"full", "half"; empty where not known."""
    tx_queues: int
    """Transmit queues of a physical interface; 0 for others."""
    tx_timeouts: int
    """Times that the kernel's watchdog found one of them stuck, since the driver was loaded."""
    tx_timeouts_new: int
    """The same within the window."""
    value: dict[str, int]
    """Counters by the names of sysfs (rx_packets, rx_dropped, tx_errors, …; for physical ones also rx_crc_errors,
    rx_missed_errors and so on; for hv_netvsc stop_queue, wake_queue, tx_queue_N_packets too), since the driver was
    loaded."""
    delta: dict[str, int]
    """Growth within the window; a counter that went backwards was reset and is left out."""
    rate: dict[str, float]
    """`delta` per second of the host's own clock."""


class LinksFacts(Facts):
    """The interfaces of the host's own network namespace."""

    seconds: float
    """The window: host seconds between the two readings."""
    links: list[Link]
    """Physical ones first, then by number."""


_AT = "/sys/class/net/"

# `DRIVER` of a device's uevent is what its `driver` leads to, `INTERFACE` of a master's what `master` leads to: a link
# tells where it leads to nobody but ls.
GATHER = Gather(
    (
        "/proc/net/dev", f"{_AT}*/carrier_changes", f"{_AT}*/device/uevent",
        f"{_AT}*/device/net/*/statistics/*", f"{_AT}*/device/net/*/queues/tx-*/tx_timeout", f"{_AT}*/master/uevent",
    ),
    first=(
        f"{_AT}*/uevent", f"{_AT}*/operstate", f"{_AT}*/carrier", f"{_AT}*/mtu", f"{_AT}*/flags",
        f"{_AT}*/tx_queue_len", f"{_AT}*/device/net/*/speed", f"{_AT}*/device/net/*/duplex",
    ),
    awk=r"""
function links(   at, path, k, n, part, name, where, drivers, masters, hyperv) {
  at = "/sys/class/net/"
  for (k = 1; k <= ROWS["/proc/net/dev"]; k++) say("/proc/net/dev:" ROW["/proc/net/dev", k])
  for (path in ROWS) if (index(path, at) == 1) {
    n = split(path, part, "/"); name = part[5]; where = part[6]
    if (where == "master") masters[name] = path
    else if (part[7] == "uevent") drivers[name] = path
    else if (where == "device") {
      if (part[8] != name) continue
      for (k = 9; k <= n; k++) part[9] = k == 9 ? part[9] : part[9] "/" part[k]
      say(at name "/" part[9] ":" ROW[path, 1])
    } else for (k = 1; k <= ROWS[path]; k++) say(path ":" ROW[path, k])
  }
  for (name in drivers) for (k = 1; k <= ROWS[drivers[name]]; k++)
    if (ROW[drivers[name], k] == "DRIVER=hv_netvsc") hyperv = hyperv " " name
  if (SAMPLE > 1) {
    for (name in drivers) links_told(drivers[name], "DRIVER=", at name "/device/driver")
    for (name in masters) links_told(masters[name], "INTERFACE=", at name "/master")
  }
  if (hyperv != "") ask(substr(hyperv, 2))
}
function links_told(path, key, link,   k) {
  for (k = 1; k <= ROWS[path]; k++) if (index(ROW[path, k], key) == 1) {
    say("l " link " -> " substr(ROW[path, k], length(key) + 1)); return
  }
}
""",
)  # fmt: skip

# Hyper-V's driver stops and wakes its queues itself, without the watchdog that would tell of a lost wake-up
SCRIPT = r"""
command -v ethtool >/dev/null || exit 0
for name in $PLAN; do
  ethtool -S "$name" | while read -r key value; do
    case $key in stop_queue: | wake_queue: | tx_no_space: | tx_busy: | vf_tx_dropped: | tx_queue_*_packets:)
      printf '/sys/class/net/%s/statistics/%s%s\n' "$name" "$key" "$value" ;;
    esac
  done
done
:
"""

_TABLE = "/proc/net/dev:"
_FILE = re.compile(r"/sys/class/net/([^/\s]{1,60})/([\w/-]{1,60}):(.{0,200})")
_ARROW = re.compile(r".{0,200}? /sys/class/net/([^/\s]{1,60})/(master|device/driver) -> (?:\S{0,400}/)?([^/\s]{1,60})")
_COLUMNS = (
    "rx_bytes", "rx_packets", "rx_errors", "rx_dropped", "rx_fifo_errors", "rx_frame_errors", "rx_compressed",
    "multicast", "tx_bytes", "tx_packets", "tx_errors", "tx_dropped", "tx_fifo_errors", "collisions",
    "tx_carrier_errors", "tx_compressed",
)  # fmt: skip
_NEEDED = ("IFINDEX", "operstate", "mtu", "flags")


def parse(readings: Sequence[Reading], _seen: Seen) -> LinksFacts:
    """Hold the last reading against the first. Raises ParseError."""
    first, last = readings[0], readings[-1]
    seconds = last.uptime - first.uptime
    if seconds <= 0:
        raise ParseError(f"{seconds:.2f} seconds between two readings")
    before, after = _read(first.text), _read(last.text)
    links = [
        _link(name, files, after.get(name, {}), seconds)
        for name, files in before.items()
        if all(key in files for key in _NEEDED)  # else it went while we looked
    ]
    if not links:
        raise ParseError("no interface")
    return LinksFacts(seconds=round(seconds, 2), links=sorted(links, key=lambda link: (not link.physical, link.index)))


def counters(line: str) -> tuple[str, dict[str, int]]:
    """A row of /proc/net/dev as the interface and its counters by name. Raises ParseError."""
    name, colon, rest = line.partition(":")
    words = rest.split()
    if not colon or len(words) != len(_COLUMNS):
        raise ParseError(f"expected an interface and {len(_COLUMNS)} counters, got {line[:60]!r}")
    return name.strip(), {key: number(word) for key, word in zip(_COLUMNS, words, strict=True)}


def _read(text: str) -> dict[str, dict[str, str]]:
    """By interface: counters as `statistics/NAME`, other files by their path below the interface."""
    found: dict[str, dict[str, str]] = {}
    for line in text.splitlines():
        if line.startswith(_TABLE):
            _row(found, line.removeprefix(_TABLE))
            continue
        if arrow := _ARROW.fullmatch(line):
            found.get(arrow[1], {})[arrow[2]] = arrow[3]
            continue
        file = _FILE.fullmatch(line)
        if file is None:
            if not line:
                continue
            raise ParseError(f"expected /sys/class/net/NAME/FILE:VALUE, got {line[:60]!r}")
        name, path, value = file.groups()
        if path == "uevent":
            path, _, value = value.partition("=")
        if name in found:
            # /proc/net/dev sums several of sysfs up (frame, carrier, drops with missed ones): its own columns stand
            found[name].setdefault(path, value)
    return found


def _row(found: dict[str, dict[str, str]], row: str) -> None:
    if "|" in row:
        return  # the heads of the columns
    name, values = counters(row)
    found[name] = {f"statistics/{key}": str(value) for key, value in values.items()}


def _link(name: str, files: Mapping[str, str], later: Mapping[str, str], seconds: float) -> Link:
    flags = _hex(files["flags"])
    value, was = _counts(later or files), _counts(files)
    delta = {key: grown for key, now in value.items() if key in was and (grown := now - was[key]) >= 0}
    queues = [path for path in files if path.startswith("queues/tx-")]
    timeouts, then = _timeouts(later or files), _timeouts(files)
    changes = _known(later or files, "carrier_changes")
    flaps = (changes or 0) - (_known(files, "carrier_changes") or 0)
    speed = _known(files, "speed")
    carrier = files.get("carrier")
    return Link(
        name=neutral(name, 40),
        index=number(files["IFINDEX"]),
        physical="device/driver" in files or "speed" in files or bool(queues),
        driver=neutral(files.get("device/driver", ""), 40),
        kind=neutral(files.get("DEVTYPE", ""), 40),
        master=neutral(files.get("master", ""), 40),
        admin_up=bool(flags & _UP),
        operstate=neutral(files["operstate"], 40),
        carrier=None if carrier is None else carrier == "1",
        carrier_changes=changes,
        carrier_flaps=max(0, flaps),
        mtu=number(files["mtu"]),
        tx_queue_len=_known(files, "tx_queue_len") or 0,
        promiscuous=bool(flags & _PROMISCUOUS),
        speed=speed if speed is not None and 0 < speed < (1 << 31) else None,
        duplex=files["duplex"] if files.get("duplex") in ("full", "half") else "",
        tx_queues=len(queues),
        tx_timeouts=timeouts,
        tx_timeouts_new=max(0, timeouts - then),
        value=value,
        delta=delta,
        rate={key: round(grown / seconds, 3) for key, grown in delta.items()},
    )


def _counts(files: Mapping[str, str]) -> dict[str, int]:
    return {
        path.removeprefix("statistics/"): number(text) for path, text in files.items() if path.startswith("statistics/")
    }


def _timeouts(files: Mapping[str, str]) -> int:
    return sum(number(text) for path, text in files.items() if path.startswith("queues/tx-"))


def _known(files: Mapping[str, str], path: str) -> int | None:
    return number(files[path]) if path in files else None


def _hex(word: str) -> int:
    if not re.fullmatch(r"0x[0-9a-f]{1,16}", word):
        raise ParseError(f"expected flags in hexadecimal, got {word[:40]!r}")
    return int(word, 16)


PROBE = Probe(
    name="links",
    question="In what state are the host's interfaces, and what did they count while we watched?",
    script=SCRIPT,
    parse=parse,
    facts=LinksFacts,
    sampling=Sampling.COUNTER,
    max_bytes=1_048_576,
    gather=GATHER,
)
