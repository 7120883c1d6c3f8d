"""A busy and healthy server: it greets, echoes, hangs up on "bye", and empties its accept queue at every turn.

Usage: api.py PORT. The greeting tells a client that it left the accept queue, so that clients can keep the queue short.
"""

import contextlib
import resource
import select
import signal
import socket
import sys

BACKLOG = 511
DESCRIPTORS = 4096
TURN = 0.05  # seconds between two looks at the accept queue: it moves


def serve(listener: socket.socket) -> None:
    """Accept, greet and echo for ever."""
    poll = select.epoll()
    clients: dict[int, socket.socket] = {}
    while True:
        for descriptor, _ in poll.poll(TURN):
            try:
                said = clients[descriptor].recv(4096)
                if said:
                    clients[descriptor].send(said)
            except BlockingIOError:
                continue
            except OSError:
                said = b""
            if not said or said.startswith(b"bye"):
                clients.pop(descriptor).close()
        with contextlib.suppress(BlockingIOError):
            while True:
                client, _ = listener.accept()
                client.setblocking(False)
                clients[client.fileno()] = client
                poll.register(client, select.EPOLLIN)
                with contextlib.suppress(OSError):
                    client.send(b"hello\n")


def main(port: int) -> None:
    """Listen with room for every client."""
    with open("/proc/self/comm", "w") as comm:  # a start without pathlib takes two thirds of the time
        comm.write("api")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(DESCRIPTORS, hard), hard))
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("0.0.0.0", port))  # noqa: S104 - a server, in a network namespace of its own
    listener.listen(BACKLOG)
    listener.setblocking(False)
    serve(listener)


if __name__ == "__main__":
    main(int(sys.argv[1]))
