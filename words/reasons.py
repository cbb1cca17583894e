"""The sentences that tasks wait or end with, recognised, so that they can be said in another language.

The code writes English down, which stays as it is in JSON and in exports; `locales/en/reasons.toml` has each sentence.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from string import Formatter
from typing import Any

from words import ENGLISH, sentences, t

SYSTEM = "Engage|Shopify's storage|Shopify"  # what {system} may stand for; any other name may be anything
SAYS = re.compile(r"reason\.(\w+)\.says")


@dataclass(frozen=True)
class Reason:
    """A sentence of ours, by its name in the locale files, with what was put into it."""

    name: str
    values: Mapping[str, str]

    @property
    def within(self) -> Reason | None:
        """The sentence that this one only adds to."""
        return recognised(self.values.get("reason"))

    @property
    def words(self) -> str:
        values: dict[str, Any] = {
            name: said(value) if name == "reason" else value for name, value in self.values.items()
        }
        return t(f"reason.{self.name}.says", **values)


def said(sentence: str) -> str:
    """The sentence in the language that is being spoken, or as it is when it is not one of ours."""
    found = recognised(sentence)
    return found.words if found else sentence


def recognised(sentence: str | None) -> Reason | None:
    """Which sentence of ours this is, or None: what another system says is left as it is."""
    if not sentence:
        return None
    plain, patterns = _known()
    if name := plain.get(sentence):
        return Reason(name, {})
    for name, pattern in patterns:
        if match := pattern.fullmatch(sentence):
            return Reason(name, match.groupdict())
    return None


@cache
def _known() -> tuple[dict[str, str], list[tuple[str, re.Pattern[str]]]]:
    """Names by sentence, and patterns for those with something put in, in the order of the file."""
    english = {found[1]: str(text) for key, text in sentences(ENGLISH).items() if (found := SAYS.fullmatch(key))}
    plain = {text: name for name, text in english.items() if "{" not in text}
    return plain, [(name, _pattern(text)) for name, text in english.items() if "{" in text]


def _pattern(text: str) -> re.Pattern[str]:
    parts = []
    for literal, name, _, _ in Formatter().parse(text):
        parts.append(re.escape(literal))
        if name:
            parts.append(f"(?P<{name}>{SYSTEM if name == 'system' else '.+?'})")
    return re.compile("".join(parts), re.DOTALL)
