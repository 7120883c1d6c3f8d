"""How does the kernel write its IPVS table, connections and totals? (`_`: no probe.)

/proc/net/ip_vs has addresses and ports in hexadecimal; `ipvsadm -Ln` prints the same rows in decimal. Both are read,
names (`ipvsadm -L` without -n) are not: it cuts them, and with them the port.
"""

import ipaddress
import re
from dataclasses import dataclass
from functools import lru_cache

from bot.core.probe import ParseError
from bot.probes._text import number

FORWARDS = ("Masq", "Route", "Tunnel", "Local", "FullNat")
PROTOCOLS = {"TCP": "tcp", "UDP": "udp", "SCTP": "sctp"}

_HEX4 = re.compile(r"([0-9A-F]{8}):([0-9A-F]{4})")
_HEX6 = re.compile(r"\[((?:[0-9a-f]{4}:){7}[0-9a-f]{4})\]:([0-9A-F]{4})")
_DECIMAL = re.compile(r"(?:\[([0-9a-f:.]{2,45})\]|([0-9.]{7,15})):([0-9]{1,5})")
_TIMEOUT = re.compile(r"Timeout \(tcp tcpfin udp\): (\d{1,9}) (\d{1,9}) (\d{1,9})")
_SIZE = re.compile(r"IP Virtual Server version [\d.]{1,12} \(size=(\d{1,12})\)")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An address and port, written as people and `ipvsadm -n` do."""

    address: str
    port: int

    def __str__(self) -> str:
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"


@dataclass(frozen=True, slots=True)
class Virtual:
    """A virtual service: by address and port, or by firewall mark (then `at` is None)."""

    protocol: str
    at: Endpoint | None
    mark: int
    scheduler: str
    flags: str

    @property
    def name(self) -> str:
        """What the inventory calls it: "10.9.0.1:80/tcp"; "mark 8"."""
        return f"{self.at}/{self.protocol}" if self.at else f"mark {self.mark}"


@dataclass(frozen=True, slots=True)
class Real:
    """A real server's row. Connections are as the kernel counts them: not ESTABLISHED is inactive, on old kernels."""

    at: Endpoint
    forward: str
    weight: int
    active: int
    inactive: int


def _address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise ParseError(f"expected an address, got {text[:45]!r}") from None


@lru_cache(maxsize=65_536)  # the same few stand in rows, connections and attempts
def endpoint(text: str) -> Endpoint:
    """`0A090001:18EB`, `[fd00:…]:0050` in hexadecimal, or `10.9.0.1:6379`, `[fd00::1]:80`. Raises ParseError."""
    if found := _HEX4.fullmatch(text):
        return Endpoint(".".join(map(str, bytes.fromhex(found[1]))), int(found[2], 16))
    if found := _HEX6.fullmatch(text):
        return Endpoint(_address(found[1]), int(found[2], 16))
    found = _DECIMAL.fullmatch(text)
    if found is None or int(found[3]) > 65535:  # noqa: PLR2004 - the last port
        raise ParseError(f"expected an address and a port in numbers, got {text[:60]!r}")
    return Endpoint(_address(found[1] or found[2]), int(found[3]))


def parts(address: str, port: str) -> Endpoint:
    """The two columns of /proc/net/ip_vs_conn. Raises ParseError."""
    return endpoint(f"[{address}]:{port}" if ":" in address else f"{address}:{port}")


def virtual(line: str) -> Virtual:
    """`TCP  0A090001:18EB rr persistent 30000 FFFFFFFF`, `FWM  00000008 rr`. Raises ParseError."""
    words = line.split()
    if len(words) < 3 or words[0] not in (*PROTOCOLS, "FWM"):  # noqa: PLR2004 - protocol, address, scheduler
        raise ParseError(f"expected a virtual service, got {line[:60]!r}")
    at = None if words[0] == "FWM" else endpoint(words[1])
    mark = 0
    if at is None:
        # /proc prints eight hexadecimal digits, ipvsadm a plain number
        mark = int(words[1], 16) if re.fullmatch(r"[0-9A-F]{8}", words[1]) else number(words[1])
    return Virtual(PROTOCOLS.get(words[0], "any"), at, mark, words[2], " ".join(words[3:])[:80])


def real(line: str) -> Real:
    """`  -> 0A000202:0050      Masq    1      0          0`. Raises ParseError."""
    words = line.split()
    if len(words) < 6 or words[0] != "->" or words[2] not in FORWARDS:  # noqa: PLR2004 - its columns
        raise ParseError(f"expected a real server, got {line[:60]!r}")
    return Real(endpoint(words[1]), words[2], number(words[3]), number(words[4]), number(words[5]))


def size(line: str) -> int | None:
    """The buckets of the connection table, where the line is the head that tells; None where it is another."""
    found = _SIZE.match(line)
    return int(found[1]) if found else None


def timeouts(text: str) -> tuple[int, int, int]:
    """`Timeout (tcp tcpfin udp): 900 120 300`. Raises ParseError, with what was printed instead."""
    found = _TIMEOUT.search(text[:2000])
    if found is None:
        raise ParseError(f"expected IPVS timeouts, got {text.strip()[:80]!r}")
    return int(found[1]), int(found[2]), int(found[3])


def total(words: list[str]) -> int:
    """Connections since the table was made: the first number of /proc/net/ip_vs_stats, hexadecimal."""
    if not words or not all(re.fullmatch(r"[0-9A-F]{1,16}", word) for word in words):
        raise ParseError(f"expected hexadecimal totals, got {' '.join(words)[:60]!r}")
    return int(words[0], 16)
