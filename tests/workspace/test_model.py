"""Do the workspace's values stay bounded, and does what people type stay what they typed?"""

import re
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from bot.core.blockkit import faults
from bot.workspace import PEOPLE, Message, blocks, channels, model
from bot.workspace.cast import world
from bot.workspace.compose import compose, escape
from bot.workspace.passes import KEPT, Hook, Passes
from bot.workspace.wire import App

WORLD = world(PEOPLE, channels(PEOPLE), (), App("A0", "B0", "U0NETDIAG", "netdiag", "http://127.0.0.1:1"))
TOKENS = re.compile(r"<(@U0\w+|#C0\w+|!(here|channel|everyone)|https?://[^<>]+)>")
typed = st.text(max_size=200) | st.lists(
    st.sampled_from(
        ["@alice", "@nobody", "#netops", "@here", "<", ">", "&", "`", "```", "*b*", "_i_", "http://x.y/z", " "]
    )
).map("".join)


@given(typed)
def test_what_is_typed_makes_no_markup_beyond_what_it_names(words) -> None:
    text, _ = compose(words, WORLD, "b")
    assert not re.search(r"[<>]", TOKENS.sub("", text))


@given(typed.filter(lambda words: words.strip()))
def test_what_is_typed_makes_blocks_that_slack_takes(words) -> None:
    _, rich = compose(words, WORLD, "b")
    assert faults(rich) == []


@given(st.text(alphabet="abc <>&", max_size=50))
def test_plain_words_are_only_escaped(words) -> None:
    text, (rich,) = compose(words, WORLD, "b")
    assert text == escape(words)
    assert "".join(one["text"] for part in rich["elements"] for one in part["elements"]) == words


def test_a_channel_keeps_its_newest_messages() -> None:
    kept = WORLD
    for number in range(model.MESSAGES_MAX + 5):
        kept = model.posted(kept, Message(f"{number}.0", "C0NETOPS", "U0ALICE"))
    assert [one.ts for one in kept.messages["C0NETOPS"]][:1] == ["5.0"]
    assert len(kept.messages["C0NETOPS"]) == model.MESSAGES_MAX


def test_what_only_one_person_saw_is_bounded_too() -> None:
    kept = WORLD
    for number in range(model.EPHEMERALS_MAX + 5):
        kept = model.posted(kept, Message(f"{number}.0", "C0NETOPS", "U0BOB", recipient="U0ALICE"))
    assert len(kept.ephemerals["U0ALICE"]) == model.EPHEMERALS_MAX
    assert "C0NETOPS" not in kept.messages


def test_passes_are_forgotten_oldest_first() -> None:
    passes = Passes(lambda: 0.0)
    for number in range(KEPT + 1):
        passes.hook(Hook(str(number), "U0ALICE", "C0NETOPS", 0.0))
    assert passes.use("0") == "expired_url"
    assert isinstance(passes.use("1"), Hook)


def test_a_change_leaves_the_workspace_before_it_as_it_was() -> None:
    message = Message("1.0", "C0NETOPS", "U0ALICE", "one")
    before = model.posted(WORLD, message)
    after = model.changed(before, replace(message, text="two"))
    gone = model.removed(after, message)
    texts = [[one.text for one in each.messages.get("C0NETOPS", ())] for each in (WORLD, before, after, gone)]
    assert texts == [[], ["one"], ["two"], []]


@given(st.lists(st.tuples(st.sampled_from(["eyes", "x"]), st.sampled_from(["U0ALICE", "U0BOB"]), st.booleans())))
def test_a_reaction_is_there_while_somebody_holds_it(steps) -> None:
    message = Message("1.0", "C0NETOPS", "U0ALICE")
    held: set[tuple[str, str]] = set()
    for name, user, add in steps:
        message = (model.reacted if add else model.unreacted)(message, name, user)
        held = held | {(name, user)} if add else held - {(name, user)}
    assert {(one.name, user) for one in message.reactions for user in one.users} == held
    assert all(one.users for one in message.reactions)


def test_a_guest_sees_only_their_own_channels() -> None:
    assert [one.name for one in WORLD.visible("U0DAVE")] == ["netops"]
    assert [one.name for one in WORLD.visible("U0BOB")] == ["netops", "general", "netdiag-audit"]


SELECT = {
    "type": "static_select",
    "action_id": "s",
    "options": [{"text": {"type": "plain_text", "text": "One"}, "value": "1"}],
    "initial_option": {"text": {"type": "plain_text", "text": "One"}, "value": "1"},
}


def test_state_begins_with_the_initial_values_and_takes_plain_ones() -> None:
    surface = [
        {
            "type": "input",
            "block_id": "a",
            "element": {"type": "plain_text_input", "action_id": "t", "initial_value": "x"},
        },
        {"type": "section", "block_id": "b", "accessory": SELECT},
        {
            "type": "input",
            "block_id": "c",
            "element": {"type": "checkboxes", "action_id": "c", "options": SELECT["options"]},
        },
    ]
    assert blocks.state(surface)["a"]["t"] == {"type": "plain_text_input", "value": "x"}
    assert blocks.state(surface)["b"]["s"]["selected_option"]["value"] == "1"
    assert blocks.state(surface)["c"]["c"] == {"type": "checkboxes", "selected_options": []}
    given_ = blocks.state(surface, {"a": {"t": "y"}, "c": {"c": ["1"]}})
    assert given_["a"]["t"]["value"] == "y"
    assert [one["value"] for one in given_["c"]["c"]["selected_options"]] == ["1"]
