"""How many sockets, and how much memory for them, does the kernel allow all namespaces together?

The limits exist in the kernel's first namespace only: a host that is a container itself has none to watch.
"""

from collections.abc import Mapping

from bot.core.probe import Facts, ParseError
from bot.probes._text import names, number


class Limits(Facts):
    """What the kernel allows all namespaces together (/proc/sys/net/ipv4, /proc/meminfo)."""

    tcp_pressure: int
    """Second number of tcp_mem, pages: above it TCP is under memory pressure and shrinks its buffers."""
    tcp_max: int
    """Third number of tcp_mem, pages: above it TCP is out of memory."""
    udp_max: int
    """Third number of udp_mem, pages."""
    max_orphans: int
    """tcp_max_orphans."""
    tcp_mem: str
    """The three numbers as they stand."""
    udp_mem: str
    """The three numbers as they stand."""
    page_size: int
    """Bytes in a page."""
    memory: int
    """Bytes of memory (MemTotal)."""
    available: int
    """Bytes that programs could still get (MemAvailable); 0 on kernels before 3.14."""


def limits(whole: Mapping[str, str]) -> Limits | None:
    """From what was read of the whole machine, by its path. Raises ParseError when one of them is not there."""
    if "tcp_mem" not in whole and "tcp_rmem" in whole:
        return None  # a namespace of its own: the kernel shows its limits in its first one only
    names(whole, "tcp_mem", "udp_mem", "tcp_max_orphans", "page", "MemTotal")
    tcp, udp = ([number(word) for word in whole[key].split()] for key in ("tcp_mem", "udp_mem"))
    if len(tcp) != 3 or len(udp) != 3:  # noqa: PLR2004 - low, pressure, most
        raise ParseError(f"expected three numbers in tcp_mem and udp_mem, got {whole['tcp_mem'][:60]!r}")
    return Limits(
        tcp_pressure=tcp[1],
        tcp_max=tcp[2],
        udp_max=udp[2],
        max_orphans=number(whole["tcp_max_orphans"]),
        tcp_mem=" ".join(map(str, tcp)),
        udp_mem=" ".join(map(str, udp)),
        page_size=_page_size(whole["page"]),
        memory=_kilobytes(whole["MemTotal"]),
        available=_kilobytes(whole.get("MemAvailable", "0 kB")),
    )


_PAGES = (4096, 8192, 16_384, 32_768, 65_536)


def _page_size(said: str) -> int:
    """From the reader's own size in kilobytes and in pages: as both may move in between, the nearest power of two."""
    size, _, pages = said.partition(" ")
    ratio = number(size) / max(1, number(pages))
    found = next((page for page in _PAGES if page * 0.75 <= ratio * 1024 < page * 1.5), 0)
    if not found:
        raise ParseError(f"expected a size in kilobytes and in pages, got {said[:40]!r}")
    return found


def _kilobytes(said: str) -> int:
    value, _, unit = said.partition(" ")
    if unit != "kB":
        raise ParseError(f"expected kB, got {said[:40]!r}")
    return number(value) * 1024
