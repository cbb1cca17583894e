"""Shopify's own schema, pruned to what the app's documents reach."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from graphql import GraphQLSchema, build_schema

SCHEMA = Path(__file__).parents[2] / "admin_2026-10.graphql"


@lru_cache
def schema() -> GraphQLSchema:
    """The schema, built once."""
    return build_schema(SCHEMA.read_text(), assume_valid=True)
