"""A shop that serves one customer at a time: it asks for a deep accept queue and empties it slowly.

Usage: shop.py PORT PER_SECOND. On SIGHUP it closes its listener and listens anew, as a server does on a reload that
re-binds: what waits in the old queue is reset, and the new queue has the size that somaxconn allows *then*.
"""

import signal
import socket
import sys
import time
from collections import deque
from types import FrameType

BACKLOG = 4096  # what it asks for; the kernel gives min(this, net.core.somaxconn of its namespace)
FAREWELL = 2.0  # seconds that a served customer has to hang up first
ANSWER = b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nsold\n"


class Shop:
    """The listener, and who was served and has not hung up yet (with the time at which we do)."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.listener = self.listen()
        self.reload = False
        self.leaving: deque[tuple[float, socket.socket]] = deque()

    def listen(self) -> socket.socket:
        """A listener whose queue is as long as the namespace allows at this moment."""
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("0.0.0.0", self.port))  # noqa: S104 - a server, in a network namespace of its own
        listener.listen(BACKLOG)
        listener.setblocking(False)
        return listener

    def turn(self) -> None:
        """Re-listen if told to, serve one customer if there is one, and let go of those who left."""
        if self.reload:
            self.reload = False
            self.listener.close()
            self.listener = self.listen()
        try:
            customer, _ = self.listener.accept()
            customer.setblocking(False)
            self.leaving.append((time.monotonic() + FAREWELL, customer))
            customer.send(ANSWER)
        except OSError:
            pass  # nobody waits, or the customer is gone: both are a quiet turn
        while self.leaving and (self.leaving[0][0] < time.monotonic() or gone(self.leaving[0][1])):
            self.leaving.popleft()[1].close()

    def on_hangup(self, _signal: int, _frame: FrameType | None) -> None:
        """SIGHUP: re-listen at the next turn."""
        self.reload = True


def gone(customer: socket.socket) -> bool:
    """Whether the other side hung up."""
    try:
        while customer.recv(4096):
            pass
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def main(port: int, per_second: float) -> None:
    """Serve for ever."""
    with open("/proc/self/comm", "w") as comm:  # a start without pathlib takes two thirds of the time
        comm.write("shop")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    shop = Shop(port)
    signal.signal(signal.SIGHUP, shop.on_hangup)
    while True:
        shop.turn()
        time.sleep(1 / per_second)


if __name__ == "__main__":
    main(int(sys.argv[1]), float(sys.argv[2]))
