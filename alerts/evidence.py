"""Evidence of an alert rule: what an evaluation found, a frozen dataclass for each rule. To JSON and back.

It is stored with the rule and with its incidents, under the names of its fields, which therefore must stay.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cache
from typing import Any, TypeVar

import orjson
from pydantic import TypeAdapter

from mappings import Dataclass

Evidence = TypeVar("Evidence", bound=Dataclass)


@dataclass(frozen=True)
class NoEvidence:
    """Evidence of a rule that keeps none."""


def read_evidence(kind: type[Evidence], stored: dict[str, Any]) -> Evidence:
    """Evidence from stored JSON. Missing keys have their default; unknown ones, of other releases, are ignored.

    Raises ValueError for a value of another type.
    """
    found: Evidence = _reader(kind).validate_python(stored)
    return found


def evidence_json(evidence: Any) -> dict[str, Any]:
    """Evidence as JSON: {} for None."""
    return dict(orjson.loads(orjson.dumps(evidence))) if evidence is not None else {}


def explanation(evidence: Any) -> str:
    """Evidence as `name=value`, without what is empty and what its `repr` leaves out."""
    printed = {each.name for each in fields(evidence) if each.repr} if evidence is not None else set()
    values = {name: value for name, value in evidence_json(evidence).items() if name in printed}
    return " ".join(f"{name}={value}" for name, value in values.items() if value not in (None, [], False))


@cache
def _reader(kind: type[Dataclass]) -> TypeAdapter[Any]:
    return TypeAdapter(kind)
