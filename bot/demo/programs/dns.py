"""A name server that knows one address for every name.

Usage: dns.py ADDRESS.
"""

import signal
import socket
import sys

FOUND = socket.inet_aton("192.0.2.80")


def reply(question: bytes) -> bytes:
    """The answer to one question: an address for a type A one, none for others."""
    end = 12
    while question[end]:
        end += question[end] + 1
    end += 5
    for_address = question[end - 4 : end - 2] == b"\0\1" and question[12]
    answer = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4" + FOUND if for_address else b""
    return question[:2] + b"\x81\x80\0\1\0" + bytes([bool(answer)]) + b"\0\0\0\0" + question[12:end] + answer


def main(address: str) -> None:
    """Answer for ever."""
    with open("/proc/self/comm", "w") as comm:  # a start without pathlib takes two thirds of the time
        comm.write("dns")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind((address, 53))
    while True:
        question, asker = server.recvfrom(4096)
        try:
            server.sendto(reply(question), asker)
        except (IndexError, OSError):
            continue


if __name__ == "__main__":
    main(sys.argv[1])
