"""TCP's share of a kernel's memory, used up by data that a server does not read."""

from typing import Final

from bot.demo.faults.fault import Fault, Step

# A look without a program of its own: in a guest each costs more than the kernel's answer.
PAGES: Final = """\
pages() {
    while read -r said; do
        case $said in TCP:*) pages=${said##* } ;; esac
    done </proc/net/sockstat
}
"""
# The server keeps what it was given until it ends, so healing restarts it; the kernel needs a moment to let go.
RELEASED: Final = f"""\
{PAGES}unload tcp-memory
service hoard restart
becomes 'ss -Hltn "sport = :9000" | grep -q .'
becomes 'pages && [ $pages -lt 300 ]'
"""

FAULTS: Final = (
    Fault(
        "tcp-memory-pressure",
        "memory",
        "mem-1",
        "TCP mem above the second number of tcp_mem and below the third",
        make=(
            Step("client-3", "load tcp-memory-pressure unread @NET@.236 9000 110 60000"),
            Step("mem-1", f"{PAGES}becomes 'pages && [ $pages -gt 1200 ]'"),
        ),
        heal=(Step("client-3", "unload tcp-memory-pressure"), Step("mem-1", RELEASED)),
    ),
    Fault(
        "tcp-memory-exhausted",
        "memory",
        "mem-1",
        "TCP mem above the third number of tcp_mem, and 'TCP: out of memory' in the kernel's log",
        make=(
            Step("client-3", "load tcp-memory-exhausted unread @NET@.236 9000 1000 20000"),
            Step("mem-1", "load tcp-memory orphans @NET@.239 9000 3"),
            Step("mem-1", f"{PAGES}becomes 'pages && [ $pages -gt 1800 ] && dmesg | grep -q \"TCP: out of memory\"'"),
        ),
        heal=(
            Step("client-3", "unload tcp-memory-exhausted; service hoard restart"),
            Step("mem-1", RELEASED),
        ),
    ),
)
