"""Requests to the sandbox's API and its responses, apart from any web framework."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import orjson

JSON = {"content-type": "application/json; charset=utf-8"}
SANDBOX_HEADER = {"x-engage-sandbox": "1"}


@dataclass(frozen=True)
class ApiRequest:
    """One request: `path` is below the tenant, header names are in lower case."""

    tenant: str
    method: str
    path: str
    query: Mapping[str, str]
    query_string: str
    headers: Mapping[str, str]
    body: bytes

    def fields(self) -> dict[str, Any]:
        """The body's JSON object, amounts as Decimal. Raises Refusal with Engage's NoData."""
        try:
            orjson.loads(self.body)  # refuses what json accepts: NaN, depth without end, half characters
            found = json.loads(self.body, parse_float=Decimal)
        except ValueError:
            found = None
        if not found or not isinstance(found, dict):
            raise Refusal(400, "NoData", "The request has no JSON object.")
        return found


@dataclass(frozen=True)
class ApiResponse:
    """One response. `headers` come after its length and the sandbox's own header."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def json(cls, status: int, value: object, headers: Mapping[str, str] | None = None) -> ApiResponse:
        return cls(status, dump(value), JSON | dict(headers or {}))

    @classmethod
    def of(cls, spec: ApiResponse | int | tuple[Any, ...]) -> ApiResponse:
        """From a status, (status, body) or (status, body, headers). A body is bytes, text or a JSON value."""
        if isinstance(spec, ApiResponse):
            return spec
        status, body, headers = (*spec, {})[:3] if isinstance(spec, tuple) else (spec, b"", {})
        if isinstance(body, bytes | str):
            return cls(status, body.encode() if isinstance(body, str) else body, headers)
        return cls.json(status, body, headers)

    def header_lines(self) -> list[tuple[bytes, bytes]]:
        lines = {"content-length": str(len(self.body)), **SANDBOX_HEADER, **self.headers}
        return [(name.lower().encode(), value.encode()) for name, value in lines.items()]


def dump(value: object, option: int = 0) -> bytes:
    """As JSON, with a Decimal as exactly its digits."""
    return orjson.dumps(value, default=_digits, option=option)


def _digits(value: object) -> orjson.Fragment:
    if isinstance(value, Decimal):
        return orjson.Fragment(format(value, "f"))
    raise TypeError(f"{value!r} is no JSON")


class Refusal(Exception):
    """A response that is an error, in the envelope that Engage is assumed to use."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        details: dict[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        envelope = {"errorCode": code, "message": message, "messageDetails": details or {}}
        self.response = ApiResponse.json(status, envelope, headers)
