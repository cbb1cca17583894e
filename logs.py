"""Log lines of one shape for every process, each on one line: JSON, or text for people. Ids only, no personal data.

Whoever logs names no person and no secret; what looks like one all the same is hidden here. What is in hand, a task and
the trace that it belongs to, stands on each line that is written meanwhile.
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

HIDDEN = "[hidden]"
SECRET = re.compile(
    r"""shp(?:at|ua|rt|ca|pa|ss)_\w+             # Shopify's tokens and secrets
    | (?<=/webhooks/engage/)[\w-]+ | (?<=[?&]token=)[\w-]+  # what opens something by its address
    | whsec_[\w+/=-]+                             # Svix' signing secrets
    | (?i:api_?-?key|bearer)["']?[\s:=]+["']?[^\s"',}&\\]+
    | [^\s"'<>(),;:=\\]+@[^\s"'<>(),;:\\]+        # e-mail addresses, and passwords in addresses of servers
    | \+\d{8,15}\b                                # international phone numbers""",
    re.VERBOSE,
)
SUSPECT = ("@", "+", "shp", "whsec_", "key", "bearer", "token=", "/webhooks/engage/")  # else it need not be searched
CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
CAUSES = 5  # of an exception, one led to by the other
ELSEWHERE = ("uvicorn", "uvicorn.error", "uvicorn.access")  # have handlers of their own, unless told otherwise

_about: ContextVar[Mapping[str, str]] = ContextVar("about")


@contextmanager
def about(**fields: object) -> Iterator[None]:
    """Put these fields on every line that this thread, or this request, writes until the block ends."""
    token = _about.set({**_about.get({}), **{name: hidden(str(value)) for name, value in fields.items()}})
    try:
        yield
    finally:
        _about.reset(token)


def hidden(text: str) -> str:
    """The text without what looks like a secret, an e-mail address or a phone number."""
    lower = text.lower()
    return SECRET.sub(HIDDEN, text) if any(each in lower for each in SUSPECT) else text


class Json(logging.Formatter):
    """A line is an object: when, how bad, where, what, and what it is about."""

    def format(self, record: logging.LogRecord) -> str:
        said = {"at": _at(record), "level": record.levelname, "logger": record.name, **_said(record)}
        return json.dumps(said)


class Text(logging.Formatter):
    """The same for people: fields at the end, what would begin a new line spelt out."""

    def format(self, record: logging.LogRecord) -> str:
        said = _said(record)
        fields = "".join(f" {name}={value}" for name, value in said.items() if name != "message")
        line = f"{_at(record)} {record.levelname} {record.name} {said['message']}{fields}"
        return CONTROL.sub(lambda found: found.group().encode("unicode_escape").decode(), line)


def _said(record: logging.LogRecord) -> dict[str, str]:
    fields = {"message": hidden(record.getMessage()), **_about.get({})}
    if record.exc_info and record.exc_info[1]:
        fields["exception"] = hidden(_told(record.exc_info[1]))
    return fields


def _at(record: logging.LogRecord) -> str:
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(record.created))}.{int(record.msecs):03d}Z"


def _told(error: BaseException | None) -> str:
    """Of which class it is, where it happened and what led to it. Its words are left out: they quote values."""
    parts: list[str] = []
    while error is not None and len(parts) < CAUSES:
        parts.append("".join(traceback.format_tb(error.__traceback__)) + type(error).__qualname__)
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return "\nwhich came of:\n".join(parts)


FORMATS = {"json": Json, "text": Text}


def configure() -> None:
    """Let this process log so, whatever set it up before: uvicorn and Dramatiq do, each in its own way."""
    handler = logging.StreamHandler()
    handler.setFormatter(FORMATS[config.log_format]())
    logging.basicConfig(level=config.log_level, handlers=[handler], force=True)
    for name in ELSEWHERE:
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
    # urllib3 and peewee would quote addresses and values, and with them people.
    for chatty in ("apscheduler", "uvicorn.access", "urllib3", "peewee"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    sys.excepthook = _uncaught
    threading.excepthook = lambda ended: _uncaught(ended.exc_type, ended.exc_value, ended.exc_traceback)


def _uncaught(kind: type[BaseException], error: BaseException | None, _: TracebackType | None) -> None:
    if kind is KeyboardInterrupt or error is None:
        return
    logging.getLogger("uncaught").critical("%s ended a thread.", kind.__qualname__, exc_info=error)
