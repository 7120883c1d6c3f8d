"""The syslog daemon of a demo host: what programs say at /dev/log goes to /var/log/syslog, in the traditional format.

Usage: syslog.py.
"""

import os
import re
import signal
import socket
import sys
from pathlib import Path

SOCKET = Path("/dev/log")
FILE = "/var/log/syslog"
STAMPED = re.compile(r"(?:<\d+>)?([A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d) (.*)", re.DOTALL)
MOST = 4 << 20  # bytes of log; then it starts anew


def main() -> None:
    """Write for ever."""
    Path("/proc/self/comm").write_text("syslogd")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    SOCKET.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    listener.bind(str(SOCKET))
    SOCKET.chmod(0o666)
    host = socket.gethostname()
    log = open(FILE, "a", buffering=1)  # noqa: SIM115 - for ever
    while True:
        said = STAMPED.fullmatch(listener.recv(65536).decode(errors="replace").rstrip("\n\0"))
        if said:
            log.write(f"{said[1]} {host} {said[2]}\n")
        if log.tell() > MOST:
            os.ftruncate(log.fileno(), 0)


if __name__ == "__main__":
    main()
