"""Tabs of the listing and the shop's saved views: created, renamed, updated, deleted and restored."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from peewee import IntegrityError

from database import EVERY, connected, db
from models import AuditEntry, SavedView, State, utcnow
from privacy import erasure
from tasklog import saved_views
from tasklog.saved_views import MAX_NAME, MAX_VIEWS, UNDO, NameTaken, TooManyViews
from tests.support.tasks.listed_tasks import read_filters
from tests.support.tasks.task_steps import enqueue, finish
from tests.support.web.forms import Forms, fields, press
from tests.support.web.pages import HTMX, ParsedPage, get_page
from views.tasks.tabs import BUILT_IN_TABS, listing_tabs

ORDERS = "state=error&type=SyncOrder"


def add_view(shop, name="Mine", query=ORDERS):
    with db.atomic():
        return saved_views.add(shop, name, query)


def submit_view(client, name, query=ORDERS):
    return press(client, f"/views?{query}", f"/views?{query}", name=name)


def press_action(client, saved, verb, query=ORDERS, **more):
    return press(client, f"/views?{query}", f"/views/{saved.id}/{verb}?{query}", **more)


def current_tabs(shop, query):
    return [tab.name for tab in listing_tabs(shop, read_filters(query)).tabs if tab.current]


def saved_views_of(shop):
    return [(saved.name, saved.query) for saved in saved_views.of_shop(shop)]


# The tabs


def test_every_shop_has_the_built_in_tabs(client, shop):
    tabs = [one for one in get_page(client, "/tasks").all("a") if one.get("id", "").startswith("tab-")]

    assert [one["href"] for one in tabs] == [
        "/tasks",
        "/tasks?state=error",
        "/tasks?problem=open",
        "/tasks?state=pending&created_to=-15min",
    ]
    assert [one["href"] for one in tabs if one.get("aria-current")] == ["/tasks"]


@pytest.mark.parametrize("query", BUILT_IN_TABS.values())
def test_each_built_in_tab_opens_and_is_current(client, shop, query):
    found = get_page(client, f"/tasks?{query}")

    (now,) = [one for one in found.all("a") if one.get("aria-current") == "page"]
    assert now["href"].partition("?")[2] == query


def test_a_tab_lists_the_tasks_of_its_name(client, shop):
    wanted, other = finish(shop, enqueue(shop), State.ERROR, reason="No."), enqueue(shop)

    (errors,) = [tab.url for tab in listing_tabs(shop, read_filters()).tabs if tab.name == "Errors"]

    assert f"/tasks/{wanted.id}" in get_page(client, errors).links
    assert f"/tasks/{other.id}" not in get_page(client, errors).links


def test_a_tab_stays_current_when_sorted_but_not_with_more_filters(shop):
    assert current_tabs(shop, "state=error&sort=completed_at") == ["Errors"]
    assert current_tabs(shop, "state=error&limit=10") == ["Errors"]
    assert current_tabs(shop, "state=error&type=SyncOrder") == []
    assert current_tabs(shop, "state=error&q=77") == []


def test_a_view_with_the_same_sort_order_is_the_current_tab(shop):
    add_view(shop, "Old errors", "state=error&sort=created_at")

    assert current_tabs(shop, "state=error&sort=created_at") == ["Old errors"]
    assert current_tabs(shop, "state=error") == ["Errors"]


def test_an_htmx_response_contains_the_tabs(client, shop):
    assert (
        'href="/tasks?state=error" hx-get="/tasks?state=error" aria-current="page"'
        in client.get("/tasks?state=error", headers=HTMX).text
    )


def test_tabs_cost_one_statement_whatever_their_number(client, shop):
    statements = []
    for number in range(MAX_VIEWS):
        add_view(shop, f"View {number}", f"limit={number + 1}")
    db.query_hooks.append(lambda *asked: statements.append(asked))
    listing_tabs(shop, read_filters())
    db.query_hooks.pop()

    assert len(statements) == 1


# Saving


def test_a_saved_view_has_a_trimmed_name_and_is_the_current_tab(client, shop):
    answer = submit_view(client, "  My   orders ")

    assert (answer.status_code, answer.headers["Location"]) == (303, f"/tasks?{ORDERS}")
    assert saved_views_of(shop) == [("My orders", ORDERS)]
    assert current_tabs(shop, ORDERS) == ["My orders"]


def test_a_view_stores_the_sort_order_and_not_the_page(client, shop):
    for _ in range(2):
        enqueue(shop)
    (older,) = [link for link in get_page(client, "/tasks?limit=1&sort=created_at").links if "after=" in link]

    (address,) = [link for link in get_page(client, older).links if link.startswith("/views")]
    press(client, address, address, name="Old ones")

    assert saved_views_of(shop) == [("Old ones", "sort=created_at&limit=1")]


def test_a_view_stores_a_relative_time_as_it_is(client, shop):
    submit_view(client, "Today", "created_from=today")

    assert saved_views_of(shop) == [("Today", "created_from=today")]
    assert current_tabs(shop, "created_from=today") == ["Today"]


def test_a_view_may_consist_of_a_sort_order_alone(client, shop):
    assert "Completed at, oldest first" in get_page(client, "/views?sort=completed_at").text


def test_a_search_is_not_saved_and_the_page_says_so(client, shop):
    asked = get_page(client, "/views?state=error&type=SyncOrder&q=4711").text

    answer = press(client, f"/views?{ORDERS}&q=4711", f"/views?{ORDERS}&q=4711", name="Theirs")

    assert "What was searched for is not saved" in asked
    assert answer.headers["Location"] == f"/tasks?{ORDERS}"
    assert saved_views_of(shop) == [("Theirs", ORDERS)]


def test_a_button_pressed_twice_saves_one_view(client, shop):
    form = fields(client, f"/views?{ORDERS}", f"/views?{ORDERS}") | {"name": "Mine"}

    answers = [client.post(f"/views?{ORDERS}", data=form) for _ in range(2)]

    assert [answer.headers["Location"] for answer in answers] == [f"/tasks?{ORDERS}"] * 2
    assert len(saved_views_of(shop)) == 1


def test_one_form_submitted_with_two_names_saves_two_views(client, shop):
    form = fields(client, f"/views?{ORDERS}", f"/views?{ORDERS}")
    for name in ("One", "Two"):
        client.post(f"/views?{ORDERS}", data=form | {"name": name})

    assert [name for name, _ in saved_views_of(shop)] == ["One", "Two"]


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("", "Give the view a name."),
        ("   ", "Give the view a name."),
        ("a" * (MAX_NAME + 1), "A name has at most 40 characters"),
        ("a\u202eb", "A name has at most 40 characters"),
        ("a\0b", "A name has at most 40 characters"),
        ("MINE", "There is a view of this name already."),
        ("ERRORS", "There is a view of this name already."),
    ],
)
def test_a_refused_name_is_explained_beside_its_field(client, shop, name, sentence):
    add_view(shop, query="state=pending")

    answer = submit_view(client, name)
    found = ParsedPage(answer.text)

    (field,) = [one for one in found.all("input") if one.get("aria-invalid")]
    assert answer.status_code == 422
    assert (field["value"], field["aria-describedby"]) == (name, "name-wrong")
    assert sentence in found.text
    assert f"/views?{ORDERS}" in Forms(answer.text).found
    assert len(saved_views_of(shop)) == 1
    assert not AuditEntry.select().exists()


def test_a_name_is_escaped(client, shop):
    submit_view(client, "<b>Ada & Bo</b>")

    assert "&lt;b&gt;Ada &amp; Bo&lt;/b&gt;" in client.get("/tasks").text
    assert "<b>Ada" not in client.get("/views").text


def test_more_views_than_a_shop_may_have_are_refused(client, shop):
    for number in range(MAX_VIEWS):
        add_view(shop, f"View {number}", f"limit={number + 1}")

    answer = submit_view(client, "One more")

    assert answer.status_code == 422
    assert "This shop has 20 views already." in answer.text
    assert len(saved_views_of(shop)) == MAX_VIEWS


def test_of_two_views_saved_at_once_one_gets_the_last_place(shop):
    for number in range(MAX_VIEWS - 1):
        add_view(shop, f"View {number}")

    ends = run_at_once(lambda: add_view(shop, "Left"), lambda: add_view(shop, "Right"))

    assert sorted(ends) == ["SavedView", "TooManyViews"]


def test_of_two_views_saved_at_once_one_gets_the_name(shop):
    assert sorted(run_at_once(lambda: add_view(shop, "Same"), lambda: add_view(shop, "SAME"))) == [
        "NameTaken",
        "SavedView",
    ]


def run_at_once(*functions):
    """Call the functions at once. Returns the name of what each returned or raised."""
    ends, start = [], threading.Barrier(len(functions))

    def body(function):
        with connected(EVERY):
            start.wait()
            try:
                ends.append(type(function()).__name__)
            except (TooManyViews, NameTaken) as refusal:
                ends.append(type(refusal).__name__)
            db.close()

    threads = [threading.Thread(target=body, args=(function,)) for function in functions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return ends


def test_names_are_unique_in_the_database(shop, other_shop):
    for each in (shop, other_shop):
        add_view(each, "Same")

    with pytest.raises(IntegrityError), db.atomic():
        SavedView.create(shop=shop, name="SAME", query="")


def test_a_view_is_created_within_a_transaction(shop):
    with pytest.raises(RuntimeError, match="transaction"):
        saved_views.add(shop, "Mine", "")


# Renaming, updating, deleting, restoring


def test_a_view_is_renamed(client, shop):
    saved = add_view(shop)

    answer = press_action(client, saved, "rename", name="Ours")

    assert (answer.status_code, answer.headers["Location"]) == (303, f"/views?{ORDERS}")
    assert saved_views_of(shop) == [("Ours", ORDERS)]


def test_a_view_may_change_the_capitals_of_its_name(client, shop):
    press_action(client, add_view(shop), "rename", name="MINE")

    assert saved_views_of(shop) == [("MINE", ORDERS)]


def test_a_taken_name_is_explained_beside_the_field_of_its_view(client, shop):
    add_view(shop, "Taken")
    saved = add_view(shop)

    answer = press_action(client, saved, "rename", name="taken")

    (field,) = [one for one in ParsedPage(answer.text).all("input") if one.get("aria-invalid")]
    assert (answer.status_code, field["id"], field["value"]) == (422, f"name-{saved.id}", "taken")
    assert [name for name, _ in saved_views_of(shop)] == ["Taken", "Mine"]


def test_a_view_is_updated_to_the_current_filters(client, shop):
    saved = add_view(shop)

    press_action(client, saved, "update", "state=pending&sort=started_at")

    assert saved_views_of(shop) == [("Mine", "state=pending&sort=started_at")]


def test_a_deleted_view_can_be_restored(client, shop):
    saved = add_view(shop)

    press_action(client, saved, "delete")
    after_delete = saved_views_of(shop)
    asked = get_page(client, f"/views?{ORDERS}").text
    press_action(client, saved, "restore")

    assert after_delete == []
    assert "“Mine” has been deleted. Undo" in asked
    assert saved_views_of(shop) == [("Mine", ORDERS)]


def test_a_view_is_not_restored_while_its_name_is_taken(client, shop):
    saved = add_view(shop)
    press_action(client, saved, "delete")
    add_view(shop, "mine", "state=pending")

    answer = press_action(client, saved, "restore")

    assert answer.status_code == 422
    assert "There is a view of this name already." in answer.text
    assert saved_views_of(shop) == [("mine", "state=pending")]


def test_a_deleted_view_is_deleted_for_good_after_the_undo_period(client, shop):
    old, saved = add_view(shop, "Old"), add_view(shop)
    SavedView.update(deleted_at=utcnow() - UNDO - timedelta(seconds=1)).where(SavedView.id == old.id).execute()

    shown = get_page(client, "/views").text
    press_action(client, saved, "delete")

    assert "Old" not in shown
    assert [each.name for each in SavedView.select()] == ["Mine"]


def test_deleting_and_restoring_are_idempotent(client, shop):
    saved = add_view(shop)
    for number in range(MAX_VIEWS - 1):
        add_view(shop, f"View {number}")

    for verb in ("delete", "restore"):
        form = fields(client, "/views", f"/views/{saved.id}/{verb}")
        answers = [client.post(f"/views/{saved.id}/{verb}", data=form) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [303, 303]

    assert len(saved_views_of(shop)) == MAX_VIEWS


def test_a_view_with_an_invalid_query_says_so_and_breaks_no_page(client, shop):
    add_view(shop, "Broken", "type=GoneForGood")
    add_view(shop, "Misspelt", "stat=error")

    overview, views = get_page(client, "/tasks"), get_page(client, "/views")

    assert "Broken can no longer be shown" in overview.text
    assert "/tasks?type=GoneForGood" not in overview.links
    assert views.text.count("This view asks for something that the listing does not know any more") == 2


def test_the_audit_log_has_each_action_without_the_names(client, shop):
    submit_view(client, "Ada's orders")
    (saved,) = saved_views.of_shop(shop)
    press_action(client, saved, "rename", name="Bo's orders")
    press_action(client, saved, "update", "state=pending")
    press_action(client, saved, "delete")
    press_action(client, saved, "restore")

    rows = list(AuditEntry.select().order_by(AuditEntry.id))

    assert [row.action for row in rows] == ["view_save", "view_change", "view_change", "view_delete", "view_restore"]
    assert {str(row.details) for row in rows} == {str({"view_id": str(saved.id)})}


# Other shops, and invalid requests


@pytest.mark.parametrize("verb", ["rename", "update", "delete", "restore"])
def test_the_view_of_another_shop_is_not_found(client, shop, other_shop, verb):
    mine, theirs = add_view(shop), add_view(other_shop)
    form = fields(client, "/views", f"/views/{mine.id}/delete") | {"name": "Stolen"}

    answers = [client.post(f"/views/{number}/{verb}", data=form) for number in (theirs.id, "nonsense", "1")]

    assert [answer.status_code for answer in answers] == [404] * 3
    assert saved_views_of(other_shop) == [("Mine", ORDERS)]


def test_the_views_of_another_shop_are_not_shown_and_take_no_name(client, shop, other_shop):
    add_view(other_shop, "Theirs")

    answer = submit_view(client, "Theirs", "state=pending")

    assert answer.status_code == 303
    assert "Theirs" not in get_page(client, "/help/task-types").text
    assert saved_views_of(shop) == [("Theirs", "state=pending")]


@pytest.mark.parametrize("verb", ["", "/{id}/rename", "/{id}/update", "/{id}/delete", "/{id}/restore"])
def test_a_form_without_a_csrf_token_changes_nothing(client, shop, verb):
    saved = add_view(shop)

    answer = client.post(f"/views{verb.format(id=saved.id)}", data={"name": "Stolen", "token": "x"})

    assert answer.status_code == 403
    assert saved_views_of(shop) == [("Mine", ORDERS)]


def test_invalid_parameters_are_bad_requests(client, shop):
    form = fields(client, f"/views?{ORDERS}", f"/views?{ORDERS}")

    answers = [client.get("/views?state=x"), client.post("/views?limit=x", data=form)]

    assert [answer.status_code for answer in answers] == [400, 400]
    assert saved_views_of(shop) == []


def test_erasing_a_shop_deletes_its_views(shop):
    assert "saved_view" in erasure.tables_with_shop_data()
