"""Which options do several commands share, and what runs a command's coroutine?"""

import asyncio
import sys
from collections.abc import Callable, Coroutine
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, NoReturn, TypeVar

import typer

from bot.cli.logs import configure
from bot.engine.ports import JournalDown
from bot.settings import Settings, load

T = TypeVar("T")

EXIT_NOT_DONE = 1


class Format(StrEnum):
    """How a result is printed."""

    TEXT = "text"
    JSON = "json"


InventoryOption = Annotated[
    Path | None,
    typer.Option(
        "--inventory", metavar="DIR", help="Directory with hosts.yaml (or an Ansible inventory) and policy.yaml."
    ),
]
PlaybooksOption = Annotated[Path | None, typer.Option("--playbooks", metavar="DIR", help="Directory with playbooks.")]
StateOption = Annotated[
    Path | None, typer.Option("--state", metavar="DIR", help="Directory with the store and the key that signs the log.")
]
FormatOption = Annotated[Format, typer.Option("--format", help="text for people, json for programs.")]
ChangeArgument = Annotated[str, typer.Argument(metavar="ID", help="A change's id, or its first 6 characters or more.")]


def settings(**overrides: Any) -> Settings:
    """Settings with a command's own options on top; from here on the log is as they say."""
    chosen = load(overrides)
    configure(chosen)
    return chosen


def wait(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a command's coroutine; a single expected error inside a task group comes out as itself."""
    try:
        return asyncio.run(work())
    except ExceptionGroup as group:
        inner: BaseException = group
        while isinstance(inner, ExceptionGroup) and len(inner.exceptions) == 1:
            inner = inner.exceptions[0]
        if isinstance(inner, JournalDown):
            _store_is_down(inner)
        raise inner from None
    except JournalDown as fault:
        _store_is_down(fault)


def _store_is_down(fault: JournalDown) -> NoReturn:
    print(f"netdiag: {fault}", file=sys.stderr)
    raise typer.Exit(EXIT_NOT_DONE)
