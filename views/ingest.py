"""Webhooks written in groups: one transaction for all that arrived while the one before was being written.

Each sender is answered after its own row is committed. A group costs about as much as one (performance tests, ingest).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import queue
import re
import threading
from dataclasses import dataclass, field

import logs
from actors.registry import TaskType, publish
from database import EVERY, connected, db
from models import Body, Shop, Task

log = logging.getLogger(__name__)

GROUP = 200
TRACE = re.compile(r"[\w.:-]{1,100}")
MOST_WAITING = 2000  # bodies that may pile up behind a database that hangs; then the next are refused at once


class NotStored(Exception):
    """The webhook is not on disk: its sender must send it again."""


@dataclass
class Arrival:
    """A verified webhook: what its headers say, and its exact body."""

    kind: TaskType
    domain: str
    key: str
    headers: dict[str, str]
    body: bytes
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)

    @property
    def trace(self) -> str:
        """What all that comes of it is found by: Shopify's event, which may send several webhooks, or its own id."""
        event = self.headers.get("event_id", "")
        return event if TRACE.fullmatch(event) else self.key

    def __post_init__(self) -> None:
        self.stored: asyncio.Future[None] = self.loop.create_future()


class Ingest:
    """The one thread of a web process that writes webhooks."""

    def __init__(self) -> None:
        self._arrivals: queue.SimpleQueue[Arrival] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    async def store(self, arrival: Arrival, patience: float) -> None:
        """Return once the webhook is committed. Raises NotStored."""
        if self._arrivals.qsize() >= MOST_WAITING:
            raise NotStored("too many webhooks wait already")
        self._start()
        self._arrivals.put(arrival)
        try:
            await asyncio.wait_for(arrival.stored, patience)
        except TimeoutError:
            raise NotStored("the database did not commit in time") from None

    def _start(self) -> None:
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="ingest", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while True:
            group = [self._arrivals.get()]
            while len(group) < GROUP and not self._arrivals.empty():
                group.append(self._arrivals.get())
            added = self._write(_waiting(group))
            publish(added)
            _tell(added)

    def _write(self, group: list[Arrival]) -> list[Task]:
        """Commit the group and answer its senders. Returns what is to be rung for, after they have their answer."""
        try:
            with connected(EVERY):  # a group is of many shops
                added = _commit(group)
        except Exception as error:  # whatever it is, the senders get their answer and the thread goes on
            return self._refused(group, error)
        _answer(group, None)
        return added

    def _refused(self, group: list[Arrival], error: Exception) -> list[Task]:
        """One webhook that cannot be stored must not take the others of its group with it."""
        if len(group) > 1 and not db.is_closed():  # the database is there, and refuses one of them
            return [task for arrival in group for task in self._write(_waiting([arrival]))]
        domains = ", ".join(sorted({arrival.domain for arrival in group}))
        log.error("%d webhooks for %s are not stored; they come again: %s", len(group), domains, _first_line(error))
        _answer(group, NotStored(str(error)))
        return []


def _tell(added: list[Task]) -> None:
    """One line for each, from which its trace leads on."""
    for task in added:
        with logs.about(trace=task.trace, task=task.id, shop=task.shop_id):
            log.info("A webhook is stored: %s.", task.args.get("topic") or "from Engage")


def _waiting(group: list[Arrival]) -> list[Arrival]:
    """Without those whose sender has given up: they come again."""
    return [arrival for arrival in group if not arrival.stored.done()]


def _first_line(error: Exception) -> str:
    """What PostgreSQL adds on further lines are values of the row. peewee puts its error into one of its own."""
    origin = error.args[0] if error.args else ""
    return f"{type(error).__name__}: {origin}".split("\n")[0]


def _commit(group: list[Arrival]) -> list[Task]:
    if not group:
        return []
    shops = Shop.named({arrival.domain for arrival in group})
    pairs = [(arrival, _task(arrival, shops[arrival.domain])) for arrival in group if arrival.domain in shops]
    return Task.receive([(task, _sealed(arrival, task)) for arrival, task in pairs])


def _task(arrival: Arrival, shop: Shop) -> Task:
    return arrival.kind.new(shop, key=arrival.key, args=arrival.headers, trace=arrival.trace)


def _sealed(arrival: Arrival, task: Task) -> bytes:
    return Body.seal(task.shop, task.id, arrival.body)


def _answer(group: list[Arrival], error: Exception | None) -> None:
    """Wake the senders, each on its own loop."""
    for loop in {arrival.loop for arrival in group}:
        with contextlib.suppress(RuntimeError):  # the loop has ended, and its senders with it
            loop.call_soon_threadsafe(_settle, [arrival for arrival in group if arrival.loop is loop], error)


def _settle(group: list[Arrival], error: Exception | None) -> None:
    for arrival in group:
        if arrival.stored.done():  # its sender has given up
            continue
        if error:
            arrival.stored.set_exception(error)
        else:
            arrival.stored.set_result(None)
