"""A server that reads nothing: what its clients send stays in the kernel's memory until it ends.

Usage: hoard.py PORT.
"""

import resource
import signal
import socket
import sys
from pathlib import Path


def main(port: int) -> None:
    """Keep every connection, unread."""
    Path("/proc/self/comm").write_text("hoard")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(8192, hard), hard))
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("0.0.0.0", port))  # noqa: S104 - a server, in a network namespace of its own
    listener.listen(511)
    kept = []
    while True:
        kept.append(listener.accept()[0])


if __name__ == "__main__":
    main(int(sys.argv[1]))
