"""Serve the results of bulk operations: by signed URLs that expire, with ranges, over connections that may break."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.types import Message, Receive, Scope, Send

from sandbox.shopify.bulk.operations import BulkOperation, BulkOperations

EXPIRED = b"<?xml version='1.0' encoding='UTF-8'?><Error><Code>ExpiredToken</Code></Error>"


class ResultFiles:
    """Answers `GET /{shop}/bulk/{number}.jsonl`, as the storage service behind Shopify's URLs does."""

    def __init__(self, bulk_of: Callable[[str], BulkOperations]) -> None:
        self._bulk_of = bulk_of

    async def __call__(self, request: Request) -> Response:
        bulk, query = self._bulk_of(request.path_params["shop"]), request.query_params
        number = int(request.path_params["number"])
        operation = bulk.signed_result(number, query.get("expires", "0"), query.get("signature", ""))
        if operation is None:
            return Response(EXPIRED, 403, media_type="application/xml")
        headers = {"ETag": _etag(operation)}
        if bulk.options.cuts:
            return _CutFile(bulk.options.cuts.pop(0), operation.path, headers=headers)
        return FileResponse(operation.path, headers=headers, media_type="application/jsonl")


class _CutFile(FileResponse):
    """A file whose connection breaks after so many bytes."""

    def __init__(self, after: int, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._left = after

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_part(message: Message) -> None:
            body = message.get("body", b"")
            if len(body) > self._left:
                message = {**message, "body": body[: self._left], "more_body": True}
            self._left -= len(message.get("body", b""))
            await send(message)
            if self._left <= 0:
                receive.__self__.transport.close()  # type: ignore[attr-defined]

        await super().__call__(scope, receive, send_part)


def _etag(operation: BulkOperation) -> str:
    """The same for as long as the file is the same, whatever its URL."""
    size = operation.path.stat().st_size
    return f'"{hashlib.md5(f"{operation.gid} {size}".encode(), usedforsecurity=False).hexdigest()}"'
