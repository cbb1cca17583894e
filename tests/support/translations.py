"""Add translations to the catalogue for one test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from i18n.catalogue import translations
from i18n.locale import LANGUAGES


@contextmanager
def added_translations(texts: dict[str, str]) -> Iterator[None]:
    """Add texts to the catalogue of every language until the block ends."""
    for language in LANGUAGES:
        translations(language).update(texts)
    try:
        yield
    finally:
        for language in LANGUAGES:
            for key in texts:
                del translations(language)[key]
