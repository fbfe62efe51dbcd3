"""Log lines for the person at night: which device, what happened, what we do next.

Keeps   Control characters never reach a terminal: text from devices is hostile. Secrets are kept
        out where they are born (settings have a repr without them); nothing is filtered here.
"""

import logging
import sys
from typing import Any, Final

import structlog

_LEVELS: Final = {"debug": 10, "info": 20, "warning": 30, "error": 40}
MAX_VALUE_CHARS: Final = 2000


def set_up(form: str = "json", level: str = "info") -> None:
    """Send structlog and the standard library's logging to standard error; "json" or "console"."""
    shared: list[Any] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _harmless,
    ]
    if form == "console":
        renderer: Any = structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(),
            exception_formatter=structlog.dev.plain_traceback,  # others print local variables
        )
        end = [renderer]
    else:
        renderer = structlog.processors.JSONRenderer(ensure_ascii=False)
        end = [structlog.processors.format_exc_info, renderer]
    structlog.configure(
        processors=[*shared, *end],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, force=True)


def _harmless(_logger: Any, _name: str, event: dict[str, Any]) -> dict[str, Any]:  # noqa: ANN401
    for key, value in event.items():
        if isinstance(value, str) and (len(value) > MAX_VALUE_CHARS or not value.isprintable()):
            text = value[:MAX_VALUE_CHARS]
            event[key] = "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)
    return event
