"""The imports page: beginning, watching, pausing and cancelling an import."""

from __future__ import annotations

import re

import pytest

from models import AuditEntry, BulkImport, ImportPart, ImportState, ImportStep, Lane, Shop, State, Task, new_id, utcnow
from sync.imports.parts import parts_of, save_bad_lines, update_part
from sync.imports.state import create_import
from taskqueue.types import TYPES
from tests.support.web.forms import fields, press
from tests.sync.test_imports import END, START

FORM = {"first": "2026-01-01", "last": "2026-03-31", "ready": "yes"}
HTMX = {"HX-Request": "true", "HX-Request-Type": "partial"}


@pytest.fixture(autouse=True)
def reads_all_orders(request):
    """Let the shop have granted the orders of all times, in tests that do not say otherwise."""
    if "shop" in request.fixturenames or "client" in request.fixturenames:
        Shop.update(scopes="read_all_orders,read_orders").where(Shop.id == request.getfixturevalue("shop").id).execute()


def begin(client, form=FORM):
    """Fill in the form and send it, whether the page still shows it or not."""
    mine = fields(client, "/tasks", "/sign-out") | {"click": str(new_id())}
    return client.post("/imports", data=mine | form)


def test_the_page_warns_that_automations_will_fire(client):
    page = client.get("/imports").text

    assert "Automations will fire" in page
    assert "Nothing has been imported yet" in page


def test_an_import_covers_whole_days_in_the_shops_time_zone(client, shop):
    answer = begin(client)

    (importing,) = BulkImport.select()
    assert (answer.status_code, answer.headers["location"]) == (303, f"/imports#import-{importing.id}")
    assert importing.starts_at.isoformat() == "2025-12-31T23:00:00+00:00"  # midnight in Stockholm
    assert importing.ends_at.isoformat() == "2026-03-31T22:00:00+00:00"  # in summer time
    (task,) = Task.select()
    assert (task.type, task.args) == (TYPES["HandleBulkImportCreateRequest"].number, {"import_id": importing.id})
    page = client.get("/imports").text
    assert "Orders from 1 Jan 2026 to 31 Mar 2026" in page
    assert "Running" in page


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"first": "1 January"}, "YYYY-MM-DD"),
        ({"last": ""}, "YYYY-MM-DD"),
        ({"last": "9999-12-31"}, "YYYY-MM-DD"),
        ({"first": "2026-04-01"}, "must not be before"),
        ({"first": "2400-01-01", "last": "2400-01-02"}, "in the future"),
        ({"first": "1999-01-01"}, "must not be before 2004"),
        ({"first": "2026-01-01", "last": "0001-01-01"}, "YYYY-MM-DD"),
        ({"ready": ""}, "automations are switched off"),
    ],
)
def test_an_invalid_form_is_refused_with_a_message(changed, sentence, client):
    answer = begin(client, form=FORM | changed)

    assert answer.status_code == 400
    assert sentence in answer.text
    assert not BulkImport.select().exists()


def test_a_refused_form_keeps_its_values(client):
    page = begin(client, form={"first": "2026-02-03", "last": "2026-02-31", "ready": "yes"}).text

    assert 'name="first" value="2026-02-03"' in page
    assert 'name="last" value="2026-02-31"' in page
    assert re.search(r'name="ready" value="yes" required checked', page)
    assert re.search(r'id="begin-problem"[^>]* role="alert"', page)
    assert 'aria-describedby="begin-problem"' in page


def test_the_values_of_a_refused_form_are_escaped(client):
    page = begin(client, form=FORM | {"first": '"><script>alert(1)</script>'}).text

    assert "<script>alert" not in page
    assert "&lt;script&gt;alert" in page


@pytest.mark.parametrize("body", [b"&" * 4000, b"first=%ff&last=\xff", b"\x00", b"=" * 100, b"x" * 20_000])
def test_a_malformed_body_begins_no_import(body, client):
    answer = client.post("/imports", content=body)

    assert answer.status_code == 403
    assert "not made for this session" in answer.text
    assert not BulkImport.select().exists()


def test_a_body_larger_than_the_form_limit_begins_no_import(client):
    assert begin(client, form=FORM | {"pad": "x" * 20_000}).status_code == 403
    assert not BulkImport.select().exists()


def test_a_double_click_begins_one_import(client):
    form = fields(client, "/imports", "/imports") | FORM

    answers = [client.post("/imports", data=form) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [303, 303]
    assert BulkImport.select().count() == 1


def test_actions_on_an_import_are_audited(client, shop):
    press(client, "/imports", "/imports", **FORM)
    importing = BulkImport.get()
    for action in ("pause", "resume", "cancel"):
        press(client, "/imports", f"/imports/{importing.id}/{action}")

    rows = list(AuditEntry.select().order_by(AuditEntry.id))
    assert [row.action for row in rows] == ["import", "import_pause", "import_resume", "import_cancel"]
    assert [row.details for row in rows] == [{"import_id": importing.id}] * 4
    page = client.get("/audit").text
    assert page.count(f"/imports#import-{importing.id}") == 4
    assert "Began an import" in page


def test_a_second_import_is_refused_while_one_is_open(client):
    begin(client)

    answer = begin(client)

    assert answer.status_code == 400
    assert "under way already" in answer.text
    assert BulkImport.select().count() == Task.select().count() == 1


@pytest.mark.parametrize("token", ["", "0" * 64])
@pytest.mark.parametrize("path", ["/imports", "/imports/{}/cancel"])
def test_a_form_without_a_valid_csrf_token_is_refused(path, token, client, shop):
    importing = create_import(shop, START, END)

    answer = client.post(path.format(importing.id), data=FORM | {"token": token})

    assert answer.status_code == 403
    assert BulkImport.get_by_id(importing.id).state == ImportState.RUNNING
    assert BulkImport.select().count() == 1


def test_an_import_needs_a_session(anonymous, shop):
    assert anonymous.post("/imports", data=FORM).status_code == 401
    assert anonymous.get("/imports").status_code == 401
    assert not BulkImport.select().exists()


def test_an_import_can_be_paused_resumed_and_cancelled(client, shop):
    importing = create_import(shop, START, END)
    states = []
    for action in ("pause", "resume", "cancel"):
        assert f"/imports/{importing.id}/{action}" in client.get("/imports").text
        assert press(client, "/imports", f"/imports/{importing.id}/{action}").status_code == 303
        states.append(BulkImport.get_by_id(importing.id).state)

    assert states == [ImportState.PAUSED, ImportState.RUNNING, ImportState.CANCELLED]
    assert f"/imports/{importing.id}/" not in client.get("/imports").text


@pytest.mark.parametrize("path", ["/imports/{}/cancel", "/imports/{}/explode", "/imports/99999999999999999999/pause"])
def test_another_shops_import_is_not_found(path, client, other_shop):
    importing = create_import(other_shop, START, END)

    answer = client.post(path.format(importing.id), data=fields(client, "/tasks", "/sign-out"))

    assert answer.status_code == 404
    assert BulkImport.get_by_id(importing.id).state == ImportState.RUNNING
    assert "Running" not in client.get("/imports").text


def test_the_progress_is_shown_in_numbers(client, shop):
    importing = under_way(shop)
    for number, state in enumerate((State.PENDING, State.PENDING, State.ERROR)):
        child(shop, importing, number, state)

    page = re.sub(r"\s+", " ", client.get("/imports").text)

    assert "1,500 of 2,000" in page
    assert "<dt>Left to send</dt><dd>2</dd>" in page
    assert "<dt>Errors</dt><dd>1 " in page
    assert "Time left for the customers" in page
    assert re.search(r"<dt>Rate</dt><dd>[\d.,]+ a second", page)


def test_an_import_links_to_its_errors(client, shop):
    importing = under_way(shop)
    mine, pending = child(shop, importing, 1, State.ERROR), child(shop, importing, 2, State.PENDING)
    foreign = TYPES["SyncContact"].enqueue(shop, key="x", shopify_id=3, lane=Lane.BULK, args={"import_id": 999})
    Task.update(state=State.ERROR).where(Task.id == foreign.id).execute()

    (link,) = re.findall(r'<a href="([^"]+)">See the errors', client.get("/imports").text)
    page = client.get(link.replace("&amp;", "&")).text

    assert str(mine.id) in page
    assert str(pending.id) not in page
    assert str(foreign.id) not in page


def test_the_page_polls_while_an_import_is_running(client, shop):
    assert "hx-trigger" not in client.get("/imports").text
    under_way(shop)

    part = client.get("/imports", headers=HTMX).text

    assert part.lstrip().startswith('<div id="imports"')
    assert 'hx-get="/imports" hx-trigger="every 3s" hx-target="#imports"' in part
    assert "<html" not in part


def test_bad_lines_are_shown_with_their_numbers(client, shop):
    part = parts_of(under_way(shop))[0]
    save_bad_lines(part, [(17, "It is no <b>JSON</b> object.")])
    update_part(part, bad=1)

    assert "Line 17: It is no &lt;b&gt;JSON&lt;/b&gt; object." in client.get("/imports").text


def test_a_stopped_import_shows_the_reason_and_can_be_resumed(client, shop):
    importing = under_way(shop)
    task = child(shop, importing, 1, State.ERROR, "Shopify does not know this bulk operation any more.")
    ImportPart.update(task_id=task.id).where(ImportPart.id == parts_of(importing)[0].id).execute()

    page = client.get("/imports").text

    assert "It has stopped" in page
    assert "Shopify does not know this bulk operation any more." in page
    assert f"/imports/{importing.id}/resume" in page
    assert "hx-trigger" not in page


def under_way(shop):
    importing = create_import(shop, START, END)
    update_part(
        parts_of(importing)[0],
        state=ImportStep.READ,
        expected=2000,
        found=1500,
        sent=1500,
        begun_at=utcnow(),
    )
    return importing


def child(shop, importing, number, state, reason=None):
    kind, args = TYPES["SyncContact"], {"import_id": importing.id}
    task = kind.enqueue(shop, key=str(new_id()), shopify_id=number, lane=Lane.BULK, args=args)
    Task.update(state=state, reason=reason).where(Task.id == task.id).execute()
    return task
