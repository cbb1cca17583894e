"""Export of the listing as CSV and JSON: its columns, its order, its audit entry, and CSV formula injection."""

from __future__ import annotations

import csv
import io
import re

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from i18n.explanations import english_reason
from models import Action, AuditEntry, State, Task, utcnow
from taskqueue import claims
from taskqueue.types import TYPES
from tests.support.servers.processes import printed
from tests.support.tasks.listed_tasks import CURSORS
from tests.support.tasks.outcomes import cause_of, ending
from tests.support.tasks.task_steps import claim, enqueue, finish
from tests.support.web.pages import ParsedPage, get_page
from views.tasks import serializer
from views.tasks.columns import csv_columns
from views.tasks.serializer import serialize_tasks

SIX = ["Task ID", "Task state", "Task type", "Shopify entity ID", "Created at", "Duration (ms)"]


def rows(client, query=""):
    """The rows of the CSV export by their headings."""
    answer = client.get(f"/tasks.csv?{query}")
    assert answer.status_code == 200, answer.text
    return list(csv.DictReader(io.StringIO(answer.text.removeprefix(serializer.BOM), newline="")))


def listed(client, query=""):
    return [task["id"] for task in client.get(f"/tasks.json?{query}").json()["tasks"]]


# Content


def test_csv_begins_with_a_bom_and_the_six_columns(client, shop):
    answer = client.get("/tasks.csv")

    assert answer.content.startswith(b"\xef\xbb\xbfTask ID,")
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.text.lstrip(serializer.BOM).splitlines()[0].split(",")[:6] == SIX


def test_csv_has_a_column_for_every_json_property(shop):
    (serialized,) = serialize_tasks([enqueue(shop)])

    assert {column.name for column in csv_columns()} == set(serialized)


def test_a_csv_row_has_the_values_of_its_task(client, shop):
    task = finish(shop, enqueue(shop, shopify_id=6100000001001), reason="A test order.")

    (row,) = rows(client)

    assert (row["Task ID"], row["Task state"], row["Task type"]) == (str(task.id), "success", "SyncOrder")
    assert row["Shopify entity ID"] == "6100000001001"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", row["Created at"])
    assert row["Duration (ms)"].isdigit()
    assert (row["Reason"], row["Skipped"], row["Started by"]) == ("A test order.", "true", "")


@pytest.mark.parametrize(
    "query",
    [
        "",
        "state=error",
        "type=SyncContact",
        "sort=created_at",
        "sort=-completed_at",
        "sort=started_at&state=success",
        "problem=open",
        "created_from=-1h",
    ],
)
def test_the_export_has_the_listings_tasks_in_its_order(client, shop, query):
    for number, name in enumerate(["SyncOrder", "SyncContact", "SyncOrder", "SyncContact"]):
        finish(shop, enqueue(shop, name, shopify_id=number + 1), State(number % 2 + 1), reason="No.")
        enqueue(shop, name)

    assert [row["Task ID"] for row in rows(client, query)] == listed(client, query) != []


def test_the_export_follows_search_and_limit(client, shop):
    for number in (77, 77, 78):
        enqueue(shop, shopify_id=number)

    assert len(rows(client, "q=77")) == 2
    assert len(rows(client, "limit=1")) == 1


def test_the_export_leaves_out_another_shops_tasks(client, shop, other_shop):
    mine, _ = enqueue(shop), enqueue(other_shop)

    assert [row["Task ID"] for row in rows(client)] == [str(mine.id)]
    assert listed(client, "limit=all") == [str(mine.id)]


def test_an_empty_export_has_its_headings(client, shop):
    assert rows(client) == []
    assert client.get("/tasks.json?limit=all").json() == {"tasks": [], "next": None, "previous": None}


def test_json_of_all_tasks_equals_json_of_the_pages(client, shop):
    for _ in range(3):
        finish(shop, enqueue(shop, shopify_id=1), reason="A test order.")

    assert client.get("/tasks.json?limit=all").json() == client.get("/tasks.json").json()


def test_csv_is_the_same_in_every_language(client, shop):
    finish(shop, enqueue(shop), reason="The order was cancelled before it was paid, so nothing was sold.")

    swedish = client.get("/tasks.csv", headers={"Accept-Language": "sv"})

    assert swedish.content == client.get("/tasks.csv").content


def test_lists_leave_out_messages_of_other_systems(client, shop):
    run = claim(shop, enqueue(shop, "SyncContact"))
    claims.finish(run, State.ERROR, **ending("Engage answered 422 X: Ada Ek is not a name", "Engage 422 X"))

    for url in ("/tasks.csv", "/tasks.json", "/tasks.json?limit=all", "/tasks"):
        assert "Ada" not in client.get(url).text
    assert rows(client)[0]["Reason"] == "Engage answered 422 X: …"


@pytest.mark.parametrize(
    ("reason", "redacted"),
    [
        ("Engage answered 503.", "Engage answered 503."),
        ("Shopify failed: Ada: Ek", "Shopify failed: …"),
        ("Engage answered 400: Ada Given up after 8 attempts.", "Engage answered 400: … Given up after 8 attempts."),
        ("Nobody's sentence: of another version", "Nobody's sentence: of another version"),
    ],
)
def test_a_redacted_reason_keeps_only_our_own_text(reason, redacted):
    assert english_reason(cause_of(reason)) == redacted


# Download, audit and permission


def test_the_file_name_has_the_shop_and_the_date(client, shop):
    for extension, query in (("csv", ""), ("json", "?limit=all")):
        headers = client.get(f"/tasks.{extension}{query}").headers

        assert headers["Content-Disposition"] == f'attachment; filename="tasks-demo-{utcnow():%Y-%m-%d}.{extension}"'
        assert headers["Cache-Control"] == "no-store"
        assert headers["X-Content-Type-Options"] == "nosniff"


def test_an_export_is_audited_without_its_search(client, shop):
    rows(client, "state=error&q=4711")
    client.get("/tasks.json?limit=all")
    client.get("/tasks.json")

    audited = [(row.action, row.details) for row in AuditEntry.select().order_by(AuditEntry.id)]

    assert audited == [
        (Action.EXPORT, {"query": "state=error&searched=yes", "form": "csv"}),
        (Action.EXPORT, {"query": "", "form": "json"}),
    ]
    assert "Exported the task listing" in get_page(client, "/audit").text


def test_a_head_request_exports_nothing(client, shop):
    enqueue(shop)

    answer = client.head("/tasks.csv")

    assert (answer.status_code, answer.content) == (200, b"")
    assert not AuditEntry.select().exists()


@pytest.mark.parametrize(
    ("query", "word"),
    [
        ("state=done", "state"),
        ("stat=error", "stat"),
        ("limit=201", "limit"),
        ("limit=all&limit=5", "limit"),
        ("limit=ALL", "limit"),
        (f"before={CURSORS['created_at']}", "before"),
        (f"after={CURSORS['started_at']}", "after"),
    ],
)
def test_bad_input_is_an_error_page_and_no_file(client, shop, query, word):
    answer = client.get(f"/tasks.csv?{query}")

    assert answer.status_code == 400
    assert word in ParsedPage(answer.text).text
    assert not AuditEntry.select().exists()


def test_an_export_needs_a_session(anonymous, shop):
    assert [anonymous.get(url).status_code for url in ("/tasks.csv", "/tasks.json?limit=all")] == [401, 401]


def test_the_page_links_to_both_exports_of_its_filters(client, shop):
    for _ in range(2):
        enqueue(shop)
    (older,) = [
        link for link in get_page(client, "/tasks?state=pending&sort=created_at&limit=1").links if "after=" in link
    ]

    found = get_page(client, older)

    assert "/tasks.csv?state=pending&sort=created_at" in found.links
    assert "/tasks.json?state=pending&sort=created_at&limit=all" in found.links
    assert "2 tasks CSV JSON" in found.text
    assert "at most 1,000,000 tasks" in found.text


# CSV formula injection


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "＝", "＋", "－", "＠", "\t", "\r", "\n", " ="])  # noqa: RUF001
def test_a_csv_cell_that_begins_a_formula_is_escaped(client, shop, start):
    Task.update(engage_id=f"{start}1+1").where(Task.id == enqueue(shop).id).execute()

    assert rows(client)[0]["Voyado Engage entity ID"] == f"'{start}1+1"


@pytest.mark.parametrize("separator", [";", ",", "|", "\t"])
def test_a_formula_after_another_separator_is_escaped(separator):
    assert serializer.escape_formulas(f"a{separator}=1+1;b") == f"a{separator}'=1+1;b"


@pytest.mark.parametrize("text", ["", "a", "a=b", "2026-11-24", "0193f0aa-1", "a - b", "c'est", "Åsa; Bo"])
def test_a_harmless_cell_is_not_changed(text):
    assert serializer.escape_formulas(text) == text


@given(text=st.text(st.sampled_from("=+-@＝a ;,|\t\r\n\"'"), max_size=8))  # noqa: RUF001
def test_no_part_of_a_split_cell_begins_with_a_formula(text):
    cells = re.split(r"[;,|\t\r\n]", serializer.escape_formulas(text))

    assert not [cell for cell in cells if re.match(r"\s*[=+\-@＝]", cell)]  # noqa: RUF001


# Line breaks made an earlier expression quadratic: 20,000 of them took 3.6 s.
HOSTILE = ["\n", " ", "\n ", "\t\x0b", "; ", " =", "\n="]
SIZE = 200_000


@pytest.mark.parametrize("unit", HOSTILE)
def test_the_cost_of_escaping_a_hostile_text_grows_linearly(unit):
    """A process that may use the processor for ten seconds ends well; a quadratic expression would need minutes."""
    script = f"""
import resource
resource.setrlimit(resource.RLIMIT_CPU, (10, 10))
from views.tasks.serializer import escape_formulas
text = {unit!r} * ({SIZE} // len({unit!r}))
for each in (text, text + "x", text + "="):
    escape_formulas(each)
print("done")
"""
    assert printed("-c", script) == "done"


@given(text=st.text(st.sampled_from("=+-@＝a \xa0;,|\t\r\n\x0b'"), max_size=12))  # noqa: RUF001
def test_escaping_puts_an_apostrophe_where_a_cell_may_begin_a_formula(text):
    """By the definition, which takes quadratic time."""
    start = re.compile(r"(?:^|(?<=[;,|\t\r\n]))(?=\s*[=+\-@＝]|[\t\r\n])")  # noqa: RUF001

    assert serializer.escape_formulas(text) == start.sub("'", text)


def test_csv_keeps_numbers_and_doubles_quotes(client, shop):
    task = finish(shop, enqueue(shop))
    Task.update(duration_ms=1234567, engage_id='say "hi", now').where(Task.id == task.id).execute()

    answer = client.get("/tasks.csv").text

    assert ",1234567," in answer
    assert ',"say ""hi"", now",' in answer
    assert answer.endswith("\r\n")


def test_json_does_not_escape_formulas(client, shop):
    Task.update(engage_id="=1+1").where(Task.id == enqueue(shop).id).execute()

    assert orjson.loads(client.get("/tasks.json?limit=all").content)["tasks"][0]["engage_id"] == "=1+1"


def test_csv_has_tasks_of_an_unknown_type(client, shop):
    Task.update(type=999).where(Task.id == enqueue(shop).id).execute()

    assert rows(client)[0]["Task type"] == "Type 999"
    assert "Type 999" not in TYPES
