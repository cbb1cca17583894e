"""Personal data, as far as they are shown: enough to recognise what one knows already, too little to learn it.

Bodies are masked token by token: whatever is not personal stays as it is, to the letter.
"""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import unquote_plus

HIDDEN = "…"
# Names of fields whose values tell who somebody is, or open something of theirs; small, without underscores.
PERSONAL = {
    *("email", "contactemail", "customeremail", "matchkey", "emailaddress", "phone", "mobilephone", "phonenumber"),
    *("mobilephonenumber", "firstname", "lastname", "middlename", "displayname", "fullname", "customername"),
    *("address", "address1", "address2", "careof", "street", "streetaddress", "zip", "zipcode", "postalcode", "city"),
    *("company", "latitude", "longitude", "gender", "birthday", "birthdate", "dateofbirth", "socialsecuritynumber"),
    *("personalidentitynumber", "ip", "browserip", "clientip", "useragent", "note", "customernote", "trackingurl"),
    *("trackingurls", "orderstatusurl", "statuspageurl", "landingsite", "referringsite", "token", "carttoken"),
    *("checkouttoken", "accesstoken", "apikey", "password"),
}
# "name" is somebody's, unless what it stands in is one of these, or nothing.
THINGS = {
    *("order", "orders", "shop", "store", "stores", "market", "markets", "location", "lineitem", "lineitems", "item"),
    *("items", "article", "articles", "product", "variant", "taxlines", "shippinglines", "shippingline"),
    *("discountcodes", "fulfillments", "fulfillment", "noteattributes", "properties", "customattributes"),
}
WRAPPERS = {"", "nodes", "node", "edges", "data", "variables", "input"}

TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+')
EMAIL = re.compile(r"[^\s@\"'<>(),;:=&?/\\]+(?:@|%40)[^\s@\"'<>(),;:=&?/\\]+\.[A-Za-z]{2,}")
PHONE = re.compile(r"(?:\+|%2B|(?<![\w.-])00)[1-9](?:[\s().-]{0,2}\d){6,14}(?!\d)")
PAIR = re.compile(r"([^\s?&=#/]+)=([^\s&#]+)")


def masked(text: str) -> str:
    """The first letter, and of an e-mail address where it is."""
    name, at, domain = text.partition("@")
    return f"{name[:1]}{HIDDEN}{at}{domain}" if text else ""


def without_names(value: Any, field: str = "") -> Any:
    """A JSON value in which nobody can be recognised; `field` is the name that it stands under."""
    if isinstance(value, dict):
        return {name: without_names(below, name) for name, below in value.items()}
    if isinstance(value, list):
        return [without_names(each, field) for each in value]
    personal = _small(field) in PERSONAL or _small(field) == "name"
    return masked(value) if personal and isinstance(value, str) else value


def masked_body(text: str, *, is_json: bool) -> str:
    """A body in which nobody can be recognised. Without JSON, what looks like an address or a number is hidden."""
    return TOKEN.sub(_Walk(), text) if is_json else masked_words(text)


def masked_words(text: str) -> str:
    """Words without the e-mail addresses and phone numbers in them."""
    return PHONE.sub(HIDDEN, EMAIL.sub(HIDDEN, text))


def masked_url(url: str) -> str:
    """An address without what its query tells of somebody."""
    return PAIR.sub(_pair, masked_words(url))


def _pair(found: re.Match[str]) -> str:
    personal = _small(unquote_plus(found[1])) in PERSONAL
    return f"{found[1]}={HIDDEN}" if personal else found[0]


class _Walk:
    """Goes through JSON token by token, and knows where it is."""

    def __init__(self) -> None:
        self._path: list[str | None] = []  # of each object its key in hand, of each array None
        self._key_next = False

    def __call__(self, token: re.Match[str]) -> str:
        mark = token[0]
        if mark in "{[":
            self._path.append("" if mark == "{" else None)
            self._key_next = mark == "{"
        elif mark in "}]":
            self._path[-1:] = []
            self._key_next = False
        elif mark == ",":
            self._key_next = bool(self._path) and self._path[-1] is not None
        elif mark == ":":
            self._key_next = False
        elif self._key_next:
            self._path[-1] = _small(json.loads(mark))
            return _words_of(mark)
        else:
            return self._value(mark)
        return mark

    def _value(self, mark: str) -> str:
        if mark in ("null", "true", "false", '""'):
            return mark
        return f'"{HIDDEN}"' if self._personal() else _words_of(mark)

    def _personal(self) -> bool:
        keys = [key for key in self._path if key and key not in WRAPPERS]
        if any(key in PERSONAL for key in keys):
            return True
        return bool(keys) and keys[-1] == "name" and len(keys) > 1 and keys[-2] not in THINGS


def _words_of(mark: str) -> str:
    """A string's token, anew if there was something to hide in it. The mask itself says that it is one."""
    if not mark.startswith('"'):
        return mark
    words = json.loads(mark, strict=False)
    hidden = masked_words(words)
    return mark if hidden == words else json.dumps(hidden, ensure_ascii=False)


def _small(key: str) -> str:
    return key.replace("_", "").replace("-", "").lower()
