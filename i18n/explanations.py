"""Explanations of task outcomes: what happened, what to do, and who can do it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from i18n.catalogue import t
from i18n.error_codes import ADVICE_BY_ERROR, ADVICE_BY_REASON, ERROR_BY_REASON, NOBODY, Advice, error_name
from i18n.reasons import Reason, recognise_reason


@dataclass(frozen=True)
class Explanation:
    """The explanation of an outcome. `todo` is None when no action is needed."""

    title: str
    means: str | None
    todo: str | None
    advice: Advice


def explain(reason: str | None, code: str | None) -> Explanation | None:
    """Explain an outcome by its reason and code. None for an outcome that is in none of the tables."""
    found = recognise_reason(reason)
    own = next((each for each in _with_inner(found) if each.name in ADVICE_BY_REASON), None)
    todo, advice = (_todo("reason", own.name), ADVICE_BY_REASON[own.name]) if own else (None, NOBODY)
    if error := next(
        (ERROR_BY_REASON[each.name] for each in _with_inner(found) if each.name in ERROR_BY_REASON), error_name(code)
    ):
        advice, todo = (advice, todo) if own else (ADVICE_BY_ERROR[error], _todo("error", error))
        return Explanation(t(f"error.{error}.title"), t(f"error.{error}.means"), todo, advice)
    return Explanation(found.text, None, todo, advice) if found else None


def _todo(family: str, name: str) -> str:
    replay = t("actions.replay").rstrip("…")  # texts name the buttons to press
    return t(f"{family}.{name}.todo", retry=t("actions.retry"), resume=t("imports.action.resume"), replay=replay)


def _with_inner(reason: Reason | None) -> Iterator[Reason]:
    while reason:
        yield reason
        reason = reason.inner
