"""The demo starts whatever an earlier one left, and without the right to make hosts it says so and replays some."""

import json
import os
import signal
from pathlib import Path
from urllib.request import HTTPCookieProcessor, build_opener

import pytest

from bot.demo import availability
from tests.e2e.conftest import start_demo, stop_demo

NO_ADMIN = ("setpriv", "--bounding-set", "-sys_admin", "--inh-caps", "-sys_admin")


def test_a_demo_comes_up_after_one_that_was_killed(tmp_path: Path) -> None:
    if reason := availability():
        pytest.skip(reason)
    first, demo = start_demo(tmp_path)
    assert demo.somaxconn() == 128
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    second, again = start_demo(tmp_path)
    try:
        assert again.somaxconn() == 128
        assert again.netdiag("run", "node-1", "--window", "0.5").returncode == 0
    finally:
        assert stop_demo(second) == 0
    assert not (tmp_path / "demo.json").exists()


def test_without_the_right_to_make_hosts_recorded_ones_answer_and_are_named_so(tmp_path: Path) -> None:
    process, demo = start_demo(tmp_path, before=NO_ADMIN)
    try:
        assert "namespaces" in (demo.story["replayed"] or "")
        assert "ecorded" in (tmp_path / "demo.log").read_text()
        found = demo.netdiag("run", "all", "--format", "json")
        assert found.returncode == 1, found.stderr
        hosts = {host["host"]: host for host in json.loads(found.stdout)["hosts"]}
        assert all(name.startswith("recorded-") for name in hosts)
        assert hosts["recorded-node-3"]["status"] == "critical"
        assert all(p["refused"] for host in hosts.values() for p in host["proposals"]), "a recording cannot be changed"
        browser = build_opener(HTTPCookieProcessor())
        assert browser.open(demo.story["url"]).status == 200
    finally:
        assert stop_demo(process) == 0
