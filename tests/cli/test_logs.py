"""A line of the log is safe to show and to parse, and tells no secrets."""

import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from bot.cli.logs import configure
from bot.settings import load


@pytest.fixture(autouse=True)
def as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    root.handlers = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def fail(token: str) -> None:
    raise ValueError(f"refused {len(token)} characters")


def test_a_json_line_holds_what_was_said_and_a_traceback_without_variables(capsys: pytest.CaptureFixture[str]) -> None:
    configure(load({"log_format": "json"}))
    try:
        fail("xoxb-secret")
    except ValueError:
        structlog.get_logger().exception("slack refused", host="node-3\x1b[2J")
    line = capsys.readouterr().err
    told = json.loads(line)
    assert (told["event"], told["level"]) == ("slack refused", "error")
    assert "\x1b" not in told["host"]
    assert "refused 11 characters" in told["exception"]
    assert "xoxb" not in line.replace('fail("xoxb-secret")', "").replace('fail(\\"xoxb-secret\\")', "")


@pytest.mark.parametrize("form", ["console", "json"])
def test_what_a_host_printed_cannot_steer_a_terminal(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    configure(load({"log_format": form}))
    structlog.get_logger().warning("odd", said="a\x1b]0;title\x07b\u202ec")
    logging.getLogger("other").warning("said %s", "\x1b[31mred")
    out = capsys.readouterr().err
    assert len(out.splitlines()) == 2
    assert not {"\x1b", "\x07", "\u202e"} & set(out)


def test_the_level_is_as_configured(capsys: pytest.CaptureFixture[str]) -> None:
    configure(load({"log_level": "warning"}))
    structlog.get_logger().info("quiet")
    structlog.get_logger().warning("loud")
    assert [line.split()[-1] for line in capsys.readouterr().err.splitlines()] == ["loud"]
