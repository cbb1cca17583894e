"""The app works the same whatever its texts say: tests of what is decided by outcomes, with every text as its key."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from i18n.catalogue import t, translations
from i18n.locale import ENGLISH
from models import State, Task, utcnow
from privacy.erasure import anonymise
from reasons import Reason
from sandbox import dev_servers
from taskqueue.retry import RetryVerdict, judge_retry
from tests.privacy.test_erasure_meanwhile import (
    test_pending_tasks_of_an_erased_customer_send_nothing,
    test_webhooks_received_during_an_erasure_are_erased,
)
from tests.support.tasks.task_steps import enqueue, finish
from tests.support.translations import keys_instead_of_texts
from tests.sync.test_awaiting_contact import (
    test_a_refund_goes_to_the_purchases_contact_after_the_customer_is_deleted,
    test_a_refund_that_waits_for_a_contact_is_woken_by_it,
    test_an_order_of_a_merged_customer_is_woken_by_the_survivors_contact,
    test_an_order_that_an_import_skipped_stays_skipped,
    test_an_order_that_waited_for_a_day_is_synced_once_its_contact_exists,
)
from tests.sync.test_imports import (
    small_steps,
    test_a_cancelled_import_ends_its_waiting_tasks_as_skipped,
    test_a_paused_import_reads_and_sends_nothing_until_it_is_resumed,
    test_an_import_brings_customers_then_their_orders_and_returns,
)
from tests.taskqueue.test_entity_order import (
    slow_type,
    test_a_queued_task_is_replaced_by_a_newer_one,
    test_a_receipt_is_sent_once_however_often_its_order_is_indexed,
    test_a_replaced_task_solves_no_error,
)

ROOMS = ("actors", "alerts", "clients", "database", "mappings", "privacy", "sync", "tasklog", "taskqueue")

__all__ = [
    "slow_type",
    "small_steps",
    "test_a_cancelled_import_ends_its_waiting_tasks_as_skipped",
    "test_a_paused_import_reads_and_sends_nothing_until_it_is_resumed",
    "test_a_queued_task_is_replaced_by_a_newer_one",
    "test_a_receipt_is_sent_once_however_often_its_order_is_indexed",
    "test_a_refund_goes_to_the_purchases_contact_after_the_customer_is_deleted",
    "test_a_refund_that_waits_for_a_contact_is_woken_by_it",
    "test_a_replaced_task_solves_no_error",
    "test_an_import_brings_customers_then_their_orders_and_returns",
    "test_an_order_of_a_merged_customer_is_woken_by_the_survivors_contact",
    "test_an_order_that_an_import_skipped_stays_skipped",
    "test_an_order_that_waited_for_a_day_is_synced_once_its_contact_exists",
    "test_pending_tasks_of_an_erased_customer_send_nothing",
    "test_webhooks_received_during_an_erasure_are_erased",
]


@pytest.fixture(autouse=True)
def keys() -> Iterator[None]:
    with keys_instead_of_texts():
        yield


def test_every_text_is_its_key_here():
    assert t("reason.replaced.says") == "reason.replaced.says"


def test_an_erased_task_cannot_be_retried(shop):
    task = finish(shop, enqueue(shop, shopify_id=1), State.ERROR, reason="No.")

    anonymise([task.id])

    assert Task.get_by_id(task.id).reason == Reason.ERASED
    assert judge_retry(Task.get_by_id(task.id), [], utcnow()) is RetryVerdict.ERASED


def test_no_room_below_the_pages_has_a_sentence_of_the_catalogue():
    """Nor the beginning of one, up to its first parameter, as code could compare it."""
    with_text = {key: str(text) for key, text in ORIGINAL.items() if key.startswith(("reason.", "ending.", "error."))}
    beginnings = {text.partition("{")[0] for text in with_text.values()} - {""}
    sentences = {each for each in beginnings if each.count(" ") > 1}
    constants = [
        (path.name, node.value)
        for room in ROOMS
        for path in (dev_servers.CHECKOUT / room).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]

    assert len(sentences) > 200
    assert [each for each in constants if any(sentence in each[1] for sentence in sentences)] == []


ORIGINAL = dict(translations(ENGLISH))
