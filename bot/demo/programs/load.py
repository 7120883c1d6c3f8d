"""Which traffic brings out a fault? Many kinds, all bounded.

Usage: load.py KIND WORD..., see `KINDS`. Says "ready" once the load that it stands for is there, and then keeps it up
until it is ended.
"""

import contextlib
import resource
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator

PATIENCE = 5.0  # seconds for one connection
STEP = 40  # connections made at once; fewer than any backlog here


def ready() -> None:
    """Tell whoever started us that the load is there."""
    print("ready", flush=True)


def rest() -> None:
    """Keep what we hold until we are ended."""
    while True:
        signal.pause()


def batches(address: str, port: str, count: str) -> Iterator[list[socket.socket]]:
    """COUNT connections, greeted by the server, a few at once."""
    left = int(count)
    while left > 0:
        callers = [socket.create_connection((address, int(port)), timeout=PATIENCE) for _ in range(min(STEP, left))]
        for caller in callers:
            caller.recv(64)
        yield callers
        left -= len(callers)


def pinned(address: str, port: str, count: str) -> None:
    """Open, send and close COUNT UDP sockets: a queue that does not move holds them."""
    for _ in range(int(count)):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as caller, contextlib.suppress(OSError):
            caller.sendto(b"x", (address, int(port)))
    ready()
    rest()


def calls(address: str, port: str, per_second: str) -> None:
    """Call, wait for the greeting, hang up, for ever; who does not answer in a second is given up."""
    ready()
    while True:
        with contextlib.suppress(OSError), socket.create_connection((address, int(port)), timeout=1.0) as caller:
            caller.recv(64)
        time.sleep(1 / float(per_second))


def parted(address: str, port: str, count: str) -> None:
    """COUNT connections that the server ended and we do not: on the way they stand in FIN_WAIT."""
    kept = []
    for callers in batches(address, port, count):
        for caller in callers:
            caller.send(b"bye\n")
        kept += callers
    ready()
    rest()


def hung_up(address: str, port: str, count: str) -> None:
    """COUNT connections that are over at once: TIME_WAIT on the way, and here."""
    for callers in batches(address, port, count):
        for caller in callers:
            caller.close()
    ready()
    rest()


def trickle(address: str, port: str, per_second: str) -> None:
    """Send a datagram of a thousand bytes now and then, for ever."""
    ready()
    caller = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    while True:
        with contextlib.suppress(OSError):
            caller.sendto(bytes(1000), (address, int(port)))
        time.sleep(1 / float(per_second))


def unread(address: str, port: str, count: str, size: str) -> None:
    """COUNT connections that send SIZE bytes each to a server that reads nothing."""
    kept = []
    for _ in range(2 * int(count)):  # where memory is short some calls fail
        with contextlib.suppress(OSError):
            caller = socket.create_connection((address, int(port)), timeout=1.0)
            caller.setblocking(False)
            kept.append(caller)
            caller.send(bytes(int(size)))
        if len(kept) == int(count):
            break
    ready()
    rest()


def orphans(address: str, port: str, count: str) -> None:
    """Close COUNT connections, again and again, with more to send than a server that reads nothing takes."""
    told = False
    while True:
        for _ in range(int(count)):
            with (
                contextlib.suppress(OSError),
                socket.create_connection((address, int(port)), timeout=1.0) as caller,
            ):
                caller.setblocking(False)
                with contextlib.suppress(BlockingIOError):
                    while True:
                        caller.send(bytes(65536))
        if not told:
            ready()
            told = True
        time.sleep(1)


KINDS: dict[str, Callable[..., None]] = {
    kind.__name__: kind for kind in (pinned, calls, parted, hung_up, trickle, unread, orphans)
}


def main(kind: str, *words: str) -> None:
    """Be one kind of load for ever."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(8192, hard), hard))
    KINDS[kind](*words)


if __name__ == "__main__":
    main(*sys.argv[1:])
