"""Commands run in this process, each with a state directory of its own."""

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from typer.testing import CliRunner

from bot.cli import cli, commands

assert commands.__all__, "importing them registers them"
Netdiag = Callable[..., Any]


@pytest.fixture(autouse=True)
def _logs() -> Iterator[None]:
    """A command says where the process logs to; the next test shall not log into what this one closed."""
    root, before = logging.getLogger(), structlog.get_config()
    handlers, level = root.handlers, root.level
    yield
    root.handlers, root.level = handlers, level
    structlog.configure(**before)


@pytest.fixture
def netdiag(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Netdiag:
    """`netdiag WORDS…` in an empty inventory."""
    inventory = tmp_path / "inventory"
    inventory.mkdir()
    (inventory / "hosts.yaml").write_text("hosts: {here: {address: localhost, transport: local}}\n")
    monkeypatch.setenv("NETDIAG_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("NETDIAG_INVENTORY", str(inventory))
    monkeypatch.setenv("COLUMNS", "200")
    return lambda *words: CliRunner().invoke(cli, [str(word) for word in words])
