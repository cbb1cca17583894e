"""What pages and mails say: the sentence of a key, in the language that is being spoken.

The sentences are in `locales/<language>/*.toml`. Another language is another folder with the same keys.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path
from typing import Any

LOCALES = Path(__file__).parent.parent / "locales"
ENGLISH = "en"
LANGUAGES = tuple(sorted(folder.name for folder in LOCALES.iterdir() if folder.is_dir()))
NUMBERS_OF = {"one", "other"}  # how many; other languages may have more of them

Sentence = str | dict[str, str]

_spoken: ContextVar[str] = ContextVar("language", default=ENGLISH)


def spoken() -> str:
    """The language that is being spoken."""
    return _spoken.get()


@contextmanager
def speaking(language: str) -> Iterator[None]:
    """Speak one of LANGUAGES until the block ends."""
    before = _spoken.set(language)
    try:
        yield
    finally:
        _spoken.reset(before)


def t(key: str, /, *, count: int | None = None, **values: object) -> str:
    """The sentence of this key, with its values put in. Raises KeyError.

    `count` is a value too, and chooses between one and several. Whole numbers are written as the language does.
    """
    sentence = sentences(spoken())[key]
    if isinstance(sentence, dict):
        sentence = sentence["one" if count == 1 else "other"]
    if count is not None:
        values["count"] = count
    return sentence.format_map({name: number(each) if type(each) is int else each for name, each in values.items()})


def number(value: float, places: int = 0) -> str:
    """1,234.5 as the language writes it."""
    whole, _, rest = f"{value:,.{places}f}".partition(".")
    whole = whole.replace(",", _of("format.thousands"))
    return f"{whole}{_of('format.decimal')}{rest}" if rest else whole


def _of(key: str) -> str:
    found = sentences(spoken())[key]
    return found if isinstance(found, str) else found["other"]


@cache
def sentences(language: str) -> dict[str, Sentence]:
    """Everything that a language says, by key: the names of tables and entry with points between them."""
    found: dict[str, Sentence] = {}
    for path in sorted((LOCALES / language).glob("*.toml")):
        found |= _flat(tomllib.loads(path.read_text("utf-8")))
    return found


def _flat(table: dict[str, Any], above: str = "") -> dict[str, Sentence]:
    flat: dict[str, Sentence] = {}
    for name, entry in table.items():
        if isinstance(entry, dict) and not entry.keys() <= NUMBERS_OF:
            flat |= _flat(entry, f"{above}{name}.")
        else:
            flat[above + name] = entry
    return flat
