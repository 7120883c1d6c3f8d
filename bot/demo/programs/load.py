"""Which traffic brings out a fault? Many kinds, all bounded.

Usage: load.py KIND WORD..., see `KINDS`. Says "ready" once the load that it stands for is there, and then keeps it up
until it is ended.
"""

import contextlib
import errno
import os
import resource
import signal
import socket
import struct
import sys
import time
from collections.abc import Callable, Iterator

PATIENCE = 5.0  # seconds for one connection
MUCH = 4000  # bytes of one thing said: more than a packet
CROWD = 3  # of the greedy on each processor: of two one has had less than its share, and goes before who waits
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


def sink(port: str) -> None:
    """Be a UDP server that reads nothing."""
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    server.bind(("0.0.0.0", int(port)))  # noqa: S104 - in a network namespace of its own
    ready()
    rest()


def sources(address: str, port: str, per_second: str) -> None:
    """Send datagrams, each from a port of its own, for ever; ready after a second of them."""
    sent = 0
    while True:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as caller, contextlib.suppress(OSError):
            caller.sendto(b"x", (address, int(port)))
        sent += 1
        if sent == int(per_second):
            ready()
        time.sleep(1 / int(per_second))


def strangers(net: str, port: str) -> None:
    """Send to a hundred addresses of NET that nobody has, again and again."""
    told = False
    caller = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    while True:
        for last in range(10, 110):
            with contextlib.suppress(OSError):
                caller.sendto(b"x", (f"{net}.{last}", int(port)))
        if not told:
            ready()
            told = True
        time.sleep(0.5)


def used_up(address: str, port: str) -> None:
    """Call and hang up until no port is left, and go on trying."""
    told = False
    while True:
        try:
            with socket.create_connection((address, int(port)), timeout=PATIENCE) as caller:
                caller.recv(64)
        except OSError as fault:
            if fault.errno == errno.EADDRNOTAVAIL and not told:
                ready()
                told = True
            time.sleep(0.1)


def talk(address: str, port: str) -> None:
    """Say much and hear it again, for ever; a call that hangs for two seconds is made anew."""
    ready()
    while True:
        with contextlib.suppress(OSError), socket.create_connection((address, int(port)), timeout=2.0) as caller:
            caller.recv(64)
            for _ in range(100):
                caller.sendall(bytes(MUCH))
                heard = 0
                while heard < MUCH:
                    heard += len(caller.recv(65536)) or MUCH
        time.sleep(0.05)


def bursts(address: str, port: str) -> None:
    """Say much at once on connections to this host itself, for ever."""
    ready()
    while True:
        with contextlib.suppress(OSError):
            callers = [socket.create_connection((address, int(port)), timeout=2.0) for _ in range(8)]
            for _ in range(20):
                for caller in callers:
                    caller.sendall(bytes(30000))
                for caller in callers:
                    caller.recv(65536)
            for caller in callers:
                caller.close()
        time.sleep(0.05)


def checksum(data: bytes) -> int:
    """The one of the internet protocols."""
    words: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    words = (words >> 16) + (words & 0xFFFF)
    return ~(words + (words >> 16)) & 0xFFFF


def syns(address: str, port: str, per_second: str) -> None:
    """Begin calls in the name of hosts that do not exist, and never go on with one."""
    raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
    there, number, began = socket.inet_aton(address), 0, time.monotonic()
    while True:
        here = bytes((10, 99, number >> 8 & 0xFF, number & 0xFF))
        syn = struct.pack("!HHIIBBHHH", 1024 + number % 60000, int(port), number, 0, 5 << 4, 2, 64240, 0, 0)
        check = checksum(here + there + struct.pack("!BBH", 0, 6, len(syn)) + syn)
        syn = syn[:16] + struct.pack("!H", check) + syn[18:]
        head = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(syn), number & 0xFFFF, 0, 64, 6, 0, here, there)
        with contextlib.suppress(OSError):
            raw.sendto(head + syn, (address, 0))
        number += 1
        if number == int(per_second):
            ready()
        time.sleep(max(0.0, began + number / int(per_second) - time.monotonic()))


def greed(group: str, program: str, on: str, off: str) -> None:
    """Burn in a control group for ON seconds and rest for OFF, on each processor, and keep a program in the group.

    The program's processes are put there also when they are started anew. Nobody goes before us but who is real-time.
    """
    place = f"{group}/cgroup.procs"
    children = []
    try:
        for processor in list(os.sched_getaffinity(0)) * CROWD:
            child = os.fork()
            if not child:
                burn(place, processor, float(on), float(off))
            children.append(child)
        ready()
        while True:
            for pid in filter(str.isdigit, os.listdir("/proc")):
                with contextlib.suppress(OSError), open(f"/proc/{pid}/comm") as comm:
                    if comm.read().startswith(program):
                        enter(place, int(pid))
            time.sleep(1.0)
    finally:
        for child in children:
            os.kill(child, signal.SIGKILL)


def enter(place: str, pid: int) -> None:
    """Put a process into a control group."""
    with open(place, "w") as group:
        group.write(str(pid))


def burn(place: str, processor: int, on: float, off: float) -> None:
    """Be a child that burns and rests in step with the others, for ever."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.setpriority(os.PRIO_PROCESS, 0, -20)
    os.sched_setaffinity(0, [processor])
    enter(place, os.getpid())
    while True:
        if time.monotonic() % (on + off) >= on:
            time.sleep(on + off - time.monotonic() % (on + off))


KINDS: dict[str, Callable[..., None]] = {
    kind.__name__: kind
    for kind in (
        pinned,
        calls,
        parted,
        hung_up,
        trickle,
        unread,
        orphans,
        sink,
        sources,
        strangers,
        used_up,
        talk,
        bursts,
        syns,
        greed,
    )
}


def main(kind: str, *words: str) -> None:
    """Be one kind of load for ever."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(8192, hard), hard))
    KINDS[kind](*words)


if __name__ == "__main__":
    main(*sys.argv[1:])
