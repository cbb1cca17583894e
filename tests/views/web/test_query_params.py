"""Parsing query parameters."""

from __future__ import annotations

from uuid import UUID

import pytest

from views.web import query_params

ID = "01a20f9b-30e2-7651-8ca7-88c557712897"


@pytest.mark.parametrize("text", [ID, ID.upper()])
def test_an_id_is_parsed_as_our_urls_spell_it(text):
    assert query_params.parse_uuid(text) == UUID(ID)


@pytest.mark.parametrize("text", ["", "x", f"{{{ID}}}", f"urn:uuid:{ID}", ID.replace("-", ""), f" {ID}", ID[:-1]])
def test_any_other_id_is_none(text):
    assert query_params.parse_uuid(text) is None
