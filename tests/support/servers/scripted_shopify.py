"""A Shopify that gives a scripted response, a client for it, and a journal that records calls."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from clients import ApiError, Call
from clients.shopify.client import ShopifyClient
from sandbox.serve import serving


class ScriptedShopify:
    """A Shopify that gives one response and keeps its requests."""

    def __init__(self) -> None:
        self.status, self.body, self.headers = 200, b"", {}
        self.asked: list = []
        self.app = Starlette(routes=[Route("/{path:path}", self._answer, methods=["POST"])])

    def answers(self, body: Any, status: int = 200, **headers: str) -> None:
        encoded = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.body = b"" if status in (204, 304) else encoded  # these two never have one
        self.status, self.headers = status, {name.replace("_", "-"): value for name, value in headers.items()}

    async def _answer(self, request: Request) -> Response:
        self.asked.append((request.url.path, request.headers, await request.json()))
        return Response(self.body, self.status, self.headers, "application/json")


class CallRecorder:
    """A journal that records calls."""

    def __init__(self) -> None:
        self.calls: list[Call] = []

    def sending(self, call: Call) -> None:
        """Nothing to record yet."""

    def answered(self, call: Call) -> None:
        self.calls.append(call)


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[ScriptedShopify, str]]:
    scripted = ScriptedShopify()
    with serving(scripted.app) as url:
        yield scripted, url


@pytest.fixture
def scripted(served: tuple[ScriptedShopify, str]) -> ScriptedShopify:
    served[0].asked.clear()
    return served[0]


@pytest.fixture
def client(served: tuple[ScriptedShopify, str]) -> ShopifyClient:
    return ShopifyClient(served[1], "token")


def failure(client: ShopifyClient) -> ApiError:
    """The error that a call ends in."""
    with pytest.raises(ApiError) as caught:
        client.shop()
    return caught.value
