"""Silences at the terminal: asked for with a reason and an end, listed, and taken back."""

import getpass
import json
from pathlib import Path

from tests.cli.conftest import Netdiag

ME = f"terminal:{getpass.getuser()}"


def test_a_silence_is_added_listed_and_ended(netdiag: Netdiag) -> None:
    added = netdiag(
        "silence", "add", "all", "rp-filter-*", "--for", "2h", "--reason", "cables\x1b[2J", "--format", "json"
    )
    assert added.exit_code == 0, added.output
    (made,) = json.loads(added.stdout)
    assert (made["hosts"], made["findings"], made["owner"], made["why"]) == ("all", "rp-filter-*", ME, "cables\\x1b[2J")
    listed = netdiag("silence", "list")
    assert made["id"] in listed.stdout
    assert "rp-filter-*" in listed.stdout
    ended = netdiag("silence", "end", made["id"])
    assert ended.exit_code == 0, ended.output
    assert "nothing is silenced" in netdiag("silence", "list").stdout
    kinds = [entry["kind"] for entry in json.loads(netdiag("audit", "list", "--format", "json").stdout)]
    assert [kind for kind in kinds if kind.startswith("Silence")] == ["SilenceAdded", "SilenceEnded"]


def test_what_is_wrong_with_a_silence_is_told_with_its_remedy(netdiag: Netdiag, tmp_path: Path) -> None:
    for words, fault in [
        (("all", "--for", "soon", "--reason", "x"), "no span of time; write 30m, 2h or 3d"),
        (("all", "--for", "40d", "--reason", "x"), "30 days"),
        (("all", "--for", "2h", "--reason", " "), "needs a reason"),
        (("nobody", "--for", "2h", "--reason", "x"), 'no host or group "nobody"'),
        (("all", "rp-filter-dorps", "--for", "2h", "--reason", "x"), 'did you mean "rp-filter-drops"'),
    ]:
        done = netdiag("silence", "add", *words)
        assert done.exit_code == 2 or done.exception is not None, words
        assert fault in f"{done.output} {done.exception}", words
    (tmp_path / "inventory" / "policy.yaml").write_text("people: {alice: {terminal: alice}}\n")
    done = netdiag("silence", "add", "all", "--for", "2h", "--reason", "x")
    assert "nobody in the access policy" in f"{done.output} {done.exception}"
