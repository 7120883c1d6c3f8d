"""Is Kubernetes asked only where it matters, only what is needed, and without a trace on the host?"""

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from bot.core.probe import Reading
from bot.core.visit import script_of
from bot.probes.endpoints import PROBE, EndpointsFacts, parse

CASE = yaml.safe_load((Path(__file__).parent / "cases/endpoints/services-and-slices.yaml").read_text())
_, SERVICES, SLICES = CASE["text"].splitlines()
VERSION = json.dumps({"major": "1", "minor": "32", "gitVersion": "v1.32.4"})  # some wrappers of kubectl ask for it
LISTS = {"/api/v1/services": SERVICES, "/apis/discovery.k8s.io/v1/endpointslices": SLICES}
STAND_IN = """\
#!{python}
import sys, urllib.request, urllib.error
config = open(sys.argv[sys.argv.index("--kubeconfig") + 1]).read()
server = next(line.split()[1] for line in config.splitlines() if line.strip().startswith("server:"))
try:
    print(urllib.request.urlopen(server + sys.argv[-1], timeout=2).read().decode())
except urllib.error.HTTPError as fault:
    sys.exit(f"Error from server ({{fault.reason}})")
"""


@dataclass
class Api:
    """An API server that knows two lists, and what it was asked."""

    url: str = ""
    status: int = 200
    asked: list[str] = field(default_factory=list)


@pytest.fixture
def api() -> Iterator[Api]:
    found = Api()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path.partition("?")[0] == "/version":
                return self.answer(200, VERSION)
            found.asked.append(self.path)
            status = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "Forbidden", "code": 403}
            text = LISTS[self.path.partition("?")[0]] if found.status == 200 else json.dumps(status)
            return self.answer(found.status, text)

        def answer(self, status: int, text: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, *_: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield found
    server.shutdown()
    thread.join()
    server.server_close()


@dataclass(frozen=True)
class Node:
    """A host with a kubeconfig and a kubectl, and a home that must stay as it is."""

    root: Path
    client: Path

    def configure(self, api: Api, user: str = "user: {}") -> None:
        (self.root / "admin.conf").write_text(f"""\
apiVersion: v1
kind: Config
clusters:
- name: c
  cluster:
    server: {api.url}
contexts:
- name: c
  context:
    cluster: c
    user: u
current-context: c
users:
- name: u
  {user}
""")

    def ask(self, carry: str = "ipvs suspects", patience: int = 30) -> EndpointsFacts:
        """What the host would say; kubectl needs more than its two seconds where the machine is busy."""
        script = script_of(PROBE).replace("/etc/kubernetes/admin.conf", str(self.root / "admin.conf"))
        assert "timeout 2 " in script
        script = script.replace("timeout 2 ", f"timeout {patience} ").replace("timeout=2s", f"timeout={patience}s")
        home = self.root / "home"
        home.mkdir()
        path = f"{self.client}:/usr/sbin:/usr/bin:/sbin:/bin"
        env = {"PATH": path, "HOME": str(home), "CARRY": carry, "LC_ALL": "C"}
        done = subprocess.run(
            ["sh", "-c", script], env=env, cwd=home, capture_output=True, text=True, timeout=60, check=False
        )
        assert list(home.rglob("*")) == [], "reading leaves nothing behind"
        return parse([Reading(text=done.stdout)], {})


@pytest.fixture(params=["kubectl", "stand-in"])
def node(request: pytest.FixtureRequest, tmp_path: Path) -> Node:
    client = tmp_path / "bin"
    client.mkdir()
    if request.param == "stand-in":
        stand_in = client / "kubectl"
        stand_in.write_text(STAND_IN.format(python=sys.executable))
        os.chmod(stand_in, 0o755)
    elif shutil.which("kubectl") is None:
        pytest.skip("no kubectl on this machine")
    return Node(tmp_path, client)


def test_two_lists_are_read_and_nothing_else_is_asked(node: Node, api: Api) -> None:
    node.configure(api)
    facts = node.ask()
    assert facts.asked, facts.why
    assert facts.services == CASE["facts"]["services"]
    assert sorted(path.partition("?")[0] for path in api.asked) == sorted(LISTS)
    assert all("resourceVersion=0" in path for path in api.asked), "from the server's cache"


def test_without_a_suspicion_nobody_is_asked(node: Node, api: Api) -> None:
    node.configure(api)
    assert (node.ask(carry="adrift 1 2").asked, api.asked) == (False, [])


def test_who_may_not_list_is_told_so_and_it_is_no_fault(node: Node, api: Api) -> None:
    node.configure(api)
    api.status = 403
    facts = node.ask()
    assert not facts.asked
    assert "orbidden" in facts.why


def test_a_kubeconfig_that_would_start_a_program_is_passed_over(node: Node, api: Api) -> None:
    program = "user:\n    exec:\n      command: /bin/true\n      apiVersion: client.authentication.k8s.io/v1"
    node.configure(api, program)
    facts = node.ask()
    assert (facts.asked, facts.why, api.asked) == (False, "this host has no kubeconfig that can be read", [])


def test_a_client_that_says_nothing_is_given_two_seconds(tmp_path: Path, api: Api) -> None:
    client = tmp_path / "bin"
    client.mkdir()
    (client / "kubectl").write_text("#!/bin/sh\nexec sleep 60\n")
    (client / "kubectl").chmod(0o755)
    node = Node(tmp_path, client)
    node.configure(api)
    facts = node.ask(patience=2)
    assert (facts.asked, facts.why) == (False, f"{tmp_path / 'admin.conf'}: no answer within 2 s")


def test_a_server_that_is_away_costs_seconds_and_is_no_fault(node: Node, api: Api) -> None:
    node.configure(Api(url="http://127.0.0.1:9"))
    facts = node.ask()
    assert not facts.asked
    assert "admin.conf" in facts.why
    assert PROBE.timeout >= 8, "two kubeconfigs, two lists, two seconds each"
