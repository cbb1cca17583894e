"""Redact personal data and secrets: mask bodies, URLs and values on screen, clean log lines and error messages.

Bodies are masked token by token: whatever is not personal stays as it is, to the letter. No expression here takes more
than linear time, since shoppers write what it searches: each word is tried from its beginning only.
"""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple
from urllib.parse import unquote_plus

MASK = "…"
LOG_MASK = "[hidden]"
MESSAGE_READ, MESSAGE_LENGTH = 1000, 300  # characters of another system's words: read, and kept

# Names of fields with personal data or secrets; lower case, without underscores.
PERSONAL_FIELDS = {
    *("email", "contactemail", "customeremail", "matchkey", "emailaddress", "phone", "mobilephone", "phonenumber"),
    *("mobilephonenumber", "firstname", "lastname", "middlename", "displayname", "fullname", "customername"),
    *("address", "address1", "address2", "careof", "street", "streetaddress", "zip", "zipcode", "postalcode", "city"),
    *("company", "latitude", "longitude", "gender", "birthday", "birthdate", "dateofbirth", "socialsecuritynumber"),
    *("personalidentitynumber", "ip", "browserip", "clientip", "useragent", "note", "customernote", "trackingurl"),
    *("trackingurls", "orderstatusurl", "statuspageurl", "landingsite", "referringsite", "token", "carttoken"),
    *("checkouttoken", "accesstoken", "apikey", "password"),
    # Of an order notification, whose extra fields have no object for an address.
    *(f"{kind}{part}" for kind in ("shipping", "billing") for part in ("name", "company", "street", "zipcode", "city")),
    *("shippingphone", "billingphone"),
}
# "name" is personal data, unless the field around it is one of these, or there is none.
THINGS = {
    *("order", "orders", "shop", "store", "stores", "market", "markets", "location", "lineitem", "lineitems", "item"),
    *("items", "article", "articles", "product", "variant", "taxlines", "shippinglines", "shippingline"),
    *("discountcodes", "fulfillments", "fulfillment", "noteattributes", "properties", "customattributes"),
}
WRAPPERS = {"", "nodes", "node", "edges", "data", "variables", "input"}


def _at_sign(delimiters: str = "") -> str:
    """An expression for anything@anything in a word; words end at spaces, quotes, brackets and these delimiters.

    Only a word's beginning is tried, and only the word's first at sign: that makes it linear.
    """
    character = rf"[^\s\"'<>(),;:{delimiters}]"
    return rf"(?<!{character}){character}(?:(?!@|%40){character})*(?:@|%40){character}+"


# In JSON this finds each token. Also an unfinished string is one, lest its rest is searched from every quote in it.
JSON_TOKEN = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"?|[{}\[\],:]|[^\s{}\[\],:"]+', re.DOTALL)
EMAIL = re.compile(_at_sign(r"=&?/\\") + r"\.[A-Za-z]{2,}")
EMAIL_OR_PASSWORD = re.compile(_at_sign())  # an address cut short, and password@host of a server
_INTERNATIONAL = r"[1-9](?:[\s().-]{0,2}\d){6,14}(?!\d)"  # E.164: 15 digits at most, the first is not 0
PHONE = re.compile(rf"(?:\+|%2B|(?<![\w.-])00){_INTERNATIONAL}")
PHONE_WITH_PLUS = re.compile(rf"\+{_INTERNATIONAL}")  # ids, too, may begin with 00
# In another system's words also national phone numbers and Swedish personal identity numbers.
PHONE_OR_IDENTITY = re.compile(r"(?<![\w-])(?:(?:\+|0)\d[\d ().-]{4,40}\d|\d{6,8}[-+ ]?\d{4})(?![\w-])")
QUERY_PARAMETER = re.compile(r"(?<![^\s?&=#/])([^\s?&=#/]+)=([^\s&#]+)")
STATUS_PAGE_KEY = re.compile(r"(?<=/authenticate\?key=)[\w%-]+")  # whoever has it sees the order and its customer
SECRET = re.compile(
    r"""shp(?:at|ua|rt|ca|pa|ss)_\w+             # Shopify's tokens and secrets
    | (?<=/webhooks/engage/)[\w-]+ | (?<=[?&]token=)[\w-]+  # what opens something by its address
    | whsec_[\w+/=-]+                             # Svix' signing secrets
    | (?<=/authenticate\?key=)[\w%-]+             # Shopify's order status page
    | (?i:api_?-?key|bearer)["']?[\s:=]+["']?[^\s"',}&\\]+""",
    re.VERBOSE,
)
SUSPECT = ("@", "%40", "+", "shp", "whsec_", "key", "bearer", "token=", "/webhooks/engage/")  # else nothing is searched


def masked(text: str) -> str:
    """Mask a text but for its first letter and, in an e-mail address, the domain."""
    name, at, domain = text.partition("@")
    return f"{name[:1]}{MASK}{at}{domain}" if text else ""


def masked_value(value: Any, field: str = "") -> Any:
    """A JSON value with its personal data masked; `field` is the name that it stands under."""
    if isinstance(value, dict):
        return {name: masked_value(below, name) for name, below in value.items()}
    if isinstance(value, list):
        return [masked_value(each, field) for each in value]
    personal = _is_personal(_folded(field)) or _folded(field) == "name"
    return masked(value) if personal and isinstance(value, str) else value


def masked_body(text: str, *, is_json: bool) -> str:
    """A body without personal data. Without JSON only e-mail addresses and phone numbers are found."""
    return JSON_TOKEN.sub(_JsonMask(), text) if is_json else masked_words(text)


def masked_words(text: str) -> str:
    """Text without the e-mail addresses, phone numbers and keys of order status pages in it."""
    if "@" in text or "%40" in text:
        text = EMAIL.sub(MASK, text)
    return STATUS_PAGE_KEY.sub(MASK, PHONE.sub(MASK, text))


def masked_url(url: str) -> str:
    """A URL without personal data in its path and query."""
    return QUERY_PARAMETER.sub(_masked_parameter, masked_words(url))


def redacted(text: str) -> str:
    """A log line's text without what looks like a secret, an e-mail address or a phone number."""
    lower = text.lower()
    if not any(each in lower for each in SUSPECT):
        return text
    for pattern in (EMAIL_OR_PASSWORD, SECRET, PHONE_WITH_PLUS):
        text = pattern.sub(LOG_MASK, text)
    return text


def redacted_message(text: str) -> str:
    """Another system's error message on one line, without e-mail addresses, phone and personal identity numbers."""
    line = " ".join(text[:MESSAGE_READ].split())
    return PHONE_OR_IDENTITY.sub("(number)", EMAIL_OR_PASSWORD.sub("(email)", line))[:MESSAGE_LENGTH]


def _masked_parameter(found: re.Match[str]) -> str:
    personal = _is_personal(_folded(unquote_plus(found[1])))
    return f"{found[1]}={MASK}" if personal else found[0]


class _Location(NamedTuple):
    """Where a value stands in JSON: its field, the field around that, and whether any on the way is personal."""

    outer: str = ""
    field: str = ""
    below_personal: bool = False

    def under(self, field: str) -> _Location:
        if field in WRAPPERS:
            return self
        return _Location(self.field, field, self.below_personal or _is_personal(field))

    @property
    def personal(self) -> bool:
        return self.below_personal or (self.field == "name" and self.outer != "" and self.outer not in THINGS)


class _JsonMask:
    """Mask the tokens of one JSON text, in order, and keep track of where each stands."""

    def __init__(self) -> None:
        self._location = _Location()
        self._containers: list[tuple[_Location, bool]] = []  # where each open one stands; True: it is an object
        self._key_next = False

    def __call__(self, found: re.Match[str]) -> str:
        part = found[0]
        match part:
            case "{" | "[":
                self._containers.append((self._location, part == "{"))
                self._key_next = part == "{"
            case "}" | "]":
                self._containers[-1:] = []
                self._key_next = False
            case ",":
                self._next_member()
            case ":":
                self._key_next = False
            case _:
                return self._key(part) if self._key_next else self._value(part)
        return part

    def _next_member(self) -> None:
        if self._containers:
            self._location, self._key_next = self._containers[-1]

    def _key(self, part: str) -> str:
        self._location = self._containers[-1][0].under(_folded(_text_of(part)))
        return _masked_string(part)

    def _value(self, part: str) -> str:
        if part in ("null", "true", "false", '""'):
            return part
        return f'"{MASK}"' if self._location.personal else _masked_string(part)


def _masked_string(part: str) -> str:
    """A string's token, written anew if there was something to mask. MASK itself stays as it is."""
    if not part.startswith('"'):
        return part
    text = _text_of(part)
    shown = masked_words(text)
    return part if shown == text else json.dumps(shown, ensure_ascii=False)


def _text_of(part: str) -> str:
    return json.loads(part, strict=False) if "\\" in part else part[1:-1]


def _is_personal(field: str) -> bool:
    """Whether a folded name is a personal field's, also with a number behind it, as the second of several has."""
    return field in PERSONAL_FIELDS or field.rstrip("0123456789") in PERSONAL_FIELDS


def _folded(field: str) -> str:
    return field.replace("_", "").replace("-", "").lower()
