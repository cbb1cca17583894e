"""Lists that a document cuts (`first:`): each has a further read, and the client returns all of its entries."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from graphql import FieldNode, TypeInfo, TypeInfoVisitor, VariableNode, Visitor, get_named_type, parse, print_ast, visit

from clients.shopify.client import ShopifyClient
from clients.shopify.graphql_client import DOCUMENTS as FOLDER
from sandbox import shopify as sandbox
from sandbox.serve import serving
from sandbox.shopify.api.schema import schema
from sandbox.shopify.orders import checkout

SHOP = "demo.myshopify.com"
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
DOCUMENTS = {each.stem: each.read_text() for each in sorted(FOLDER.glob("*.graphql"))}
PAGE_INFO = "pageInfo { hasNextPage endCursor }"
# What may be cut, with the reason.
CUT_ON_PURPOSE = {
    "protected_data": "it asks whether a field is withheld, and forgets the answer",
}
LONG = 120  # more than any first page and than the pages after it


@dataclass(frozen=True)
class ListField:
    """A list of a document: a connection, or an array with an argument `first`."""

    document: str
    path: str
    field: str  # Type.field
    connection: bool
    cut: bool
    continued: bool
    page_info: bool


def lists_of(document: str, text: str) -> list[ListField]:
    """The document's connections and cut arrays."""
    position, path, found = TypeInfo(schema()), [], []

    class Fields(Visitor):
        def enter_field(self, node: FieldNode, *_: Any) -> None:
            path.append(node.name.value)
            parent, kind = position.get_parent_type().name, get_named_type(position.get_type()).name
            arguments = {each.name.value: each.value for each in node.arguments or ()}
            connection = kind.endswith("Connection")
            if connection or "first" in arguments or "first" in position.get_field_def().args:
                selected = print_ast(node.selection_set).replace("\n", " ")
                found.append(
                    ListField(
                        document,
                        ".".join(each for each in path if each not in ("nodes", "edges", "node")),
                        f"{parent}.{node.name.value}",
                        connection,
                        cut=connection or "first" in arguments,
                        continued=isinstance(arguments.get("after"), VariableNode) or "first" not in arguments,
                        page_info=PAGE_INFO in " ".join(selected.split()),
                    )
                )

        def leave_field(self, *_: Any) -> None:
            path.pop()

    visit(parse(text), TypeInfoVisitor(position, Fields()))
    return found


LISTS = [each for name, text in DOCUMENTS.items() if name not in CUT_ON_PURPOSE for each in lists_of(name, text)]
CUT = [each for each in LISTS if each.cut]


def unread(lists: list[ListField]) -> list[str]:
    """The cut lists whose rest no document reads."""
    read_on = {each.field for each in lists if each.continued and (each.page_info or not each.connection)}
    cut = [each for each in lists if each.cut]
    return [f"{each.document}: {each.path}" for each in cut if each.field not in read_on]


def without_page_info(lists: list[ListField]) -> list[str]:
    """The connections that do not say whether they have more."""
    return [f"{each.document}: {each.path}" for each in lists if each.connection and not each.page_info]


def test_a_document_reads_the_rest_of_each_list_that_is_cut():
    assert unread(LISTS) == []


def test_each_connection_says_whether_it_has_more():
    assert without_page_info(LISTS) == []


@pytest.mark.parametrize(
    "selection",
    [
        "shippingLines(first: 3) { nodes { title } pageInfo { hasNextPage endCursor } }",
        "shippingLines(first: 3) { nodes { title } }",
        "lineItems(first: 3, after: $after) { edges { node { id } } }",
        "transactions(first: 10) { kind }",
        "fulfillments { trackingInfo(first: 2) { number } }",
    ],
)
def test_a_list_that_is_cut_is_detected(selection):
    lists = lists_of("one", f'query One($after: String) {{ order(id: "1") {{ {selection} }} }}')

    assert unread(lists)


def test_an_array_without_a_size_is_whole():
    assert unread(lists_of("one", '{ order(id: "1") { transactions { kind } } }')) == []


# What the client returns


@pytest.fixture
def shop():
    """A sandbox whose clock stands still."""
    shopify = sandbox.Shopify("secret", "http://127.0.0.1:9/", workers=0, now=lambda: NOON, points=1e9)
    yield shopify
    shopify.close()


@pytest.fixture
def client(shop):
    with serving(shop.app) as url:
        yield ShopifyClient(f"{url}/{SHOP}", shop.token)


def numbered(thing: dict[str, Any], count: int) -> list[dict[str, Any]]:
    """Copies with ids of their own."""
    kind, _, first = thing["id"].rpartition("/")
    return [thing | {"id": f"{kind}/{int(first) + 10_000 + n}"} for n in range(count)]


def long_order(shop: sandbox.Shopify) -> dict[str, Any]:
    """An order whose every list is long."""
    items = tuple(checkout.Item(f"CD {n}", f"CD-{n}", Decimal("149.00")) for n in range(LONG))
    order_id = shop.add_order(SHOP, checkout.Checkout(items, shipping=Decimal(49)))
    lines = [int(each["id"].rpartition("/")[2]) for each in shop.order(SHOP, order_id)["lineItems"]]
    for line in lines[:7]:
        shop.fulfil(SHOP, order_id, {line: 1})
        shop.refund(SHOP, order_id, {line: 1}, shipping=Decimal(1), amount=Decimal(10))
    shop.fulfil(SHOP, order_id)
    shop.refund(SHOP, order_id, dict.fromkeys(lines, 1), shipping=Decimal(1), amount=Decimal(10))
    order = shop.order(SHOP, order_id)
    order["lineItems"][-1]["taxLines"] *= LONG
    order["shippingLines"] = numbered(order["shippingLines"][0], LONG)
    order["transactions"] = numbered(order["transactions"][0], LONG)
    for parcel in order["fulfillments"]:
        parcel["trackingInfo"] *= LONG
    refund = order["refunds"][-1]
    for name in ("refundShippingLines", "orderAdjustments", "transactions"):
        refund[name] = numbered(refund[name][0], LONG)
    shop.records(SHOP).save(order)
    return shop.order(SHOP, order_id)


READERS = {
    "order": lambda client, order: client.order(int(order["legacyResourceId"])),
    "refund": lambda client, order: client.refund(int(order["refunds"][-1]["legacyResourceId"])),
    "fulfillment": lambda client, order: client.fulfillment(int(order["fulfillments"][-1]["legacyResourceId"])),
}
SOURCES = {
    "order": lambda order: order,
    "refund": lambda order: order["refunds"][-1],
    "fulfillment": lambda order: order["fulfillments"][-1],
}


def sizes(found: Any, steps: list[str]) -> list[int]:
    """The lengths of the lists at this path. An entry is of an array or of a connection's nodes."""
    if isinstance(found, dict) and "nodes" in found:
        found = found["nodes"]
    if not steps:
        return [len(found)]
    step, *rest = steps
    each_object = found if isinstance(found, list) else [found]
    return [size for each in each_object for size in sizes(each[step], rest)]


BY_ID = [each for each in LISTS if each.path.split(".")[0] in READERS]  # searches and markets have tests of their own


@pytest.mark.parametrize("part", BY_ID, ids=lambda part: f"{part.document}-{part.path}")
def test_the_client_returns_every_entry_of_a_list(shop, client, part):
    order, (root, *steps) = long_order(shop), part.path.split(".")

    found = READERS[root](client, order)

    assert sizes(found, steps) == sizes(SOURCES[root](order), steps)
    assert max(sizes(found, steps)) > 5
