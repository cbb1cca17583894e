"""Check a bulk query by Shopify's rules, with its error messages."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    get_named_type,
    get_nullable_type,
    is_list_type,
    parse,
    validate,
)

MAX_CONNECTIONS = 5
MAX_DEPTH = 2


def root_of(schema: GraphQLSchema, text: str) -> FieldNode:
    """The bulk query's only field. Raises GraphQLError with Shopify's message."""
    document = parse(text)
    if errors := validate(schema, document):
        raise errors[0]
    operation = _operation(document)
    if len(operation.selection_set.selections) != 1:
        raise GraphQLError("Bulk queries must contain exactly one top-level field.")
    found = list(_connections(schema.query_type, operation.selection_set))
    if not found:
        raise GraphQLError("Bulk queries must contain at least one connection.")
    if len(found) > MAX_CONNECTIONS:
        raise GraphQLError("Bulk queries cannot contain more than 5 connections.")
    if max(found) > MAX_DEPTH:
        raise GraphQLError("Bulk queries cannot contain connections with a nesting depth greater than 2.")
    root = operation.selection_set.selections[0]
    if not isinstance(root, FieldNode):
        raise GraphQLError("Bulk queries must contain exactly one top-level field.")
    return root


def _operation(document: DocumentNode) -> OperationDefinitionNode:
    operations = [each for each in document.definitions if isinstance(each, OperationDefinitionNode)]
    if len(operations) != 1 or len(document.definitions) != 1:
        raise GraphQLError("Bulk queries must be one operation without fragments.")
    return operations[0]


def _connections(parent: Any, selected: SelectionSetNode | None, depth: int = 1, listed: bool = False) -> Iterator[int]:
    """How deep each connection is nested."""
    for node in selected.selections if selected else ():
        match node:
            case FieldNode() if node.selection_set:
                yield from _below(parent, node, depth, listed)
            case InlineFragmentNode():
                yield from _connections(parent, node.selection_set, depth, listed)
            case FragmentSpreadNode():
                raise GraphQLError("Bulk queries must be one operation without fragments.")


def _below(parent: Any, node: FieldNode, depth: int, listed: bool) -> Iterator[int]:
    definition = parent.fields.get(node.name.value)
    if definition is None:  # a field of an inline fragment's own type
        return
    kind = get_named_type(definition.type)
    if not kind.name.endswith("Connection"):
        inside = listed or is_list_type(get_nullable_type(definition.type))
        yield from _connections(kind, node.selection_set, depth, inside)
        return
    if listed:
        raise GraphQLError("Queries that contain a connection field within a list field are not currently supported.")
    yield depth
    yield from _within(kind, node, depth)


def _within(connection: Any, node: FieldNode, depth: int) -> Iterator[int]:
    kind = get_named_type(get_named_type(connection.fields["edges"].type).fields["node"].type)
    if not isinstance(kind, GraphQLObjectType) or "Node" not in {each.name for each in kind.interfaces}:
        raise GraphQLError("Bulk queries can only contain connections whose nodes implement the Node interface.")
    selected = selection_of_nodes(node)
    deeper = list(_connections(kind, selected, depth + 1))
    if deeper and not any(isinstance(each, FieldNode) and each.name.value == "id" for each in selected.selections):
        raise GraphQLError("The parent of a nested connection must select its id.")
    yield from deeper


def selection_of_nodes(connection: FieldNode) -> SelectionSetNode:
    """What is selected of each node, by `edges { node { ... } }`."""
    node = _child(_child(connection, "edges"), "node")
    if node is None or node.selection_set is None:
        raise GraphQLError("Bulk queries must ask for edges and their node.")
    return node.selection_set


def _child(field: FieldNode | None, name: str) -> FieldNode | None:
    chosen = field.selection_set.selections if field and field.selection_set else ()
    return next((each for each in chosen if isinstance(each, FieldNode) and each.name.value == name), None)
