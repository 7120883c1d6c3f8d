"""What may be set, and what is said of what may not."""

from datetime import timedelta
from pathlib import Path

import pytest

from bot.app import opened
from bot.core.errors import ConfigError
from bot.core.fault import Fault, Stage
from bot.core.report import Severity
from bot.core.retention import DAY, Retention
from bot.settings import load


def test_by_default_the_past_is_kept_as_long_as_the_store_keeps_it_by_itself() -> None:
    assert load(environ={}).retention == Retention()


def test_every_age_is_set_in_days_in_the_file_or_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "netdiag.toml"
    file.write_text("[retention]\nraw = 2\nhourly = 30\nstatuses = 14\n")
    environ = {
        "NETDIAG_CONFIG": str(file), "NETDIAG_RETENTION_DAILY": "400", "NETDIAG_RETENTION_FAULTS": "60",
        "NETDIAG_RETENTION_RUNS": "90", "NETDIAG_RETENTION_HOURLY": "31",
    }  # fmt: skip
    days = {"raw": 2, "hourly": 31, "daily": 400, "visits": 14, "faults": 60, "fires": 90}
    assert load(environ=environ).retention == Retention(**{name: age * DAY for name, age in days.items()})


WRONG = [
    ({"NETDIAG_RETENTION_RAW": "100"}, "setting retention_hourly: .*90 days, but retention_raw is 100: make it 100"),
    ({"NETDIAG_RETENTION_DAILY": "30"}, "setting retention_daily: .*30 days, but retention_hourly is 90"),
    ({"NETDIAG_RETENTION_HOURLY": "8"}, "setting retention_hourly: .*greater than or equal to 9"),
    ({"NETDIAG_RETENTION_RAW": "0"}, "setting retention_raw: .*greater than or equal to 1"),
    ({"NETDIAG_RETENTION_FAULTS": "7"}, "setting retention_faults: .*greater than or equal to 30"),
    ({"NETDIAG_RETENTION_RUNS": "a year"}, "setting retention_runs: .*valid integer"),
    ({"NETDIAG_RETENTION_RAW": "7d"}, "setting retention_raw: .*valid integer"),
    ({"NETDIAG_RETENTION_FALTS": "60"}, "NETDIAG_RETENTION_FALTS: no such setting.*retention_faults"),
]


@pytest.mark.parametrize(("environ", "said"), WRONG, ids=[next(iter(environ)) for environ, _ in WRONG])
def test_an_age_that_cannot_be_is_told_with_what_can(environ: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        load(environ=environ)


async def test_the_store_that_is_opened_keeps_what_is_set(tmp_path: Path) -> None:
    (tmp_path / "hosts.yaml").write_text("hosts: {here: {address: localhost, transport: local}}\n")
    for days, kept in ((60, 1), (30, 0)):
        settings = load({"state": tmp_path / "state", "inventory": tmp_path, "retention_faults": days}, environ={})
        async with opened(settings) as app:
            now = app.clock.now()
            past = now - timedelta(days=40)
            fault = Fault(
                host="here", fingerprint="f1", id="x", playbook="x", severity=Severity.WARNING, stage=Stage.RESOLVED,
                first=past, since=past, last=past,
            )  # fmt: skip
            await app.journal.history.put_faults([fault])
            await app.journal.history.thin(now)
            assert len(await app.journal.history.faults(since=past - timedelta(days=1))) == kept
