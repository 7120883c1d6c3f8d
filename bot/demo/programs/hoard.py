"""A server that keeps every connection and reads nothing: what its clients send stays in the kernel's memory, and what
they close or reset stays in its table of descriptors, until it ends.

Usage: hoard.py NAME PORT DESCRIPTORS BACKLOG. A peer that closed leaves it in CLOSE_WAIT; one that reset leaves a
descriptor whose socket is in no table of the kernel any more. Out of descriptors, it waits for one.
"""

import contextlib
import resource
import signal
import socket
import sys
import time

PATIENCE = 0.5


def main(name: str, port: int, descriptors: int, backlog: int) -> None:
    """Collect sockets under that name, up to so many descriptors."""
    with open("/proc/self/comm", "w") as comm:  # a start without pathlib takes two thirds of the time
        comm.write(name)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(descriptors, hard), hard))
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("0.0.0.0", port))  # noqa: S104 - a server, in a network namespace of its own
    listener.listen(backlog)
    kept = []
    while True:
        with contextlib.suppress(OSError):
            kept.append(listener.accept()[0])
            continue
        time.sleep(PATIENCE)


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:5]))
