"""Declare task types for one test, and add, run and claim their tasks, and lose their worker."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from clients import Call, Effect
from clients.http.transport import raise_for_status, send
from config import config
from models import NOW, Attempt, Shop, Task, new_id
from sync.api_clients import engage_client
from taskqueue import claims
from taskqueue.broker import broker
from taskqueue.declare import TaskGroup
from taskqueue.exchanges import ExchangeJournal
from taskqueue.run import Run
from taskqueue.runner import run_task
from taskqueue.sweeper import reap
from taskqueue.types import NUMBERS, TYPES, TaskType

COUNT = "GET /api/v3/contacts/count"
MAIL = "POST /api/v3/mail"
numbers = itertools.count(900)


@pytest.fixture
def declare() -> Iterator[Callable[..., TaskType]]:
    """Declare a task type for one test, with its function."""
    declared: list[TaskType] = []

    def made(handler: Callable[..., Any], **options: Any) -> TaskType:
        number = next(numbers)
        declared.append(TaskGroup("test").task(number, f"Test{number}", **options)(handler))
        return declared[-1]

    yield made
    for kind in declared:
        undeclare(kind)


def undeclare(kind: TaskType) -> None:
    """Forget a task type that a test has declared."""
    del TYPES[kind.name], NUMBERS[kind.number], broker.actors[kind.name]


@pytest.fixture
def counting(declare: Callable[..., TaskType]) -> TaskType:
    """A task type that reads the number of Engage's contacts."""
    return declare(lambda run: engage_client(run).contact_count(), calls_engage=True)


@pytest.fixture
def mailing(declare: Callable[..., TaskType]) -> TaskType:
    """A task type whose one call would be a second mail if it were made again."""

    def mail(run: Run) -> None:
        call = Call("Engage", "POST", f"{config.engage_origin.format(tenant='demo')}/api/v3/mail", Effect.ONCE, b"{}")
        raise_for_status(
            send(call, {"Content-Type": "application/json"}, ExchangeJournal(run)), call, "Engage refused the mail."
        )

    return declare(mail, calls_engage=True)


def nothing(run: Run) -> None:
    """Does nothing, and so succeeds."""


def add_task(kind: TaskType, shop: Shop, **fields: Any) -> Task:
    task = kind.enqueue(shop, key=str(new_id()), **fields)
    assert task
    return task


def run_once(task: Task) -> Task:
    """The task, after a run."""
    run_task(NUMBERS[task.type], str(task.id))
    return Task.get_by_id(task.id)


def run_new_task(kind: TaskType, shop: Shop, **fields: Any) -> Task:
    """A new task, after its first run."""
    return run_once(add_task(kind, shop, **fields))


def run_again_now(task: Task) -> Task:
    """The task, after another run that is due at once."""
    Task.update(due_at=NOW).where(Task.id == task.id).execute()
    return run_once(task)


def claim_task(task: Task) -> Run | None:
    return claims.claim(task.id, lease=config.lease, worker="w", calls_engage=False, newest_only=False)


def lose_worker(task: Task) -> Task:
    """Expire the task's lease, as if its worker had died, and reap it."""
    Task.update(leased_until=NOW - timedelta(seconds=1)).where(Task.id == task.id).execute()
    reap()
    return Task.get_by_id(task.id)


def attempts(task: Task) -> list[Attempt]:
    return list(Attempt.select().where(Attempt.task == task.id).order_by(Attempt.number))


def retry_wait(task: Task) -> float:
    """The seconds from the task's latest attempt to its retry."""
    return (task.due_at - attempts(task)[-1].ended_at).total_seconds()
