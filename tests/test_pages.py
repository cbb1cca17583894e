"""The pages as a browser and a script meet them."""

from __future__ import annotations

import gzip
import json
import re
from datetime import timedelta
from html.parser import HTMLParser
from uuid import uuid4

import pytest

from actors.registry import TYPES
from clients import Call, Effect
from models import Attempt, Body, Exchange, Outcome, Record, State, Task
from views.evidence import readable
from views.listing import TaskFilters
from views.paging import Place, Sort
from views.tasks import AREAS
from views.wording import duration, share

HTMX = {"HX-Request": "true", "HX-Request-Type": "partial"}
RECEIPT = b'{"uniqueReceiptId":"6100000001001","totalGrossPrice":1249.10,"name":"<b>\xc3\x85sa</b>"}'


def enqueue(shop, name="SyncOrder", **fields):
    return TYPES[name].enqueue(shop, key=str(uuid4()), **fields)


def finish(shop, task, state=State.SUCCESS, **how):
    claim(shop, task).finish(state, **how)
    return task


def claim(shop, task):
    claimed = Task.claim(task.id, lease=timedelta(minutes=1), worker="w.1", engage=False, latest=False)
    claimed.shop = shop
    return claimed


def send(task, sent=RECEIPT, status=202, received=b'{"ok":true}', effect=Effect.REPEATABLE):
    call = Call("Engage", "POST", "https://demo.voyado.com/api/v3/receipts?store=SE", effect, sent)
    record = Record(task)
    record.sending(call)
    call.status, call.received, call.unknown, call.duration = status, received, False, timedelta(milliseconds=140)
    record.answered(call)


@pytest.fixture
def webhook(shop):
    task = enqueue(shop, "OrderWebhook", shopify_id=6100000001001, args={"topic": "orders/create"})
    Body.create(task_id=task.id, shop_id=shop.id, sealed=Body.seal(shop, task.id, b'{"id":1,\n"note":"\xff"}'))
    return task


@pytest.fixture
def sale(shop, webhook):
    """A sale that reached Engage at the second attempt, and began with a webhook."""
    task = enqueue(shop, shopify_id=6100000001001, parent=webhook)
    first = claim(shop, task)
    send(first, status=503, received=b"<html>away</html>")
    first.retry_in(timedelta(0), Outcome.FAILED, "Engage answered 503.", "Engage 503")
    second = claim(shop, task)
    send(second)
    second.finish(State.SUCCESS, engage_id="6100000001001")
    return task


class Page(HTMLParser):
    """The little of a page that these tests ask for."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.words = [], []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, words):
        self.words.append(words)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())

    def all(self, wanted):
        return [attributes for tag, attributes in self.tags if tag == wanted]

    @property
    def links(self):
        return [link["href"] for link in self.all("a")]


def page(client, address, **options):
    response = client.get(address, **options)
    assert response.status_code == 200, response.text
    return Page(response.text)


# The overview


def test_the_cards_count_everything_whatever_is_filtered(client, shop):
    finish(shop, enqueue(shop))
    finish(shop, enqueue(shop, "SyncContact"), State.ERROR, reason="No.")
    enqueue(shop, "OrderWebhook")

    assert "Order sync Total 1 Success 1 Error 0 Pending 0" in page(client, "/tasks?state=pending").text
    assert "All tasks Total 3 Success 1 Error 1 Pending 1" in page(client, "/tasks?state=pending").text


def test_a_number_of_a_card_leads_to_the_tasks_it_counts(client, shop):
    wanted = finish(shop, enqueue(shop), State.ERROR, reason="No.")
    finish(shop, enqueue(shop, "SyncContact"), State.ERROR, reason="No.")

    assert TaskFilters(types=AREAS["order_sync"], states=(State.ERROR,)).url() in page(client, "/tasks").links
    assert rows(client, "state=error&type=SyncOrder") == [str(wanted.id)]


def rows(client, query):
    return [task["id"] for task in client.get(f"/tasks.json?{query}").json()["tasks"]]


def test_the_table_has_the_six_columns(client, shop):
    enqueue(shop, shopify_id=1001)

    words = page(client, "/tasks").text

    assert "Task ID Task state Task type Shopify entity ID Created at UTC Duration (ms)" in words


def test_the_order_by_another_instant_shows_that_instant(client, shop):
    finish(shop, enqueue(shop))

    columns = [column.get("aria-sort") for column in page(client, "/tasks?sort=completed_at").all("th")]

    assert "Completed at UTC" in page(client, "/tasks?sort=completed_at").text
    assert columns.count("ascending") == 1


def test_a_state_is_said_in_words_and_pending_says_which_kind(client, shop):
    enqueue(shop)
    claim(shop, enqueue(shop))
    claim(shop, enqueue(shop)).retry_in(timedelta(hours=1), Outcome.FAILED, "Engage is busy.")
    finish(shop, enqueue(shop), reason="A test order.")

    words = page(client, "/tasks").text

    assert "Pending Queued" in words
    assert "Pending Running, attempt 1" in words
    assert re.search(r"Pending Waiting until [\w:, ]+ UTC: Engage is busy\.", words)
    assert "Success Skipped: A test order." in words


def test_an_instant_is_utc_with_the_shops_own_time_beside(client, shop):
    Task.update(created_at="2026-07-01T10:00:00Z").where(Task.id == enqueue(shop).id).execute()

    times = page(client, "/tasks").all("time")

    assert {"datetime": "2026-07-01T10:00:00.000000Z", "title": "1 Jul 2026, 12:00:00 Europe/Stockholm"} in times


def test_an_empty_shop_says_what_will_make_a_task_appear(client, shop):
    assert "No tasks yet" in page(client, "/tasks").text
    assert shop.domain in page(client, "/tasks").text


def test_no_match_says_which_filters_to_drop(client, shop):
    enqueue(shop)

    found = page(client, "/tasks?state=error&q=77")

    assert "No task matches" in found.text
    assert {"/tasks?state=error", "/tasks?q=77", "/tasks"} <= set(found.links)


def test_a_search_says_how_it_was_read(client, shop):
    assert "Shopify entity ID: 77" in page(client, "/tasks?q=77").text


def test_a_page_past_the_end_leads_back(client, shop):
    end = Place(None, enqueue(shop).id).mark(Sort.read("-created_at"))

    assert "Back to the first page" in page(client, f"/tasks?after={end}").text


def test_a_paused_shop_is_told_why(client, shop):
    shop.pause("Engage refused our API key.", timedelta(minutes=10))

    assert "Nothing is sent to Engage until" in page(client, "/tasks").text
    assert "Engage refused our API key." in page(client, "/tasks").text


def test_a_pause_that_is_over_is_not_shown(client, shop):
    shop.pause("Engage refused our API key.", timedelta(minutes=-10))

    assert "Nothing is sent" not in page(client, "/tasks").text


def test_pages_lead_to_each_other(client, shop):
    tasks = [str(enqueue(shop).id) for _ in range(3)]

    first = page(client, "/tasks?limit=2")
    (older,) = [link for link in first.links if "after=" in link]
    second = page(client, older)

    assert f"/tasks/{tasks[0]}" in second.links
    assert f"/tasks/{tasks[1]}" not in second.links
    (newer,) = [link for link in second.links if "before=" in link]
    assert f"/tasks/{tasks[2]}" in page(client, newer).links


def test_the_form_keeps_what_was_chosen(client, shop):
    address = "/tasks?state=error&type=SyncOrder&q=77&created_to=2026-11-24&sort=started_at"
    inputs = [one for one in page(client, address).all("input") if one["name"] != "token"]

    assert {one["value"] for one in inputs if "checked" in one} == {"error", "SyncOrder"}
    kept = {one["name"]: one["value"] for one in inputs if one["type"] != "checkbox"}
    assert kept == {"q": "77", "created_from": "", "created_to": "2026-11-24T23:59:59", "sort": "started_at"}


def test_the_menu_has_every_type_under_its_group(client, shop):
    found = page(client, "/tasks")

    assert {one["value"] for one in found.all("input") if one["name"] == "type"} == set(TYPES)
    assert "Customer sync tasks" in found.text


def test_htmx_gets_the_region_alone_with_its_short_address(client, shop):
    response = client.get("/tasks?q=&state=error", headers=HTMX)

    assert response.text.lstrip().startswith('<section id="listing"')
    assert response.headers["HX-Push-Url"] == "/tasks?state=error"


def test_back_gets_the_whole_page(client, shop):
    response = client.get("/tasks", headers={**HTMX, "HX-Request-Type": "full"})

    assert response.text.startswith("<!doctype html>")


def test_nothing_on_a_page_needs_inline_script_or_style(client, sale):
    for address in ("/tasks", f"/tasks/{sale.id}", f"/tasks/{sale.id}/drawer"):
        found = page(client, address)
        assert all("src" in script for script in found.all("script"))
        assert not found.all("style")
        assert not [name for _, attributes in found.tags for name in attributes if name == "style" or name[:2] == "on"]


def test_a_full_page_with_all_its_files_is_light(client, shop):
    for _ in range(50):
        finish(shop, enqueue(shop, shopify_id=6100000001001))
    response = client.get("/tasks")
    found = Page(response.text)

    files = [one["src"] for one in found.all("script")] + [one["href"] for one in found.all("link")]
    bodies = [client.get(name).content for name in files]

    assert len(bodies) == 4
    assert sum(len(gzip.compress(body, 4)) for body in [response.content, *bodies]) < 60_000


def test_a_list_asks_as_much_for_fifty_tasks_as_for_one(client, shop, statements):
    enqueue(shop, shopify_id=1)
    one = statements(lambda: client.get("/tasks"))
    for _ in range(49):
        finish(shop, enqueue(shop, shopify_id=1))

    assert statements(lambda: client.get("/tasks")) == one


@pytest.fixture
def statements(database):
    """How many statements are made while something is done."""
    count = 0

    def seen(*_):
        nonlocal count
        count += 1

    def counted(act):
        before = count
        act()
        return count - before

    database.query_hooks.append(seen)
    yield counted
    database.query_hooks.remove(seen)


# One task


def test_a_task_shows_every_attempt_with_what_was_sent_and_answered(client, sale):
    words = page(client, f"/tasks/{sale.id}").text

    assert "Attempt 1 Failed" in words
    assert "Engage answered 503." in words
    assert "<html>away</html>" in words
    assert '"totalGrossPrice": 1249.10' in words
    assert "https://demo.voyado.com/api/v3/receipts?store=SE" in words


def test_data_is_shown_as_text_and_never_as_markup(client, sale):
    assert "&lt;b&gt;Åsa&lt;/b&gt;" in client.get(f"/tasks/{sale.id}").text


def test_a_webhook_shows_its_body_and_leads_to_what_it_started(client, webhook, sale):
    found = page(client, f"/tasks/{webhook.id}")

    assert '"note":"\N{REPLACEMENT CHARACTER}"' in found.text
    assert f"/tasks/{sale.id}" in found.links
    assert f"/tasks/{webhook.id}" in page(client, f"/tasks/{sale.id}").links


def test_the_drawer_has_every_property_and_none_of_the_data(client, sale):
    words = page(client, f"/tasks/{sale.id}/drawer").text

    assert "Voyado Engage entity ID 6100000001001" in words
    assert "Attempts 2" in words
    assert "totalGrossPrice" not in words


def test_the_drawer_is_a_page_and_a_partial(client, sale):
    assert client.get(f"/tasks/{sale.id}/drawer").text.startswith("<!doctype html>")
    assert "<!doctype" not in client.get(f"/tasks/{sale.id}/drawer", headers=HTMX).text


def test_the_exact_bytes_of_a_webhook_are_its_body(client, webhook):
    response = client.get(f"/tasks/{webhook.id}/sent")

    assert response.content == b'{"id":1,\n"note":"\xff"}'
    assert response.headers["Content-Disposition"].startswith("attachment")
    assert response.headers["X-Content-Type-Options"] == "nosniff"


def test_the_exact_bytes_of_a_sale_are_what_was_sent_last(client, sale):
    response = client.get(f"/tasks/{sale.id}/sent")

    assert response.content == RECEIPT
    assert response.headers["Content-Type"] == "text/plain; charset=utf-8"


def test_the_exact_bytes_of_each_call_are_behind_its_links(client, sale):
    links = [link for link in page(client, f"/tasks/{sale.id}").links if "exchange=" in link]

    assert [client.get(link).content for link in links] == [RECEIPT, b"<html>away</html>", RECEIPT, b'{"ok":true}']


def test_reading_is_not_sending(client, shop):
    task = enqueue(shop)
    send(claim(shop, task), effect=Effect.READ)

    assert client.get(f"/tasks/{task.id}/sent").status_code == 404


@pytest.mark.parametrize(
    ("query", "status"),
    [("exchange=7", 400), ("exchange=", 400), (f"exchange={uuid4()}", 404), ("part=all", 400), ("part=received", 400)],
)
def test_a_wrong_call_or_part_is_refused(client, sale, query, status):
    assert client.get(f"/tasks/{sale.id}/sent?{query}").status_code == status


def test_a_call_of_another_task_is_not_found(client, shop, sale):
    other = enqueue(shop)
    exchange = re.search(r"exchange=([-0-9a-f]+)", client.get(f"/tasks/{sale.id}").text)[1]

    assert client.get(f"/tasks/{other.id}/sent?exchange={exchange}").status_code == 404


def test_only_the_newest_of_very_many_attempts_are_shown(client, shop):
    task = enqueue(shop)
    started = {"task": task, "worker": "w.1", "started_at": task.created_at}
    Attempt.insert_many([{**started, "number": number} for number in range(1, 201)]).execute()

    words = page(client, f"/tasks/{task.id}").text

    assert "The first 150 are not shown." in words
    assert "Attempt 150 " not in words
    assert "Attempt 151 " in words
    assert "Attempt 200 " in words


def test_a_long_body_is_cut_on_the_page_only(client, shop):
    task = enqueue(shop)
    send(claim(shop, task), sent=b"x" * 100_000)

    assert "Only the first 65,536 characters are shown." in page(client, f"/tasks/{task.id}").text
    assert len(client.get(f"/tasks/{task.id}/sent").content) == 100_000


def test_a_body_under_a_lost_key_is_said_to_be_unreadable(client, shop, sale):
    Exchange.update(sent=b"0" * 64).execute()

    assert "This can no longer be decrypted." in page(client, f"/tasks/{sale.id}").text
    assert client.get(f"/tasks/{sale.id}/sent").status_code == 404


def test_the_page_of_a_task_of_another_shop_is_that_of_no_task(client, other_shop):
    foreign = enqueue(other_shop)

    for page_of_it in ("", "/sent", "/drawer"):
        answers = [client.get(f"/tasks/{one}{page_of_it}") for one in (foreign.id, uuid4(), "x", "%00")]
        assert [answer.status_code for answer in answers] == [404] * 4
        assert len({answer.text for answer in answers}) == 1


# Scripts


def test_json_has_the_properties_of_a_task(client, sale):
    found = {task["id"]: task for task in client.get("/tasks.json").json()["tasks"]}[str(sale.id)]

    assert found["state"] == "success"
    assert found["type"] == "SyncOrder"
    assert found["shopify_id"] == found["engage_id"] == "6100000001001"
    assert found["attempts"] == 2
    assert found["created_at"].endswith("Z")
    assert isinstance(found["duration_ms"], int)


def test_json_says_what_was_skipped(client, shop):
    finish(shop, enqueue(shop), reason="A test order.")

    (found,) = client.get("/tasks.json").json()["tasks"]

    assert (found["skipped"], found["reason"]) == (True, "A test order.")


def test_a_script_reads_every_page_by_next_and_back_by_previous(client, shop):
    ids = [str(enqueue(shop).id) for _ in range(5)][::-1]

    seen, address = [], "/tasks.json?limit=2"
    while address:
        answer = client.get(address).json()
        seen, address = seen + [task["id"] for task in answer["tasks"]], answer["next"]

    assert seen == ids
    assert [task["id"] for task in client.get(answer["previous"]).json()["tasks"]] == ids[2:4]


def test_the_summary_in_json(client, shop):
    finish(shop, enqueue(shop))
    finish(shop, enqueue(shop, "SyncContact"), State.ERROR, reason="No.")

    found = client.get("/summary.json").json()

    assert found["order_sync"]["success_rate"] == 1
    assert found["contact_sync"] | {"mean_duration_ms": 0} == {
        "total": 1,
        "success": 0,
        "error": 1,
        "pending": 0,
        "success_rate": 0,
        "mean_duration_ms": 0,
    }
    assert found["all_tasks"]["total"] == 2
    assert found["since"].endswith("Z")


def test_an_empty_summary_has_no_rates(client):
    found = client.get("/summary.json").json()

    assert found["all_tasks"] == {
        "total": 0,
        "success": 0,
        "error": 0,
        "pending": 0,
        "success_rate": None,
        "mean_duration_ms": None,
    }
    assert found["since"] is None


@pytest.mark.parametrize("query", ["state=x", "type=x", "limit=x", "sort=x", "after=x", "created_from=x", "q=%00"])
def test_bad_input_is_a_sentence_everywhere(client, query):
    in_json, on_page = client.get(f"/tasks.json?{query}"), client.get(f"/tasks?{query}")

    assert (in_json.status_code, on_page.status_code) == (400, 400)
    assert in_json.json()["error"].endswith(".")
    assert in_json.json()["error"] in Page(on_page.text).text


def test_a_misspelt_name_is_bad_input_in_json_and_nothing_on_the_page(client):
    assert client.get("/tasks.json?stat=error").status_code == 400
    assert client.get("/tasks?stat=error").status_code == 200


def test_bad_input_to_htmx_takes_the_place_of_the_page(client):
    response = client.get("/tasks?limit=x", headers=HTMX)

    assert response.headers["HX-Retarget"] == "#main"
    assert "<!doctype" not in response.text


def test_nobody_sees_anything_without_signing_in(anonymous, shop):
    task = enqueue(shop)

    for address in ("/tasks", "/tasks.json", "/summary.json", f"/tasks/{task.id}", f"/tasks/{task.id}/sent"):
        response = anonymous.get(address)
        assert response.status_code == 401
        assert "manage.py sign-in" in response.text


def test_an_unknown_type_of_an_older_version_is_still_listed(client, shop):
    Task.update(type=999).where(Task.id == enqueue(shop).id).execute()

    assert "Type 999" in page(client, "/tasks").text
    assert client.get("/tasks.json").json()["tasks"][0]["type"] == "Type 999"


# Words


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        (
            b'{"a":1.10,"b":[],"c":{"d":[1,2]}}',
            '{\n  "a": 1.10,\n  "b": [],\n  "c": {\n    "d": [\n      1,\n      2\n    ]\n  }\n}',
        ),
        (b'{"a":"}, [\\""}', '{\n  "a": "}, [\\""\n}'),
        (b"12345678901234567890123", "12345678901234567890123"),
        (b"not json {", "not json {"),
        (b"\xff\xfe", "\N{REPLACEMENT CHARACTER}" * 2),
        (b"[" * 60 + b"]" * 60, "[" * 60 + "]" * 60),
    ],
)
def test_json_is_indented_without_changing_a_token(content, shown):
    assert readable(content) == shown


def test_indented_json_is_the_same_json():
    document = {"é": [1, {"x": None}], "deep": {"a": {"b": "c, d: [e]"}}, "empty": {}}

    assert json.loads(readable(json.dumps(document).encode())) == document


@pytest.mark.parametrize(
    ("ms", "words"),
    [
        (None, "-"),
        (0, "0 ms"),
        (999, "999 ms"),
        (1_400, "1.4 s"),
        (185_000, "3 min 5 s"),
        (7_800_000, "2 h 10 min"),
        (93_600_000, "1 d 2 h"),
        (9_000_000_000, "104 d 4 h"),
    ],
)
def test_a_duration_is_said_as_people_say_it(ms, words):
    assert duration(ms) == words


def test_a_share_is_rounded_down_so_that_all_means_all():
    assert share(0.99999) == "99.9%"
    assert share(1.0) == "100.0%"
