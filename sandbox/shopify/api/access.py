"""Access scopes that a field of the Admin API needs, by the type that it returns. Shopify denies it without them."""

from __future__ import annotations

from collections.abc import Collection

from graphql import (
    FieldNode,
    GraphQLError,
    GraphQLSchema,
    TypeInfo,
    TypeInfoVisitor,
    Visitor,
    get_named_type,
    parse,
    visit,
)

SCOPE_OF_TYPE = {"Product": "read_products", "ProductVariant": "read_products"}  # the schema's own `requiredAccess`
DENIED = "Access denied for {field} field. Required access: `{scope}` access scope."


def check_access(field: str, type_name: str, scopes: Collection[str]) -> None:
    """Raise Shopify's error for a field of this type where the app has not been granted its scope."""
    scope = SCOPE_OF_TYPE.get(type_name)
    if scope and scope not in scopes:
        extensions = {"code": "ACCESS_DENIED", "requiredAccess": f"`{scope}` access scope."}
        raise GraphQLError(DENIED.format(field=field, scope=scope), extensions=extensions)


def denied_fields(schema: GraphQLSchema, document: str, scopes: Collection[str]) -> list[str]:
    """The document's fields that need a scope which is not granted."""
    position, denied = TypeInfo(schema), []

    class Fields(Visitor):
        def enter_field(self, node: FieldNode, *_: object) -> None:
            kind = position.get_type()
            if kind and SCOPE_OF_TYPE.get(get_named_type(kind).name, "") not in ("", *scopes):
                denied.append(node.name.value)

    visit(parse(document), TypeInfoVisitor(position, Fields()))
    return denied
