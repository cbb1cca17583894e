"""A column of the listing is declared once: table, drawer, JSON, CSV, sort menu and SELECT have it from there."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from uuid import UUID

import pytest

from i18n.catalogue import translations
from i18n.locale import ENGLISH, LANGUAGES
from models import State, Task
from tests.support.tasks.listed_tasks import NOON, add_task, read_filters
from tests.support.tasks.task_steps import claim, enqueue
from tests.support.web.pages import get_page
from views.tasks.columns import COLUMNS, Column, InTable, Kind, csv_columns, database_columns, never, table_columns
from views.tasks.pagination import Cursor, Sort
from views.tasks.serializer import BOM, serialize_tasks
from views.web.formatting import state_detail
from views.web.rendering import templates

EARLIER = NOON - timedelta(hours=1)
TRACE = Column("trace", Kind.CODE, "Trace ID", InTable.ALWAYS, sort="completed_at")


@contextmanager
def declared(column: Column) -> Iterator[None]:
    """Declare a column, first of all, with its label in each language."""
    COLUMNS.insert(0, column)
    for language in LANGUAGES:
        translations(language)[f"column.{column.name}"] = f"{column.name} in {language}"
    try:
        yield
    finally:
        COLUMNS.remove(column)
        for language in LANGUAGES:
            del translations(language)[f"column.{column.name}"]


@pytest.fixture
def traced(shop) -> Task:
    return add_task(shop, trace="an-event-1", started_at=NOON, completed_at=NOON)


def csv_rows(client):
    return list(csv.DictReader(io.StringIO(client.get("/tasks.csv").text.removeprefix(BOM), newline="")))


# A declared column


def test_the_table_has_a_declared_column(client, traced):
    with declared(TRACE):
        text = get_page(client, "/tasks").text

    assert "trace in en Task ID Task state" in text
    assert f"an-event-1 {traced.id}" in text


def test_the_drawer_and_the_page_of_a_task_have_a_declared_column(client, traced):
    with declared(TRACE):
        texts = [get_page(client, f"/tasks/{traced.id}{suffix}").text for suffix in ("/drawer", "")]

    assert all("trace in en an-event-1" in text for text in texts)


def test_a_declared_column_has_its_label_in_each_language(client, traced):
    with declared(TRACE):
        text = get_page(client, "/tasks", headers={"Accept-Language": "sv"}).text

    assert "trace in sv" in text


@pytest.mark.parametrize("query", ["", "?limit=all"])
def test_json_has_a_declared_column(client, traced, query):
    with declared(TRACE):
        (found,) = client.get(f"/tasks.json{query}").json()["tasks"]

    assert found["trace"] == "an-event-1"


def test_the_csv_export_has_a_declared_column(client, traced):
    with declared(TRACE):
        (row,) = csv_rows(client)

    assert row["Trace ID"] == "an-event-1"


def test_the_sort_menu_has_a_declared_sort(client, traced):
    with declared(TRACE):
        page = get_page(client, "/tasks")

    assert {"/tasks?sort=trace", "/tasks?sort=-trace"} <= set(page.links)
    assert "trace in en, newest first" in page.text


def test_a_declared_sort_sorts_by_its_instant_over_pages(client, shop):
    ended = [add_task(shop, completed_at=NOON - timedelta(hours=hours)) for hours in range(3)]

    ids, url = [], "/tasks.json?sort=trace&limit=2"
    with declared(TRACE):
        while url:
            found = client.get(url).json()
            ids, url = ids + [task["id"] for task in found["tasks"]], found["next"]

    assert ids == [str(task.id) for task in reversed(ended)]


def test_an_error_about_a_sort_names_a_declared_one(client, shop):
    with declared(TRACE):
        response = client.get("/tasks?sort=colour")

    assert "one of trace, created_at, started_at, completed_at, with" in response.text


def test_a_column_that_is_declared_no_more_is_gone(client, traced):
    with declared(TRACE):
        pass

    assert "an-event-1" not in client.get("/tasks").text + client.get(f"/tasks/{traced.id}/drawer").text
    assert "trace" not in client.get("/tasks.json").json()["tasks"][0]
    assert "Trace ID" not in client.get("/tasks.csv").text
    assert client.get("/tasks?sort=trace").status_code == 400


def test_a_cursor_stays_valid_when_a_sort_is_declared_before_its_own():
    sort = Sort.read("completed_at")
    text = Cursor(NOON, UUID(int=1)).encode(sort)

    with declared(TRACE):
        assert Cursor.decode(text, sort) == Cursor(NOON, UUID(int=1))
    assert text.startswith("Ag")  # its first byte is the instant's number, which stays


# The declared columns


def test_the_columns_of_json_are_in_the_order_that_scripts_rely_on(shop):
    (found,) = serialize_tasks([enqueue(shop)])

    assert list(found) == [
        *("id", "state", "type", "shopify_id", "engage_id", "created_at", "started_at", "completed_at"),
        *("duration_ms", "attempts", "reason", "reason_key", "code", "skipped", "parent_id", "closed_by", "due_at"),
    ]


def test_the_headings_of_csv_are_in_the_order_that_scripts_rely_on():
    assert [column.csv for column in csv_columns()] == [
        *("Task ID", "Task state", "Task type", "Shopify entity ID", "Created at", "Duration (ms)"),
        *(
            "Started at",
            "Completed at",
            "Voyado Engage entity ID",
            "Attempts",
            "Reason",
            "Reason key",
            "Code",
            "Skipped",
        ),
        *("Started by", "Closed by", "Due at"),
    ]


def test_a_list_selects_every_database_column_that_its_columns_read(shop):
    claim(shop, enqueue(shop, shopify_id=1))
    add_task(shop, state=State.ERROR, reason="No.", code="Engage 422", engage_id="2", closed_by=UUID(int=1))
    add_task(shop, state=State.PENDING, reason="Engage is busy.")
    listed, whole = read_filters().page(shop).tasks, list(Task.select().order_by(Task.id.desc()))

    assert serialize_tasks(listed) == serialize_tasks(whole)
    assert [state_detail(task, EARLIER) for task in listed] == [state_detail(task, EARLIER) for task in whole]
    for column in table_columns("started_at", descending=True):
        assert list(map(column.get, listed)) == list(map(column.get, whole))


def test_a_list_selects_nothing_that_only_the_drawer_shows():
    assert {"args", "key", "lane", "published_at"}.isdisjoint(database_columns())


def test_every_label_of_a_column_is_a_shown_columns():
    shown = [each for each in COLUMNS if each.table is not InTable.NEVER or each.drawer is not never]

    labels = {key.removeprefix("column.") for key in translations(ENGLISH) if key.startswith("column.")}

    assert labels == {each.name for each in shown if each.label is None}


@pytest.mark.parametrize(
    ("template", "name"), [("tasks/_table_cells.html", "cells"), ("tasks/_property_values.html", "values")]
)
def test_every_kind_that_pages_show_has_its_partial(template, name):
    partials = getattr(templates.get_template(template).make_module({"now": NOON}), name)

    assert set(partials) == set(Kind) - {Kind.REASON}
