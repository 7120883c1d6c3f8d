"""Does the bot call Slack as Slack's own reference says, with no scope more than its calls need?"""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

from bot.adapters.slack import form, home, plans, talk
from bot.adapters.slack.api import SlackApi
from bot.adapters.slack.pieces import File, Message, line, rich
from bot.adapters.slack.session import SCOPES, environment
from bot.adapters.slack.words import Command, Word
from bot.core.blockkit import faults
from bot.engine.sweep_ports import Board
from bot.workspace import LocalSlack
from tests.adapters.slack.naughty import markup_left
from tests.adapters.slack.test_live import MANIFEST, asked, make
from tests.fakes.approval import proposed
from tests.fakes.clock import START, FakeClock
from tests.fakes.journal import MemoryJournal

ROOT = Path(__file__).parents[3]
CONTRACT = ROOT.parent / "shared" / "contract" / "slack"
needs_contract = pytest.mark.skipif(not CONTRACT.exists(), reason="Slack's contract data is not beside this checkout")
DOCUMENT: dict[str, Any] = yaml.safe_load(MANIFEST.read_text("utf-8"))

METHODS: dict[str, frozenset[str]] = {
    # every Web API method the bot calls, and which of the scopes it names we ask for
    "auth.test": frozenset(),
    "apps.connections.open": frozenset(),
    "chat.postMessage": frozenset({"chat:write"}),
    "chat.update": frozenset({"chat:write"}),
    "chat.postEphemeral": frozenset({"chat:write"}),
    "conversations.info": frozenset({"channels:read", "groups:read", "im:read"}),
    "conversations.history": frozenset({"channels:history", "groups:history"}),
    "conversations.replies": frozenset({"channels:history", "groups:history"}),
    "files.getUploadURLExternal": frozenset({"files:write"}),
    "files.completeUploadExternal": frozenset({"files:write"}),
    "usergroups.users.list": frozenset({"usergroups:read"}),
    "users.info": frozenset({"users:read"}),
    "views.open": frozenset(),
    "views.update": frozenset(),
    "views.publish": frozenset(),
}
FEATURES = frozenset({"commands", "app_mentions:read"})
"""Scopes that no method needs but the slash command and the mention event do."""


def reference(method: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((CONTRACT / "api-ref" / "methods" / f"{method}.json").read_text("utf-8"))
    return found


def test_the_manifest_asks_for_exactly_the_scopes_that_the_bot_proves_at_start() -> None:
    assert frozenset(DOCUMENT["oauth_config"]["scopes"]["bot"]) == SCOPES


def test_the_scopes_are_exactly_what_the_calls_and_features_need() -> None:
    assert frozenset().union(*METHODS.values(), FEATURES) == SCOPES


@needs_contract
@pytest.mark.parametrize("method", METHODS)
def test_each_scope_is_one_that_the_method_names(method: str) -> None:
    assert METHODS[method] <= frozenset(reference(method)["scope"].get("bot", ()))
    assert bool(METHODS[method]) == bool(reference(method)["scope"].get("bot"))


@needs_contract
def test_the_manifest_is_one_that_slack_takes() -> None:
    schema = json.loads((CONTRACT / "manifest" / "schemas" / "manifest.schema.2.0.0.json").read_text("utf-8"))
    assert [error.message for error in Draft7Validator(schema).iter_errors(DOCUMENT)] == []


def test_the_manifest_keeps_within_the_limits_of_slash_commands() -> None:
    for command in DOCUMENT["features"]["slash_commands"]:
        assert command["command"].startswith("/")
        assert len(command["command"]) <= 32
        assert len(command["description"]) <= 2000
    assert DOCUMENT["settings"]["socket_mode_enabled"]
    assert DOCUMENT["settings"]["interactivity"]["is_enabled"]
    assert "message.channels" not in DOCUMENT["settings"]["event_subscriptions"]["bot_events"]


async def exercise(slack: LocalSlack) -> None:
    """Make the bot use everything it has."""
    clock = FakeClock()
    bot = make(slack, MemoryJournal(clock), clock, audit_channel="C0AUDIT")
    await bot.start()
    _, card = await asked(bot)
    await slack.click("bob", "#netops", card.ts, "change.approve")
    await bot.card_says("c10aaaa", "Approved by")
    await slack.command("alice", "#netops", "/netdiag")
    await slack.until(lambda: slack.views("alice"))
    await slack.click_view("alice", "form.target", "node-3")
    await slack.open_home("bob")
    await slack.until(lambda: slack.home("bob"))
    slack.faults.arm("lost_reply", "chat.postMessage", times=2)
    await slack.command("bob", "#netops", "/netdiag node-1")
    await bot.card("c20aaaa")
    with environment(slack.api_url):
        api = SlackApi(slack.bot_token, slack.app_token, slack.api_url)
        await api.open()
        await api.upload("C0NETOPS", card.thread_ts or "", File("all.txt", "Everything", "text"))
        await api.upload("C0NETOPS", "", File("p.png", "A picture", png=b"png", alt="words"), rich(line("said")))
        await api.whisper("C0NETOPS", "U0BOB", "", Message("told", ()))
        await api.client.usergroups_users_list(usergroup="S0GROUP")
        await api.close()
    await bot.end()


@needs_contract
async def test_every_argument_of_every_call_is_in_the_reference() -> None:
    from bot.workspace import UserGroup

    groups = (UserGroup("S0GROUP", "oncall", "On call", ("U0BOB",)),)
    async with await LocalSlack.start(rates=False, app_manifest=MANIFEST, usergroups=groups) as slack:
        async with asyncio.timeout(60):
            await exercise(slack)
        calls = slack.calls
    seen = {call.method for call in calls}
    assert seen - set(METHODS) == set()
    assert set(METHODS) - seen == set(), "not exercised"
    for call in calls:
        known = set(reference(call.method)["args"]["properties"])
        assert set(call.args) - known == set(), call.method
        if "chat.post" in call.method or call.method == "chat.update":
            assert call.args.get("text")


CATALOGS = {
    "small": talk.Catalog(hosts=("node-1",), playbooks={"listen-queue": "Accept queues"}),
    "nothing": talk.Catalog(),
    "hundreds": talk.Catalog(
        hosts=tuple(f"node-{n}.{'x' * 200 if n == 7 else 'example'}" for n in range(900)),
        playbooks={f"playbook-{n}": "t" for n in range(300)},
    ),
    "hostile": talk.Catalog(hosts=("<!channel>", "a" * 500), groups=("<@U0BOB>",), playbooks={"*b*": "<!here>"}),
}


@pytest.mark.parametrize("catalog", CATALOGS.values(), ids=CATALOGS)
@pytest.mark.parametrize("filled", [None, Command(Word.RUN, "node-1", ("listen-queue",), {"port": "443"})])
def test_the_form_is_one_that_slack_takes_for_any_inventory(catalog: talk.Catalog, filled: Command | None) -> None:
    shown = form.view(catalog, form.Origin("C1", "1.1"), filled)
    assert faults(shown) == []
    assert markup_left("", shown["blocks"]) == []
    assert form.origin(shown["private_metadata"]) == form.Origin("C1", "1.1")


def test_the_form_searches_where_there_are_too_many_targets_to_list() -> None:
    catalog = CATALOGS["hundreds"]
    assert form.view(catalog, form.Origin("C1"))["blocks"][0]["element"]["type"] == "external_select"
    assert len(form.options(catalog, "")) == 100
    assert form.options(catalog, "NODE-42.")[0]["value"] == "node-42.example"
    assert form.options(catalog, "nod-42.exmple")


@pytest.mark.parametrize(
    ("state", "wrong"),
    [
        ({}, form.TARGET),
        ({form.TARGET: {form.TARGET: {"selected_option": None}}}, form.TARGET),
        ({form.TARGET: "odd"}, form.TARGET),
    ],
)
def test_a_form_without_a_target_says_which_field_is_wrong(state: dict[str, Any], wrong: str) -> None:
    assert wrong in form.read(state, CATALOGS["small"]).errors


def test_parameters_in_the_form_are_read_like_typed_ones() -> None:
    def state(params: str) -> dict[str, Any]:
        return {
            form.TARGET: {form.TARGET: {"selected_option": {"value": "node-1"}}},
            form.PARAMS: {form.PARAMS: {"value": params}},
        }

    assert form.read(state("port=443"), CATALOGS["small"]).command == Command(Word.RUN, "node-1", (), {"port": "443"})
    assert form.PARAMS in form.read(state("oops"), CATALOGS["small"]).errors
    assert form.PARAMS in form.read(state("listen-queue"), CATALOGS["small"]).errors


@pytest.mark.parametrize(
    ("playbooks", "params", "expected"),
    [
        (("pods",), "", Command(Word.PODS, "node-1")),
        (("pods", "listen-queue"), "", form.PLAYBOOKS),
        (("pods",), "port=443", form.PARAMS),
        ((), "pods", form.PARAMS),
    ],
)
def test_the_form_offers_the_table_of_pods_which_stands_alone(
    playbooks: tuple[str, ...], params: str, expected: Command | str
) -> None:
    shown = form.view(CATALOGS["small"], form.Origin("C1"), Command(Word.PODS, "node-1"))
    assert "The same as typing: /netdiag node-1 pods" in str(shown["blocks"])
    assert shown["blocks"][1]["element"]["initial_options"][0]["value"] == "pods"
    state = {
        form.TARGET: {form.TARGET: {"selected_option": {"value": "node-1"}}},
        form.PLAYBOOKS: {form.PLAYBOOKS: {"selected_options": [{"value": name} for name in playbooks]}},
        form.PARAMS: {form.PARAMS: {"value": params}},
    }
    filled = form.read(state, CATALOGS["small"])
    assert filled.command == expected if isinstance(expected, Command) else expected in filled.errors


@pytest.mark.parametrize("metadata", ["", "null", "[]", '{"channel": 1, "x": 2}', "{"])
def test_a_form_that_is_not_ours_has_no_origin(metadata: str) -> None:
    assert form.origin(metadata) is None


def test_the_home_is_one_that_slack_takes_however_much_waits() -> None:
    runs = [talk.Run(f"r{n}", "2030-01-01T00:00:00Z", "slack:T1:U1", "ok", ("x" * 500,)) for n in range(200)]
    for records in ([], [proposed()] * 200):
        assert faults(home.view(records, runs if records else [], Board(), (), START)) == []


def test_answers_without_rows_say_so() -> None:
    for message in (
        plans.board(Board(), START),
        plans.silences(()),
        talk.changes([], START),
        talk.audit([]),
        talk.playbooks({}),
        talk.history("h", [], [], START),
    ):
        assert faults(message.body()) == []
    assert "No sweep is configured" in plans.board(Board(), START).text
