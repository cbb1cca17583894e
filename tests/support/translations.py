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


@contextmanager
def keys_instead_of_texts() -> Iterator[None]:
    """Say every text of the catalogue by its key until the block ends, in every language."""
    kept = {language: dict(translations(language)) for language in LANGUAGES}
    for language, texts in kept.items():
        translations(language).update({key: key for key in texts})
    try:
        yield
    finally:
        for language, texts in kept.items():
            translations(language).update(texts)
