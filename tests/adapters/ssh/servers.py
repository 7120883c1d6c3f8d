"""Real SSH servers on loopback for tests: OpenSSH's sshd, killed by its pid at the end."""

import getpass
import os
import random
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bot.core.host import Host, Inventory

SSHD = "/usr/sbin/sshd"
LISTENING = "Server listening"
ME = getpass.getuser()

BASE = """\
ListenAddress 127.0.0.1
AuthorizedKeysFile {directory}/authorized_keys
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
UsePAM no
UseDNS no
StrictModes no
PidFile none
LogLevel VERBOSE
MaxStartups 100
"""


def missing() -> str:
    """Why sshd cannot be started here, or nothing."""
    tools = [tool for tool in (SSHD, "ssh-keygen") if shutil.which(tool) is None]
    return f"{' and '.join(tools)} is not installed here" if tools else ""


def keygen(file: Path, *arguments: str, kind: str = "ed25519") -> Path:
    """A new key pair without passphrase; returns the private key's path."""
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", file.name, "-f", file, *arguments], check=True)
    return file


def sign(authority: Path, key: Path, *arguments: str) -> Path:
    """Certify `key` by `authority` (-h for a host, -n principals); returns the certificate's path."""
    public = key.with_suffix(".pub")
    subprocess.run(["ssh-keygen", "-q", "-s", authority, "-I", key.name, *arguments, public], check=True)
    return key.with_name(f"{key.name}-cert.pub")


def public(key: Path) -> str:
    """The public half as `type base64`."""
    return " ".join(key.with_suffix(".pub").read_text().split()[:2])


def fingerprint(key: Path) -> str:
    """The fingerprint as ssh-keygen tells it."""
    done = subprocess.run(["ssh-keygen", "-lf", key.with_suffix(".pub")], check=True, capture_output=True, text=True)
    return done.stdout.split()[1]


def free_port() -> int:
    """A port of 127.0.0.1 that is free now, from below those that the kernel gives to whoever asks for any."""
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


def children(pid: int) -> list[int]:
    """Every living descendant of a process."""
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            for child in map(int, task.read_text().split()):
                found += [child, *children(child)]
    return found


@dataclass
class Sshd:
    """One sshd: its directory, port and keys. The client's key is `directory/id`, allowed for this user."""

    directory: Path
    port: int = field(default_factory=free_port)
    options: str = ""
    prefix: tuple[str, ...] = ()
    process: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        if not self.host_key.exists():
            keygen(self.host_key)
            keygen(self.key)
        self.allow(self.key)
        self.know(self.host_key)

    @property
    def host_key(self) -> Path:
        return self.directory / "host"

    @property
    def key(self) -> Path:
        return self.directory / "id"

    @property
    def known_hosts(self) -> Path:
        return self.directory / "known_hosts"

    def allow(self, key: Path) -> None:
        (self.directory / "authorized_keys").write_text(f"{public(key)}\n")

    def know(self, key: Path, pattern: str = "") -> None:
        self.known_hosts.write_text(f"{pattern or f'[127.0.0.1]:{self.port}'} {public(key)}\n")

    def start(self) -> "Sshd":
        config = self.directory / "sshd_config"
        base = BASE.format(directory=self.directory)
        config.write_text(f"Port {self.port}\nHostKey {self.host_key}\n{self.options}\n{base}")
        with (self.directory / "log").open("ab") as log:
            begun = self.log().count(LISTENING)
            argv = [*self.prefix, SSHD, "-D", "-e", "-f", str(config)]
            self.process = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        until = time.monotonic() + 20
        while self.log().count(LISTENING) == begun:  # a connection to try it would stand in the log as well
            if self.process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"sshd did not start: {self.log()}")
            time.sleep(0.02)
        return self

    def log(self) -> str:
        return (self.directory / "log").read_text()

    def logins(self) -> int:
        """How often somebody logged in."""
        return self.log().count("Accepted publickey")

    def sessions(self) -> list[int]:
        """The processes that serve connections, and what runs in them."""
        assert self.process is not None
        return children(self.process.pid)

    def signal(self, number: int) -> None:
        for pid in self.sessions():
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def stop(self) -> None:
        if self.process is not None:
            self.signal(signal.SIGCONT)
            self.signal(signal.SIGKILL)
            self.process.kill()
            self.process.wait()
            self.process = None

    def host(self, name: str = "node", **other: Any) -> Host:
        """The inventory's host for this server; it is reached as this user."""
        fields: Mapping[str, Any] = {
            "address": "127.0.0.1",
            "port": self.port,
            "user": ME,
            "sudo": False,
            "known_hosts": str(self.known_hosts),
            "key": str(self.key),
        }
        return Host(**{"name": name, **fields, **other})


@contextmanager
def sshd(directory: Path, options: str = "", prefix: tuple[str, ...] = ()) -> Iterator[Sshd]:
    """A running sshd."""
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # the package's service file would make it
    server = Sshd(directory, options=options, prefix=prefix)
    try:
        yield server.start()
    finally:
        server.stop()


def inventory(*hosts: Host) -> Inventory:
    """An inventory of these hosts."""
    return Inventory(hosts={host.name: host for host in hosts})
