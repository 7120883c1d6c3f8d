"""The fleet over time: runs of sweeps, visits, measures, faults, settings, norms, silences."""

from bot.adapters.store.past.history import PastStore

__all__ = ["PastStore"]
