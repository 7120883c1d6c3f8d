"""A server that leaks descriptors: it accepts, keeps the socket and never reads or closes it, whatever the peer does.

Usage: legacy_api.py PORT. A peer that closed leaves it in CLOSE_WAIT; a peer that reset leaves a descriptor whose
socket is in no table of the kernel any more.
"""

import resource
import signal
import socket
import sys
from pathlib import Path

DESCRIPTORS = 1024


def main(port: int) -> None:
    """Collect sockets until the descriptors run out, which the peers of the demo stop short of."""
    Path("/proc/self/comm").write_text("legacy-api")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(DESCRIPTORS, hard), hard))
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("0.0.0.0", port))  # noqa: S104 - a server, in a network namespace of its own
    listener.listen(128)
    kept = []
    while True:
        kept.append(listener.accept()[0])


if __name__ == "__main__":
    main(int(sys.argv[1]))
