"""Redact text: no secret, e-mail address or phone number in log lines, error messages and URLs.

No expression here takes more than linear time, since shoppers write what it searches: each word is tried from its
beginning only.
"""

from __future__ import annotations

import re
from urllib.parse import unquote_plus

from redaction.shown_fields import CODES, folded

MASK = "…"
LOG_MASK = "[hidden]"
MESSAGE_READ, MESSAGE_LENGTH = 1000, 300  # characters of another system's words: read, and kept
PARAMETERS = CODES | {"store", "contacttype", "includeinactive", "take", "skip", "limit", "offset", "page"}


def _at_sign(delimiters: str = "") -> str:
    """An expression for anything@anything in a word; words end at spaces, quotes, brackets and these delimiters.

    Only a word's beginning is tried, and only the word's first at sign: that makes it linear.
    """
    character = rf"[^\s\"'<>(),;:{delimiters}]"
    return rf"(?<!{character}){character}(?:(?!@|%40){character})*(?:@|%40){character}+"


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


def masked_words(text: str) -> str:
    """Text without the e-mail addresses, phone numbers and keys of order status pages in it."""
    if "@" in text or "%40" in text:
        text = EMAIL.sub(MASK, text)
    return STATUS_PAGE_KEY.sub(MASK, PHONE.sub(MASK, text))


def masked_url(url: str) -> str:
    """A URL without e-mail addresses and phone numbers; of its query only listed parameters are shown."""
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
    return found[0] if folded(unquote_plus(found[1])) in PARAMETERS else f"{found[1]}={MASK}"
