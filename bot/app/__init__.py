"""Which concrete parts is netdiag made of? The composition root: the only package that names adapters to the engine."""

from bot.app.errands import checked, drawn, switched, verification
from bot.app.here import SystemClock, terminal_actor
from bot.app.opening import App, opened

__all__ = ["App", "SystemClock", "checked", "drawn", "opened", "switched", "terminal_actor", "verification"]
