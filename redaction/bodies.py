"""Mask JSON bodies: the values of listed fields are shown, everything else is hidden; token by token, to the letter."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from redaction.shown_fields import BY_OBJECT, CODES, OBJECTS, TEXTS, Shown, folded
from redaction.text import MASK, masked_words

# In JSON this finds each token. Also an unfinished string is one, lest its rest is searched from every quote in it.
JSON_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?|[{}\[\],:]|[^\s{}\[\],:"]+', re.DOTALL)
PAGES = {"nodes", "node", "edges"}  # between a list and its objects
KEY = re.compile(r"[A-Za-z_$][\w$-]{0,63}", re.ASCII)
MAX_TEXT = 300
NUMERIC = {Shown.CODE, Shown.NUMBER}

_CODE = re.compile(r"[\w.:/#+=%?&$,;~-]{1,300}")
_NUMBER = re.compile(r"-?\d{1,40}(?:\.\d{1,40})?")
_ORDER_NAME = re.compile(r"[\w#.-]{0,20}\d[\w#.-]{0,20}")
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_GRAPHQL = re.compile(r"(?:query|mutation)\b")


def masked_json(text: str) -> Iterator[tuple[str, str]]:
    """The tokens of valid JSON with personal data masked, each with the space before it. Lazy: a page shows a part."""
    return _tokens(text, _JsonMask())


def plain_json(text: str) -> Iterator[tuple[str, str]]:
    """The same without masking."""
    return _tokens(text, lambda token: token)


def masked_value(value: Any, path: Iterable[str] = ()) -> Any:
    """A JSON value with personal data masked; `path` has the names of the fields that it stands under."""
    return _masked(value, _Location.at(path))


def masked_key(name: str) -> str:
    """A field's name; hidden where it is none, since some objects have data for keys."""
    return name if KEY.fullmatch(name) else MASK


def _tokens(text: str, mask: Callable[[str], str]) -> Iterator[tuple[str, str]]:
    end = 0
    for found in JSON_TOKEN.finditer(text):
        yield text[end : found.start()], mask(found[0])
        end = found.end()


class _Location(NamedTuple):
    """Where a value stands in JSON: its field, the object around that, and whether every object above is listed."""

    outer: str = ""
    field: str = ""
    listed: bool = True

    @classmethod
    def at(cls, path: Iterable[str]) -> _Location:
        location = cls()
        for name in path:
            location = location.under(name)
        return location

    def under(self, name: str) -> _Location:
        field = folded(name)
        if field in PAGES:
            return self
        return _Location(self.field, field, self.listed and (self.field == "" or self.field in OBJECTS))

    @property
    def kind(self) -> Shown | None:
        """What the field holds, or None for a field that is hidden."""
        if not self.listed:
            return None
        if kind := BY_OBJECT.get(self.field, {}).get(self.outer):
            return kind
        return Shown.CODE if self.field in CODES else Shown.TEXT if self.field in TEXTS else None


def _masked(value: Any, location: _Location) -> Any:
    if isinstance(value, dict):
        return {masked_key(name): _masked(below, location.under(name)) for name, below in value.items()}
    if isinstance(value, list):
        return [_masked(each, location) for each in value]
    if isinstance(value, str):
        return shown_text(value, location.kind)
    return value if value is None or isinstance(value, bool) or location.kind in NUMERIC else MASK


def shown_text(text: str, kind: Shown | None) -> str:
    """A string of a field of this kind, as far as it is one."""
    match kind:
        case _ if not text:
            return ""
        case Shown.TEXT:
            return masked_words(text[:MAX_TEXT])
        case Shown.CODE:
            return text if _CODE.fullmatch(text) and masked_words(text) == text else MASK
        case Shown.NUMBER:
            return text if _NUMBER.fullmatch(text) else MASK
        case Shown.ORDER_NAME:
            return text if _ORDER_NAME.fullmatch(text) else MASK
        case Shown.CONTACT_ID:
            return text if _UUID.fullmatch(text) else MASK
        case Shown.GRAPHQL:
            return text if _GRAPHQL.match(text) else MASK
    return MASK


class _JsonMask:
    """Mask the tokens of one JSON text, given in order, and keep track of where each stands."""

    def __init__(self) -> None:
        self._location = _Location()
        self._containers: list[tuple[_Location, bool]] = []  # where each open one stands; True: it is an object
        self._key_next = False

    def __call__(self, token: str) -> str:
        match token:
            case "{" | "[" as bracket:
                self._key_next = bracket == "{"
                self._containers.append((self._location, self._key_next))
            case "}" | "]":
                self._containers[-1:] = []
                self._key_next = False
            case ",":
                self._next_member()
            case ":":
                self._key_next = False
            case _:
                return self._key(token) if self._key_next else self._value(token)
        return token

    def _next_member(self) -> None:
        if self._containers:
            self._location, self._key_next = self._containers[-1]

    def _key(self, token: str) -> str:
        name = json.loads(token, strict=False)
        self._location = self._containers[-1][0].under(name)
        return token if masked_key(name) == name else f'"{MASK}"'

    def _value(self, token: str) -> str:
        if token in ("null", "true", "false"):
            return token
        if not token.startswith('"'):
            return token if self._location.kind in NUMERIC else f'"{MASK}"'
        text = json.loads(token, strict=False)
        shown = shown_text(text, self._location.kind)
        return token if shown == text else json.dumps(shown, ensure_ascii=False)
