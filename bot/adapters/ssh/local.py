"""How does a program run on this very machine, under the same promises as on a host?"""

import asyncio
import os
import signal
from contextlib import suppress
from typing import cast

from bot.adapters.ssh.dialogue import NO_SUDO, Dialogue
from bot.adapters.ssh.frame import Doubt, Frame, unfit
from bot.core.host import Cause, Host, HostFailure
from bot.engine.ports import Output

HOST_KEY = "local"
_REAP_WITHIN = 1.0


class _Pipes(asyncio.SubprocessProtocol):
    """Hands what the process prints to the dialogue."""

    def __init__(self, dialogue: Dialogue) -> None:
        self._dialogue = dialogue
        self.exited = asyncio.Event()
        self.complained = asyncio.Event()
        """Standard error is at its end."""

    def process_exited(self) -> None:
        self.exited.set()

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        (self._dialogue.out if fd == 1 else self._dialogue.err)(data)

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:
        del exc
        if fd == 1:
            self._dialogue.end()
        if fd == 2:  # noqa: PLR2004 - standard error
            self.complained.set()


class _Process:
    """One shell of this machine, in a process group of its own so that all of it can be ended."""

    def __init__(self, dialogue: Dialogue, transport: asyncio.SubprocessTransport, pipes: _Pipes) -> None:
        self.dialogue = dialogue
        self._transport = transport
        self._pipes = pipes

    @classmethod
    async def start(cls, *argv: str) -> "_Process":
        dialogue = Dialogue()
        loop = asyncio.get_running_loop()
        transport, pipes = await loop.subprocess_exec(lambda: _Pipes(dialogue), *argv, start_new_session=True)
        return cls(dialogue, transport, pipes)

    def write(self, data: bytes) -> None:
        pipe = cast(asyncio.WriteTransport, self._transport.get_pipe_transport(0))
        pipe.write(data)

    def end(self) -> None:
        """End the shell itself: its program is over, and what that left running on purpose goes on."""
        with suppress(PermissionError):  # root's by sudo: it ends when its input does
            self._transport.close()

    def kill(self) -> None:
        """End the shell and everything it started that did not leave its group."""
        with suppress(ProcessLookupError, PermissionError):  # gone already; or root's, and closing pipes must do
            os.killpg(self._transport.get_pid(), signal.SIGKILL)
        self.end()

    async def heard_out(self) -> str:
        """What it complained of: that may come a moment after its output ended."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_REAP_WITHIN):
                await self._pipes.complained.wait()
        return self.dialogue.complaint

    async def gone(self) -> None:
        """Wait a little until the kernel has let go of the process, so that no zombie is left."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_REAP_WITHIN):
                await self._pipes.exited.wait()


class LocalShell:
    """Serves `ports.Shell` for hosts with `transport: local`: one process a program, all of it killed when late."""

    async def run(
        self, host: Host, program: str, *, deadline: float, max_bytes: int, fresh: bool = False
    ) -> Output | HostFailure:
        """See `ports.Shell.run`. There is no connection, so every run is `fresh`."""
        del fresh
        fault = unfit(program)
        if fault:
            return HostFailure(cause=Cause.PROTOCOL, reason=f"{host.name}: {fault}", remedy="correct the parameters")
        until = asyncio.get_running_loop().time() + deadline
        try:
            async with asyncio.timeout_at(until):
                process, uid, reason = await _open(host)
        except TimeoutError:
            return _failure(Cause.TIMEOUT, f"{host.name}: no shell came up on this machine in time")
        except OSError as error:
            return _failure(Cause.UNREACHABLE, f"{host.name}: no shell can be started here: {error.strerror}")
        if uid is None:
            process.kill()
            return _failure(Cause.PROTOCOL, f"{host.name}: sh does not answer on this machine")
        frame, timed_out = None, False
        try:
            async with asyncio.timeout_at(until):
                frame = await process.dialogue.ask(process.write, program, max_bytes=max_bytes)
        except TimeoutError:
            timed_out = True
        except OSError:
            pass  # the pipe broke while the program went in: how much of it arrived is not known
        finally:
            if process.dialogue.usable:
                process.end()
            else:
                process.kill()
        await process.gone()
        return _output(process.dialogue, frame, uid=uid, reason=reason, timed_out=timed_out)

    async def close(self) -> None:
        """Nothing is kept."""


def _output(dialogue: Dialogue, frame: Frame | None, *, uid: int, reason: str, timed_out: bool) -> Output:
    return Output(
        stdout=frame.cut() if frame is not None else dialogue.cut,
        status=frame.status if frame is not None else None,
        root=uid == 0,
        root_reason="" if uid == 0 else reason,
        host_key=HOST_KEY,
        truncated=frame is not None and frame.doubt is Doubt.OVERFLOW,
        timed_out=timed_out,
    )


async def _open(host: Host) -> tuple[_Process, int | None, str]:
    """A shell, the user id it runs as, and why that is not root's if it is not."""
    reason = NO_SUDO
    if os.geteuid() != 0 and host.sudo:
        try:
            process, uid = await _greeted("sudo", "-n", "sh")
        except FileNotFoundError:
            reason = "sudo is not installed here"
        else:
            if uid is not None:
                return process, uid, "sudo did not run sh as root"
            complaint = await process.heard_out()
            process.kill()
            reason = complaint or "sudo -n sh said nothing and ended"
    process, uid = await _greeted("sh")
    return process, uid, reason


async def _greeted(*argv: str) -> tuple[_Process, int | None]:
    process = await _Process.start(*argv)
    try:
        return process, await process.dialogue.hello(process.write)
    except BaseException:
        process.kill()
        raise


def _failure(cause: Cause, reason: str) -> HostFailure:
    return HostFailure(cause=cause, reason=reason, remedy="look at this machine's load, limits and PATH")
