"""Ingest, the group commit of webhooks: one transaction for all that came in while the one before was being written.

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
from database import EVERY, connected, db
from models import Body, Shop, Task
from sync import shop_connections
from taskqueue import insert
from taskqueue.types import TaskType, publish

log = logging.getLogger(__name__)

LARGEST_GROUP = 200
TRACE = re.compile(r"[\w.:-]{1,100}")
MOST_WAITING = 2000  # bodies in memory behind a database that hangs; the next are refused at once


class NotStored(Exception):
    """The webhook is not committed: its sender must send it again."""


@dataclass
class Webhook:
    """A verified webhook: its task type and key, the headers to keep, and its exact body."""

    task_type: TaskType
    domain: str
    key: str
    headers: dict[str, str]
    body: bytes
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)

    @property
    def trace(self) -> str:
        """The trace id of its tasks: the id of Shopify's event, which may send several webhooks, or its own id."""
        event = self.headers.get("event_id", "")
        return event if TRACE.fullmatch(event) else self.key

    def __post_init__(self) -> None:
        self.stored: asyncio.Future[None] = self.loop.create_future()


class Ingest:
    """The one thread of a web process that writes webhooks."""

    def __init__(self) -> None:
        self._webhooks: queue.SimpleQueue[Webhook] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    async def store(self, webhook: Webhook, seconds: float) -> None:
        """Return once the webhook is committed, within so many seconds. Raises NotStored."""
        if self._webhooks.qsize() >= MOST_WAITING:
            raise NotStored("too many webhooks wait already")
        self._start()
        self._webhooks.put(webhook)
        try:
            await asyncio.wait_for(webhook.stored, seconds)
        except TimeoutError:
            raise NotStored("the database did not commit in time") from None

    def _start(self) -> None:
        with self._lock:
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="ingest", daemon=True)
                self._thread.start()

    def _run(self) -> None:
        while True:
            group = [self._webhooks.get()]
            while len(group) < LARGEST_GROUP and not self._webhooks.empty():
                group.append(self._webhooks.get())
            added = self._write(_waiting(group))
            publish(added)
            _log(added)

    def _write(self, group: list[Webhook]) -> list[Task]:
        """Commit the group and answer its senders. Returns the tasks to publish once they have their answer."""
        try:
            with connected(EVERY):  # a group is of many shops
                added = _commit(group)
        except Exception as error:  # of any kind: the senders get their answer and the thread goes on
            return self._write_singly(group, error)
        _answer(group, None)
        return added

    def _write_singly(self, group: list[Webhook], error: Exception) -> list[Task]:
        """Write each alone, so that one that cannot be stored does not take the others of its group with it."""
        if len(group) > 1 and not db.is_closed():  # the database is available, and refuses one of them
            return [task for webhook in group for task in self._write(_waiting([webhook]))]
        domains = ", ".join(sorted({webhook.domain for webhook in group}))
        log.error("%d webhooks for %s are not stored; they come again: %s", len(group), domains, _first_line(error))
        _answer(group, NotStored(str(error)))
        return []


def _log(added: list[Task]) -> None:
    """One line for each, with its trace id."""
    for task in added:
        with logs.log_context(trace=task.trace, task=task.id, shop=task.shop_id):
            log.info("A webhook is stored: %s.", task.args.get("topic") or "from Engage")


def _waiting(group: list[Webhook]) -> list[Webhook]:
    """Those whose sender has not given up: the others are sent again."""
    return [webhook for webhook in group if not webhook.stored.done()]


def _first_line(error: Exception) -> str:
    """PostgreSQL's further lines have values of the row. peewee puts its error into one of its own."""
    origin = error.args[0] if error.args else ""
    return f"{type(error).__name__}: {origin}".split("\n")[0]


def _commit(group: list[Webhook]) -> list[Task]:
    if not group:
        return []
    shops = shop_connections.shops_by_domain({webhook.domain for webhook in group})
    pairs = [(webhook, _task(webhook, shops[webhook.domain])) for webhook in group if webhook.domain in shops]
    return insert.insert_webhooks([(task, _encrypted_body(webhook, task)) for webhook, task in pairs])


def _task(webhook: Webhook, shop: Shop) -> Task:
    return webhook.task_type.new(shop, key=webhook.key, args=webhook.headers, trace=webhook.trace)


def _encrypted_body(webhook: Webhook, task: Task) -> bytes:
    return Body.seal(task.shop, task.id, webhook.body)


def _answer(group: list[Webhook], error: Exception | None) -> None:
    """Wake the requests that wait, each on its own loop."""
    for loop in {webhook.loop for webhook in group}:
        with contextlib.suppress(RuntimeError):  # the loop has ended, and its requests with it
            loop.call_soon_threadsafe(_settle, [webhook for webhook in group if webhook.loop is loop], error)


def _settle(group: list[Webhook], error: Exception | None) -> None:
    for webhook in group:
        if webhook.stored.done():  # its sender has given up
            continue
        if error:
            webhook.stored.set_exception(error)
        else:
            webhook.stored.set_result(None)


ingest = Ingest()
