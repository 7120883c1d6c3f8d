"""What would a host have answered that is only there as a recorded visit?"""

from pathlib import Path

from bot.core.errors import ConfigError
from bot.core.host import Cause, Host, HostFailure
from bot.core.recording import Recording, load, replay
from bot.engine.ports import Output

HOST_KEY = "replay"


class ReplayShell:
    """Serves `ports.Shell` for hosts with `transport: replay`. It answers visits; nothing can be changed there."""

    def __init__(self) -> None:
        self._loaded: dict[str, tuple[tuple[int, int], Recording]] = {}

    async def run(
        self, host: Host, program: str, *, deadline: float, max_bytes: int, fresh: bool = False
    ) -> Output | HostFailure:
        """The recorded answer to this program, at once. A program that is no visit is refused: UNREACHABLE."""
        del deadline, fresh
        try:
            recording = self._recording(host.recording or "")
            stdout = replay(recording, program)
        except OSError as error:
            why = f"{host.name}: recording {host.recording} cannot be read: {error.strerror}"
            return HostFailure(cause=Cause.UNREACHABLE, reason=why, remedy="correct recording: in the inventory")
        except (ConfigError, UnicodeDecodeError) as error:
            why = f"{host.name}: recording {host.recording} is broken: {error}"
            return HostFailure(cause=Cause.UNREACHABLE, reason=why, remedy="record it again: netdiag record HOST")
        except ValueError as error:
            why = f"{host.name} is a recording and cannot do this: {error}"
            return HostFailure(cause=Cause.UNREACHABLE, reason=why, remedy="do it on the host itself")
        return Output(
            stdout=stdout[:max_bytes],
            status=0 if len(stdout) <= max_bytes else None,
            root=recording.root,
            root_reason=recording.root_reason,
            host_key=recording.host_key or HOST_KEY,
            truncated=len(stdout) > max_bytes,
        )

    async def close(self) -> None:
        """Nothing is kept open."""

    def _recording(self, file: str) -> Recording:
        path = Path(file)
        status = path.stat()
        version = status.st_mtime_ns, status.st_size
        kept = self._loaded.get(file)
        if kept is None or kept[0] != version:
            kept = self._loaded[file] = version, load(path.read_text(encoding="utf-8"), file)
        return kept[1]
