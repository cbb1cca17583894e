"""The audit log: recorded in the transaction of its action, and shown newest first to its shop."""

from __future__ import annotations

import re
from uuid import uuid4

import pytest

from database import db
from models import Action, AuditEntry, State, Task, new_id
from tests.support.tasks.task_steps import enqueue, finish
from views.account.audit import PAGE_SIZE
from views.web import audit_log


def note(shop, action=Action.RETRY, who=None, **fields):
    with db.atomic():
        return audit_log.record(shop, action, who, **fields)


MANY = """INSERT INTO audit (id, shop_id, action, click)
    SELECT gen_random_uuid(), %(shop)s, 'retry', gen_random_uuid() FROM generate_series(1, 5000)"""


def text_of(response):
    assert response.status_code == 200
    return re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", response.text))


def test_an_audit_entry_needs_the_transaction_of_its_action(shop):
    with pytest.raises(RuntimeError, match="one transaction"):
        audit_log.record(shop, Action.RETRY, None)

    assert AuditEntry.select().count() == 0


def test_a_rollback_leaves_no_audit_entry(shop):
    with db.atomic() as transaction:
        audit_log.record(shop, Action.RETRY, None)
        transaction.rollback()

    assert AuditEntry.select().count() == 0


def test_an_idempotency_key_allows_an_action_once(shop, other_shop):
    key = uuid4()

    assert note(shop, idempotency_key=key)
    assert note(shop, idempotency_key=key) is None
    assert note(shop, Action.SAME, idempotency_key=key)
    assert note(other_shop, idempotency_key=key)


def test_the_page_shows_who_did_what_and_the_created_task(client, shop):
    task = finish(shop, enqueue(shop, shopify_id=1001), State.ERROR, reason="No.")
    made = enqueue(shop, "IndexOrder", shopify_id=1001)
    note(shop, Action.REBUILD, "Ada", task_id=task.id, created_task_id=made.id)

    page = client.get("/audit")

    assert "Ada Rebuilt from Shopify Sync order 1001 → Index order" in text_of(page)
    assert f"/tasks/{task.id}" in page.text
    assert f"/tasks/{made.id}" in page.text


def test_a_session_by_sign_in_link_is_named_so(client, shop):
    note(shop)

    assert "signed-in link Retried" in text_of(client.get("/audit"))


def test_names_are_escaped(client, shop):
    note(shop, who="<b>Ada</b>")

    assert "&lt;b&gt;Ada&lt;/b&gt;" in client.get("/audit").text


def test_a_deleted_task_is_shown_by_its_id(client, shop):
    task_id = new_id()
    note(shop, task_id=task_id)

    page = client.get("/audit").text

    assert str(task_id) in page
    assert f"/tasks/{task_id}" not in page


def test_no_audit_entry_of_another_shop_is_shown(client, shop, other_shop):
    theirs = enqueue(other_shop, shopify_id=4711)
    note(other_shop, who="Somebody else", task_id=theirs.id)
    note(shop, who="Ada", task_id=theirs.id)

    page = text_of(client.get("/audit"))

    assert "Somebody else" not in page
    assert "4711" not in page


def test_every_entry_is_on_exactly_one_page_newest_first(client, shop):
    names = [note(shop, who=f"person {number:03}").user_id for number in range(PAGE_SIZE * 2 + 3)]
    shown, url = [], "/audit"
    while url:
        page = client.get(url)
        shown += re.findall(r"person \d+", page.text)
        older = re.search(r'href="(/audit\?before=[^"]+)"', page.text)
        url = older and older[1]

    assert shown == names[::-1]


def test_an_older_page_stays_the_same_while_entries_are_added(client, shop):
    for number in range(PAGE_SIZE + 1):
        note(shop, who=f"person {number:03}")
    older = re.search(r'href="(/audit\?before=[^"]+)"', client.get("/audit").text)[1]
    note(shop, who="late")

    assert "person 000" in client.get(older).text


def test_an_invalid_before_parameter_is_refused_with_a_message(client, shop):
    answer = client.get("/audit?before=yesterday")

    assert answer.status_code == 400
    assert "before must be the id of a row" in answer.text


def test_every_action_is_translated_into_every_language(client, shop):
    for action in Action:
        note(shop, action)

    for language in ("en", "sv"):
        page = client.get("/audit", headers={"Accept-Language": language})
        assert page.text.count('data-label="') == len(Action) * 4


def test_an_unknown_action_is_shown_as_it_is_stored(client, shop):
    note(shop, "explode")

    assert "explode" in client.get("/audit").text


def test_the_audit_query_uses_an_index(shop):
    with db.atomic():
        db.execute_sql(MANY, {"shop": shop.id})
        with db.as_owner():
            db.execute_sql("ANALYZE audit")
        newest = "EXPLAIN SELECT * FROM audit WHERE shop_id = %s ORDER BY id DESC LIMIT 51"
        plan = db.execute_sql(newest, (shop.id,)).fetchall()

    assert "audit_newest" in str(plan)
    assert "Sort" not in str(plan)


def test_the_audit_table_has_no_personal_data(shop):
    columns = {column.name for column in db.get_columns("audit")}

    assert not columns & {"shopify_id", "customer_id", "order_id", "email"}
    assert Task.select().count() == 0
