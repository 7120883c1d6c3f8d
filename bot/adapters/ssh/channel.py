"""How does a shell live on at a host, as root where that is allowed?"""

import asyncssh

from bot.adapters.ssh.dialogue import NO_SUDO, Dialogue
from bot.core.host import Cause, Host, HostFailure
from bot.core.text import neutral

ROOT = "root"
_WINDOW = 1_048_576


class _Session(asyncssh.SSHClientSession[bytes]):
    """Hands what the channel brings to the dialogue."""

    def __init__(self, dialogue: Dialogue) -> None:
        self._dialogue = dialogue

    def data_received(self, data: bytes, datatype: asyncssh.DataType) -> None:
        if datatype == asyncssh.EXTENDED_DATA_STDERR:
            self._dialogue.err(data)
        else:
            self._dialogue.out(data)

    def eof_received(self) -> bool:
        self._dialogue.end()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._dialogue.end()


class Channel:
    """A living shell on a connection. `root_reason` says why it is not root's, in the host's own (neutral) words."""

    def __init__(self, dialogue: Dialogue, pipe: asyncssh.SSHClientChannel[bytes], uid: int, root_reason: str) -> None:
        self.dialogue = dialogue
        self.root = uid == 0
        self.root_reason = "" if self.root else root_reason
        self._pipe = pipe

    @property
    def usable(self) -> bool:
        """A program may be given to it."""
        return self.dialogue.usable and not self._pipe.is_closing()

    def write(self, data: bytes) -> None:
        """Feed the shell's standard input."""
        self._pipe.write(data)

    def close(self) -> None:
        """Throw the channel away; what still runs at its other end is not ours to know."""
        self._pipe.abort()


async def open_channel(connection: asyncssh.SSHClientConnection, host: Host) -> Channel | HostFailure:
    """A new shell on `connection`. Where sudo refuses, a shell of the plain user that says so.

    Raises what asyncssh raises when the connection itself fails.
    """
    reason = NO_SUDO
    if host.user != ROOT and host.sudo:
        opened = await _open(connection, "sudo -n sh", "sudo did not run sh as root")
        if isinstance(opened, Channel):
            return opened
        reason = opened or "sudo -n sh said nothing and ended"
    opened = await _open(connection, "sh", reason)
    if isinstance(opened, Channel):
        return opened
    return HostFailure(
        cause=Cause.PROTOCOL,
        reason=f"{host.name}: what answers {host.user} there is no shell{f': {neutral(opened)}' if opened else ''}",
        remedy=f"check ForceCommand and the login shell of {host.user} on the host: `ssh {host.user}@… sh` must run sh",
    )


async def _open(connection: asyncssh.SSHClientConnection, command: str, reason: str) -> Channel | str:
    """The shell that `command` starts, or what it complained of instead."""
    dialogue = Dialogue()
    pipe, _ = await connection.create_session(
        lambda: _Session(dialogue), command, encoding=None, request_pty=False, window=_WINDOW, send_env=None, env=None
    )
    try:
        uid = await dialogue.hello(pipe.write)
    except BrokenPipeError:
        await pipe.wait_closed()  # it ended before it was greeted: hear out what it complained of
        uid = None
    except BaseException:
        pipe.abort()
        raise
    if uid is not None:
        return Channel(dialogue, pipe, uid, reason)
    pipe.abort()
    if connection.is_closed():
        raise asyncssh.ConnectionLost("Connection lost")
    return dialogue.complaint
