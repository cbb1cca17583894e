"""The GraphQL documents, against Shopify's own schema: pruned always, whole where it is at hand."""

from __future__ import annotations

import gzip
import json
import re
from functools import lru_cache
from pathlib import Path

import pytest
from graphql import (
    FragmentDefinitionNode,
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

from clients import shopify
from sandbox.prune_schema import PRUNED, full_schema, pruned
from sandbox.shopify.admin import schema
from sandbox.shopify.cost import FITTED, MAX_COST, PUBLISHED, cost

WHOLE = Path(__file__).parent.parent.parent / "shared" / "shopify" / "admin_2026-10.json.gz"
DOCUMENTS = {each.stem: each.read_text() for each in sorted(shopify.DOCUMENTS.glob("*.graphql"))}
SIZES = {"lineItems": shopify.FIRST_LINES, "first": shopify.FURTHER_LINES}
SCOPES = {"read_customers", "read_orders", "read_locations"}

each_document = pytest.mark.parametrize("name", DOCUMENTS)
whole_schema = pytest.mark.skipif(not WHOLE.exists(), reason="Shopify's whole schema is not at hand")


@lru_cache
def introspection() -> dict:
    with gzip.open(WHOLE) as packed:
        return json.load(packed)["data"]


def complaints(against: GraphQLSchema, document: str) -> list[str]:
    parsed = parse(document)
    deprecated = validate(against, parsed, [NoDeprecatedCustomRule])
    return [each.message for each in validate(against, parsed) + deprecated]


@each_document
def test_a_document_is_valid_and_uses_nothing_deprecated(name):
    assert complaints(schema(), DOCUMENTS[name]) == []


@whole_schema
@each_document
def test_a_document_is_valid_against_the_whole_schema(name):
    assert complaints(full_schema(introspection()), DOCUMENTS[name]) == []


def test_a_field_that_does_not_exist_is_noticed():
    assert complaints(schema(), "{ shop { motto } }") == ["Cannot query field 'motto' on type 'Shop'."]


def test_a_deprecated_field_is_noticed():
    assert len(complaints(schema(), '{ order(id: "1") { totalPrice } }')) == 1


@whole_schema
def test_the_pruned_schema_is_what_the_documents_need_now():
    assert pruned(introspection(), DOCUMENTS.values()) == PRUNED.read_text()


@each_document
@pytest.mark.parametrize("formula", [FITTED, PUBLISHED], ids=["fitted", "published"])
def test_a_document_costs_less_than_shopify_allows(name, formula):
    assert cost(schema(), parse(DOCUMENTS[name]), SIZES, formula) < MAX_COST


@pytest.mark.parametrize(("formula", "points"), [(FITTED, 1 + 2 + 4 * (1 + 1)), (PUBLISHED, 1 + 2 + 10 * (1 + 1 + 3))])
def test_a_connection_is_priced_by_its_size(formula, points):
    document = (
        'query Q($n: Int) { order(id: "1") { lineItems(first: $n) { nodes { taxLines { priceSet { ...B } } } } } }'
    )
    bag = " fragment B on MoneyBag { shopMoney { amount } presentmentMoney { amount } }"

    assert cost(schema(), parse(document + bag), {"n": 10}, formula) == points


def test_further_pages_ask_of_a_line_what_the_first_page_asks():
    asked = [_fragment(DOCUMENTS[name], "LineItemFields") for name in ("order_by_id", "order_line_items")]

    assert asked[0] == asked[1]


@whole_schema
@each_document
def test_a_document_needs_only_the_scopes_that_the_app_asks_for(name):
    needed = _access(DOCUMENTS[name])

    assert [text for text in needed if not SCOPES & set(re.findall(r"`(\w+)`", text))] == []


def _fragment(document: str, name: str) -> str:
    fragments = [each for each in parse(document).definitions if isinstance(each, FragmentDefinitionNode)]
    return next(print_ast(each) for each in fragments if each.name.value == name)


def _access(document: str) -> set[str]:
    """Shopify's words on who may read the fields and types of a document."""
    types = {each["name"]: each for each in introspection()["__schema"]["types"]}
    position, found = TypeInfo(full_schema(introspection())), set()

    class Access(Visitor):
        def enter_field(self, node, *_):
            fields = {each["name"]: each for each in types[position.get_parent_type().name]["fields"]}
            found.add(fields[node.name.value].get("requiredAccess"))
            found.add(types[get_named_type(position.get_type()).name].get("requiredAccess"))

    visit(parse(document), TypeInfoVisitor(position, Access()))
    return found - {None}
