"""How is a visit kept as a case? One visit with the probes of chosen playbooks, as a recording."""

from collections.abc import Sequence

from bot.core import visit
from bot.core.approval import stamp
from bot.core.host import Host, HostFailure
from bot.core.playbook import Playbook, probes_of
from bot.core.recording import Recording, record
from bot.engine.diagnose import Observer


async def record_visit(observer: Observer, host: Host, playbooks: Sequence[Playbook]) -> Recording | HostFailure:
    """Visit a host once and keep what it printed, before any parser. Nothing is taken out: see `recording.redact`."""
    probes = visit.required(probes_of(playbooks), observer.probes)
    nonce = observer.clock.token()
    program = visit.compose(probes, nonce=nonce, window=observer.window)
    deadline, max_bytes = visit.budget(probes, observer.window)
    begun = observer.clock.now()
    output = await observer.shell.run(host, program, deadline=deadline, max_bytes=max_bytes)
    if isinstance(output, HostFailure):
        return output
    return record(
        output.stdout,
        probes,
        nonce,
        host=host.name,
        taken=stamp(begun),
        root=output.root,
        root_reason=output.root_reason,
        host_key=output.host_key,
    )
