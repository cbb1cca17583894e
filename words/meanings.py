"""Explanations of task outcomes in plain words: what happened, what to do, and who does it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from words import t
from words.errors import ERRORS, MEANS, NOBODY, TODO, Advice, error_of
from words.reasons import Reason, recognised


@dataclass(frozen=True)
class Meaning:
    """The explanation of an outcome. `todo` is None when no action is needed."""

    title: str
    means: str | None
    todo: str | None
    advice: Advice


def meaning_of(reason: str | None, code: str | None) -> Meaning | None:
    """Explain an outcome by its reason and code. None for an outcome that is in none of the tables."""
    found = recognised(reason)
    own = next((each for each in _with_inner(found) if each.name in TODO), None)
    todo, advice = (_todo("reason", own.name), TODO[own.name]) if own else (None, NOBODY)
    if error := next((MEANS[each.name] for each in _with_inner(found) if each.name in MEANS), error_of(code)):
        advice, todo = (advice, todo) if own else (ERRORS[error], _todo("error", error))
        return Meaning(t(f"error.{error}.title"), t(f"error.{error}.means"), todo, advice)
    return Meaning(found.words, None, todo, advice) if found else None


def _todo(family: str, name: str) -> str:
    replay = t("actions.replay").rstrip("…")  # texts name the buttons to press
    return t(f"{family}.{name}.todo", retry=t("actions.retry"), resume=t("imports.action.resume"), replay=replay)


def _with_inner(reason: Reason | None) -> Iterator[Reason]:
    while reason:
        yield reason
        reason = reason.within
