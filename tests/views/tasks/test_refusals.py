"""Query parameters that the listing refuses, by name: each one given is in force or refused."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from taskqueue.types import TYPES
from tests.support.tasks.listed_tasks import CURSORS, read_filters
from tests.support.tasks.task_steps import enqueue
from tests.support.web.pages import HTMX, ParsedPage
from views.tasks.filters import STATES, TaskFilters
from views.tasks.search import SEARCH_KINDS
from views.web.errors import BadInput

# Query parameters


@pytest.mark.parametrize(
    ("query", "word"),
    [
        ("state=done", "state"),
        ("state=", "state"),
        ("state=error&state=", "state"),
        ("type=syncorder", "type"),
        ("created_from=yesterday", "created_from"),
        ("created_from=0001-01-01T00:00:00%2B14:00", "created_from"),
        ("created_to=9999-12-31T23:59:59-14:00", "created_to"),
        ("created_from=2026-02-02&created_to=2026-02-01", "created_from"),
        ("created_from=2026-02-02&created_from=2026-02-03", "created_from"),
        ("q=%00", "q must"),
        ("q=abc&reading=shopify", "'abc' cannot be read as: Shopify entity ID"),
        ("q=abc&reading=task", "'abc' cannot be read as: Task ID"),
        ("q=0193f0aa&reading=shopify", "Shopify entity ID"),
        ("reading=nonsense", "reading must be one of task, shopify, engage, order"),
        ("q=1&reading=order&reading=task", "reading may be given once"),
        ("q=" + "a" * 201, "q must"),
        ("sort=name", "sort"),
        ("sort=", "sort"),
        ("sort=--created_at", "sort"),
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=-1", "limit"),
        ("limit=%D9%A3", "limit"),  # a digit to Python, in Arabic
        ("limit=1e2", "limit"),
        ("after=", "after"),
        ("after=rubbish", "after"),
        ("before=" + "A" * 39, "before"),
        (f"after={CURSORS['started_at']}", "after"),
        (f"after={CURSORS['created_at']}&before={CURSORS['created_at']}", "before"),
    ],
)
def test_a_bad_query_parameter_is_refused_by_name(query, word):
    with pytest.raises(BadInput, match=word):
        read_filters(query)


each_parameter = pytest.mark.parametrize(
    "name", ["state", "type", "problem", "created_from", "created_to", "q", "reading", "sort"]
)

texts = st.text(max_size=60) | st.sampled_from(
    [
        *("", " ", "\0", "error", "SyncOrder", "2026-11-24", "2026-11-24T12:00+02:00", "-started_at", "#1001", "task"),
        *("%", "open", "-24h", "today"),
    ]
)


def is_in_force(filters, name, text):
    """Whether a filter of this name is in force, or this order."""
    if name == "sort":
        return str(filters.sort) == text
    field = {"state": "states", "type": "types", "problem": "problems", "reading": "search_kind"}.get(name, name)
    moving = {"created_from": filters.from_ago, "created_to": filters.to_ago}.get(name)
    return bool(moving) or getattr(filters, field) not in ((), "", None, False)


@each_parameter
@given(text=texts)
def test_each_given_parameter_is_in_force_or_refused(name, text):
    """Only what a form sends for an empty field stands for nothing."""
    try:
        filters = read_filters(urlencode({name: text}))
    except BadInput:
        return
    assert is_in_force(filters, name, text) or not text.strip()


@pytest.mark.parametrize("name", ["state", "type"])
@given(text=texts)
def test_an_unknown_state_or_type_is_refused(name, text):
    known = STATES if name == "state" else TYPES
    if text in known:
        assert is_in_force(read_filters(urlencode({name: text})), name, text)
        return
    with pytest.raises(BadInput, match=name):
        read_filters(urlencode({name: text}))


anything = st.lists(
    st.tuples(
        st.sampled_from(
            [
                "state",
                "type",
                "problem",
                "created_from",
                "created_to",
                "q",
                "reading",
                "sort",
                "after",
                "before",
                "limit",
            ]
        )
        | st.text(max_size=9),
        texts | st.integers(-5, 300).map(str) | st.sampled_from([*CURSORS.values(), *TYPES, *STATES, *SEARCH_KINDS]),
    ),
    max_size=5,
)


@settings(max_examples=150, deadline=None)
@example(pairs=[("created_from", "0001-01-01"), ("created_to", "9999-12-31"), ("sort", "-completed_at")])
@example(pairs=[("created_to", "0001-01-01"), ("sort", "started_at"), ("state", "pending")])
@example(pairs=[("created_from", "9999-12-31T23:59:59"), ("sort", "completed_at"), ("type", "SyncOrder")])
@example(pairs=[("q", "%s %(shop)s %%"), ("reading", "engage")])
@given(pairs=anything)
def test_any_query_string_gets_a_page_or_bad_request(client, pairs):
    for path in ("/tasks", "/tasks.json"):
        answer = client.get(f"{path}?{urlencode(pairs)}")

        assert answer.status_code in (200, 400)


def test_an_unknown_parameter_is_refused_only_when_strict():
    with pytest.raises(BadInput, match="stat"):
        read_filters("stat=error", strict=True)

    assert read_filters("stat=error") == TaskFilters()


# Responses


@pytest.mark.parametrize("query", ["state=x", "type=x", "limit=x", "sort=x", "after=x", "created_from=x", "q=%00"])
def test_bad_input_has_the_same_message_in_json_and_on_the_page(client, query):
    in_json, on_page = client.get(f"/tasks.json?{query}"), client.get(f"/tasks?{query}")

    assert (in_json.status_code, on_page.status_code) == (400, 400)
    assert in_json.json()["error"].endswith(".")
    assert in_json.json()["error"] in ParsedPage(on_page.text).text


def test_an_unknown_parameter_is_bad_input_in_json_only(client):
    assert client.get("/tasks.json?stat=error").status_code == 400
    assert client.get("/tasks?stat=error").status_code == 200


def test_bad_input_over_htmx_replaces_the_main_region(client):
    response = client.get("/tasks?limit=x", headers=HTMX)

    assert response.headers["HX-Retarget"] == "#main"
    assert "<!doctype" not in response.text


def test_task_pages_need_a_session(anonymous, shop):
    task = enqueue(shop)

    for url in ("/tasks", "/tasks.json", "/summary.json", f"/tasks/{task.id}", f"/tasks/{task.id}/sent"):
        response = anonymous.get(url)
        assert response.status_code == 401
        assert "admin: it is there under Apps." in response.text
        assert "manage.py" not in response.text
