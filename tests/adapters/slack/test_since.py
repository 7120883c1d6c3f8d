"""Does a run's parent message say what became of its causes, and never more than was proven?"""

import json
from typing import Any

import pytest

from bot.adapters.slack import report as render
from bot.adapters.slack.memory import Verdict
from bot.adapters.slack.since import since
from bot.core.approval import Effect, Record, State
from bot.core.blockkit import faults
from bot.core.report import Severity, Status
from tests.adapters.slack.naughty import NAUGHTY, markup_left
from tests.adapters.slack.stage import finding, host, report
from tests.fakes.approval import change


def verdict(*names: str) -> Verdict:
    found = tuple(finding(name, fingerprint=name, title=name) for name in names)
    made = report(host(status=Status.CRITICAL, findings=found))
    parent = render.parent(made)
    roots = tuple((one.host, part.fingerprint, part.title) for one, part in render.grave(made))
    return Verdict("C1", "1.0", parent.text, parent.blocks, roots)


def record(cause: str, effect: Effect, **fields: Any) -> Record:
    made = change(id=f"c-{cause}", host="node-3", fingerprint=cause)
    values = {"state": State.DONE, "effect": effect, "effect_note": "recv_q 129 → 0", **fields}
    return Record(change=made, digest=made.digest, **values)


def heading(message: Any) -> str:
    return str(message.blocks[0]["text"]["text"])


def words(message: Any) -> str:
    return json.dumps(list(message.blocks), ensure_ascii=False)


def test_a_run_whose_every_cause_is_resolved_says_so_in_its_heading_and_keeps_its_verdict() -> None:
    told = since(verdict("a"), [record("a", Effect.RESOLVED)])
    assert told is not None
    assert heading(told) == "✔ resolved, was ✖ critical: node-3"
    assert "recv_q 129 → 0" in words(told)
    assert "accept queue full" in words(told)
    assert faults(told.body()) == []


def test_one_resolved_cause_of_two_is_no_all_clear() -> None:
    told = since(verdict("a", "b"), [record("a", Effect.RESOLVED)])
    assert told is not None
    assert heading(told) == "✖ critical: node-3 (1 of 2 resolved)"


@pytest.mark.parametrize("effect", [Effect.PERSISTS, Effect.NEEDS_FOLLOW_UP, Effect.UNKNOWN])
def test_what_is_not_proven_leaves_the_heading_as_it_was(effect: Effect) -> None:
    told = since(verdict("a"), [record("a", effect)])
    assert told is not None
    assert heading(told) == "✖ critical: node-3"
    assert "Since then" in words(told)


def test_the_newest_change_of_a_cause_counts() -> None:
    told = since(verdict("a"), [record("a", Effect.NEEDS_FOLLOW_UP), record("a", Effect.RESOLVED)])
    assert told is not None
    assert "resolved, was" in heading(told)
    assert "not yet" not in words(told)


def test_a_cure_that_was_reverted_is_no_cure_any_more() -> None:
    told = since(verdict("a"), [record("a", Effect.RESOLVED, reverted_by="c9")])
    assert told is not None
    assert heading(told) == "✖ critical: node-3"
    assert "reverted by change c9" in words(told)


def test_changes_that_did_nothing_yet_or_are_of_other_causes_change_nothing() -> None:
    assert since(verdict("a"), []) is None
    assert since(verdict("a"), [record("a", Effect.NOT_CHECKED)]) is None
    assert since(verdict("a"), [record("other", Effect.RESOLVED)]) is None


def test_a_finding_of_information_is_no_cause_that_must_be_resolved() -> None:
    found = (finding("a", fingerprint="a"), finding("i", fingerprint="i", severity=Severity.INFO))
    assert [part.id for _, part in render.grave(report(host(findings=found)))] == ["a"]


@pytest.mark.parametrize("text", NAUGHTY, ids=range(len(NAUGHTY)))
def test_nothing_that_was_measured_becomes_markup(text: str) -> None:
    told = since(verdict("a", "b"), [record("a", Effect.RESOLVED, effect_note=text), record("b", Effect.PERSISTS)])
    assert told is not None
    assert faults(told.body()) == []
    assert markup_left(told.text, told.blocks, frozenset({"U0ALICE"})) == []
