"""With what does netdiag prove itself to a host: a key file, a certificate, or the user's agent?"""

import os
from pathlib import Path
from typing import Any

import asyncssh

from bot.core.host import Cause, Host, HostFailure

_DEFAULT_KEYS = ("id_ed25519", "id_ecdsa", "id_rsa")

Pair = Any
"""What asyncssh takes as one of `client_keys`: a key, a key with its certificate, or an agent's key."""


class Credentials:
    """Keys are parsed once per version of their file; the agent is asked at every login."""

    def __init__(self) -> None:
        self._parsed: dict[str, tuple[tuple[int, int], Any]] = {}
        self._agents: dict[str, asyncssh.SSHAgentClient] = {}

    async def of(self, host: Host) -> list[Pair] | HostFailure:
        """What to offer `host`, the strongest first, or an AUTH failure that says what to configure."""
        pairs: list[Pair] = []
        try:
            for file in _key_files(host):
                pairs += self._from_file(file, host.certificate)
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or str(error)
            return _failure(host, f"key {file} cannot be used: {why}", _remedy(file, error))
        if host.agent:
            found = await self._from_agent(host)
            if isinstance(found, HostFailure):
                return found
            pairs += found
        if not pairs:
            return _failure(host, "there is no key to log in with", "set key: FILE or agent: true for this host")
        return pairs

    def _from_file(self, file: str, certificate: str | None) -> list[Pair]:
        key = self._read(file, asyncssh.read_private_key)
        beside = f"{file}-cert.pub"
        if certificate is not None:
            cert = self._read(certificate, asyncssh.read_certificate)
        elif Path(beside).is_file():
            cert = self._read(beside, asyncssh.read_certificate)
        else:
            return [key]
        return [(key, cert), key]

    async def _from_agent(self, host: Host) -> list[Pair] | HostFailure:
        remedy = "start ssh-agent with SSH_AUTH_SOCK in netdiag's environment and ssh-add the key, or set key: FILE"
        socket = os.environ.get("SSH_AUTH_SOCK", "")
        if not socket:
            return _failure(host, "there is no agent: SSH_AUTH_SOCK is not set", remedy)
        agent = self._agents.setdefault(socket, asyncssh.SSHAgentClient(socket))
        try:
            return list(await agent.get_keys())
        except (OSError, ValueError, asyncssh.Error) as error:
            agent.close()
            del self._agents[socket]
            return _failure(host, f"the agent does not answer: {error}", remedy)

    def close(self) -> None:
        """Let go of the agent."""
        for agent in self._agents.values():
            agent.close()
        self._agents.clear()

    def _read(self, file: str, parse: Any) -> Any:
        status = os.stat(file)
        version = status.st_mtime_ns, status.st_size
        if self._parsed.get(file, (None,))[0] != version:
            self._parsed[file] = version, parse(file)
        return self._parsed[file][1]


def _key_files(host: Host) -> list[str]:
    """The configured key; where none is and no agent either, the keys that `ssh` would try."""
    if host.key is not None:
        return [host.key]
    if host.agent:
        return []
    home = Path("~/.ssh").expanduser()
    return [str(home / name) for name in _DEFAULT_KEYS if (home / name).is_file()]


def _remedy(file: str, error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return f"make the key (ssh-keygen -t ed25519 -f {file}) and allow it on the host, or set key: FILE"
    if isinstance(error, PermissionError):
        return f"let netdiag's user read it: chown it to that user and chmod 600 {file}"
    return "use a key without passphrase, kept readable by netdiag alone; or ssh-add it and set agent: true"


def _failure(host: Host, reason: str, remedy: str) -> HostFailure:
    return HostFailure(cause=Cause.AUTH, reason=f"{host.name}: {reason}", remedy=remedy)
