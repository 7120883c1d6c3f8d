"""The pages say what is: links lead somewhere, commands parse, settings and tests exist, tables are the code's own.

`python -m tests.test_docs` writes the generated parts of docs/approval.md anew.
"""

import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.core import TyperGroup

from bot import actions, probes
from bot.adapters.files.alerts import Known, read_alerts, unknown_names
from bot.adapters.files.inventory import load_inventory
from bot.adapters.files.playbooks import load_playbooks
from bot.adapters.files.policy import load_policy, read_policy
from bot.adapters.slack import words
from bot.cli import cli, commands
from bot.core.approval import LATE, REFUSED, TRANSITIONS, State, diagram
from bot.core.report import Risk
from bot.settings import Settings, load

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
NAMES = [page.relative_to(ROOT).as_posix() for page in PAGES]
COMMANDS: Any = typer.main.get_command(cli)
USAGE: Any = typer.BadParameter.__base__
assert commands.__all__, "importing them registers them"

FENCE = re.compile(r"^(```|~~~).*?^\1\s*$", re.MULTILINE | re.DOTALL)
INDENTED = re.compile(r"(?:(?<=\n\n)|\A)(?: {4}.*\n+)+")
LINK = re.compile(r"\[(?:[^\[\]]|\[[^\]]*\])*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#{1,6} +(.+?) *#*$", re.MULTILINE)
EXTERNAL = ("https://", "http://", "mailto:")
SPAN = re.compile(r"`([^`\n]+)`")


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def prose(name: str) -> str:
    """A page without its blocks of code."""
    return INDENTED.sub("\n", FENCE.sub("", text(name)))


def anchors(page: str) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    found: dict[str, int] = {}
    made = set()
    for title in HEADING.findall(FENCE.sub("", page)):
        plain = re.sub(r"[`*]|\[([^\]]*)\]\([^)]*\)", r"\1", title)
        slug = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
        number = found.get(slug, 0)
        found[slug] = number + 1
        made.add(f"{slug}-{number}" if number else slug)
    return made


@pytest.mark.parametrize("name", NAMES)
def test_every_link_leads_somewhere(name: str) -> None:
    dead = []
    for target in LINK.findall(prose(name)):
        if target.startswith(EXTERNAL):
            continue
        file, _, anchor = target.partition("#")
        place = ((ROOT / name).parent / file).resolve() if file else ROOT / name
        if not place.exists():
            dead.append(f"{target}: no such file")
        elif anchor and anchor not in anchors(place.read_text(encoding="utf-8")):
            dead.append(f"{target}: no such heading")
    assert not dead


# --- commands --------------------------------------------------------------------------------------------------------


def shown_commands(name: str) -> Iterator[str]:
    """Every command line of netdiag on a page: from code blocks, and spans that begin with its name."""
    page = text(name)
    blocks = [match.group() for match in (*FENCE.finditer(page), *INDENTED.finditer(FENCE.sub("", page)))]
    lines = [line.strip().removeprefix("$ ") for block in blocks for line in block.splitlines()]
    for line in [*lines, *SPAN.findall(FENCE.sub("", page))]:
        for part in line.split("&&"):
            # in a block, what stands behind two blanks or a hash explains the command
            command = re.split(r"\s{2,}|\s#", part.strip())[0].removeprefix("sudo ")
            if re.match(r"(\.venv/bin/)?netdiag [a-z-]", command):
                yield from alternatives(command)


def alternatives(command: str) -> Iterator[str]:
    """`netdiag audit list|show` is two commands."""
    head, slot, tail = re.fullmatch(r"(\S+(?: [a-z]+)?) ?((?:[a-z]+\|[a-z|]+)?)(.*)", command, re.DOTALL).groups()
    yield from [f"{head} {word}{tail}" for word in slot.split("|")] if slot else [command]


def parse(command: str) -> None:
    """Let the real command line read it, without doing it."""
    arguments = shlex.split(command)[1:]
    at: Any = COMMANDS
    while isinstance(at, TyperGroup):
        if not arguments or arguments[0].startswith("-"):
            options = {option for part in at.params for option in part.opts} | {"--help"}
            assert set(arguments) <= options, f"{command}: no such option"
            return
        assert arguments[0] in at.commands, f"{command}: no command {arguments[0]!r}"
        at, arguments = at.commands[arguments[0]], arguments[1:]
    needed = [part for part in at.params if part.param_type_name == "argument" and part.required]
    if arguments and any(arguments[-1] in part.opts for part in at.params):
        arguments.pop()  # `netdiag run --inventory` names the option
    if arguments or not needed:  # and `netdiag record` the command
        at.make_context(at.name, arguments)


@pytest.mark.parametrize("name", NAMES)
def test_every_command_line_shown_is_one(name: str) -> None:
    wrong = []
    for command in shown_commands(name):
        try:
            parse(command)
        except (USAGE, AssertionError) as fault:
            wrong.append(f"{command}: {fault}")
    assert not wrong


@pytest.mark.parametrize(
    "command",
    ["netdiag audit rewrite", "netdiag deny c0ffee --because x", "netdiag run --format text", "netdiag changes 1"],
)
def test_what_is_no_command_line_is_noticed(command: str) -> None:
    with pytest.raises((USAGE, AssertionError)):
        parse(command)


@pytest.mark.parametrize("name", NAMES)
def test_every_slash_command_shown_is_understood(name: str) -> None:
    for typed in re.findall(r"`/netdiag ([^`]*)`", text(name)):
        plain = re.sub(r"[\[\]]|\.\.\.", "", typed)
        if "=" not in plain.split()[0]:
            words.parse(plain, {"playbook", "listen-queue"}, {"node-3", "TARGET"})


# --- settings --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_every_setting_named_exists(name: str) -> None:
    known = {f"NETDIAG_{key.upper()}" for key in Settings.model_fields} | {"NETDIAG_CONFIG"}
    assert set(re.findall(r"NETDIAG_[A-Z_]*[A-Z]", text(name))) <= known


def test_the_table_of_settings_is_complete_and_its_defaults_are_true() -> None:
    rows = re.findall(r"^\| `([a-z_.`, ]+)` \| (`NETDIAG.+?) \| (.*?) \|", text("docs/operations.md"), re.MULTILINE)
    told = {key.strip("` ").replace(".", "_"): default.strip() for keys, _, default in rows for key in keys.split(",")}
    assert set(told) == set(Settings.model_fields)
    plain = load(environ={"HOME": "/home/netdiag"})
    for key, default in told.items():
        if re.fullmatch(r"\d+", default):
            assert float(default) == getattr(plain, key), key


# --- files shown -----------------------------------------------------------------------------------------------------


def shown_files(name: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", text(name), re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize("name", ["README.md", "docs/approval.md"])
def test_every_inventory_and_policy_shown_is_one(name: str, tmp_path: Path) -> None:
    seen = 0
    for content in shown_files(name, "yaml"):
        if re.search(r"^hosts:", content, re.MULTILINE):
            (tmp_path / "hosts.yaml").write_text(content)
            assert load_inventory(tmp_path).hosts
        else:
            policy = read_policy(content.encode(), name, "1")
            assert policy.rules or policy.empty
        seen += 1
    assert seen


def test_every_file_of_alerts_shown_is_one() -> None:
    (shown,) = [content for content in shown_files("docs/alerts.md", "yaml") if "routes:" in content]
    assert read_alerts(shown.encode(), "docs/alerts.md", "1").routes
    shipped = ROOT / "inventory" / "alerts.yaml"
    routing = read_alerts(shipped.read_bytes(), str(shipped), "1")
    playbooks = load_playbooks(ROOT / "playbooks", probes.catalog(), actions.catalog())
    known = Known(load_policy(ROOT / "inventory").people, playbooks)
    assert routing.routes
    assert not list(unknown_names(routing, known))


def test_every_settings_file_shown_is_one(tmp_path: Path) -> None:
    (shown,) = shown_files("docs/operations.md", "toml")
    file = tmp_path / "netdiag.toml"
    file.write_text(re.sub(r"file:[^\"]+", f"file:{file}", shown))
    assert load(environ={"NETDIAG_CONFIG": str(file)}).slack_app_token is not None


# --- what is generated -----------------------------------------------------------------------------------------------


def transitions() -> str:
    """The table of transitions as people read it."""
    lines = ["| From | Asked | To | Entry of the log |", "|---|---|---|---|"]
    lines += [
        f"| {start.value if start else ''} | {act.value} | {end.value} | `{kind}` |"
        for (start, act), ends in TRANSITIONS.items()
        for end, kind in ends.items()
    ]
    return "\n".join(lines)


def late() -> str:
    """What is told in which state."""
    return "\n".join(["| State | Told |", "|---|---|", *(f"| {state.value} | {LATE[state]} |" for state in State)])


GENERATED = {"transitions": transitions, "late": late, "diagram": lambda: f"```mermaid\n{diagram()}```"}


def between(page: str, name: str) -> str:
    found = re.search(rf"<!-- {name} -->\n(.*?)<!-- /{name} -->", page, re.DOTALL)
    assert found, f"no marks for {name}"
    return found[1].strip()


@pytest.mark.parametrize("part", GENERATED)
def test_the_transition_table_of_the_docs_is_the_one_of_the_code(part: str) -> None:
    said = between(text("docs/approval.md"), part)
    assert said == GENERATED[part]().strip(), "python -m tests.test_docs writes it anew"


# --- tables that name what is in the code ----------------------------------------------------------------------------


def test_every_test_that_is_named_as_a_proof_exists() -> None:
    page = text("docs/security.md")
    proofs = re.findall(r"\[`(test_\w+)`\]\(\.\./(tests/[\w/]+\.py)\)", page)
    assert len(proofs) > 50
    missing = [f"{file}::{name}" for name, file in proofs if f"def {name}(" not in text(file)]
    assert not missing
    assert len(re.findall(r"`test_\w+`", page)) == len(proofs), "a test is named with a link to its file"


def logged() -> set[str]:
    """Every kind of event that the code can write."""
    kinds = {kind for ends in TRANSITIONS.values() for kind in ends.values()} | set(REFUSED.values())
    for file in (ROOT / "bot").rglob("*.py"):
        kinds |= set(re.findall(r"\bEvent\(\s*\"(\w+)\"", file.read_text(encoding="utf-8")))
    return kinds


def test_every_entry_that_the_log_may_hold_is_explained() -> None:
    told = set(re.findall(r"`([A-Z]\w+)`", between(text("docs/security.md"), "events")))
    assert told == logged()


def test_the_actions_that_are_explained_exist() -> None:
    rows = re.findall(r"^\| `([a-z]+\.[a-z]+)` \| .*? \| (.*?) \|", text("docs/changes.md"), re.MULTILINE)
    assert rows
    for name, risk in rows:
        assert name in actions.catalog()
        assert any(word in risk for word in Risk)


def test_the_image_gets_every_file_that_the_package_is_made_of() -> None:
    project = tomllib.loads(text("pyproject.toml"))
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    copied = " ".join(re.findall(r"^COPY (?!--from)(.*) \S+$", text("Dockerfile"), re.MULTILINE)).split()
    assert {"pyproject.toml", project["project"]["readme"], *wheel["packages"], *wheel["force-include"]} <= set(copied)


if __name__ == "__main__":
    page = text("docs/approval.md")
    for part, make in GENERATED.items():
        marks = f"<!-- {part} -->", f"<!-- /{part} -->"
        page = re.sub(
            f"{marks[0]}.*?{marks[1]}", "\n".join((marks[0], make().strip(), marks[1])), page, flags=re.DOTALL
        )
    (ROOT / "docs/approval.md").write_text(page, encoding="utf-8")
