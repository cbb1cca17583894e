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
    """A request without its delivery's own id, which every sending makes anew."""

    head: bytes
    body: bytes

    def fresh(self) -> bytes:
        return b"%sX-Shopify-Webhook-Id: %s%s%s" % (self.head, str(uuid4()).encode(), END_OF_HEAD, self.body)


@dataclass(frozen=True)
class Load:
    """What to send where. `rate`: requests a second, whatever the answers take; infinite: as fast as answered."""

    port: int
    posts: list[PreparedRequest]
    seconds: float
    rate: float = math.inf
    connections: int = 32

    def but(self, **changes: Any) -> Load:
        return replace(self, **changes)


@dataclass
class LoadResult:
    """What came of it. `waits`: seconds from when each request was due to its answer."""

    seconds: float
    waits: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)

    @property
    def rate(self) -> float:
        return len(self.waits) / self.seconds

    def within_ms(self, share: float) -> float:
        """The wait that this share of the requests stayed within; 0.5 gives the median."""
        return 1000 * sorted(self.waits)[math.ceil(share * len(self.waits)) - 1]


class LoadGenerator:
    """The load generator's own process, so that it does not share a lock with what it measures."""

    def __init__(self, pool: ProcessPoolExecutor) -> None:
        self._pool = pool

    def send(self, load: Load) -> LoadResult:
        """Raises RuntimeError unless every answer was 200: a fast refusal is no result."""
        sent = self._pool.submit(send, load).result()
        if set(sent.statuses) != {200}:
            raise RuntimeError(f"Not every answer was 200: {dict(sent.statuses)}")
        return sent


@contextmanager
def load_generator() -> Iterator[LoadGenerator]:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        yield LoadGenerator(pool)


def send(load: Load) -> LoadResult:
    return uvloop.run(_send(load))


async def _send(load: Load) -> LoadResult:
    loop = asyncio.get_running_loop()
    opened = [await loop.create_connection(_Connection, "127.0.0.1", load.port) for _ in range(load.connections)]
    start, numbers, sent = time.monotonic(), itertools.count(), LoadResult(load.seconds)
    async with asyncio.TaskGroup() as group:
        for _, connection in opened:
            group.create_task(_keep_sending(connection, load, start, numbers, sent))
    sent.seconds = time.monotonic() - start
    for transport, _ in opened:
        transport.close()
    return sent


async def _keep_sending(
    connection: _Connection, load: Load, start: float, numbers: Iterator[int], sent: LoadResult
) -> None:
    for number in numbers:
        due = max(start + number / load.rate, start if math.isfinite(load.rate) else time.monotonic())
        if due >= start + load.seconds:
            return
        await asyncio.sleep(max(0, due - time.monotonic()))
        status = await connection.ask(load.posts[number % len(load.posts)].fresh())
        sent.waits.append(time.monotonic() - due)
        sent.statuses[status] += 1


class _Connection(asyncio.Protocol):
    """One request under way at a time."""

    def __init__(self) -> None:
        self._received = b""
        self._answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport

    def ask(self, request: bytes) -> asyncio.Future[int]:
        """The status of the answer, once all of it is here. Raises ConnectionError when that never happens."""
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return self._answer

    def data_received(self, received: bytes) -> None:
        self._received += received
        head, end, body = self._received.partition(END_OF_HEAD)
        if end and len(body) >= _length(head):
            self._received = b""
            self._answer.set_result(int(head.split(b" ", 2)[1]))

    def connection_lost(self, error: Exception | None) -> None:
        if not self._answer.done():
            self._answer.set_exception(error or ConnectionError("The server closed the connection."))


def _length(head: bytes) -> int:
    for line in head.lower().split(b"\r\n"):
        if line.startswith(b"content-length:"):
            return int(line.partition(b":")[2])
    return 0
