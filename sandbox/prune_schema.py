"""Prune Shopify's Admin schema to what our documents use: `python -m sandbox.prune_schema PATH`.

PATH is the introspection result that Shopify publishes in the npm package `@shopify/dev-mcp` (ISC), gzipped.
"""

from __future__ import annotations

import gzip
import json
import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from graphql import (
    FieldNode,
    GraphQLSchema,
    TypeInfo,
    TypeInfoVisitor,
    Visitor,
    build_client_schema,
    parse,
    print_schema,
    visit,
)

DOCUMENTS = Path(__file__).parent.parent / "clients" / "shopify" / "graphql"
PRUNED = Path(__file__).parent / "admin_2026-10.graphql"
LEAVES = ("SCALAR", "ENUM")
ARGUMENT_KINDS = (*LEAVES, "INPUT_OBJECT")
ROOTS = ("QueryRoot", "Mutation")
NOTICE = """\
# Shopify's Admin API, version 2026-10: the part that this project's documents reach, without descriptions.
# Made by sandbox/prune_schema.py from the npm package @shopify/dev-mcp; do not edit.
#
# ISC License
#
# Copyright 2025-present, Shopify Inc.
#
# Permission to use, copy, modify, and/or distribute this software for any purpose with or without fee is hereby
# granted, provided that the above copyright notice and this permission notice appear in all copies.
#
# THE SOFTWARE IS PROVIDED "AS IS" AND THE AUTHOR DISCLAIMS ALL WARRANTIES WITH REGARD TO THIS SOFTWARE INCLUDING ALL
# IMPLIED WARRANTIES OF MERCHANTABILITY AND FITNESS. IN NO EVENT SHALL THE AUTHOR BE LIABLE FOR ANY SPECIAL, DIRECT,
# INDIRECT, OR CONSEQUENTIAL DAMAGES OR ANY DAMAGES WHATSOEVER RESULTING FROM LOSS OF USE, DATA OR PROFITS, WHETHER IN
# AN ACTION OF CONTRACT, NEGLIGENCE OR OTHER TORTIOUS ACTION, ARISING OUT OF OR IN CONNECTION WITH THE USE OR
# PERFORMANCE OF THIS SOFTWARE.

"""


def full_schema(introspection: dict[str, Any]) -> GraphQLSchema:
    """Shopify's schema. It breaks a newer rule about deprecated interface fields, so it is not checked itself."""
    return build_client_schema(introspection, assume_valid=True)  # type: ignore[arg-type]


def pruned(introspection: dict[str, Any], documents: Iterable[str]) -> str:
    """The SDL of what the documents use: their types with every scalar and enum field, and the objects they ask for."""
    selected = _selected_fields(full_schema(introspection), documents)
    types = {each["name"]: each for each in introspection["__schema"]["types"]}
    _spread_over_implementations(selected, types)
    _add_edges(selected, types)
    selected["Node"].add("id")  # which types have it decides what a bulk query may ask for
    pruned_types = {name: _pruned_type(types[name], fields, set(selected)) for name, fields in selected.items()}
    pruned_types |= _inputs(pruned_types.values(), types)
    leaves = {name: _without_description(types[name]) for name in _leaves(pruned_types.values())}
    schema = {
        "queryType": introspection["__schema"]["queryType"],
        "mutationType": introspection["__schema"]["mutationType"] if "Mutation" in pruned_types else None,
        "types": [each for _, each in sorted({**pruned_types, **leaves}.items())],
        "directives": [],
    }
    return NOTICE + print_schema(full_schema({"__schema": schema})) + "\n"


def _selected_fields(schema: GraphQLSchema, documents: Iterable[str]) -> dict[str, set[str]]:
    """The fields that the documents select, by their type's name."""
    selected: dict[str, set[str]] = defaultdict(set)
    position = TypeInfo(schema)

    class SelectedFields(Visitor):
        def enter_field(self, node: FieldNode, *_: object) -> None:
            if parent := position.get_parent_type():
                selected[parent.name].add(node.name.value)

    for document in documents:
        visit(parse(document), TypeInfoVisitor(position, SelectedFields()))
    return selected


def _add_edges(selected: dict[str, set[str]], types: dict[str, Any]) -> None:
    """Bulk queries ask for edges where the documents ask for nodes."""
    for name in [name for name in selected if name.endswith("Connection")]:
        edges = next(each for each in types[name]["fields"] if each["name"] == "edges")
        selected[name].add("edges")
        selected[_named(edges["type"])["name"]].add("node")


def _spread_over_implementations(selected: dict[str, set[str]], types: dict[str, Any]) -> None:
    for name in [name for name in selected if types[name]["kind"] == "INTERFACE"]:
        for implementation in types[name]["possibleTypes"]:
            selected[implementation["name"]] |= selected[name]


def _pruned_type(definition: dict[str, Any], selected: set[str], kept_types: set[str]) -> dict[str, Any]:
    root = definition["name"] in ROOTS
    kinds = ARGUMENT_KINDS if definition["name"] == "Mutation" else LEAVES  # no query of ours takes an input object
    fields = [
        _with_arguments(each, kinds)
        for each in definition["fields"]
        if each["name"] in selected or (not root and _named(each["type"])["kind"] in LEAVES)
    ]
    interfaces = [each for each in definition.get("interfaces") or [] if each["name"] in kept_types]
    return {**_without_description(definition), "fields": fields, "interfaces": interfaces}


def _with_arguments(field: dict[str, Any], kinds: tuple[str, ...]) -> dict[str, Any]:
    arguments = [_without_description(each) for each in field["args"] if _named(each["type"])["kind"] in kinds]
    return {**_without_description(field), "args": arguments}


def _inputs(definitions: Iterable[dict[str, Any]], types: dict[str, Any]) -> dict[str, Any]:
    """The input objects that the kept arguments take, and those within them."""
    found: dict[str, Any] = {}
    waiting = [name for each in definitions for name in _used(each) if types[name]["kind"] == "INPUT_OBJECT"]
    while waiting:
        name = waiting.pop()
        fields = [_without_description(each) for each in types[name]["inputFields"]]
        found[name] = {**_without_description(types[name]), "inputFields": fields}
        named = {_named(each["type"])["name"] for each in fields}
        waiting += [each for each in named - set(found) if types[each]["kind"] == "INPUT_OBJECT"]
    return found


def _leaves(definitions: Iterable[dict[str, Any]]) -> set[str]:
    used = {name for each in definitions for name in _used(each)}
    return used - {each["name"] for each in definitions}


def _used(definition: dict[str, Any]) -> set[str]:
    """The names of the types of the definition's fields and of what they take."""
    fields = definition.get("fields") or definition.get("inputFields") or []
    return {_named(each["type"])["name"] for field in fields for each in (field, *field.get("args", ()))}


def _named(reference: dict[str, Any]) -> dict[str, Any]:
    return _named(reference["ofType"]) if reference.get("ofType") else reference


def _without_description(definition: dict[str, Any]) -> dict[str, Any]:
    values = [{**each, "description": None} for each in definition.get("enumValues") or []]
    return {**definition, "description": None, "enumValues": values or None}


def main(path: str) -> None:
    """Write the pruned schema. Run it when a document uses a field that the schema lacks."""
    with gzip.open(path) as packed:
        introspection = json.load(packed)["data"]
    PRUNED.write_text(pruned(introspection, [each.read_text() for each in sorted(DOCUMENTS.rglob("*.graphql"))]))


if __name__ == "__main__":
    main(sys.argv[1])
