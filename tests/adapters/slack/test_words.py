"""Is what people type read as they meant it, and what cannot be read refused with a hint?"""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.adapters.slack.words import Command, Word, parse, span, without_mention
from bot.core.errors import AskError

PLAYBOOKS = ("listen-queue", "socket-leak")
TARGETS = ("all", "ingress", "node-3", "status-1")

READ: dict[str, Command] = {
    "": Command(Word.FORM),
    "   ": Command(Word.FORM),
    "help": Command(Word.HELP),
    "HELP": Command(Word.HELP),
    "playbooks": Command(Word.PLAYBOOKS),
    "changes": Command(Word.CHANGES),
    "changes node-3": Command(Word.CHANGES, "node-3"),
    "history node-3": Command(Word.HISTORY, "node-3"),
    "node-3 pods": Command(Word.PODS, "node-3"),
    "pods node-3": Command(Word.PODS, "node-3"),
    "role=ingress pods": Command(Word.PODS, "role=ingress"),
    "node-3": Command(Word.RUN, "node-3"),
    "node-3 listen-queue": Command(Word.RUN, "node-3", ("listen-queue",)),
    "node-3 listen-queue listen-queue": Command(Word.RUN, "node-3", ("listen-queue",)),
    "node-3 port=443 listen-queue": Command(Word.RUN, "node-3", ("listen-queue",), {"port": "443"}),
    "role=ingress": Command(Word.RUN, "role=ingress"),
    "node-1,node-3": Command(Word.RUN, "node-1,node-3"),
    "node-*": Command(Word.RUN, "node-*"),
    'node-3 note="two words"': Command(Word.RUN, "node-3", (), {"note": "two words"}),
    "node-3 note=“two words”": Command(Word.RUN, "node-3", (), {"note": "two words"}),
    "node-3 note=a=b": Command(Word.RUN, "node-3", (), {"note": "a=b"}),
    "node-3 note=": Command(Word.RUN, "node-3", (), {"note": ""}),
    "node-3 expr=a&lt;b&amp;c": Command(Word.RUN, "node-3", (), {"expr": "a<b&c"}),
    "<http://node-3.example.com|node-3.example.com>": Command(Word.RUN, "node-3.example.com"),
    "<http://node-3.example.com>": Command(Word.RUN, "http://node-3.example.com"),
    "web.10": Command(Word.RUN, "web.10"),
    "sweeps": Command(Word.SWEEPS),
    "sweep": Command(Word.SWEEPS),
    "Sweep nightly NOW": Command(Word.SWEEP, "nightly", rest="now"),
    "sweep nightly resume": Command(Word.SWEEP, "nightly", rest="resume"),
    "sweep nightly pause 2h the router’s move": Command(Word.SWEEP, "nightly", rest="pause 2h the router's move"),  # noqa: RUF001 - as phones type it
    "silence node-3 for 2h because it's “late”": Command(Word.SILENCE, rest='node-3 for 2h because it\'s "late"'),
    "silence <http://node-3.example|node-3.example> for 1d because x": Command(
        Word.SILENCE, rest="node-3.example for 1d because x"
    ),
    "silences": Command(Word.SILENCES),
    "unsilence s1": Command(Word.UNSILENCE, "s1"),
    "halt it's on fire": Command(Word.HALT, rest="it's on fire"),
    "Resume": Command(Word.RESUME),
}

REFUSED: dict[str, str] = {
    "halt": "halt REASON",
    "resume now": '"resume" takes no "now"',
    "hlep": 'did you mean "help"',
    "node-3 lisen-queue": 'did you mean "listen-queue"',
    "node-3 port=1 port=2": "given twice",
    "node-3 =1": "no name before",
    "history": "needs a target",
    "pods": "needs a target",
    "node-3 pods listen-queue": "stands alone",
    "node-3 listen-queue pods": "stands alone",
    "help me": 'takes no "me"',
    "history a b": 'takes no "b"',
    'node-3 note="open': "not closed",
    "x" * 2001: "at most 2000",
    "silence " + "x" * 2001: "at most 2000",
    "sweep nightly": "what shall become of nightly?",
    "sweep nightly stop": "nothing to do with a sweep",
    "sweep nightly now please": 'takes no "please"',
    "sweep nightly pause": "for how long?",
    "sweep nightly pause the move": "for how long?",
    "sweep nightly pause 2h": "needs a reason",
    "silence": "what shall be silent?",
    "silence node-3 for 2h": "why?",
    "silence node-3 because x": "for how long?",
    "unsilence": "needs an id",
}


SPANS: dict[str, tuple[int, str]] = {
    "2h the move": (7_200, "the move"),
    "for 2h because of the move": (7_200, "of the move"),
    "1h 30min 2 racks move": (5_400, "2 racks move"),
    "3 days because x": (259_200, "x"),
    "2h": (7_200, ""),
}


@pytest.mark.parametrize(("text", "expected"), SPANS.items(), ids=SPANS)
def test_a_pause_is_so_long_for_that_reason(text: str, expected: tuple[int, str]) -> None:
    assert span(text) == expected


@pytest.mark.parametrize(("text", "command"), READ.items(), ids=READ)
def test_commands_are_read_as_meant(text: str, command: Command) -> None:
    assert parse(text, PLAYBOOKS, TARGETS) == command


@pytest.mark.parametrize(("text", "hint"), REFUSED.items(), ids=lambda value: value[:20])
def test_what_cannot_be_read_is_refused_with_a_hint(text: str, hint: str) -> None:
    with pytest.raises(AskError, match=hint):
        parse(text, PLAYBOOKS, TARGETS)


def test_a_host_that_looks_like_a_command_is_still_a_host() -> None:
    assert parse("status-1", PLAYBOOKS, TARGETS) == Command(Word.RUN, "status-1")
    assert parse("help", PLAYBOOKS, ("help",)) == Command(Word.RUN, "help")


@pytest.mark.parametrize("text", ["<@U0BOT> node-3", "<@U0BOT|netdiag> node-3", "hey", " <@U0BOT>node-3 "])
def test_the_mention_itself_is_not_part_of_the_command(text: str) -> None:
    assert without_mention(text, "U0BOT") in ("node-3", "hey")


WORDS = st.text("abcxyz-.*0189", min_size=1, max_size=12)


@given(WORDS, st.lists(st.sampled_from(PLAYBOOKS), unique=True), st.dictionaries(WORDS, st.text("ab 'c", max_size=8)))
def test_the_command_shown_to_be_learned_means_the_same(
    target: str, playbooks: list[str], params: dict[str, str]
) -> None:
    command = Command(Word.RUN, target, tuple(playbooks), params)
    if parse(target, PLAYBOOKS, (target,)).word is Word.RUN:
        assert parse(command.typed().removeprefix("/netdiag"), PLAYBOOKS, (target,)) == command


@given(st.text(max_size=60))
def test_no_text_whatever_breaks_the_parser(text: str) -> None:
    said = ""
    try:
        said = parse(text, PLAYBOOKS, TARGETS).word
    except AskError as refusal:
        said = str(refusal)
    assert said
