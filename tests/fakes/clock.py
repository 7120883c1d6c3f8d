"""A clock that stands still until told, and chance that repeats."""

from datetime import UTC, datetime, timedelta

START = datetime(2030, 5, 13, 9, 0, 0, tzinfo=UTC)


class FakeClock:
    """`ports.Clock`: `tick` moves it; tokens count up."""

    def __init__(self, start: datetime = START) -> None:
        self.time = start
        self.tokens = 0

    def now(self) -> datetime:
        return self.time

    def tick(self, seconds: float) -> datetime:
        self.time += timedelta(seconds=seconds)
        return self.time

    def token(self, bits: int = 128) -> str:
        self.tokens += 1
        return f"{self.tokens:x}".rjust(bits // 4, "0")
