"""How is a moment kept? As microseconds since the epoch, in both databases."""

from datetime import datetime, timedelta

from bot.core.retention import EPOCH

_MICRO = timedelta(microseconds=1)


def micro(at: datetime) -> int:
    """A moment as microseconds since the epoch; exact, as a float would not be."""
    return (at - EPOCH) // _MICRO


def micro_or_none(at: datetime | None) -> int | None:
    """As `micro`; None stays None."""
    return None if at is None else micro(at)


def moment(micros: int) -> datetime:
    """The moment again, UTC, aware."""
    return EPOCH + timedelta(microseconds=micros)


def moment_or_none(micros: int | None) -> datetime | None:
    """As `moment`; None stays None."""
    return None if micros is None else moment(micros)
