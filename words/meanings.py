"""What a task's outcome means in plain words, whatever the task, and what can be done about it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from words import t
from words.errors import ERRORS, MEANS, NOBODY, TODO, Advice, error_of
from words.reasons import Reason, recognised


@dataclass(frozen=True)
class Meaning:
    """What is known of an outcome, whatever the task. `todo` is None when there is nothing to do."""

    title: str
    means: str | None
    todo: str | None
    advice: Advice


def meaning_of(reason: str | None, code: str | None) -> Meaning | None:
    """What this outcome means, or None when the tables do not have it."""
    found = recognised(reason)
    own = next((each for each in _chain(found) if each.name in TODO), None)
    todo, advice = (_todo("reason", own.name), TODO[own.name]) if own else (None, NOBODY)
    if error := next((MEANS[each.name] for each in _chain(found) if each.name in MEANS), error_of(code)):
        advice, todo = (advice, todo) if own else (ERRORS[error], _todo("error", error))
        return Meaning(t(f"error.{error}.title"), t(f"error.{error}.means"), todo, advice)
    return Meaning(found.words, None, todo, advice) if found else None


def _todo(family: str, name: str) -> str:
    """What to do, with the names of the buttons that do it."""
    again = t("acting.replay").rstrip("…")
    return t(f"{family}.{name}.todo", retry=t("acting.retry"), resume=t("imports.action.resume"), replay=again)


def _chain(reason: Reason | None) -> Iterator[Reason]:
    """A sentence, and those that it adds to."""
    while reason:
        yield reason
        reason = reason.within
