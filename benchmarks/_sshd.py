"""Where does a fleet of 256 addresses come from? One real sshd on all of 127/8, in a namespace of its own.

This is process 1 in there: it starts the sshd, and the peers that ask it (`_peers`), each a process of its own.
Orders come as lines of JSON, answers go back the same way. Where the machine has a control group tree of version 2,
the sshd and all it starts stand in a group that tells what the hosts' side cost.
"""

import json
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks._crowd import lo_up

SSHD = "/usr/sbin/sshd"
PORT = 2222
_CONFIG = """\
Port {port}
ListenAddress 0.0.0.0
HostKey {place}/host
AuthorizedKeysFile {place}/id.pub
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
UsePAM no
UseDNS no
StrictModes no
PidFile none
LogLevel ERROR
MaxStartups 1000
PermitUserRC no
PerSourcePenalties no
"""
_PATIENCE = 10.0


def address(number: int) -> str:
    """The address of the host with that number."""
    return f"127.1.{number // 250}.{number % 250 + 1}"


_STARTUP = (".bashrc", ".zshenv", ".kshrc")
"""What a shell started by sshd reads: a slow one would punish the peers that start a shell for each command."""


def plain_shell() -> None:
    """Hide this user's start-up files, in our own mount namespace."""
    for name in _STARTUP:
        if (path := Path.home() / name).is_file():
            subprocess.run(["mount", "--bind", "/dev/null", path], check=True)


class Fleet:
    """The sshd, and the peers that were started."""

    def __init__(self, place: Path, most: int, group: Path | None) -> None:
        self.place = place
        self._group = group
        self._peers: dict[str, subprocess.Popen[str]] = {}
        for name in ("host", "id"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", place / name], check=True)
        key = " ".join((place / "host.pub").read_text().split()[:2])
        known = "".join(f"[{address(number)}]:{PORT} {key}\n" for number in range(most))
        (place / "known_hosts").write_text(known)
        self._serve()

    def _serve(self) -> None:
        config = _CONFIG.format(port=PORT, place=self.place)
        (self.place / "config").write_text(config)
        tried = subprocess.run([SSHD, "-t", "-f", self.place / "config"], capture_output=True, text=True, check=False)
        if "PerSourcePenalties" in tried.stderr:  # older than 9.8: there are none
            (self.place / "config").write_text(config.replace("PerSourcePenalties no\n", ""))
        join = f'echo $$ >{self._group}/cgroup.procs; exec "$@"' if self._group else 'exec "$@"'
        log = (self.place / "log").open("wb")
        server = subprocess.Popen(
            ["sh", "-c", join, "sh", SSHD, "-D", "-e", "-f", self.place / "config"],
            stderr=log,
            stdin=subprocess.DEVNULL,
        )
        until = time.monotonic() + _PATIENCE
        while True:
            try:
                socket.create_connection((address(0), PORT), 1.0).close()
            except OSError:
                if server.poll() is not None or time.monotonic() > until:
                    raise SystemExit(f"sshd did not start: {(self.place / 'log').read_text()}") from None
                time.sleep(0.02)
            else:
                return

    def start(self, peer: str, count: int) -> None:
        """Start a peer for so many hosts."""
        place = self.place / peer.replace(", ", "-")
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        for name in ("id", "known_hosts"):
            shutil.copy(self.place / name, place / name)
        argv = [sys.executable, "-m", "benchmarks._peers", peer, str(place), str(count)]
        self._peers[peer] = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def round(self, peer: str, mode: str, program: str) -> dict[str, float]:
        """One round of one peer: seconds, its CPU seconds, the hosts' CPU seconds, hosts that answered."""
        process = self._peers[peer]
        assert process.stdin is not None
        assert process.stdout is not None
        before = self._used()
        process.stdin.write(json.dumps({"mode": mode, "program": program}) + "\n")
        process.stdin.flush()
        told: dict[str, float] = json.loads(process.stdout.readline())
        return {**told, "hosts": self._used() - before}

    def stop(self) -> None:
        """End the peers."""
        for process in self._peers.values():
            assert process.stdin is not None
            process.stdin.close()
            process.wait(120)
        self._peers.clear()

    def _used(self) -> float:
        if self._group is None:
            return 0.0
        words = (self._group / "cpu.stat").read_text().split()
        return int(words[words.index("usage_usec") + 1]) / 1e6


def main() -> None:
    lo_up()
    plain_shell()
    Path("/run/sshd").mkdir(exist_ok=True)
    place, most, group = sys.argv[1:]
    fleet = Fleet(Path(place), int(most), Path(group) if group else None)
    for line in sys.stdin:
        order: dict[str, Any] = json.loads(line)
        print(json.dumps(getattr(fleet, order.pop("do"))(**order)), flush=True)


if __name__ == "__main__":
    main()
