"""The current language, and its CLDR locale (plural rules, numbers, dates) from Babel."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path

from babel import Locale

LOCALES = Path(__file__).parent.parent / "locales"
ENGLISH = "en"
LANGUAGES = tuple(sorted(folder.name for folder in LOCALES.iterdir() if folder.is_dir()))

_current: ContextVar[str] = ContextVar("language", default=ENGLISH)


def current_language() -> str:
    """Return the current language, one of LANGUAGES."""
    return _current.get()


@contextmanager
def use_language(language: str) -> Iterator[None]:
    """Use one of LANGUAGES until the block ends."""
    token = _current.set(language)
    try:
        yield
    finally:
        _current.reset(token)


@cache
def cldr_locale(language: str) -> Locale:
    """Return what CLDR knows of a language. Raises babel.UnknownLocaleError."""
    return Locale.parse(language)


def plural_form(count: int, language: str) -> str:
    """Return CLDR's name of a count's plural form: `one` or `other` in English, `few` and more elsewhere."""
    return cldr_locale(language).plural_form(count)
