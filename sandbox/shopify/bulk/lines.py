"""Write objects as lines of JSON, with the fields that a bulk query selects."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import orjson
from graphql import FieldNode, InlineFragmentNode, SelectionSetNode, StringValueNode

from sandbox.shopify.bulk.rules import selection_of_nodes

PARENTS_BEFORE_CHILDREN = 5  # parents written before the first of their children

Json = dict[str, Any]


@dataclass(frozen=True)
class SelectedField:
    """One field of the query, prepared for many objects."""

    key: str
    name: str
    fields: tuple[SelectedField, ...] = ()
    connection: bool = False
    metafield: str | None = None
    only_on: str | None = None


def selected_fields(selected: SelectionSetNode | None, only_on: str | None = None) -> tuple[SelectedField, ...]:
    """The fields of this selection."""
    found: list[SelectedField] = []
    for node in selected.selections if selected else ():
        if isinstance(node, InlineFragmentNode):
            kind = node.type_condition.name.value if node.type_condition else only_on
            found += selected_fields(node.selection_set, kind)
        elif isinstance(node, FieldNode):
            found.append(_field(node, only_on))
    return tuple(found)


def result_lines(objects: Iterable[Json], fields: tuple[SelectedField, ...]) -> Iterator[tuple[bytes, bool]]:
    """The result's lines, each with whether it is a root. Children follow their parents, but not at once."""
    waiting: list[bytes] = []
    for count, each in enumerate(objects, 1):
        children: list[Json] = []
        yield _json_line(_pick(each, fields, children)), True
        waiting += map(_json_line, children)
        if count % PARENTS_BEFORE_CHILDREN == 0:
            yield from ((line, False) for line in waiting)
            waiting.clear()
    yield from ((line, False) for line in waiting)


def _field(node: FieldNode, only_on: str | None) -> SelectedField:
    name = node.name.value
    key = node.alias.value if node.alias else name
    edges = [each for each in _selections(node) if isinstance(each, FieldNode) and each.name.value == "edges"]
    selected = selection_of_nodes(node) if edges else node.selection_set
    return SelectedField(key, name, selected_fields(selected), bool(edges), _metafield(node), only_on)


def _selections(node: FieldNode) -> Iterable[Any]:
    return node.selection_set.selections if node.selection_set else ()


def _metafield(node: FieldNode) -> str | None:
    if node.name.value != "metafield":
        return None
    arguments = [each for each in node.arguments or () if isinstance(each.value, StringValueNode)]
    given = {each.name.value: each.value.value for each in arguments}  # type: ignore[attr-defined]
    return f"{given['namespace']}.{given['key']}"


def _pick(source: Json, fields: tuple[SelectedField, ...], children: list[Json]) -> Json:
    shown: Json = {}
    for each in fields:
        if each.only_on and source.get("__typename") != each.only_on:
            continue
        if each.connection:
            inner = (_pick(node, each.fields, children) for node in source[each.name])
            children += [{**node, "__parentId": source["id"]} for node in inner]
        else:
            shown[each.key] = _value(source, each, children)
    return shown


def _value(source: Json, field: SelectedField, children: list[Json]) -> Any:
    if field.metafield:
        value = source["metafields"].get(field.metafield)
        return {"value": value} if value is not None else None
    found = source.get(field.name)
    if not field.fields or found is None:
        return found
    if isinstance(found, list):
        return [_pick(each, field.fields, children) for each in found]
    return _pick(found, field.fields, children)


def _json_line(shown: Json) -> bytes:
    return orjson.dumps(shown) + b"\n"
