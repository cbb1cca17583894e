"""GraphQL documents against Shopify's own schema: the pruned one always, the whole one where it is at hand."""

from __future__ import annotations

import gzip
import json
import re
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

import pytest
from graphql import (
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLSchema,
    NoDeprecatedCustomRule,
    TypeInfo,
    TypeInfoVisitor,
    Visitor,
    get_named_type,
    parse,
    print_ast,
    validate,
    visit,
)

from clients.shopify import bulk_query, pagination
from clients.shopify.client import PAGE_SIZE
from clients.shopify.graphql_client import DOCUMENTS as FOLDER
from clients.shopify.markets import REGIONS_PAGE_SIZE
from clients.shopify.search import CREATED, UPDATED, between, search_instant, updated_since
from sandbox.prune_schema import PRUNED, full_schema, pruned
from sandbox.shopify.api.cost import FITTED, MAX_COST, PUBLISHED, cost
from sandbox.shopify.api.schema import schema
from sandbox.shopify.api.search import FIELDS, SearchQuery
from sandbox.shopify.bulk.rules import root_of

WHOLE = Path(__file__).parents[3] / "shared" / "shopify" / "admin_2026-10.json.gz"
DOCUMENTS = {
    each.relative_to(FOLDER).with_suffix("").as_posix(): each.read_text() for each in sorted(FOLDER.rglob("*.graphql"))
}
BULK = ["bulk/customers", "bulk/orders"]
SIZES = {
    "customers_in_state": {"first": PAGE_SIZE},
    "customers_updated_since": {"first": PAGE_SIZE},
    "markets": {"regions": REGIONS_PAGE_SIZE},
    "fulfillment_by_id": {"first": pagination.PARCEL_LINES},
    "order_by_id": {"lineItems": pagination.FIRST_LINES},
    "order_line_items": {"first": pagination.NEXT_LINES},
    "order_shipping_lines": {"first": pagination.PART_LINES},
    "orders_updated_since": {"first": PAGE_SIZE},
    "refund_by_id": {"first": pagination.REFUND_LINES},
    **{name: {"first": pagination.PART_LINES} for name in pagination.REFUND_PARTS.values()},
}
SCOPES = {"read_customers", "write_customers", "read_orders", "read_fulfillments", "read_locations", "read_markets"}
SCOPES |= {"read_products"}
TABLE = Path(__file__).parents[2] / "docs" / "scopes.md"
START, END = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 7, 1, 9, 30, tzinfo=UTC)
SEARCHES = {
    "customers": [
        updated_since(UPDATED, START),
        between(CREATED["customers"], START, END),
    ],
    "orders": [
        updated_since(UPDATED, START),
        between(CREATED["orders"], START, END),
    ],
}

each_document = pytest.mark.parametrize("name", DOCUMENTS)
each_search = pytest.mark.parametrize(
    ("kind", "text"), [(kind, text) for kind, texts in SEARCHES.items() for text in texts]
)
whole_schema = pytest.mark.skipif(not WHOLE.exists(), reason="Shopify's whole schema is not at hand")


@lru_cache
def introspection() -> dict:
    with gzip.open(WHOLE) as packed:
        return json.load(packed)["data"]


def problems(against: GraphQLSchema, document: str) -> list[str]:
    parsed = parse(document)
    deprecated = validate(against, parsed, [NoDeprecatedCustomRule])
    return [each.message for each in validate(against, parsed) + deprecated]


@each_document
def test_a_document_is_valid_and_uses_nothing_deprecated(name):
    assert problems(schema(), DOCUMENTS[name]) == []


@whole_schema
@each_document
def test_a_document_is_valid_against_the_whole_schema(name):
    assert problems(full_schema(introspection()), DOCUMENTS[name]) == []


def test_a_field_that_does_not_exist_is_detected():
    assert problems(schema(), "{ shop { motto } }") == ["Cannot query field 'motto' on type 'Shop'."]


def test_a_deprecated_field_is_detected():
    assert len(problems(schema(), '{ order(id: "1") { totalPrice } }')) == 1


@whole_schema
def test_the_pruned_schema_is_what_the_documents_need_now():
    assert pruned(introspection(), DOCUMENTS.values()) == PRUNED.read_text()


@pytest.mark.parametrize("name", [name for name in DOCUMENTS if name not in BULK])
@pytest.mark.parametrize("formula", [FITTED, PUBLISHED], ids=["fitted", "published"])
def test_a_document_costs_less_than_shopify_allows(name, formula):
    assert cost(schema(), parse(DOCUMENTS[name]), SIZES.get(name, {}), formula) < MAX_COST


@pytest.mark.parametrize(("formula", "points"), [(FITTED, 1 + 2 + 4 * (1 + 1)), (PUBLISHED, 1 + 2 + 10 * (1 + 1 + 3))])
def test_a_connection_is_priced_by_its_size(formula, points):
    document = (
        'query Q($n: Int) { order(id: "1") { lineItems(first: $n) { nodes { taxLines { priceSet { ...B } } } } } }'
    )
    bag = " fragment B on MoneyBag { shopMoney { amount } presentmentMoney { amount } }"

    assert cost(schema(), parse(document + bag), {"n": 10}, formula) == points


@pytest.mark.parametrize(
    ("fragment", "names"),
    [
        ("LineItemFields", ("order_by_id", "order_line_items")),
        ("ShippingLineFields", ("order_by_id", "order_shipping_lines")),
        ("RefundShippingLineFields", ("refund_by_id", "refund_shipping_lines")),
        ("OrderAdjustmentFields", ("refund_by_id", "refund_adjustments")),
        ("TransactionFields", ("refund_by_id", "refund_transactions")),
    ],
)
def test_further_pages_select_the_fields_of_the_first(fragment, names):
    first, further = (_fragment(DOCUMENTS[name], fragment) for name in names)

    assert first == further


def test_a_page_of_customers_selects_what_a_single_customer_does():
    single = _selection("customer_by_id", "customer")

    assert _selection("customers_updated_since", "customers", "nodes") == single


def test_a_bulk_customer_selects_what_a_single_customer_does():
    single = _selection("customer_by_id", "customer")

    assert _selection("bulk/customers", "customers", "edges", "node") == single


def test_a_bulk_line_selects_what_a_line_of_an_order_does():
    line = _fragment(DOCUMENTS["order_line_items"], "LineItemFields").replace("...Bag", BAG)

    bulk = _selection("bulk/orders", "orders", "edges", "node", "lineItems", "edges", "node")
    assert bulk == print_ast(parse(line).definitions[0].selection_set)


# Searches


@each_search
def test_shopify_knows_every_field_that_is_searched_by(kind, text):
    search = SearchQuery(kind, text)

    assert search.warning is None
    assert search.terms


@whole_schema
@pytest.mark.parametrize("kind", SEARCHES)
def test_the_sandbox_knows_the_search_fields_that_shopify_describes(kind):
    root = next(each for each in introspection()["__schema"]["types"] if each["name"] == "QueryRoot")
    arguments = next(each for each in root["fields"] if each["name"] == kind)["args"]
    described = next(each["description"] for each in arguments if each["name"] == "query")
    names = re.findall(r"^\| (\w+) \|", described, re.MULTILINE)

    assert set(names[1:]) == FIELDS[kind]  # the first is the table's head


def test_an_instant_without_a_time_zone_is_not_searched_for():
    with pytest.raises(ValueError, match="time zone"):
        search_instant(datetime(2026, 1, 1))


# Bulk queries


@pytest.mark.parametrize("text", [bulk_query.customers_query(START, END), bulk_query.orders_query(START, END)])
def test_a_bulk_query_keeps_shopifys_rules(text):
    assert "SEARCH" not in text
    assert root_of(schema(), text).name.value in ("customers", "orders")


def test_a_bulk_query_searches_its_period():
    text = bulk_query.customers_query(START, END)

    assert "customer_date:>='2026-01-01T00:00:00Z' customer_date:<'2026-07-01T09:30:00Z'" in text


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ("{ shop { id } }", "at least one connection"),
        ("{ orders { edges { node { id refunds { refundLineItems { edges { node { id } } } } } } } }", "within a list"),
        ("{ orders { edges { node { name lineItems { edges { node { id } } } } } } }", "must select its id"),
        (
            "{ orders { edges { node { id shippingLines { edges { node { id } } } } } } }",
            "implement the Node interface",
        ),
        ("{ orders { edges { node { id } } } shop { id } }", "exactly one top-level field"),
        ("{ orders { edges { node { motto } } } }", "Cannot query field"),
        ("{ orders {", "Syntax Error"),
        (
            "{ orders { edges { node { id "
            + " ".join(f"a{n}: lineItems {{ edges {{ node {{ id }} }} }}" for n in range(5))
            + " } } } }",
            "more than 5 connections",
        ),
    ],
)
def test_a_bulk_query_that_breaks_a_rule_is_refused(query, problem):
    with pytest.raises(GraphQLError, match=problem):
        root_of(schema(), query)


# Scopes


@whole_schema
@each_document
def test_a_document_needs_only_the_scopes_that_the_app_asks_for(name):
    needed = [text for text in _access(DOCUMENTS[name]) if "access scope" in text]

    assert [text for text in needed if not SCOPES & set(re.findall(r"`(\w+)`", text))] == []


@whole_schema
def test_the_table_of_scopes_and_protected_fields_is_what_the_schema_says():
    rows = re.findall(r"^\| `([\w/]+)` \| (.*?) \| (.*?) \|$", TABLE.read_text(), re.MULTILINE)
    documented = {
        name: (set(re.findall(r"\w+", scopes)), set(re.findall(r"[\w.]+", fields))) for name, scopes, fields in rows
    }

    assert documented == {name: (_scopes(document), _protected(document)) for name, document in DOCUMENTS.items()}


BAG = "shopMoney { amount currencyCode } presentmentMoney { amount currencyCode }"


def _selection(name: str, *path: str) -> str:
    """The selection of the field at this path in the document, printed."""
    node = parse(DOCUMENTS[name]).definitions[0]
    for step in path:
        node = next(each for each in node.selection_set.selections if each.name.value == step)
    return print_ast(node.selection_set)


def _fragment(document: str, name: str) -> str:
    fragments = [each for each in parse(document).definitions if isinstance(each, FragmentDefinitionNode)]
    return next(print_ast(each) for each in fragments if each.name.value == name)


def _scopes(document: str) -> set[str]:
    return {scope for text in _access(document) for scope in SCOPES & set(re.findall(r"`(\w+)`", text))}


def _access(document: str) -> set[str]:
    """Shopify's sentences about the access that the fields and types of a document require."""
    return {text for pair in _fields(document) for each in pair if (text := each.get("requiredAccess"))}


def _protected(document: str) -> set[str]:
    """The fields that hold protected customer data, as Type.field."""
    return {f"{field['of']}.{field['name']}" for field, _ in _fields(document) if field.get("isProtected")}


def _fields(document: str) -> list[tuple[dict, dict]]:
    """Each selected field and its type, as Shopify describes them."""
    types = {each["name"]: each for each in introspection()["__schema"]["types"]}
    position, found = TypeInfo(full_schema(introspection())), []

    class Fields(Visitor):
        def enter_field(self, node, *_):
            parent = position.get_parent_type().name
            field = next(each for each in types[parent]["fields"] if each["name"] == node.name.value)
            found.append((field | {"of": parent}, types[get_named_type(position.get_type()).name]))

    visit(parse(document), TypeInfoVisitor(position, Fields()))
    return found
