"""What did the operator configure? Environment and one TOML file become one frozen `Settings`, once.

Environment variables are `NETDIAG_` and the key in capitals (`NETDIAG_STATE`, `NETDIAG_SLACK_BOT_TOKEN`); they win
over the file. A value `file:/run/secrets/token` is read from that file, so that no secret needs to be in either.
"""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, ValidationInfo, field_validator

from bot.core.errors import ConfigError, nearest
from bot.core.retention import DAY, Retention
from bot.core.trend import LOOK_BACK

PACKAGED_PLAYBOOKS = Path(__file__).parent / "_playbooks"
CHECKED_OUT_PLAYBOOKS = Path(__file__).parent.parent / "playbooks"
MONTH = 30
"""Days for which a sweep remembers what is over."""
LONGEST = 36_500


class Settings(BaseModel):
    """Everything that can be set. Paths are absolute or relative to the working directory."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    state: Path
    """Directory of the store, the key that signs the log, and its heads."""
    store: str | None = None
    """Database URL instead of SQLite in the state directory."""
    inventory: Path
    """Directory with hosts and access policy."""
    playbooks: Path
    """Directory with playbooks."""
    window: float = Field(default=3.0, ge=0.2, le=120)
    """Seconds between a visit's first and last sample: longer sees slower faults."""
    concurrency: int = Field(default=64, ge=1, le=1024)
    """Hosts read at the same time."""
    findings_url: str | None = Field(default=None, pattern=r"^https?://\S+$")
    """Where the pages of `docs/findings` are published: findings link to theirs."""
    slack_bot_token: SecretStr | None = None
    """Bot token, `xoxb-…`."""
    slack_app_token: SecretStr | None = None
    """App-level token with `connections:write`, `xapp-…`."""
    slack_api_url: str = "https://slack.com/api/"
    """Base URL of the Web API; the local workspace sets its own."""
    slack_audit_channel: str | None = None
    """Channel id that the audit log's signed heads are posted to."""
    http_listen: str | None = None
    """Address and port (`127.0.0.1:9180`) for alerts, metrics and health; none: nothing listens."""
    alerts_token: SecretStr | None = Field(default=None, min_length=16)
    """What Alertmanager proves itself with at `/alerts`; none: alerts are refused."""
    metrics_token: SecretStr | None = Field(default=None, min_length=16)
    """What Prometheus proves itself with at `/metrics`; none: whoever reaches the port may read it."""
    retention_raw: int = Field(default=7, ge=1, le=LONGEST)
    """Days for which the measures of each visit are kept; then one point an hour."""
    retention_hourly: int = Field(default=90, ge=LOOK_BACK.days, le=LONGEST, validate_default=True)
    """Days until that is one point a day: forecasts look back over a week by the hour."""
    retention_daily: int = Field(default=730, ge=LOOK_BACK.days, le=LONGEST, validate_default=True)
    """Days until that is gone."""
    retention_statuses: int = Field(default=90, ge=1, le=LONGEST)
    """Days for which the statuses of hosts and the digests of runs are kept."""
    retention_faults: int = Field(default=365, ge=MONTH, le=LONGEST)
    """Days for which a fault is kept after its end; one that comes back within a month is told as back again."""
    retention_runs: int = Field(default=365, ge=MONTH, le=LONGEST)
    """Days for which runs of sweeps, silences that are over, and the settings of hosts that nobody sees are kept."""
    log_format: Literal["console", "json"] = "console"
    log_level: Literal["debug", "info", "warning", "error"] = "info"

    @field_validator("retention_hourly", "retention_daily")
    @classmethod
    def _not_before(cls, days: int, known: ValidationInfo) -> int:
        """What is made coarser later must not go before: each age is at least the one before it."""
        before = {"retention_hourly": "retention_raw", "retention_daily": "retention_hourly"}[str(known.field_name)]
        least = known.data.get(before, days)
        if days < least:
            raise ValueError(f"{days} days, but {before} is {least}: make it {least} or more")
        return days

    @property
    def retention(self) -> Retention:
        """How long the store keeps the past."""
        return Retention(
            raw=self.retention_raw * DAY,
            hourly=self.retention_hourly * DAY,
            daily=self.retention_daily * DAY,
            visits=self.retention_statuses * DAY,
            faults=self.retention_faults * DAY,
            fires=self.retention_runs * DAY,
        )


def load(overrides: Mapping[str, Any] | None = None, environ: Mapping[str, str] | None = None) -> Settings:
    """Settings from defaults, the file `NETDIAG_CONFIG` (or ./netdiag.toml), the environment and `overrides`, in
    rising precedence. Raises ConfigError naming the file and line, or the variable, and the nearest valid name.
    """
    env = os.environ if environ is None else environ
    values: dict[str, Any] = {**_defaults(env), **_from_file(env), **_from_environment(env)}
    values.update({key: value for key, value in (overrides or {}).items() if value is not None})
    try:
        return Settings(**{key: _resolved(key, value) for key, value in values.items()})
    except ValidationError as error:
        lines = [f"setting {fault['loc'][0]}: {fault['msg']}" for fault in error.errors()]
        raise ConfigError("\n".join(lines)) from None


def _defaults(env: Mapping[str, str]) -> dict[str, Any]:
    home = Path(env.get("HOME") or "/")
    state_home = Path(env.get("XDG_STATE_HOME") or home / ".local" / "state")
    here = Path("playbooks")
    packaged = CHECKED_OUT_PLAYBOOKS if CHECKED_OUT_PLAYBOOKS.is_dir() else PACKAGED_PLAYBOOKS
    return {
        "state": state_home / "netdiag",
        "inventory": Path("inventory"),
        "playbooks": here if here.is_dir() else packaged,
    }


def _from_environment(env: Mapping[str, str]) -> dict[str, Any]:
    found = {}
    for variable, value in env.items():
        key = variable.removeprefix("NETDIAG_").lower()
        if not variable.startswith("NETDIAG_") or key in {"config", "demo"}:
            continue
        if key not in Settings.model_fields:
            raise ConfigError(f"{variable}: no such setting{nearest(key, Settings.model_fields)}")
        if value:
            found[key] = value
    for key, usual in (("slack_bot_token", "SLACK_BOT_TOKEN"), ("slack_app_token", "SLACK_APP_TOKEN")):
        if key not in found and env.get(usual):
            found[key] = env[usual]
    return found


def _from_file(env: Mapping[str, str]) -> dict[str, Any]:
    named = env.get("NETDIAG_CONFIG")
    path = Path(named or "netdiag.toml")
    if not path.is_file():
        if named:
            raise ConfigError(f"NETDIAG_CONFIG: no file {path}; create it or unset the variable")
        return {}
    text = path.read_text(encoding="utf-8", errors="replace")
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not TOML: {error}") from None
    found: dict[str, Any] = {}
    for key, value in raw.items():
        found.update({f"{key}_{sub}": item for sub, item in value.items()} if isinstance(value, dict) else {key: value})
    for key in found:
        if key not in Settings.model_fields:
            raise ConfigError(
                f"{path}:{_line_of(text, key)}: no such setting {key!r}{nearest(key, Settings.model_fields)}"
            )
    return found


def _line_of(text: str, key: str) -> int:
    """The first line that sets `key`, in a table or not; 1 when it cannot be told."""
    last = key.rsplit("_", 1)[-1]
    for number, line in enumerate(text.splitlines(), 1):
        name = line.split("=", 1)[0].strip().strip('"')
        if "=" in line and name in {key, last, key.split("_", 1)[-1]}:
            return number
    return 1


def _resolved(key: str, value: Any) -> Any:
    if key == "store" or not isinstance(value, str) or not value.startswith("file:"):
        return value
    path = Path(value.removeprefix("file:"))
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise ConfigError(f"setting {key}: cannot read {path}: {error.strerror}") from None
