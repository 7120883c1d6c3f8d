"""What does a command cost the host it runs on? Process 1 of a crowded namespace, which measures from outside.

User and system time of everything that was started and has ended, orphans too: they come home to process 1. Orders
come as lines of JSON, answers go back the same way.
"""

import json
import os
import resource
import secrets
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks._crowd import Size, build

LOOP = "for i in $(ps aux |awk '{print $2}');do echo $i;ls -l /proc/$i/fd |awk '/socket/' |wc -l;done"
WINDOW = 0.3
"""Seconds between a visit's samples here: what the host does in them is the same, however long they are apart."""


def loop() -> dict[str, float]:
    """The shell loop of the founding incident."""
    return {"cpu": _cpu(["sh", "-c", LOOP], "")[0]}


def visit(playbooks: Sequence[str], probes: Sequence[str] | None = None, shell: str = "sh") -> dict[str, Any]:
    """A whole visit for these playbooks, or for these probes alone, and what stayed unknown (it would be too cheap)."""
    from bot import actions
    from bot import probes as catalogue
    from bot.adapters.files.playbooks import load_playbooks
    from bot.core.playbook import probes_of
    from bot.core.visit import compose, required
    from bot.core.visit_answer import read
    from bot.settings import CHECKED_OUT_PLAYBOOKS

    known = catalogue.catalog()
    if probes is None:
        books = load_playbooks(CHECKED_OUT_PLAYBOOKS, known, actions.catalog())
        wanted = required(probes_of([books[name] for name in playbooks]), known)
    else:
        wanted = tuple(known[name] for name in probes)
    nonce = secrets.token_hex(16)
    program = compose(wanted, nonce=nonce, window=WINDOW)
    cpu, answer = _cpu(shell.split(), program)
    outcomes = read(answer, wanted, nonce=nonce, root=True)
    # a probe that was asked without those that it joins has its reasons
    unknown = {} if probes else {name: one.reason for name, one in outcomes.items() if not isinstance(one, tuple)}
    return {"cpu": cpu, "unknown": unknown, "program": len(program), "answer": len(answer), "probes": len(wanted)}


def counted() -> dict[str, int]:
    """What there is really, as /proc tells: processes, descriptors, sockets among them, network namespaces."""
    pids = [name for name in os.listdir("/proc") if name.isdecimal()]
    links = [_link(f"/proc/{pid}/fd/{number}") for pid in pids for number in os.listdir(f"/proc/{pid}/fd")]
    spaces = {_link(f"/proc/{pid}/ns/net") for pid in pids}
    sockets = sum(link.startswith("socket:") for link in links)
    return {"processes": len(pids), "descriptors": len(links), "sockets": sockets, "namespaces": len(spaces)}


def _link(path: str) -> str:
    try:
        return os.readlink(path)
    except OSError:
        return ""


def _cpu(argv: Sequence[str], program: str) -> tuple[float, bytes]:
    """Milliseconds of CPU, and what was printed."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    printed = subprocess.run(argv, input=program.encode(), capture_output=True, timeout=600, check=False).stdout
    _bury()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime) * 1e3, printed


def _bury() -> None:
    """Take in the orphans that have ended."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return


def main() -> None:
    build(Size(**json.loads(sys.argv[1])))
    tasks: Mapping[str, Any] = {"loop": loop, "visit": visit, "counted": counted}
    for line in sys.stdin:
        order = json.loads(line)
        print(json.dumps(tasks[order.pop("do")](**order)), flush=True)


if __name__ == "__main__":
    main()
