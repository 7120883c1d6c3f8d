"""Which commands are there? Importing this registers them all on `bot.cli.cli`."""

from bot.cli import (
    audit,
    backup,
    changes,
    demo,
    doctor,
    halt,
    history,
    inventory,
    learn,
    playbooks,
    pods,
    record,
    run,
    serve,
    silence,
    sweep,
)

__all__ = [
    "audit",
    "backup",
    "changes",
    "demo",
    "doctor",
    "halt",
    "history",
    "inventory",
    "learn",
    "playbooks",
    "pods",
    "record",
    "run",
    "serve",
    "silence",
    "sweep",
]
