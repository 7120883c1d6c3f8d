"""What the bot is run by is as strict as it says: the image, compose, the systemd unit, Prometheus' rules.

No image is built here and no unit started: the files are read, and whatever can be tried without that is tried.
"""

import ast
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.adapters.http.metrics import COUNTERS, GAUGES, HISTOGRAMS
from bot.settings import Settings, load

ROOT = Path(__file__).parents[1]
UNIT = ROOT / "deploy" / "netdiag.service"
SETTINGS = {f"NETDIAG_{key.upper()}" for key in Settings.model_fields}
SECRETS = {
    f"NETDIAG_{key.upper()}" for key, field in Settings.model_fields.items() if "SecretStr" in str(field.annotation)
}


# --- the image -------------------------------------------------------------------------------------------------------


def instructions() -> list[tuple[str, str]]:
    """(instruction, its words) of the Dockerfile, continued lines joined."""
    text = re.sub(r"^\s*#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.MULTILINE)
    lines = re.sub(r"\\\n\s*", " ", text).splitlines()
    return [(line.split()[0], line.split(None, 1)[1]) for line in lines if line.strip()]


def last_stage() -> list[tuple[str, str]]:
    known = instructions()
    begin = max(at for at, (name, _) in enumerate(known) if name == "FROM")
    return known[begin:]


def words(name: str, stage: list[tuple[str, str]] | None = None) -> list[str]:
    return [said for kind, said in (instructions() if stage is None else stage) if kind == name]


def environment() -> dict[str, str]:
    return dict(pair.split("=", 1) for said in words("ENV", last_stage()) for pair in shlex.split(said))


def test_every_base_has_a_version() -> None:
    bases = [said.split()[0] for said in words("FROM")]
    assert len(bases) == 2
    assert all(re.fullmatch(r"python:3\.\d+-slim-\w+", base) for base in bases)
    assert len(set(bases)) == 1  # what was built for one interpreter runs on it


def test_the_last_stage_runs_as_nobody_in_particular() -> None:
    kinds = [kind for kind, _ in last_stage()]
    (user,) = words("USER", last_stage())
    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", user)  # by number: an orchestrator can see that it is not root
    assert not set(kinds[kinds.index("USER") :]) & {"RUN", "COPY", "ADD"}


def test_nothing_is_built_or_fetched_in_the_last_stage() -> None:
    said = " ".join(words("RUN", last_stage()))
    assert "pip uninstall -y pip" in said
    assert not re.search(r"pip install|apt-get|curl|wget|gcc|git ", said)
    assert words("COPY", last_stage()) == ["--from=build /venv /venv"]


def test_what_is_installed_is_what_was_locked() -> None:
    installs = [said for said in words("RUN") if "pip install" in said]
    assert "--require-hashes -r requirements.lock" in installs[0]
    assert all("--no-deps" in said or "--require-hashes" in said for said in installs)
    assert "/venv/bin/pip uninstall -y pip" in " ".join(words("RUN"))
    assert not words("ADD")


def test_the_image_names_no_secret_and_only_settings_that_exist() -> None:
    given = environment()
    assert {name for name in given if name.startswith("NETDIAG_")} <= SETTINGS
    assert not set(given) & SECRETS
    assert not words("ARG")
    load(environ={name: value for name, value in given.items() if name != "PATH"})


def test_nothing_is_written_but_to_state_and_tmp() -> None:
    given = environment()
    assert given["NETDIAG_STATE"] == "/state"
    assert given["MPLCONFIGDIR"].startswith("/tmp/")
    assert words("VOLUME", last_stage()) == ["/state"]


def test_signals_reach_the_bot_itself() -> None:
    assert words("ENTRYPOINT", last_stage()) == ['["netdiag"]']  # no shell between
    assert words("CMD", last_stage()) == ['["serve"]']


@pytest.mark.parametrize(("status", "well"), [(200, True), (503, False)])
def test_the_health_check_asks_the_bot(status: int, well: bool) -> None:
    (said,) = words("HEALTHCHECK", last_stage())
    command = json.loads(said[said.index("[") :])
    asked: list[str] = []

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        listen = {"NETDIAG_HTTP_LISTEN": f"0.0.0.0:{server.server_port}"}
        done = subprocess.run(
            [sys.executable, *command[1:]], env={**os.environ, **listen}, check=False, capture_output=True
        )
        server.shutdown()
    assert (done.returncode == 0, asked) == (well, ["/healthz"])


# --- compose ---------------------------------------------------------------------------------------------------------


def service() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "compose.yaml").read_text())["services"]["netdiag"]


def test_compose_takes_everything_away_that_is_not_needed() -> None:
    bot = service()
    assert bot["read_only"] is True
    assert bot["cap_drop"] == ["ALL"]
    assert bot["security_opt"] == ["no-new-privileges:true"]
    assert bot["user"] == words("USER", last_stage())[0]
    assert not {"privileged", "cap_add", "network_mode", "pid", "ports", "devices"} & set(bot)
    writable = [volume.split(":")[1] for volume in bot["volumes"] if not volume.endswith(":ro")]
    writable += [mount.split(":")[0] for mount in bot["tmpfs"]]
    assert sorted(writable) == ["/state", "/tmp"]


def test_compose_gives_secrets_by_file_alone(tmp_path: Path) -> None:
    bot, whole = service(), yaml.safe_load((ROOT / "compose.yaml").read_text())
    given = bot["environment"]
    assert set(given) <= SETTINGS
    assert set(given) >= SECRETS
    for name in SECRETS:
        assert given[name].removeprefix("file:/run/secrets/") in bot["secrets"]
    assert set(bot["secrets"]) == set(whole["secrets"])
    assert all(list(one) == ["file"] for one in whole["secrets"].values())


def test_a_container_has_the_time_to_bring_what_it_does_to_an_end() -> None:
    from bot.engine.drive import GRACE

    assert int(service()["stop_grace_period"].removesuffix("s")) > GRACE
    assert float(re.findall(r"^TimeoutStopSec=(\d+)$", UNIT.read_text(), re.MULTILINE)[0]) > GRACE


# --- systemd ---------------------------------------------------------------------------------------------------------


def test_the_unit_gives_only_settings_that_exist_and_secrets_as_credentials() -> None:
    unit = UNIT.read_text()
    given = dict(re.findall(r"^Environment=(\w+)=(.+)$", unit, re.MULTILINE))
    assert {name for name in given if name.startswith("NETDIAG_")} <= SETTINGS
    assert set(given) >= SECRETS
    loaded = set(re.findall(r"^LoadCredential=([\w-]+):", unit, re.MULTILINE))
    for name in SECRETS:
        assert given[name].removeprefix("file:%d/") in loaded


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit with a program that is here."""
    copy = tmp_path / UNIT.name
    copy.write_text(re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", UNIT.read_text(), flags=re.MULTILINE))
    return copy


def analyze(*words: str) -> "subprocess.CompletedProcess[str]":
    if shutil.which("systemd-analyze") is None:
        pytest.skip("no systemd-analyze on PATH (Debian: apt-get install systemd)")
    return subprocess.run(["systemd-analyze", *words], check=False, capture_output=True, text=True)


def test_systemd_understands_every_line_of_the_unit(unit: Path) -> None:
    done = analyze("verify", "--man=no", str(unit))
    assert (done.returncode, done.stderr.strip()) == (0, "")


def test_systemd_finds_little_that_the_unit_leaves_open(unit: Path) -> None:
    done = analyze("security", "--offline=true", "--no-pager", str(unit))
    found = re.search(r"Overall exposure level for \S+: ([\d.]+)", done.stdout)
    assert found, done.stderr
    assert float(found[1]) <= 1.5


# --- Prometheus ------------------------------------------------------------------------------------------------------

RULES = yaml.safe_load((ROOT / "deploy" / "prometheus-rules.yaml").read_text())["groups"]


def figures() -> dict[str, set[str]]:
    """Every figure that can be read, with its labels."""
    known = {f"netdiag_{name}_total": set(labels) for name, (_, labels) in COUNTERS.items()}
    known |= {f"netdiag_{name}": set(labels) for name, (_, labels) in GAUGES.items()}
    for name, (_, labels) in HISTOGRAMS.items():
        known |= {f"netdiag_{name}_{part}": {*labels, "le"} for part in ("bucket", "count", "sum")}
    return known


@pytest.mark.parametrize("rule", [rule for group in RULES for rule in group["rules"]], ids=lambda rule: rule["alert"])
def test_a_rule_asks_for_figures_and_labels_that_exist(rule: dict[str, Any]) -> None:
    known = figures()
    assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
    for name, _, matchers in re.findall(r"\b(netdiag_\w+)(\{([^}]*)\})?", rule["expr"]):
        assert name in known
        assert set(re.findall(r"(\w+)\s*(?:=~|!=|!~|=)", matchers)) <= known[name]
    used = set(re.findall(r"\$labels\.(\w+)", str(rule["annotations"])))
    labels = set().union(*(known[name] for name in re.findall(r"\bnetdiag_\w+", rule["expr"])), {"job"})
    assert used <= labels
    assert rule["labels"]["severity"] in ("critical", "warning")


def test_every_figure_is_explained_on_the_operators_page() -> None:
    page = (ROOT / "docs" / "operations.md").read_text()
    told = set(re.findall(r"`(netdiag_\w+)`", page))
    ours = {f"netdiag_{name}{'_total' if name in COUNTERS else ''}" for name in (*COUNTERS, *GAUGES, *HISTOGRAMS)}
    assert told == ours


# --- the log ---------------------------------------------------------------------------------------------------------


def events() -> dict[str, str]:
    """Every event that the code logs, and where."""
    found = {}
    for file in (ROOT / "bot").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            if getattr(node.func.value, "id", "") == "log" and node.func.attr in {
                "debug", "info", "warning", "error", "exception", "critical",
            }:  # fmt: skip
                event = node.args[0]
                where = f"{file.relative_to(ROOT)}:{node.lineno}"
                found[where] = event.value if isinstance(event, ast.Constant) else f"not a constant: {ast.dump(event)}"
    return found


def test_every_line_of_the_log_is_a_named_fact_and_no_prose() -> None:
    odd = {where: event for where, event in events().items() if not re.fullmatch(r"[a-z]+(\.[a-z_]+)+", str(event))}
    assert len(events()) > 40
    assert not odd
