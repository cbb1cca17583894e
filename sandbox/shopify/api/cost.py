"""Cost of a query at Shopify, and the points that pay for it (Shopify: a leaky bucket).

Shopify does not publish how a connection is priced. FITTED reproduces most of its recorded answers, PUBLISHED is the
older text; a document of ours must pass both.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLNamedType,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    VariableNode,
    get_named_type,
    is_leaf_type,
)

MAX_COST = 1000
MUTATION = 10  # documented


@dataclass(frozen=True)
class Formula:
    """How the size of a connection and of a list becomes points, and which objects are free."""

    connections: Callable[[int], int]
    lists: Callable[[int], int]
    free: frozenset[str]


FITTED = Formula(
    lambda first: max(1, math.floor(2 * math.log(first))) if first > 0 else 1,
    lambda first: 1,
    frozenset({"MoneyBag", "MoneyV2", "PageInfo"}),
)
PUBLISHED = Formula(lambda first: first, lambda first: first, frozenset({"PageInfo"}))


def cost(schema: GraphQLSchema, document: DocumentNode, variables: dict[str, Any], formula: Formula = FITTED) -> int:
    """The points of the document's only operation: leaves cost 0, objects 1, connections by their `first`."""
    operation = next(each for each in document.definitions if isinstance(each, OperationDefinitionNode))
    fragments = {each.name.value: each for each in document.definitions if isinstance(each, FragmentDefinitionNode)}
    priced = _Priced(schema, fragments, variables, formula)
    if operation.operation is OperationType.MUTATION:
        return MUTATION + priced.selections(schema.mutation_type, operation.selection_set)
    return priced.selections(schema.query_type, operation.selection_set)


@dataclass(frozen=True)
class _Priced:
    schema: GraphQLSchema
    fragments: dict[str, FragmentDefinitionNode]
    variables: dict[str, Any]
    formula: Formula

    def selections(self, parent: Any, selected: SelectionSetNode | None) -> int:
        return sum(self._field(owner, node) for owner, node in self._fields(parent, selected))

    def _fields(self, parent: Any, selected: SelectionSetNode | None) -> Iterator[tuple[Any, FieldNode]]:
        for each in selected.selections if selected else ():
            match each:
                case FieldNode():
                    yield parent, each
                case InlineFragmentNode(type_condition=condition):
                    owner = self.schema.get_type(condition.name.value) if condition else parent
                    yield from self._fields(owner, each.selection_set)
                case FragmentSpreadNode():
                    fragment = self.fragments[each.name.value]
                    yield from self._fields(
                        self.schema.get_type(fragment.type_condition.name.value), fragment.selection_set
                    )

    def _field(self, parent: Any, node: FieldNode) -> int:
        if node.name.value.startswith("__"):
            return 0
        kind: GraphQLNamedType = get_named_type(parent.fields[node.name.value].type)
        if is_leaf_type(kind):
            return 0
        if kind.name.endswith("Connection"):
            return 2 + self.formula.connections(self._first(node)) * (1 + self._nodes(kind, node))
        each = self.selections(kind, node.selection_set) + (kind.name not in self.formula.free)
        return self.formula.lists(self._first(node)) * each

    def _nodes(self, connection: Any, node: FieldNode) -> int:
        """What one node of a connection costs beyond itself, whether asked for as `nodes` or as `edges { node }`."""
        inner = [each for each in self._fields(connection, node.selection_set) if each[1].name.value != "pageInfo"]
        return sum(self._field(*each) - 1 for each in inner)

    def _first(self, node: FieldNode) -> int:
        for argument in node.arguments or ():
            if argument.name.value == "first" and isinstance(argument.value, IntValueNode):
                return int(argument.value.value)
            if argument.name.value == "first" and isinstance(argument.value, VariableNode):
                return int(self.variables[argument.value.name.value])
        return 1


class PointBudget:
    """The points that an app may spend on a shop; they are restored at a steady rate."""

    def __init__(self, maximum: float = 2000, restore_rate: float = 100) -> None:
        self.maximum = maximum
        self.restore_rate = restore_rate
        self._points = maximum
        self._at = time.monotonic()
        self._lock = threading.Lock()

    def spend(self, points: int) -> bool:
        """Spend the points, or return False if there are too few. Updates `status` either way."""
        with self._lock:
            self._refill()
            enough = self._points >= points
            self._points -= points if enough else 0
            return enough

    @property
    def status(self) -> dict[str, float]:
        """Shopify's `throttleStatus`."""
        return {
            "maximumAvailable": float(self.maximum),
            "currentlyAvailable": math.floor(self._points),
            "restoreRate": float(self.restore_rate),
        }

    def _refill(self) -> None:
        now = time.monotonic()
        self._points = min(self.maximum, self._points + (now - self._at) * self.restore_rate)
        self._at = now
