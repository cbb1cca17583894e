"""The translation catalogue: the text of a key in the current language, with its values and plural form.

Texts are in `locales/<language>/*.toml`. Another language is another folder with the same keys.
"""

from __future__ import annotations

import tomllib
from functools import cache
from typing import Any

from i18n.locale import LOCALES, current_language, plural_form
from i18n.numbers import format_number

PLURAL_FORMS = frozenset(("zero", "one", "two", "few", "many", "other"))  # CLDR's; a language uses some of them

Translation = str | dict[str, str]


def t(key: str, /, *, count: int | None = None, **values: object) -> str:
    """Translate a key and put its values in. Raises KeyError for an unknown key.

    `count` is a value too, and chooses the plural form. Integers are written as the language writes numbers.
    """
    text = translations(current_language())[key]
    if isinstance(text, dict):
        text = text["other" if count is None else plural_form(count, current_language())]
    if count is not None:
        values["count"] = count
    return text.format_map({name: format_number(each) if type(each) is int else each for name, each in values.items()})


@cache
def translations(language: str) -> dict[str, Translation]:
    """Return every translation of a language by its key: the names of the tables and of the entry, joined by dots."""
    found: dict[str, Translation] = {}
    for path in sorted((LOCALES / language).glob("*.toml")):
        found |= _flat(tomllib.loads(path.read_text("utf-8")))
    return found


def _flat(table: dict[str, Any], prefix: str = "") -> dict[str, Translation]:
    flat: dict[str, Translation] = {}
    for name, entry in table.items():
        if isinstance(entry, dict) and not is_plural(entry):
            flat |= _flat(entry, f"{prefix}{name}.")
        else:
            flat[prefix + name] = entry
    return flat


def is_plural(table: dict[str, Any]) -> bool:
    """Whether a table holds the plural forms of one text; CLDR demands `other` of every language."""
    return "other" in table and table.keys() <= PLURAL_FORMS
