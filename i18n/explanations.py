"""Explanations of task outcomes: the sentence of a reason, what happened, what to do, and who can do it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from string import Formatter
from typing import Any

from i18n.catalogue import t, translations
from i18n.error_codes import ADVICE_BY_ERROR, ADVICE_BY_REASON, CALL_ERRORS, NOBODY, Advice, error_name
from i18n.locale import ENGLISH, current_language, use_language
from reasons import ENDING, INNER_REASON, RESPONSE_MESSAGE, Cause, ErrorCode, Reason
from redaction.text import masked_words

LEFT_OUT = "…"
REASONS = frozenset(Reason)
KEYS = REASONS | CALL_ERRORS  # by which tasks can be filtered


@dataclass(frozen=True)
class Explanation:
    """The explanation of an outcome. `todo` is None when no action is needed."""

    title: str
    means: str | None
    todo: str | None
    advice: Advice


def reason_text(why: Cause, *, revealed: bool = False) -> str:
    """Return the sentence of a cause in the current language.

    `revealed`: with the other system's message, which may name people, and with any text of an older version.
    """
    if why.sentence_key not in REASONS:
        return why.sentence_key if revealed else masked_words(why.sentence_key)
    values: dict[str, Any] = {**why.params} if revealed else _without_response_message(why.params)
    if inner := _inner(why):
        values[INNER_REASON] = reason_text(inner, revealed=revealed)
    sentence = t(f"reason.{why.sentence_key}.says", **_complete("reason", why.sentence_key, values))
    if ending := values.get(ENDING):
        return t(f"ending.{ending}.says", **_complete("ending", str(ending), {**values, "reason": sentence}))
    return sentence


def _complete(family: str, name: str, values: dict[str, Any]) -> dict[str, Any]:
    """Add `LEFT_OUT` for each placeholder whose value was not stored, as by an older version."""
    text = str(translations(current_language())[f"{family}.{name}.says"])
    return {name: LEFT_OUT for _, name, _, _ in Formatter().parse(text) if name} | values


def reason_key(why: Cause | None) -> str | None:
    """Return the key that JSON and CSV show of a cause; None for text of an older version."""
    return why.reason if why and why.reason in KEYS else None


def reason_label(key: str) -> str:
    """Return the title of a reason or error in the current language, whatever its parameters."""
    if key in CALL_ERRORS:
        return t(f"error.{key}.title")
    return t(f"reason.{key}.says", **_complete("reason", key, {}))


def english_reason(why: Cause | None) -> str | None:
    """Return the English sentence for JSON, CSV and exports."""
    if why is None:
        return None
    with use_language(ENGLISH):
        return reason_text(why)


def _without_response_message(params: Mapping[str, Any]) -> dict[str, Any]:
    return {**params, RESPONSE_MESSAGE: LEFT_OUT} if RESPONSE_MESSAGE in params else {**params}


def explain(why: Cause | None, error: ErrorCode) -> Explanation | None:
    """Explain an outcome by its cause and error code. None: neither is known, or there is none."""
    name = why.reason if why and why.reason in CALL_ERRORS else error_name(error)
    todo, advice = _advice(why, name)
    if name:
        return Explanation(t(f"error.{name}.title"), t(f"error.{name}.means"), todo, advice)
    return Explanation(reason_text(why), None, todo, advice) if why and why.sentence_key in REASONS else None


def _advice(why: Cause | None, name: str | None) -> tuple[str | None, Advice]:
    """What to do, and who can do it. A reason with advice of its own is more specific than the error."""
    for each in _with_inner(why):
        if each.sentence_key in ADVICE_BY_REASON:
            return _todo("reason", each.sentence_key), ADVICE_BY_REASON[each.sentence_key]
    return (_todo("error", name), ADVICE_BY_ERROR[name]) if name else (None, NOBODY)


def _todo(family: str, name: str) -> str:
    replay = t("actions.replay").rstrip("…")  # texts name the buttons to press
    return t(f"{family}.{name}.todo", retry=t("actions.retry"), resume=t("imports.action.resume"), replay=replay)


def _with_inner(why: Cause | None) -> Iterator[Cause]:
    while why:
        yield why
        why = _inner(why)


def _inner(why: Cause) -> Cause | None:
    if INNER_REASON not in why.params:
        return None
    params = {name: each for name, each in why.params.items() if name not in (INNER_REASON, ENDING)}
    return Cause(str(why.params[INNER_REASON]), params)
