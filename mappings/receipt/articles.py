"""Articles of an order's lines: the SKU by which Engage knows each, its article number (the product) and its group.

Engage matches a receipt's line with its article register by the SKU, which is the most detailed designator, unique and
at most 255 characters long; an article number may be shared by the variants of a product (Engage: "Article register").
So the SKU must last: it is the same for a variant in every order, return and import, whatever becomes of the variant.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Collection, Mapping
from typing import Literal, NamedTuple

from mappings import Json, nodes, numeric_id
from mappings.receipt.lines import AMOUNT_SKUS

ArticleKey = Literal["sku", "barcode", "variant"]

MAX_SKU = 255
DEFAULT_VARIANT = "Default Title"  # Shopify's title for the only variant of a product
# What identifies an article, in order: the first that the line has.
FALLBACKS: dict[ArticleKey, tuple[ArticleKey, ...]] = {
    "sku": ("sku", "variant"),
    "barcode": ("barcode", "sku", "variant"),
    "variant": ("variant", "sku"),
}


class Article(NamedTuple):
    """How receipts name an article: `number` is the product's id, or else the SKU."""

    sku: str
    number: str
    name: str
    group: str = ""


def article_of(line: Json, key: ArticleKey = "sku") -> Article:
    """The article of a line: as it was sold if that is known (`with_articles`), else by the line itself."""
    if known := line.get("article"):
        return Article(*known)
    product = line.get("product") or {}
    sku = next(filter(None, (_designator(line, each) for each in FALLBACKS[key])), None) or _number_of_texts(line)
    name = " ".join((line.get("name") or line.get("title") or "").split())
    return Article(sku, numeric_id(product) or sku, name or sku, " ".join((product.get("productType") or "").split()))


def with_articles(order: Json, key: ArticleKey, sold: Mapping[str, Article]) -> Json:
    """The order with the article of every line, by which all mappings name it. `sold`: as sent before, by line id."""
    lines = [line | {"article": sold.get(line["id"]) or article_of(line, key)} for line in nodes(order["lineItems"])]
    return order | {"lineItems": order["lineItems"] | {"nodes": lines}}


def sent_article(line: Json, skus: Collection[str]) -> Article | None:
    """The article of a line by which receipts with these SKUs named it, whatever the settings were; None: by none."""
    possible = (article_before_products(line), *(article_of(line, key) for key in FALLBACKS))
    return next((each for each in possible if each.sku in skus), None)


def articles_by_line(order: Json) -> dict[str, Article]:
    """The article of every line, by line id."""
    return {line["id"]: article_of(line) for line in nodes(order["lineItems"])}


def keep_deleted_articles(order: Json, earlier: Json) -> Json:
    """The order, its lines with the variant and product that an earlier reading found and that are deleted since.

    A line is of one variant for ever, but Shopify forgets which when the variant or its product is deleted.
    """
    known = {line["id"]: line for line in nodes(earlier.get("lineItems"))}
    lines = [_with_known_ids(line, known.get(line["id"]) or {}) for line in nodes(order["lineItems"])]
    return order | {"lineItems": order["lineItems"] | {"nodes": lines}}


def has_unknown_articles(order: Json) -> bool:
    """Whether a line has no variant: it is deleted, or was not read, or the line never had one."""
    return any(not line.get("variant") for line in nodes(order["lineItems"]))


def products_withheld(order: Json) -> bool:
    """Whether the order was read without the products of its lines, which need an access scope."""
    return any("variant" not in line for line in nodes(order["lineItems"]))


def article_before_products(line: Json) -> Article:
    """The article as receipts named it until the app read products: by the SKU, or else by the line's own id."""
    sku = line.get("sku") or numeric_id(line)
    return Article(sku, sku, line.get("name") or line.get("title") or sku)


def _designator(line: Json, key: ArticleKey) -> str:
    variant = line.get("variant") or {}
    match key:
        case "sku":
            return _usable(line.get("sku"))
        case "barcode":
            return _usable(variant.get("barcode"))
    return numeric_id(variant)


def _usable(text: str | None) -> str:
    """A SKU or barcode without spaces around it, "" if it is none. One that is too long is cut and stays unique."""
    found = (text or "").strip()
    if found in AMOUNT_SKUS:
        return ""
    return found if len(found) <= MAX_SKU else f"{found[: MAX_SKU - 17]}-{_digest(found)}"


def _number_of_texts(line: Json) -> str:
    """A number of the texts that a line keeps for ever, for one whose variant is deleted, and for custom lines."""
    variant = line.get("variantTitle") or ""
    texts = line.get("title") or line.get("name"), "" if variant == DEFAULT_VARIANT else variant, line.get("vendor")
    return f"NAME-{_digest(chr(10).join(map(_normalized, texts)))}"


def _normalized(text: str | None) -> str:
    return " ".join(unicodedata.normalize("NFC", text or "").casefold().split())


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def _with_known_ids(line: Json, known: Json) -> Json:
    return line | {name: line.get(name) or known[name] for name in ("variant", "product") if name in known}
