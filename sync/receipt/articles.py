"""Articles of an order's lines, the same in all of its receipts: as the first receipt named them."""

from __future__ import annotations

from collections.abc import Collection

from mappings import Json, nodes
from mappings.receipt.articles import (
    Article,
    article_of,
    articles_by_line,
    has_unknown_articles,
    keep_deleted_articles,
    products_withheld,
    sent_article,
    with_articles,
)
from mappings.receipt.exchange_rate import with_sale_rate
from mappings.receipt.purchase import ReceiptRules
from models import Order, Receipt, Shop
from reasons import Cause, Reason, cause
from sync import entities, sent_receipts

SavedArticles = dict[str, tuple[str, str, str]]  # SKU, article number and group, by line id


def with_sold_articles(order: Order | None, snapshot: Json, rules: ReceiptRules) -> Json:
    """The order's snapshot with the article of every line, as a receipt of it named it, else by the rules.

    Also with the exchange rate of its first receipt, once there is one.
    """
    receipts = sent_receipts.of_order(order) if order and order.receipt_id else []
    if order is None or not receipts:
        return with_articles(snapshot, rules.article_key, {})
    sold = with_articles(snapshot, rules.article_key, _sold_articles(order, receipts, snapshot))
    return with_sale_rate(sold, receipts[0].open(order.shop))


def articles_to_save(snapshot: Json, receipt: Json) -> SavedArticles:
    """What to save with a receipt of the articles that the snapshot's lines have: those that the receipt names.

    An earlier attempt may have sent it, and named others.
    """
    skus = {item["sku"] for item in receipt["items"]}
    found = articles_by_line(snapshot).items()
    return {line: (each.sku, each.number, each.group) for line, each in found if each.sku in skus}


def products_note(snapshot: Json) -> Cause | None:
    """Note that the order was read without its products, as the shop has not granted the scope for them."""
    return cause(Reason.PRODUCTS_NOT_GRANTED) if products_withheld(snapshot) else None


def keep_known_articles(shop: Shop, snapshot: Json) -> Json:
    """A snapshot as just read, its lines with the variant and product that Shopify has deleted since they were sold."""
    if not has_unknown_articles(snapshot):
        return snapshot
    earlier = entities.find(Order, shop, int(snapshot["legacyResourceId"]))
    return keep_deleted_articles(snapshot, earlier.snapshot) if earlier else snapshot


def _sold_articles(order: Order, receipts: list[Receipt], snapshot: Json) -> dict[str, Article]:
    """The articles by line id, the earliest receipt first. One of an older release has them in its items alone."""
    lines = {line["id"]: line for line in nodes(snapshot["lineItems"])}
    sold: dict[str, Article] = {}
    for receipt in receipts:
        if receipt.articles is None:
            items = receipt.open(order.shop)["items"]
            sold = _named_in({item["sku"] for item in items}, lines) | sold
        else:
            known = {line: Article(sku, number, "", group) for line, (sku, number, group) in receipt.articles.items()}
            sold = known | sold
    return {line: each._replace(name=article_of(lines[line]).name) for line, each in sold.items() if line in lines}


def _named_in(skus: Collection[str], lines: dict[str, Json]) -> dict[str, Article]:
    found = ((line_id, sent_article(line, skus)) for line_id, line in lines.items())
    return {line_id: article for line_id, article in found if article}
