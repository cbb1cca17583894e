"""Outcomes of tasks as tests write them down: the English sentence and the code that JSON and CSV show."""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from i18n.explanations import reason_text
from reasons import NO_ERROR, Cause, ErrorCode, Reason, ReasonError

# The one reader of sentences that there is: it converted those of the versions that stored them.
_reader = importlib.import_module("migrations.0020_reason_keys")


def cause_of(sentence: str) -> Cause:
    """Return the cause that has this sentence; for another text, the text as an older version stored it."""
    reason, params = _reader.recognise(sentence) or (sentence, {})
    return Cause(reason, params)


def error_of(code: str | None) -> ErrorCode:
    """Return the error code that is written like this, such as `Engage 422 ValidationError`."""
    if not code:
        return NO_ERROR
    system, status, own = _reader.parse_code(code)
    return ErrorCode(own, system, status)


def ending(reason: str | None = None, code: str | None = None) -> dict[str, Any]:
    """Return the arguments of `claims.finish` for this sentence and code."""
    return {"why": reason and cause_of(reason), "error": error_of(code)}


def columns(reason: str, code: str | None = None) -> dict[str, Any]:
    """Return the columns of a task that ended with this sentence and code."""
    key, params, system, status, own = _reader.convert(reason, code)
    return {"reason": key, "params": params and json.loads(params), "system": system, "status": status, "code": own}


@contextmanager
def raises_saying(kind: type[ReasonError], match: str) -> Iterator[pytest.ExceptionInfo[ReasonError]]:
    """As `pytest.raises`, with a pattern that the sentence of the error has to match."""
    with pytest.raises(kind) as caught:
        yield caught
    assert re.search(match, reason_text(caught.value.cause, revealed=True))


def sentence(why: Cause | Reason | None) -> str | None:
    """Return the English sentence of a cause or reason."""
    if why is None:
        return None
    return reason_text(why if isinstance(why, Cause) else Cause(why), revealed=True)
