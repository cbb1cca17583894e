"""A load generator: keep-alive connections that send requests as fast as they are answered, or at a steady rate."""

from __future__ import annotations

import asyncio
import itertools
import math
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from multiprocessing import get_context
from typing import Any
from uuid import uuid4

import uvloop

END_OF_HEAD = b"\r\n\r\n"


@dataclass(frozen=True)
class PreparedRequest:
    """A webhook request without its webhook id, of which each sending gets a new one."""

    head: bytes
    body: bytes

    def with_new_id(self) -> bytes:
        return b"%sX-Shopify-Webhook-Id: %s%s%s" % (self.head, str(uuid4()).encode(), END_OF_HEAD, self.body)


@dataclass(frozen=True)
class Load:
    """What to send. `rate`: requests a second, however slow the responses are; infinite: as fast as answered."""

    port: int
    requests: list[PreparedRequest]
    seconds: float
    rate: float = math.inf
    connections: int = 32

    def changed(self, **changes: Any) -> Load:
        return replace(self, **changes)


@dataclass
class LoadResult:
    """The responses. `waits`: seconds from when each request was due to its response."""

    seconds: float
    waits: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)

    @property
    def rate(self) -> float:
        return len(self.waits) / self.seconds

    def within_ms(self, share: float) -> float:
        """The wait that this share of the requests did not exceed; 0.5 gives the median."""
        return 1000 * sorted(self.waits)[math.ceil(share * len(self.waits)) - 1]


class LoadGenerator:
    """Sends from a process of its own, so that it does not share a lock with what it measures."""

    def __init__(self, pool: ProcessPoolExecutor) -> None:
        self._pool = pool

    def send(self, load: Load) -> LoadResult:
        """Send the load. Raises RuntimeError unless every response was 200: a fast refusal is no result."""
        sent = self._pool.submit(send, load).result()
        if set(sent.statuses) != {200}:
            raise RuntimeError(f"Not every response was 200: {dict(sent.statuses)}")
        return sent


@contextmanager
def load_generator() -> Iterator[LoadGenerator]:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        yield LoadGenerator(pool)


def send(load: Load) -> LoadResult:
    return uvloop.run(_send(load))


async def _send(load: Load) -> LoadResult:
    loop = asyncio.get_running_loop()
    opened = [await loop.create_connection(_LoadConnection, "127.0.0.1", load.port) for _ in range(load.connections)]
    start, numbers, sent = time.monotonic(), itertools.count(), LoadResult(load.seconds)
    async with asyncio.TaskGroup() as group:
        for _, connection in opened:
            group.create_task(_keep_sending(connection, load, start, numbers, sent))
    sent.seconds = time.monotonic() - start
    for transport, _ in opened:
        transport.close()
    return sent


async def _keep_sending(
    connection: _LoadConnection, load: Load, start: float, numbers: Iterator[int], sent: LoadResult
) -> None:
    for number in numbers:
        due = max(start + number / load.rate, start if math.isfinite(load.rate) else time.monotonic())
        if due >= start + load.seconds:
            return
        await asyncio.sleep(max(0, due - time.monotonic()))
        status = await connection.send(load.requests[number % len(load.requests)].with_new_id())
        sent.waits.append(time.monotonic() - due)
        sent.statuses[status] += 1


class _LoadConnection(asyncio.Protocol):
    """A connection with one request at a time."""

    def __init__(self) -> None:
        self._received = b""
        self._status: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport

    def send(self, request: bytes) -> asyncio.Future[int]:
        """Send a request. Return its response's status once all of it has arrived, or raise ConnectionError."""
        self._status = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return self._status

    def data_received(self, received: bytes) -> None:
        self._received += received
        head, end, body = self._received.partition(END_OF_HEAD)
        if end and len(body) >= _length(head):
            self._received = b""
            self._status.set_result(int(head.split(b" ", 2)[1]))

    def connection_lost(self, error: Exception | None) -> None:
        if not self._status.done():
            self._status.set_exception(error or ConnectionError("The server closed the connection."))


def _length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.partition(b":")[2])
    return 0
