"""Recognise the stored English reasons of tasks, so that pages can show them in another language.

Reasons are stored in English and stay English in JSON and exports; `locales/en/reasons.toml` has each of them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from string import Formatter
from typing import Any

from i18n.catalogue import t, translations
from i18n.locale import ENGLISH

SYSTEM = "Engage|Shopify's storage|Shopify"  # what {system} can stand for; other placeholders match any text
REASON_KEY = re.compile(r"reason\.(\w+)\.says")


@dataclass(frozen=True)
class Reason:
    """A reason of ours: its name in the locale files, and the values of its placeholders."""

    name: str
    values: Mapping[str, str]

    @property
    def inner(self) -> Reason | None:
        """The reason inside this one, which only adds to it."""
        return recognise_reason(self.values.get("reason"))

    @property
    def text(self) -> str:
        """The reason in the current language."""
        values: dict[str, Any] = {
            name: translate_reason(value) if name == "reason" else value for name, value in self.values.items()
        }
        return t(f"reason.{self.name}.says", **values)


def translate_reason(sentence: str) -> str:
    """Translate a reason into the current language. Text of other systems is returned unchanged."""
    found = recognise_reason(sentence)
    return found.text if found else sentence


def recognise_reason(sentence: str | None) -> Reason | None:
    """Return the reason of ours that this sentence is, or None for text of another system."""
    if not sentence:
        return None
    plain, patterns = _english_reasons()
    if name := plain.get(sentence):
        return Reason(name, {})
    for name, pattern in patterns:
        if match := pattern.fullmatch(sentence):
            return Reason(name, match.groupdict())
    return None


@cache
def _english_reasons() -> tuple[dict[str, str], list[tuple[str, re.Pattern[str]]]]:
    english = {
        found[1]: str(text) for key, text in translations(ENGLISH).items() if (found := REASON_KEY.fullmatch(key))
    }
    plain = {text: name for name, text in english.items() if "{" not in text}
    # in the order of the file, since the first pattern that matches is the reason
    return plain, [(name, _pattern(text)) for name, text in english.items() if "{" in text]


def _pattern(text: str) -> re.Pattern[str]:
    parts = []
    for literal, name, _, _ in Formatter().parse(text):
        parts.append(re.escape(literal))
        if name:
            parts.append(f"(?P<{name}>{SYSTEM if name == 'system' else '.+?'})")
    return re.compile("".join(parts), re.DOTALL)
