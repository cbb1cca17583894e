"""The page of one task: its attempts and their exchanges, its drawer, and the exact bytes."""

from __future__ import annotations

import re
from uuid import uuid4

import pytest

from clients import Effect
from models import Attempt, Exchange
from tests.support.tasks.task_steps import RECEIPT, claim, enqueue, sale, send, webhook
from tests.support.web.forms import press
from tests.support.web.pages import HTMX, get_page
from views.tasks.show import find_task
from views.web.errors import PageNotFound
from views.web.request_state import Request, Session

__all__ = ["sale", "webhook"]


# The page


def test_the_page_shows_every_attempt_with_its_exchanges(client, sale):
    text = get_page(client, f"/tasks/{sale.id}").text

    assert "Attempt 1 Failed" in text
    assert "Engage answered 503." in text
    assert "17 bytes · Not shown: this is no JSON" in text
    assert "<html>away</html>" not in text
    assert '"totalGrossPrice": 1249.10' in text
    assert "https://demo.voyado.com/api/v3/receipts?store=SE" in text


def test_a_body_is_escaped_html(client, sale):
    assert "&lt;b&gt;Åsa&lt;/b&gt;" in press(client, f"/tasks/{sale.id}", f"/tasks/{sale.id}/reveal").text
    assert "Åsa" not in client.get(f"/tasks/{sale.id}").text


def test_a_webhook_task_shows_its_body_and_the_tasks_it_enqueued(client, webhook, sale):
    found = get_page(client, f"/tasks/{webhook.id}")

    assert "Not shown: this is no JSON" in found.text
    revealed = press(client, f"/tasks/{webhook.id}", f"/tasks/{webhook.id}/reveal").text
    assert "&#34;note&#34;:&#34;\N{REPLACEMENT CHARACTER}&#34;" in revealed
    assert f"/tasks/{sale.id}" in found.links
    assert f"/tasks/{webhook.id}" in get_page(client, f"/tasks/{sale.id}").links


def test_only_the_newest_attempts_are_shown(client, shop):
    task = enqueue(shop)
    started = {"task": task, "shop_id": shop.id, "worker": "w.1", "started_at": task.created_at}
    Attempt.insert_many([{**started, "number": number} for number in range(1, 201)]).execute()

    text = get_page(client, f"/tasks/{task.id}").text

    assert "The first 150 are not shown." in text
    assert "Attempt 150 " not in text
    assert "Attempt 151 " in text
    assert "Attempt 200 " in text


def test_a_long_body_is_truncated_on_the_page_only(client, shop):
    task = enqueue(shop)
    send(claim(shop, task), sent=b"[" + b"true," * 19_999 + b"true]")

    assert "Only the first 65,536 characters are shown." in get_page(client, f"/tasks/{task.id}").text
    assert len(client.get(f"/tasks/{task.id}/sent").content) == 100_001


def test_a_body_that_cannot_be_decrypted_is_unreadable(client, shop, sale):
    Exchange.update(sent=b"0" * 64).execute()

    assert "This can no longer be decrypted." in get_page(client, f"/tasks/{sale.id}").text
    assert client.get(f"/tasks/{sale.id}/sent").status_code == 404


def test_another_shops_task_looks_like_an_unknown_task(client, other_shop):
    foreign = enqueue(other_shop)

    for page_of_it in ("", "/sent", "/drawer"):
        answers = [client.get(f"/tasks/{one}{page_of_it}") for one in (foreign.id, uuid4(), "x", "%00")]
        assert [answer.status_code for answer in answers] == [404] * 4
        assert len({re.sub('nonce="[^"]+"', "", answer.text) for answer in answers}) == 1


def test_another_shops_task_is_not_found_even_in_the_scope_of_all_shops(shop, other_shop):
    request = Request({"type": "http", "path_params": {"task_id": str(enqueue(other_shop).id)}})
    request.state.session = Session(shop)

    with pytest.raises(PageNotFound):
        find_task(request)


# The drawer


def test_the_drawer_has_every_property_and_no_body(client, sale):
    text = get_page(client, f"/tasks/{sale.id}/drawer").text

    assert "Voyado Engage entity ID 6100000001001" in text
    assert "Attempts 2" in text
    assert "totalGrossPrice" not in text


def test_the_drawer_is_a_page_or_for_htmx_a_partial(client, sale):
    assert client.get(f"/tasks/{sale.id}/drawer").text.startswith("<!doctype html>")
    assert "<!doctype" not in client.get(f"/tasks/{sale.id}/drawer", headers=HTMX).text


# The exact bytes


def test_the_exact_bytes_of_a_webhook_task_are_its_body(client, webhook):
    response = client.get(f"/tasks/{webhook.id}/sent")

    assert response.content == b'{"id":1,\n"note":"\xff"}'
    assert response.headers["Content-Disposition"].startswith("attachment")
    assert response.headers["X-Content-Type-Options"] == "nosniff"


def test_the_exact_bytes_of_a_sync_are_its_last_request(client, sale):
    response = client.get(f"/tasks/{sale.id}/sent")

    assert response.content == RECEIPT
    assert response.headers["Content-Type"] == "text/plain; charset=utf-8"


def test_each_exchange_links_to_its_exact_bytes(client, sale):
    links = [link for link in get_page(client, f"/tasks/{sale.id}").links if "exchange=" in link]

    assert [client.get(link).content for link in links] == [RECEIPT, b"<html>away</html>", RECEIPT, b'{"ok":true}']


def test_a_read_has_no_exact_bytes_of_its_own(client, shop):
    task = enqueue(shop)
    send(claim(shop, task), effect=Effect.READ)

    assert client.get(f"/tasks/{task.id}/sent").status_code == 404


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("exchange=7", 400),
        ("exchange=", 400),
        ("exchange=0193f0aa-0000-7000-8000-000000000000", 404),
        ("part=all", 400),
        ("part=received", 400),
    ],
)
def test_an_unknown_exchange_or_part_is_refused(client, sale, query, status):
    assert client.get(f"/tasks/{sale.id}/sent?{query}").status_code == status


def test_an_exchange_of_another_task_is_not_found(client, shop, sale):
    other = enqueue(shop)
    exchange = re.search(r"exchange=([-0-9a-f]+)", client.get(f"/tasks/{sale.id}").text)[1]

    assert client.get(f"/tasks/{other.id}/sent?exchange={exchange}").status_code == 404
