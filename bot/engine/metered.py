"""How many programs ran on hosts, for what, and how did they end? A shell that counts, around any shell."""

from dataclasses import dataclass
from time import monotonic

from bot.core.host import Host, HostFailure
from bot.engine.meter import Meter
from bot.engine.ports import Output, Shell


@dataclass(frozen=True, slots=True)
class MeteredShell:
    """Serves `ports.Shell`. `kind` is what the programs are for: `visit` reads, `change` changes."""

    shell: Shell
    meter: Meter
    kind: str

    async def run(
        self, host: Host, program: str, *, deadline: float, max_bytes: int, fresh: bool = False
    ) -> Output | HostFailure:
        """Run it, and count how it ended."""
        begun = monotonic()
        output = await self.shell.run(host, program, deadline=deadline, max_bytes=max_bytes, fresh=fresh)
        self.meter.count("visits", kind=self.kind, outcome=ended(output))
        self.meter.observe("visit_seconds", monotonic() - begun, kind=self.kind)
        if isinstance(output, Output):
            self.meter.count("ssh_trips", output.trips)
        return output

    async def close(self) -> None:
        """Close the shell inside."""
        await self.shell.close()


def ended(output: Output | HostFailure) -> str:
    """In one word: `ok`, `timeout`, `truncated`, `lost` (no end was seen), or why the host could not be read."""
    if isinstance(output, HostFailure):
        return output.cause.value
    if output.timed_out:
        return "timeout"
    if output.truncated:
        return "truncated"
    return "lost" if output.status is None else "ok"
