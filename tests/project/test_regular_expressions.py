"""Regular expressions of the app: none takes more than linear time, whatever is written into what it searches."""

from __future__ import annotations

import ast
import contextlib
import importlib
import re
import signal
from collections.abc import Iterator
from functools import cache
from re import _constants as codes  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

import pytest

from tests.project.test_layout import APP, name_of, parsed

SIZE = 40_000
# A linear expression takes some milliseconds of processor time for a text; a quadratic one many seconds.
PROCESSOR_SECONDS = 1
USES = {"search", "match", "fullmatch", "sub", "subn", "findall", "finditer", "split", "compile"}
UNITS = ("a", "A1 ", " ", "\n", "0", "+1", "@", "%40", "a@", "a.", "=", "&", "-", "#", '"', "\\", "[", "{", "<", "å")
ENDS = ("", "!")
ANCHORED = {"match", "fullmatch"}  # they begin at the beginning only


class _TooSlow(Exception):
    """The processor time is used up."""


def named_patterns() -> Iterator[tuple[str, str, re.Pattern[str]]]:
    """Patterns that a module of the app has a name for, also in its collections: with the module, and that name."""
    for path in APP:
        for name, value in vars(importlib.import_module(name_of(path))).items():
            yield from ((str(path), name, found) for found in _patterns_in(value))


def _patterns_in(value: Any) -> Iterator[re.Pattern[str]]:
    if isinstance(value, re.Pattern) and isinstance(value.pattern, str):
        yield value
    elif isinstance(value, (dict, list, tuple, set, frozenset)):
        members = value.values() if isinstance(value, dict) else value
        yield from (each for each in members if isinstance(each, re.Pattern) and isinstance(each.pattern, str))


def written_patterns() -> Iterator[tuple[str, str, str]]:
    """Patterns that are written where they are used, with their use."""
    for path in APP:
        for node in ast.walk(parsed(path)):
            match node:
                case ast.Call(
                    func=ast.Attribute(value=ast.Name(id="re"), attr=use), args=[ast.Constant(value=str(text)), *_]
                ) if use in USES:
                    yield str(path), use, text


@cache
def uses_of_names() -> dict[str, set[str]]:
    """By the name of a pattern, the methods that are called of it anywhere in the app."""
    found: dict[str, set[str]] = {}
    for path in APP:
        for node in ast.walk(parsed(path)):
            match node:
                case ast.Attribute(value=ast.Name(id=name) | ast.Attribute(attr=name), attr=use) if use in USES:
                    found.setdefault(name, set()).add(use)
    return found


def all_patterns() -> dict[str, tuple[re.Pattern[str], set[str]]]:
    """By a readable name: each pattern, and how it is used. Of one in a collection that is not known."""
    found = {}
    for path, name, pattern in named_patterns():
        found[f"{path}:{name}:{pattern.pattern[:30]}"] = pattern, uses_of_names().get(name, {"search", "fullmatch"})
    named = {pattern.pattern for pattern, _ in found.values()}
    for path, use, text in written_patterns():
        if text not in named:
            found[f"{path}:{text[:40]}"] = re.compile(text), {use}
    return found


def literals(pattern: re.Pattern[str]) -> set[str]:
    """The characters that an expression asks for: what hostile texts are made of."""
    return set(_characters(parser.parse(pattern.pattern, pattern.flags)))


def _characters(parts: Any) -> Iterator[str]:
    for part in parts:
        match part:
            case (codes.LITERAL | codes.NOT_LITERAL, int(code)):
                yield chr(code)
            case (codes.RANGE, (int(first), _)):
                yield chr(first)
            case list() | tuple() | parser.SubPattern():
                yield from _characters(part)


def hostile_texts(pattern: re.Pattern[str]) -> Iterator[str]:
    own = sorted(literals(pattern))[:12]
    whole = "".join(own)
    for unit in (
        *UNITS,
        *own,
        *(first + second for first in own[:4] for second in own[:4]),
        *([whole] if whole else []),
    ):
        for end in ENDS:
            yield unit * (SIZE // len(unit)) + end


@contextlib.contextmanager
def processor_seconds(limit: float) -> Iterator[None]:
    def stop(*_: object) -> None:
        raise _TooSlow

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, limit)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


PATTERNS = all_patterns()


def test_the_expressions_are_found():
    assert len(PATTERNS) > 30
    assert any(name.startswith("redaction/text.py") for name in PATTERNS)


def test_a_quadratic_expression_is_stopped():
    with pytest.raises(_TooSlow), processor_seconds(0.2):
        re.search(r"[^\s@]+@", "a" * SIZE)


@pytest.mark.parametrize("name", sorted(PATTERNS))
def test_an_expression_takes_linear_time(name):
    pattern, uses = PATTERNS[name]

    assert [text[:20] for text in hostile_texts(pattern) if is_too_slow(pattern, uses, text)] == []


def is_too_slow(pattern: re.Pattern[str], uses: set[str], text: str) -> bool:
    """Whether a use of the pattern takes more than the time of the processor that it has."""
    try:
        for use in uses & ANCHORED or {"search"}:
            with processor_seconds(PROCESSOR_SECONDS):
                getattr(pattern, use)(text)
        if uses - ANCHORED:
            with processor_seconds(PROCESSOR_SECONDS):
                pattern.sub("", text)
    except _TooSlow:
        return True
    return False
