"""What may stand in `sweeps.yaml`, of which type, and what may it name? What it means is read in `sweep_reader`."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from bot.adapters.files.times import WindowEntry
from bot.core.host import Inventory
from bot.core.playbook import Playbook
from bot.core.sweep import Overlap, Quiet


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=False)


class Thresholds(_Model):
    """When something counts as there, as gone, as worth telling."""

    open_after: int | None = Field(default=None, ge=1, le=100)
    resolve_after: int | None = Field(default=None, ge=1, le=100)
    flap_changes: int | None = Field(default=None, ge=2, le=64)
    flap_window: str | None = None
    remind_after: str | None = None
    horizon: str | None = None
    least: Literal["info", "warning", "critical"] | None = None


class Common(_Model):
    """What `defaults` may say for every sweep."""

    zone: str | None = None
    channel: str | None = None
    owner: str | None = None
    jitter: str | None = None
    catch_up: str | None = None
    overlap: Overlap | None = None
    timeout: str | None = None
    quiet: Quiet | None = None
    quiet_hours: list[str] | None = None
    thresholds: Thresholds = Field(default_factory=Thresholds)


class SweepEntry(Common):
    """One sweep."""

    target: str
    every: str | None = None
    cron: str | None = None
    title: str = ""
    playbooks: list[str] = Field(default_factory=list)
    params: dict[str, str | int | float | bool] = Field(default_factory=dict)
    enabled: bool = True


class PlanEntries(_Model):
    """The whole file."""

    defaults: Common = Field(default_factory=Common)
    sweeps: dict[str, SweepEntry] = Field(default_factory=dict)
    maintenance: list[WindowEntry] = Field(default_factory=list)
    messages_per_hour: int = Field(default=20, ge=1, le=1000)


@dataclass(frozen=True, slots=True)
class World:
    """What a plan names, and must exist. `people` are those of the access policy; None: they are not known now."""

    inventory: Inventory
    playbooks: Mapping[str, Playbook]
    people: Collection[str] | None = None
