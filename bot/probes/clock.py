"""Is the host's clock right: by its time daemon, and by the clock of whoever asks?

chronyd and ntpd are asked over their loopback ports, which leaves no trace; systemd-timesyncd over the bus. Nothing is
started to be asked: what is in /run tells which of them runs. A host without any is known to have none. The bot's own
clock is held against it as well, to within the part of the visit that the question may have been asked in.
"""

import re
from collections.abc import Mapping, Sequence

from bot.core.probe import Facts, NoEvidence, ParseError, Probe, Reading, Seen
from bot.core.text import neutral
from bot.probes._text import number


class ClockFacts(Facts):
    """What the time daemon says of the clock, and how far it is from the bot's."""

    daemon: str
    """"chrony", "ntp", "timesyncd"; empty: none runs."""
    synchronized: bool | None
    """Whether it follows a source; None where no daemon runs."""
    offset: float | None
    """The host's clock minus the source's, seconds: positive is ahead. None where it follows none, or none runs."""
    stratum: int | None
    """Distance from a reference clock; None where not told."""
    source: str
    """What it follows: an address, a reference id; empty: nothing."""
    leap: str
    """The daemon's own word on its state ("Normal", "Not synchronised"); empty where not told."""
    ahead: float | None
    """The host's clock minus the bot's, seconds: positive is ahead. None in a recording, whose visit has no now."""
    within: float | None
    """Seconds that `ahead` may be wrong by: how long the answer was on its way, and the second that date leaves out."""
    clocksource: str
    """What the kernel counts time by: "tsc", "kvm-clock", "hpet"; a slow one where tsc was is a fault of its own."""


SCRIPT = r"""
printf 'now '; date +%s
read -r source </sys/devices/system/clocksource/clocksource0/current_clocksource && echo "clocksource $source"
alive() { # of these pid files, one whose process lives
  for file in "$@"; do
    [ -s "$file" ] && read -r pid rest <"$file" && [ -d "/proc/${pid:-none}" ] && return 0
  done
  return 1
}
if alive /run/chrony/chronyd.pid /run/chronyd.pid /var/run/chrony/chronyd.pid; then
  echo 'daemon chrony'
  # not by its socket: the client would make one of its own beside it
  chronyc -n -h 127.0.0.1 tracking
elif alive /run/ntpd.pid /var/run/ntpd.pid /run/ntp.pid; then
  echo 'daemon ntp'
  ntpq -pn 127.0.0.1
elif [ -d /run/systemd/timesync ]; then
  echo 'daemon timesyncd'
  [ ! -e /run/systemd/timesync/synchronized ] || echo synchronized
  timedatectl timesync-status
else
  echo 'daemon none'
fi
"""

_CHRONY_TIME = re.compile(r"(\d{1,12}\.\d{1,12}) seconds (fast|slow)")
_UNITS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_PART = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,12})?)(us|ms|s|min|h|d)")
_PEER = re.compile(
    r"[*o](\S{1,64}) +(\S{1,64}) +(\d{1,2}) +\S{1,4} +\S{1,8} +\S{1,8} +[0-7]{1,3} +"
    r"-?[\d.]{1,12} +(-?[\d.]{1,12}) +[\d.]{1,12}"
)


def parse(readings: Sequence[Reading], _seen: Seen) -> ClockFacts:
    """Read what the daemon said. Raises ParseError."""
    text, ahead, within = _against_ours(readings[-1])
    head, _, said = text.partition("daemon ")
    if head and not head.startswith("clocksource "):
        raise ParseError(f"expected the clock source, got {head[:60]!r}")
    daemon, _, rest = said.partition("\n")
    clocksource = neutral(head.removeprefix("clocksource ").strip(), 40)
    reader = {"chrony": chrony, "ntp": ntp, "timesyncd": timesyncd}.get(daemon)
    if reader is not None:
        told = reader(rest.splitlines())
    elif daemon == "none":
        told = {"synchronized": None, "offset": None, "stratum": None, "source": "", "leap": ""}
    else:
        raise ParseError(f"expected the time daemon, got {said[:60]!r}")
    return ClockFacts(
        daemon="" if daemon == "none" else daemon, ahead=ahead, within=within, clocksource=clocksource, **told
    )


def _against_ours(reading: Reading) -> tuple[str, float | None, float | None]:
    """The text after the host's time, how far that is ahead of the bot's, and how sure that is."""
    now, _, rest = reading.text.partition("\n")
    if not now.startswith("now "):
        return reading.text, None, None  # recorded before it was asked
    theirs = number(now.removeprefix("now "))
    if reading.asked is None:
        return rest, None, None
    least, most = theirs - reading.asked[1], theirs + 1 - reading.asked[0]
    return rest, round((least + most) / 2, 2), round((most - least) / 2, 2)


def _fields(lines: Sequence[str]) -> Mapping[str, str]:
    return {key.strip(): value.strip() for key, colon, value in (line.partition(":") for line in lines) if colon}


def chrony(lines: Sequence[str]) -> dict[str, object]:
    """`chronyc tracking`. Raises NoEvidence when the daemon did not answer."""
    fields = _fields(lines)
    if "Leap status" not in fields:
        said = neutral(" ".join(lines), 80)
        raise NoEvidence(f"chronyd did not answer on its loopback port (cmdport 0?): {said}".removesuffix(": "))
    synchronized = fields["Leap status"] != "Not synchronised"
    time = _CHRONY_TIME.match(fields.get("System time", ""))
    if time is None:
        raise ParseError(f"expected the offset of chrony, got {fields.get('System time', '')[:60]!r}")
    offset = float(time[1]) * (1 if time[2] == "fast" else -1)
    return {
        "synchronized": synchronized,
        "offset": offset if synchronized else None,
        "stratum": _whole(fields.get("Stratum", "")),
        "source": neutral(fields.get("Reference ID", ""), 80) if synchronized else "",
        "leap": neutral(fields["Leap status"], 40),
    }


def ntp(lines: Sequence[str]) -> dict[str, object]:
    """`ntpq -pn`: the peer that is marked with a star is followed. Raises ParseError when it is no such table."""
    if not any(line.split()[:2] == ["remote", "refid"] for line in lines):
        raise ParseError(f"expected the peers of ntpd, got {' '.join(lines)[:60]!r}")
    peer = next((found for line in lines if (found := _PEER.match(line.strip()))), None)
    try:
        # milliseconds, of the peer's clock against ours
        offset = -float(peer[4]) / 1000 if peer else None
    except ValueError:
        raise ParseError(f"expected an offset, got {peer[4][:20] if peer else ''!r}") from None
    return {
        "synchronized": peer is not None,
        "offset": None if offset is None else round(offset, 9),
        "stratum": int(peer[3]) if peer else None,
        "source": neutral(peer[1], 80) if peer else "",
        "leap": "",
    }


def timesyncd(lines: Sequence[str]) -> dict[str, object]:
    """`timedatectl timesync-status`, before it whether /run says that the clock was set. Raises ParseError."""
    fields = _fields(lines)
    if "Server" not in fields:
        raise ParseError(f"expected the state of timesyncd, got {' '.join(lines)[:60]!r}")
    synchronized = "synchronized" in lines or "Offset" in fields
    # the server's clock against ours
    offset = _span(fields["Offset"]) if "Offset" in fields else None
    return {
        "synchronized": synchronized,
        "offset": None if offset is None else round(-offset, 9),
        "stratum": _whole(fields.get("Stratum", "")),
        "source": neutral(fields["Server"], 80),
        "leap": neutral(fields.get("Leap", ""), 40),
    }


def _span(text: str) -> float:
    """ "-5.224ms", "+1min 2.5s" in seconds. Raises ParseError."""
    sign = -1.0 if text.startswith("-") else 1.0
    parts = [_PART.fullmatch(word) for word in text.lstrip("+-").split()]
    if not parts or not all(parts):
        raise ParseError(f"expected a time span, got {text[:40]!r}")
    return sign * sum(float(part[1]) * _UNITS[part[2]] for part in parts if part)


def _whole(word: str) -> int | None:
    return int(word) if re.fullmatch(r"[0-9]{1,3}", word) else None


PROBE = Probe(
    name="clock",
    question="Is the host's clock right: by its time daemon, and by the clock of whoever asks?",
    script=SCRIPT,
    parse=parse,
    facts=ClockFacts,
)
