"""Format log records for every process, each on one line: as JSON, or as text for people. Ids only, no personal data.

Callers log no person and no secret; whatever looks like one all the same is redacted here. The context, such as a task
and its trace, stands on each line that is written within it.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import threading
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import TracebackType

from config import config
from redaction.text import redacted

CONTROL_CHARACTERS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
MAX_CAUSES = 5  # of one exception
WITH_HANDLERS = ("uvicorn", "uvicorn.error", "uvicorn.access")  # uvicorn gives these loggers handlers of their own

_context: ContextVar[Mapping[str, str]] = ContextVar("context")


@contextmanager
def log_context(**fields: object) -> Iterator[None]:
    """Put these fields on every line that this thread or request logs until the block ends."""
    token = _context.set({**_context.get({}), **{name: redacted(str(value)) for name, value in fields.items()}})
    try:
        yield
    finally:
        _context.reset(token)


class JsonFormatter(logging.Formatter):
    """Format a record as a JSON object: time, level, logger, message, context and exception."""

    def format(self, record: logging.LogRecord) -> str:
        line = {"at": _time(record), "level": record.levelname, "logger": record.name, **_fields(record)}
        return json.dumps(line)


class TextFormatter(logging.Formatter):
    """Format a record as text for people: the context at the end, control characters escaped."""

    def format(self, record: logging.LogRecord) -> str:
        fields = _fields(record)
        message = fields.pop("message")
        context = "".join(f" {name}={value}" for name, value in fields.items())
        line = f"{_time(record)} {record.levelname} {record.name} {message}{context}"
        return CONTROL_CHARACTERS.sub(lambda found: found.group().encode("unicode_escape").decode(), line)


def _fields(record: logging.LogRecord) -> dict[str, str]:
    fields = {"message": redacted(record.getMessage()), **_context.get({})}
    if record.exc_info and record.exc_info[1]:
        fields["exception"] = redacted(_traceback(record.exc_info[1]))
    return fields


def _time(record: logging.LogRecord) -> str:
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(record.created))}.{int(record.msecs):03d}Z"


def _traceback(error: BaseException | None) -> str:
    """The exception's class and stack, and its causes'. Messages are left out, since they quote values."""
    parts: list[str] = []
    while error is not None and len(parts) < MAX_CAUSES:
        parts.append("".join(traceback.format_tb(error.__traceback__)) + type(error).__qualname__)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return "\nwhich came of:\n".join(parts)


FORMATS = {"json": JsonFormatter, "text": TextFormatter}


def configure_logging() -> None:
    """Set up logging for this process, instead of what uvicorn or Dramatiq has set up."""
    handler = logging.StreamHandler()
    handler.setFormatter(FORMATS[config.log_format]())
    logging.basicConfig(level=config.log_level, handlers=[handler], force=True)
    for name in WITH_HANDLERS:
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
    # urllib3 and peewee would log URLs and values, and so personal data.
    for chatty in ("apscheduler", "uvicorn.access", "urllib3", "peewee"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    sys.excepthook = _uncaught
    threading.excepthook = lambda ended: _uncaught(ended.exc_type, ended.exc_value, ended.exc_traceback)


def _uncaught(kind: type[BaseException], error: BaseException | None, _: TracebackType | None) -> None:
    if kind is KeyboardInterrupt or error is None:
        return
    logging.getLogger("uncaught").critical("%s ended a thread.", kind.__qualname__, exc_info=error)
