"""What is counted about the bot itself? Names and numbers go out through one port; nobody in here knows Prometheus."""

from collections.abc import Mapping
from typing import Protocol


class Meter(Protocol):
    """Takes figures. The names and their labels are the adapter's table (`docs/operations.md`); never raises for one
    that it knows. A label's values are few: no host, no run, no text of anybody's.
    """

    def count(self, name: str, /, by: float = 1, **labels: str) -> None:
        """Add to a counter."""
        ...

    def observe(self, name: str, value: float, /, **labels: str) -> None:
        """Add a value to a distribution (seconds)."""
        ...

    def set(self, name: str, value: float, /, **labels: str) -> None:
        """Say what a level is now."""
        ...

    def replace(self, name: str, values: Mapping[tuple[str, ...], float], /) -> None:
        """Say what all levels of a name are now, by their labels in order; what is not there is gone."""
        ...


class NoMeter:
    """Serves `Meter` where nobody looks."""

    def count(self, name: str, /, by: float = 1, **labels: str) -> None:
        """Nothing."""

    def observe(self, name: str, value: float, /, **labels: str) -> None:
        """Nothing."""

    def set(self, name: str, value: float, /, **labels: str) -> None:
        """Nothing."""

    def replace(self, name: str, values: Mapping[tuple[str, ...], float], /) -> None:
        """Nothing."""
