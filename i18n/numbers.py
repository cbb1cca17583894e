"""Format numbers and percentages as the current language writes them."""

from __future__ import annotations

from copy import copy
from decimal import Decimal
from functools import cache, lru_cache

from babel.numbers import NumberPattern

from i18n.locale import cldr_locale, current_language


def format_number(value: float, places: int = 0) -> str:
    """Format 1234.5 with one decimal place as 1,234.5 in English. Rounds half to even."""
    return _number(round(value, places), places, current_language())


def format_percent(share: float) -> str:
    """Format a share of 1 with one decimal place, rounded down, so that only 1 itself is 100.0%."""
    return _percent_pattern(current_language()).apply(
        Decimal(int(share * 1000)).scaleb(-3), cldr_locale(current_language())
    )


@lru_cache(maxsize=4096)  # Babel takes four times as long as an f-string, and pages repeat small counts
def _number(value: float, places: int, language: str) -> str:
    return _decimal_pattern(language, places).apply(Decimal(value), cldr_locale(language))


@cache
def _decimal_pattern(language: str, places: int) -> NumberPattern:
    return _with_places(cldr_locale(language).decimal_formats[None], places)


@cache
def _percent_pattern(language: str) -> NumberPattern:
    return _with_places(cldr_locale(language).percent_formats[None], 1)


def _with_places(pattern: NumberPattern, places: int) -> NumberPattern:
    exact = copy(pattern)  # the original is shared by every user of the locale
    exact.frac_prec = (places, places)
    return exact
