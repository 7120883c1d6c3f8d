"""Where does the bot's own log go, and what does a line of it look like?

To standard error: lines for people, or one JSON object a line for machines. Other libraries' records take the same
way. What a host or a chat printed is neutralised, and tracebacks show no variables: they hold tokens.
"""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog
from structlog.types import Processor

from bot.core.text import neutral
from bot.settings import Settings

_LONGEST = 2000


def configure(settings: Settings) -> None:
    """Log from now on as the settings say. Calling it again replaces what was said before."""
    people = settings.log_format == "console"
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _neutralised,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    last: list[Processor] = (
        [structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)]
        if people
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(settings.log_level.upper())
    for name in ("asyncssh", "sqlalchemy", "slack_sdk", "slack_bolt", "aiohttp", "apscheduler", "matplotlib"):
        # Their own news is ours to tell; at debug they print what they send.
        logging.getLogger(name).setLevel(logging.WARNING)


def _neutralised(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key, value in event.items():
        if isinstance(value, str):
            event[key] = neutral(value, _LONGEST)
    return event
