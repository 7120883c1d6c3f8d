"""Do the benchmarks say what they measured, and what they did not?"""

import asyncio
import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from benchmarks import __main__ as entry
from benchmarks import names
from benchmarks._figures import Result, Table, into, markdown, plain, ratios, spread
from benchmarks._relay import Relay, Tally

TABLE = Table("Costs", ("who", "ms"), (("loop", "120 (110-130)"), ("visit", "9.5 (9.0-9.9)")), "a note")


@pytest.fixture
def benches(monkeypatch: pytest.MonkeyPatch) -> dict[str, SimpleNamespace]:
    """Two benchmarks that cost nothing, in the place of the real ones."""
    made = {
        "fine": SimpleNamespace(
            TITLE="fine", missing=lambda: None, measure=lambda effort, say: Result((TABLE,), {"n": effort.rounds(7)})
        ),
        "rootless": SimpleNamespace(TITLE="rootless", missing=lambda: "needs root", measure=None),
    }
    monkeypatch.setattr(entry, "names", lambda: tuple(made))
    monkeypatch.setattr(entry, "import_module", lambda name: made[name.removeprefix("benchmarks.")])
    return made


def test_every_benchmark_keeps_the_protocol() -> None:
    from importlib import import_module

    for name in names():
        module = import_module(f"benchmarks.{name}")
        assert module.TITLE
        assert callable(module.missing)
        assert callable(module.measure)


def test_an_unknown_name_is_refused_with_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    assert entry.main(["stroy"]) == 2
    said = capsys.readouterr().err
    assert "no benchmark 'stroy'; did you mean \"story\"?" in said
    assert entry.main(["--list"]) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["fanout", "host_cpu", "story"]


def test_what_was_skipped_is_named_and_the_rest_is_measured(benches, capsys, tmp_path: Path) -> None:
    assert entry.main(["--quick", "--json", str(tmp_path / "out.json")]) == 0
    told = capsys.readouterr().out
    assert "Skipped: needs root" in told
    assert "9.5 (9.0-9.9)" in told
    document = json.loads((tmp_path / "out.json").read_text())
    assert document["benchmarks"]["rootless"]["skipped_because"] == "needs root"
    assert document["benchmarks"]["fine"]["samples"] == {"n": 2}
    assert document["machine"]["kernel"]


def test_one_that_fails_takes_no_other_with_it(benches, capsys) -> None:
    def broken(effort: object, say: object) -> Result:
        raise RuntimeError("sshd did not start")

    benches["broken"] = SimpleNamespace(TITLE="broken", missing=lambda: None, measure=broken)
    assert entry.main(["broken", "fine"]) == 1
    told = capsys.readouterr().out
    assert "Failed: RuntimeError: sshd did not start" in told
    assert "9.5 (9.0-9.9)" in told


def test_nothing_measured_is_no_success(benches) -> None:
    assert entry.main(["rootless"]) == 1


def test_tables_go_into_the_page_between_their_marks(benches, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("before\n<!-- figures: fine -->\nold\n<!-- /figures -->\nafter\n")
    assert entry.main(["fine", "--update", str(page)]) == 0
    told = page.read_text()
    assert told.startswith("before\n")
    assert told.endswith("<!-- /figures -->\nafter\n")
    assert "old" not in told
    assert "| visit | 9.5 (9.0-9.9) |" in told
    assert entry.main(["fine", "--update", str(page)]) == 0, "the marks are still there"


def test_a_page_without_marks_is_an_error() -> None:
    with pytest.raises(ValueError, match="no part between"):
        into("text", "story", (TABLE,), "")


def test_the_page_of_the_figures_has_a_place_for_each_benchmark() -> None:
    page = (Path(__file__).parents[2] / "docs" / "benchmarks.md").read_text()
    for name in names():
        into(page, name, (TABLE,), "")


def test_columns_are_aligned_and_figures_stand_to_the_right() -> None:
    assert plain(TABLE).splitlines()[2:6] == [
        "who               ms",
        "-----  -------------",
        "loop   120 (110-130)",
        "visit  9.5 (9.0-9.9)",
    ]
    assert "| --- | --: |" in markdown(TABLE)


def test_ratios_are_taken_pair_by_pair() -> None:
    assert ratios([10.0, 40.0], [1.0, 2.0]) == [10.0, 20.0]
    assert spread([3.0, 1.0, 2.0]) == "2.0 (1.0-3.0)"


async def test_the_relay_counts_a_turn_each_time_the_bot_speaks_after_the_host() -> None:
    async def host(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(line.upper())
            writer.write(b"and more\n")
        writer.close()

    server = await asyncio.start_server(host, "127.0.0.1", 0)
    async with server, Relay("127.0.0.1", server.sockets[0].getsockname()[1]).listening() as relay:
        reader, writer = await asyncio.open_connection("127.0.0.1", relay.port)
        for word in (b"one\n", b"two\n"):
            writer.write(word)
            await reader.readline()
            await reader.readline()
        assert relay.tally == Tally(logins=1, turns=2, sent=8, received=26)
        before = relay.tally
        writer.write(b"three\n")
        await reader.readline()
        assert relay.tally.since(before).turns == 1
        relay.cut()  # or the read below would wait for ever
        while await reader.read(100):
            pass
        writer.close()
