"""Does the validator refuse what Slack refuses, and nothing else?"""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.core.blockkit import TEXT_BUDGET, faults, text_length

SHARED = Path(__file__).parents[3] / "shared" / "contract" / "slack"
TITLE = {"type": "plain_text", "text": "Title"}
# A view as Slack sends it carries more than one may send to Slack.
FROM_SLACK = {
    "id",
    "team_id",
    "hash",
    "state",
    "root_view_id",
    "app_id",
    "previous_view_id",
    "bot_id",
    "app_installed_team_id",
    "clear_on_close",
    "notify_on_close",
}


def plain(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": text}


def section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": plain(text)}


def button(**more: Any) -> dict[str, Any]:
    return {"type": "button", "text": plain("Go"), "action_id": "go", **more}


def actions(*elements: dict[str, Any]) -> dict[str, Any]:
    return {"type": "actions", "elements": list(elements)}


def modal(*blocks: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "modal", "title": TITLE, "blocks": list(blocks), **more}


def option(value: str = "v", text: str = "t") -> dict[str, Any]:
    return {"text": plain(text), "value": value}


def select(count: int) -> dict[str, Any]:
    return {"type": "static_select", "action_id": "s", "options": [option(str(i)) for i in range(count)]}


def rich(*elements: dict[str, Any]) -> dict[str, Any]:
    return {"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": list(elements)}]}


CONFIRM = {"title": plain("Sure?"), "text": plain("x"), "confirm": plain("Yes"), "deny": plain("No")}
FIELD = {"type": "plain_text_input", "action_id": "a"}

ACCEPTED: dict[str, Any] = {
    "section of 3000": [section("x" * 3000)],
    "fifty blocks": [{"type": "divider"}] * 50,
    "ten fields": [{"type": "section", "fields": [plain("x")] * 10}],
    "button value of 2000": [actions(button(value="x" * 2000, confirm=CONFIRM, style="danger"))],
    "select of 100": [actions(select(100))],
    "modal with input and submit": modal({"type": "input", "label": TITLE, "element": FIELD}, submit=plain("Run")),
    "home of 100": {"type": "home", "blocks": [{"type": "divider"}] * 100},
    "text alone": {"text": "hello"},
    "rich text": [rich({"type": "text", "text": "x", "style": {"code": True}}, {"type": "user", "user_id": "U1"})],
    "metadata": {"text": "x", "metadata": {"event_type": "run", "event_payload": {"run": "r1"}}},
    "null optional field": [{"type": "section", "text": plain("x"), "accessory": None}],
}

REFUSED: dict[str, tuple[Any, str, str]] = {
    "51 blocks": ([{"type": "divider"}] * 51, "", "max_items"),
    "section of 3001": ([section("x" * 3001)], "/0/text/text", "max_length"),
    "empty section": ([section("")], "/0/text/text", "min_length"),
    "section of nothing": ([{"type": "section"}], "/0", "required"),
    "11 fields": ([{"type": "section", "fields": [plain("x")] * 11}], "/0/fields", "max_items"),
    "field of 2001": ([{"type": "section", "fields": [plain("x" * 2001)]}], "/0/fields/0/text", "max_length"),
    "header of 151": ([{"type": "header", "text": plain("x" * 151)}], "/0/text/text", "max_length"),
    "header of markup": ([{"type": "header", "text": {"type": "mrkdwn", "text": "x"}}], "/0/text/type", "enum"),
    "context of 11": ([{"type": "context", "elements": [plain("x")] * 11}], "/0/elements", "max_items"),
    "button text of 76": ([actions(button(text=plain("x" * 76)))], "/0/elements/0/text/text", "max_length"),
    "button value of 2001": ([actions(button(value="x" * 2001))], "/0/elements/0/value", "max_length"),
    "button of a new style": ([actions(button(style="green"))], "/0/elements/0/style", "enum"),
    "26 buttons": ([actions(*(button(action_id=str(i)) for i in range(26)))], "/0/elements", "max_items"),
    "confirm title of 101": (
        [actions(button(confirm={**CONFIRM, "title": plain("x" * 101)}))],
        "/0/elements/0/confirm/title/text",
        "max_length",
    ),
    "confirm text of 301": (
        [actions(button(confirm={**CONFIRM, "text": plain("x" * 301)}))],
        "/0/elements/0/confirm/text/text",
        "max_length",
    ),
    "101 options": ([actions(select(101))], "/0/elements/0/options", "max_items"),
    "no options": ([actions({"type": "static_select", "action_id": "s"})], "/0/elements/0", "required"),
    "option of 76": (
        [actions({"type": "overflow", "action_id": "o", "options": [option(text="x" * 76)]})],
        "/0/elements/0/options/0/text/text",
        "max_length",
    ),
    "overflow of 6": (
        [actions({"type": "overflow", "action_id": "o", "options": [option()] * 6})],
        "/0/elements/0/options",
        "max_items",
    ),
    "action_id twice": ([actions(button(), button())], "/0/elements/1/action_id", "unique"),
    "block_id twice": (
        [{"type": "divider", "block_id": "a"}, {"type": "divider", "block_id": "a"}],
        "/1/block_id",
        "unique",
    ),
    "unknown block": ([{"type": "marquee"}], "/0/type", "enum"),
    "unknown text": ([{"type": "section", "text": {"type": "invalid", "text": "x"}}], "/0/text/type", "enum"),
    "additional property": ([{**section("x"), "colour": "red"}], "/0/colour", "additional_property"),
    "image with two sources": (
        [{"type": "image", "alt_text": "a", "image_url": "https://a.example", "slack_file": {"id": "F1"}}],
        "/0",
        "only_one",
    ),
    "empty rich text": ([rich({"type": "text", "text": ""})], "/0/elements/0/elements/0/text", "min_length"),
    "table of 101 rows": (
        [{"type": "table", "rows": [[{"type": "raw_text", "text": "x"}]] * 101}],
        "/0/rows",
        "max_items",
    ),
    "table of 21 columns": (
        [{"type": "table", "rows": [[{"type": "raw_text", "text": "x"}] * 21]}],
        "/0/rows/0",
        "max_items",
    ),
    "two tables": ([{"type": "table", "rows": [[{"type": "raw_text", "text": "x"}]]}] * 2, "/1", "max_items"),
    "modal title of 25": (modal(title=plain("x" * 25)), "/title/text", "max_length"),
    "modal without title": ({"type": "modal", "blocks": []}, "/title", "required"),
    "input without submit": (modal({"type": "input", "label": TITLE, "element": FIELD}), "/submit", "required"),
    "private_metadata of 3001": (modal(private_metadata="x" * 3001), "/private_metadata", "max_length"),
    "home of 101": ({"type": "home", "blocks": [{"type": "divider"}] * 101}, "/blocks", "max_items"),
    "metadata without payload": (
        {"text": "x", "metadata": {"event_type": "run"}},
        "/metadata/event_payload",
        "required",
    ),
    "blocks that are a string": ({"text": "x", "blocks": "[]"}, "/blocks", "type"),
}

CODED: dict[str, tuple[Any, str]] = {
    "too much text over all blocks": ([section("x" * 3000)] * 4 + [section("y")], "msg_blocks_too_long"),
    "a message of nothing": ({}, "no_text"),
    "a view of 250 kB": (modal(*[section("é" * 3000)] * 50), "view_too_large"),
}


@pytest.mark.parametrize("value", ACCEPTED.values(), ids=ACCEPTED)
def test_what_slack_accepts_has_no_fault(value: Any) -> None:
    assert faults(value) == []


@pytest.mark.parametrize(("value", "pointer", "kind"), REFUSED.values(), ids=REFUSED)
def test_what_slack_refuses_is_told_with_its_place_and_constraint(value: Any, pointer: str, kind: str) -> None:
    assert (pointer, kind) in [(fault.pointer, fault.constraint["type"]) for fault in faults(value)]


@pytest.mark.parametrize(("value", "code"), CODED.values(), ids=CODED)
def test_limits_over_the_whole_have_slacks_own_error_code(value: Any, code: str) -> None:
    assert code in [fault.code for fault in faults(value)]


def test_a_fault_is_written_as_blocks_validate_writes_it() -> None:
    [fault] = faults([{"type": "section", "text": {"type": "invalid", "text": "Hello"}}])
    assert fault.document() == {
        "code": "failed_constraint",
        "message": "unsupported type: invalid",
        "pointer": "/0/text/type",
        "constraint": {"type": "enum", "expected": ["mrkdwn", "plain_text"]},
    }


def test_the_budget_counts_text_at_any_depth() -> None:
    assert text_length([section("abc"), rich({"type": "text", "text": "de"})]) == 5
    assert faults([section("x" * 3000)] * (TEXT_BUDGET // 3000)) == []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "text", "elements", "blocks", "fields", "action_id", "block_id", "title"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@given(st.lists(JSON, max_size=4) | st.dictionaries(st.sampled_from(["type", "text", "blocks", "attachments"]), JSON))
def test_no_json_whatever_breaks_the_validator(value: Any) -> None:
    assert all(fault.pointer.startswith("/") or not fault.pointer for fault in faults(value))


@pytest.mark.skipif(not SHARED.exists(), reason="the Slack contract data is not beside this checkout")
@pytest.mark.parametrize("folder", ["views", "blocks"])
def test_every_sample_of_the_contract_is_accepted(folder: str) -> None:
    samples = [path for path in sorted((SHARED / folder).glob("*.json")) if "changed" not in path.name]
    assert samples
    for path in samples:
        document = json.loads(path.read_text())
        if document.get("type") in ("modal", "home"):  # a view as Slack sends it carries more than one sends to Slack
            document = {key: part for key, part in document.items() if key not in FROM_SLACK}
        elif "blocks" not in document:
            document = [document]
        assert faults(document) == [], path.name
