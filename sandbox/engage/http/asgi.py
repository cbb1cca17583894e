"""Read a request from ASGI, and send its response, or a fault in place of it."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
from typing import Any
from urllib.parse import parse_qsl

from starlette.types import Message, Receive, Scope, Send

from sandbox.engage.faults import Fault, Faults
from sandbox.engage.http.messages import SANDBOX_HEADER, ApiRequest, ApiResponse

MAINTENANCE_PAGE = ApiResponse(
    200, b"<!doctype html><title>Maintenance</title><p>Please come back later.</p>", {"content-type": "text/html"}
)
NO_LINGER = struct.pack("ii", 1, 0)  # close() then sends a reset, not an orderly end


async def read_request(scope: Scope, receive: Receive, tenant: str, path: str) -> ApiRequest:
    """Read the whole request."""
    query = scope["query_string"].decode("latin-1")
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    body = await _body(receive)
    return ApiRequest(
        tenant, scope["method"], path, dict(parse_qsl(query, keep_blank_values=True)), query, headers, body
    )


async def _body(receive: Receive) -> bytes:
    parts, message = [], await receive()
    while message.get("more_body"):
        parts.append(message.get("body", b""))
        message = await receive()
    return b"".join([*parts, message.get("body", b"")])


async def send_response(response: ApiResponse, fault: Fault, faults: Faults, receive: Receive, send: Send) -> None:
    """Send the response as the fault allows. The faults that cut the connection need uvicorn."""
    match fault:
        case Fault.RESET | Fault.RESET_BEFORE:
            await _reset(receive)
        case Fault.HANG:
            await _wait_for_end(receive, faults.hang_seconds)
            await _reset(receive)
        case Fault.HALF:
            body = response.body or b'{"status":"queued"}'
            await _cut(receive, _head(response, len(body)) + body[: len(body) // 2])
        case Fault.HALF_HEADERS:
            await _cut(receive, _head(response, len(response.body))[:-2])
        case Fault.LATE:
            await asyncio.sleep(faults.latency_seconds)
            await _send_whole(response, send)
        case _:
            await _send_whole(response, send)


async def _send_whole(response: ApiResponse, send: Send) -> None:
    start: Message = {"type": "http.response.start", "status": response.status, "headers": response.header_lines()}
    await send(start)
    await send({"type": "http.response.body", "body": response.body})


def _head(response: ApiResponse, length: int) -> bytes:
    lines = {"content-length": str(length), **SANDBOX_HEADER, **response.headers}
    named = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return f"HTTP/1.1 {response.status} Cut\r\n{named}\r\n".encode()


def _transport(receive: Receive) -> Any:
    """The connection of uvicorn's request cycle, to which `receive` is bound even below Starlette's middleware."""
    return receive.__self__.transport  # type: ignore[attr-defined]


async def _reset(receive: Receive) -> None:
    transport = _transport(receive)
    if not transport.is_closing():
        with socket.socket(fileno=os.dup(transport.get_extra_info("socket").fileno())) as same:
            same.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
        transport.abort()
    await _wait_for_end(receive, 1)


async def _cut(receive: Receive, written: bytes) -> None:
    transport = _transport(receive)
    transport.write(written)
    transport.close()
    await _wait_for_end(receive, 1)


async def _wait_for_end(receive: Receive, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            while (await receive())["type"] != "http.disconnect":
                pass
    except TimeoutError:
        return
