"""The shipped playbooks, for the lab tests that judge what a host told without an application."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path

from bot import actions, probes
from bot.adapters.files.playbooks import load_playbooks
from bot.core.playbook import Playbook

PLAYBOOKS = Path(__file__).resolve().parents[2] / "playbooks"
CATALOG = probes.catalog()


@cache
def shipped() -> Mapping[str, Playbook]:
    """By name. Asked for by a test that runs, not where a file is collected: every worker collects every file."""
    return load_playbooks(PLAYBOOKS, CATALOG, actions.catalog())
