"""Log lines: one format, one line each, no personal data and no secrets, and a trace to follow."""

from __future__ import annotations

import io
import json
import logging
import re
from decimal import Decimal

import pytest

import logs
from actors import settings as actors_settings
from models import Task
from sandbox.demo_activity import DemoActivity
from sandbox.invented_customers import invented_customer
from sandbox.shopify import TOKEN
from sandbox.shopify.orders.checkout import Checkout, Item
from sync import webhook_endpoints
from taskqueue.periodic import TimeSlots
from taskqueue.types import TYPES
from tests.conftest import ENGAGE_KEY, SECRET, free_port
from tests.support.servers.app_processes import AppProcesses
from tests.support.servers.demo_run import demo_run, pricing
from tests.support.servers.processes import printed, scratch
from tests.support.web.webhook_requests import deliver, post, web

__all__ = ["demo_run", "pricing", "scratch", "web"]

RECORD = Checkout(items=(Item("A record", "REC-1", Decimal("149.00")),))


@pytest.fixture(params=["json", "text"])
def form(request):
    return logs.FORMATS[request.param]()


@pytest.fixture
def written():
    """Everything that this process logs during the test, as it would be written."""
    stream, root = io.StringIO(), logging.getLogger()
    handler, level = logging.StreamHandler(stream), root.level
    handler.setFormatter(logs.JsonFormatter())
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield stream
    root.removeHandler(handler)
    root.setLevel(level)


def line(form, message, *values, error=None):
    exc_info = (type(error), error, error.__traceback__) if error else None
    return form.format(logging.LogRecord("here", logging.INFO, "here.py", 1, message, values, exc_info))


def read(stream):
    return [json.loads(each) for each in stream.getvalue().splitlines()]


# One line


def test_a_json_line_is_an_object_with_the_context():
    with logs.log_context(task="t-1", type="SyncOrder"), logs.log_context(trace="e-1"):
        found = json.loads(line(logs.JsonFormatter(), "%s has ended", "it"))

    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", found.pop("at"))
    assert found == {
        "level": "INFO",
        "logger": "here",
        "message": "it has ended",
        "task": "t-1",
        "type": "SyncOrder",
        "trace": "e-1",
    }


def test_a_text_line_ends_with_the_context():
    with logs.log_context(task="t-1"):
        found = line(logs.TextFormatter(), "%s has ended", "it")

    assert re.fullmatch(r"\S+Z INFO here it has ended task=t-1", found)


def test_the_context_ends_with_its_block():
    with logs.log_context(task="t-1"):
        pass

    assert "t-1" not in line(logs.JsonFormatter(), "Next.")


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n", "\x0b", "\x0c", "\x1c", "\x85", "\u2028", "\u2029", "\x1b[2J"])
def test_a_message_is_one_line_whatever_is_in_it(form, end):
    with logs.log_context(trace=f"a{end}b"):
        found = line(form, "one%stwo", end)

    assert len(found.splitlines()) == 1
    assert "\x1b" not in found


# Redaction


@pytest.mark.parametrize(
    "secret",
    [
        "shpat_0123456789abcdef",
        "shpua_0123456789abcdef",
        "shprt_0123456789abcdef",
        "shpss_0123456789abcdef",
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "anna.berg+1@example.com",
        "åsa@exämple.se",
        "+46700000001",
        "geheim@db.example.com",
    ],
)
def test_a_secret_and_personal_data_are_redacted(form, secret):
    with logs.log_context(trace=f"before {secret}, after"):
        found = line(form, "before %s, after", secret)

    assert secret not in found.encode().decode("unicode_escape", "replace")
    assert found.count("before [hidden], after") == 2


@pytest.mark.parametrize("given", ["apikey: abc-123", '{"apikey": "abc-123"}', "apiKey=abc-123", "Bearer abc-123"])
def test_an_api_key_is_redacted_with_any_quotes(form, given):
    assert "abc-123" not in line(form, "sent %s there", given)


@pytest.mark.parametrize("address", ["/webhooks/engage/abc-123", "/sign-in?token=abc-123"])
def test_a_token_in_a_url_is_redacted(form, address):
    assert "abc-123" not in line(form, "GET %s", address)


def test_a_line_without_secrets_stays_as_it_is(form):
    said = "POST /api/v3/contacts/8f14e45f-ceea-467f-9575-1d7c4b9a0c11: 202 at 2026-11-24T10:00:00+0100."

    assert said in line(form, said)


NAME = "".join(["Cana", "rina"])  # a traceback quotes the code


def test_an_exception_is_logged_with_its_stack_and_without_its_message(form):
    try:
        try:
            raise KeyError(NAME)
        except KeyError as cause:
            raise ValueError(f"{NAME}'s number") from cause
    except ValueError as error:
        found = line(form, "It failed.", error=error)

    assert NAME not in found
    assert re.search(r"test_an_exception_is_logged.*ValueError.*which came of.*KeyError", found)


def test_an_uncaught_exception_in_a_thread_is_logged():
    script = """
import logs, sys, threading
sys.stderr = sys.stdout
logs.configure_logging()
thread = threading.Thread(target=lambda: int("Cana" + "rina"))
thread.start()
thread.join()
"""
    found = printed("-c", script)

    assert json.loads(found)["message"] == "ValueError ended a thread."
    assert NAME not in found


# A day


def day_of(demo_run):
    actors_settings.enqueue_first_sync(demo_run.shop)
    TimeSlots().fill()
    DemoActivity(demo_run.demo).start_opening(demo_run.simulation)
    for _ in range(9):
        demo_run.advance(seconds=10)
    demo_run.finish()


def planted(demo_run):
    """The personal data in both systems at the end of the day, and our secrets."""
    told = [delivery.body.decode() for delivery in demo_run.demo.shopify.deliveries]
    words = re.findall(r'"(?:first_name|last_name|email|phone|address1)":"([^"]{4,})"', "".join(told))
    endpoint = webhook_endpoints.get_or_create(demo_run.shop)
    return {*words, TOKEN, ENGAGE_KEY, SECRET, endpoint.url.rpartition("/")[2], *endpoint.signing_secrets}


@pytest.mark.slow
def test_a_days_log_has_no_personal_data_and_every_trace_is_complete(demo_run, written):
    day_of(demo_run)

    names, text = planted(demo_run), written.getvalue()
    assert len(names) > 40
    assert [name for name in names if name in text] == []
    assert len(read(written)) > 100
    roads = {line["trace"] for line in read(written) if "/api/v3/receipts: 20" in line["message"]}
    starts = {line["trace"] for line in read(written) if line["message"].startswith("A webhook is stored: orders/")}
    assert roads & starts


def test_a_trace_leads_from_a_webhook_to_its_receipt(web, shop, shopify, engage, drain, written):
    shopify.add_order(shop.domain, RECORD, customer_id=shopify.add_customer(shop.domain, invented_customer(1)))
    for delivery in shopify.deliveries:
        assert post(web, delivery.body, delivery.headers(SECRET, "2026-10"))[0] == 200
    drain(waiting=True)

    sold = next(each for each in read(written) if "/api/v3/receipts: 20" in each["message"])
    road = [each["message"] for each in read(written) if each.get("trace") == sold["trace"]]
    assert road[0].startswith("A webhook is stored: orders/")
    places = [road.index(f"{name}: success.") for name in ("OrderWebhook", "IndexOrder", "SyncOrder")]
    assert places == sorted(places)
    assert road.index(sold["message"]) < places[-1]


# Traces


def traces():
    return [row.trace for row in Task.select().order_by(Task.id)]


@pytest.mark.parametrize(
    ("headers", "trace"),
    [
        ({"event_id": "event-7", "webhook_id": "webhook-7"}, "event-7"),
        ({"event_id": None, "webhook_id": "webhook-7"}, "webhook-7"),
        ({"event_id": "two words", "webhook_id": "webhook-7"}, "webhook-7"),
        ({"event_id": "x" * 101, "webhook_id": "webhook-7"}, "webhook-7"),
    ],
)
def test_a_webhooks_trace_is_its_event_id_or_else_its_webhook_id(headers, trace, web, shop):
    assert deliver(web, **headers) == 200

    assert traces() == [trace]


def test_a_child_task_inherits_the_trace(shop):
    first = TYPES["OrderWebhook"].enqueue(shop, key="1", trace="event-1")
    TYPES["IndexOrder"].enqueue(shop, key="2", parent=first)

    assert traces() == ["event-1", "event-1"]


def test_a_child_of_a_task_without_a_trace_has_its_id_as_trace(shop):
    first = TYPES["IndexStores"].enqueue(shop, key="1")
    TYPES["SyncShopCurrency"].enqueue(shop, key="2", parent=first)

    assert traces() == [None, str(first.id)]


# Every process


SAID = {
    "web": "Application startup complete.",
    "worker": "Worker process is ready for action.",
    "scheduler": "The scheduler runs for",
}


def test_every_process_logs_json(scratch, database):
    processes = AppProcesses(scratch, {"LOG_FORMAT": "json"}, free_port())
    try:
        processes.start_all(*SAID)
        lines = {
            name: [json.loads(each) for each in processes.log(name).splitlines() if each[0] == "{"] for name in SAID
        }
    finally:
        processes.close()

    for name, said in SAID.items():
        assert [each for each in lines[name] if each["message"].startswith(said)]
