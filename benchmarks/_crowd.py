"""What does a busy host look like from /proc? Processes with descriptors, in network namespaces of their own.

Every process is a `sleep` that inherited what it holds, so that thousands fit into little memory. Half of the sockets
are TCP connections (both ends on the host), half are pairs of Unix sockets; three descriptors of each process are
files. A leak holds connections that its peers have left. Everything ends with process 1 of the pid namespace.
"""

import ctypes
import fcntl
import os
import resource
import socket
import struct
import subprocess
from dataclasses import dataclass

_NEWNET = 0x40000000
_SIOCSIFFLAGS = 0x8914
_IFF_UP = 1
_SLEEP = ("sleep", "1000000")
_FILES = 3
_SPARE = 64


@dataclass(frozen=True, slots=True)
class Size:
    """How big: processes, socket descriptors, network namespaces beside the host's, and how many of the processes
    leak (they hold half of all sockets between them).
    """

    processes: int
    sockets: int
    namespaces: int
    leaks: int = 0

    def __str__(self) -> str:
        leaking = f", half of them held by {self.leaks} that leak" if self.leaks else ""
        return f"{self.processes:,} processes, {self.sockets:,} sockets{leaking}, {self.namespaces} namespaces"


def build(size: Size) -> None:
    """Start all of it; call in process 1 of new pid, mount and network namespaces."""
    with open("/proc/self/oom_score_adj", "w") as score:
        score.write("1000")
    leaked = size.sockets // 2 if size.leaks else 0
    plain = round((size.sockets - leaked) / max(1, size.processes - size.leaks) / 4) * 4
    most = max(plain, leaked // max(1, size.leaks)) * 2 + _SPARE
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, max(most, resource.getrlimit(resource.RLIMIT_NOFILE)[1])))
    lo_up()
    ready, tell = os.pipe()
    places = size.namespaces + 1  # the host's own is the first
    for place in range(places):
        members = size.processes // places + (place < size.processes % places)
        leaks = size.leaks // places + (place < size.leaks % places)
        if os.fork() == 0:
            _people(place, members - 1, leaks, plain, leaked // max(1, size.leaks))
    os.close(tell)
    while os.read(ready, 1):  # its other ends close as each place is ready
        pass
    os.close(ready)


def _people(place: int, members: int, leaks: int, plain: int, leaked: int) -> None:
    """One namespace: a listener, which this process becomes, and those around it."""
    os.setsid()  # as every container runtime and service manager does
    if place:
        if ctypes.CDLL(None, use_errno=True).unshare(_NEWNET) != 0:
            os._exit(1)
        lo_up()
    server = socket.create_server(("127.0.0.1", 80), backlog=100)
    for number in range(members):
        held = _leak(leaked, server) if number < leaks else _hold(plain, server)
        subprocess.Popen(_SLEEP, pass_fds=held, stdin=subprocess.DEVNULL)
        for descriptor in held:
            os.close(descriptor)
    os.set_inheritable(server.fileno(), True)
    os.execvp(_SLEEP[0], _SLEEP)  # the pipe closes here: this place is ready


def _hold(sockets: int, server: socket.socket) -> list[int]:
    held: list[int] = []
    for _ in range(sockets // 4):
        held += _connection(server)
        held += [end.detach() for end in socket.socketpair()]
    return held + [os.open("/dev/null", os.O_RDONLY) for _ in range(_FILES)]


def _leak(sockets: int, server: socket.socket) -> list[int]:
    """Every second one waits in CLOSE_WAIT, the others were reset: a descriptor without a connection."""
    held = []
    for number in range(sockets):
        ours, theirs = _connection(server)
        client = socket.socket(fileno=ours)
        if number % 2:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
        held.append(theirs)
    return held


def _connection(server: socket.socket) -> tuple[int, int]:
    client = socket.create_connection(server.getsockname())
    return client.detach(), server.accept()[0].detach()


def lo_up() -> None:
    """Bring up the loopback link of this network namespace."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, struct.pack("16sh22x", b"lo", _IFF_UP))
