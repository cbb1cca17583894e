"""The tabs above the listing, and the shop's own views: named, renamed, changed, deleted and had back."""

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


def add(shop, name="Mine", query=ORDERS):
    with db.atomic():
        return saved_views.add(shop, name, query)


def save(client, name, query=ORDERS):
    return press(client, f"/views?{query}", f"/views?{query}", name=name)


def act(client, saved, verb, query=ORDERS, **more):
    return press(client, f"/views?{query}", f"/views/{saved.id}/{verb}?{query}", **more)


def current(shop, query):
    return [tab.name for tab in listing_tabs(shop, read_filters(query)).tabs if tab.current]


def kept(shop):
    return [(saved.name, saved.query) for saved in saved_views.of_shop(shop)]


# The tabs


def test_every_shop_has_the_tabs_that_everybody_looks_for(client, shop):
    tabs = [one for one in get_page(client, "/tasks").all("a") if one.get("id", "").startswith("tab-")]

    assert [one["href"] for one in tabs] == [
        "/tasks",
        "/tasks?state=error",
        "/tasks?problem=open",
        "/tasks?state=pending&created_to=-15min",
    ]
    assert [one["href"] for one in tabs if one.get("aria-current")] == ["/tasks"]


@pytest.mark.parametrize("query", BUILT_IN_TABS.values())
def test_each_of_them_can_be_opened_and_is_current_then(client, shop, query):
    found = get_page(client, f"/tasks?{query}")

    (now,) = [one for one in found.all("a") if one.get("aria-current") == "page"]
    assert now["href"].partition("?")[2] == query


def test_a_tab_shows_what_it_is_called(client, shop):
    wanted, other = finish(shop, enqueue(shop), State.ERROR, reason="No."), enqueue(shop)

    (errors,) = [tab.url for tab in listing_tabs(shop, read_filters()).tabs if tab.name == "Errors"]

    assert f"/tasks/{wanted.id}" in get_page(client, errors).links
    assert f"/tasks/{other.id}" not in get_page(client, errors).links


def test_a_tab_stays_current_in_another_order_and_is_none_of_what_is_filtered_further(shop):
    assert current(shop, "state=error&sort=completed_at") == ["Errors"]
    assert current(shop, "state=error&limit=10") == ["Errors"]
    assert current(shop, "state=error&type=SyncOrder") == []
    assert current(shop, "state=error&q=77") == []


def test_the_view_in_the_very_order_that_is_shown_goes_before_another(shop):
    add(shop, "Old errors", "state=error&sort=created_at")

    assert current(shop, "state=error&sort=created_at") == ["Old errors"]
    assert current(shop, "state=error") == ["Errors"]


def test_the_tabs_come_with_what_htmx_asks_for(client, shop):
    assert (
        'href="/tasks?state=error" hx-get="/tasks?state=error" aria-current="page"'
        in client.get("/tasks?state=error", headers=HTMX).text
    )


def test_tabs_cost_one_statement_whatever_their_number(client, shop):
    seen = []
    for number in range(MAX_VIEWS):
        add(shop, f"View {number}", f"limit={number + 1}")
    db.query_hooks.append(lambda *asked: seen.append(asked))
    listing_tabs(shop, read_filters())
    db.query_hooks.pop()

    assert len(seen) == 1


# Saving


def test_what_is_shown_gets_a_name_and_is_the_current_tab(client, shop):
    answer = save(client, "  My   orders ")

    assert (answer.status_code, answer.headers["Location"]) == (303, f"/tasks?{ORDERS}")
    assert kept(shop) == [("My orders", ORDERS)]
    assert current(shop, ORDERS) == ["My orders"]


def test_the_order_is_saved_and_the_page_is_not(client, shop):
    for _ in range(2):
        enqueue(shop)
    (older,) = [link for link in get_page(client, "/tasks?limit=1&sort=created_at").links if "after=" in link]

    (address,) = [link for link in get_page(client, older).links if link.startswith("/views")]
    press(client, address, address, name="Old ones")

    assert kept(shop) == [("Old ones", "sort=created_at&limit=1")]


def test_a_time_that_moves_along_goes_on_moving(client, shop):
    save(client, "Today", "created_from=today")

    assert kept(shop) == [("Today", "created_from=today")]
    assert current(shop, "created_from=today") == ["Today"]


def test_an_order_alone_can_be_named_and_is_told_in_words(client, shop):
    assert "Completed at, oldest first" in get_page(client, "/views?sort=completed_at").text


def test_what_was_searched_for_is_left_out_and_the_page_says_so(client, shop):
    asked = get_page(client, "/views?state=error&type=SyncOrder&q=4711").text

    answer = press(client, f"/views?{ORDERS}&q=4711", f"/views?{ORDERS}&q=4711", name="Theirs")

    assert "What was searched for is not saved" in asked
    assert answer.headers["Location"] == f"/tasks?{ORDERS}"
    assert kept(shop) == [("Theirs", ORDERS)]


def test_a_button_pressed_twice_saves_one_view(client, shop):
    form = fields(client, f"/views?{ORDERS}", f"/views?{ORDERS}") | {"name": "Mine"}

    answers = [client.post(f"/views?{ORDERS}", data=form) for _ in range(2)]

    assert [answer.headers["Location"] for answer in answers] == [f"/tasks?{ORDERS}"] * 2
    assert len(kept(shop)) == 1


def test_two_names_typed_into_one_form_after_going_back_are_two_views(client, shop):
    form = fields(client, f"/views?{ORDERS}", f"/views?{ORDERS}")
    for name in ("One", "Two"):
        client.post(f"/views?{ORDERS}", data=form | {"name": name})

    assert [name for name, _ in kept(shop)] == ["One", "Two"]


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
def test_a_name_that_cannot_be_is_explained_beside_its_field_and_nothing_is_lost(client, shop, name, sentence):
    add(shop, query="state=pending")

    answer = save(client, name)
    found = ParsedPage(answer.text)

    (field,) = [one for one in found.all("input") if one.get("aria-invalid")]
    assert answer.status_code == 422
    assert (field["value"], field["aria-describedby"]) == (name, "name-wrong")
    assert sentence in found.text
    assert f"/views?{ORDERS}" in Forms(answer.text).found
    assert len(kept(shop)) == 1
    assert not AuditEntry.select().exists()


def test_a_name_is_text_and_no_markup(client, shop):
    save(client, "<b>Ada & Bo</b>")

    assert "&lt;b&gt;Ada &amp; Bo&lt;/b&gt;" in client.get("/tasks").text
    assert "<b>Ada" not in client.get("/views").text


def test_more_views_than_a_shop_may_have_are_refused(client, shop):
    for number in range(MAX_VIEWS):
        add(shop, f"View {number}", f"limit={number + 1}")

    answer = save(client, "One more")

    assert answer.status_code == 422
    assert "This shop has 20 views already." in answer.text
    assert len(kept(shop)) == MAX_VIEWS


def test_of_two_that_are_saved_at_once_one_has_the_last_place(shop):
    for number in range(MAX_VIEWS - 1):
        add(shop, f"View {number}")

    ends = at_once(lambda: add(shop, "Left"), lambda: add(shop, "Right"))

    assert sorted(ends) == ["SavedView", "TooManyViews"]


def test_of_two_of_one_name_at_once_one_has_it(shop):
    assert sorted(at_once(lambda: add(shop, "Same"), lambda: add(shop, "SAME"))) == ["NameTaken", "SavedView"]


def at_once(*deeds):
    """What became of each: the name of what it returned or raised."""
    ends, start = [], threading.Barrier(len(deeds))

    def carried_out(deed):
        with connected(EVERY):
            start.wait()
            try:
                ends.append(type(deed()).__name__)
            except (TooManyViews, NameTaken) as refusal:
                ends.append(type(refusal).__name__)
            db.close()

    threads = [threading.Thread(target=carried_out, args=(deed,)) for deed in deeds]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return ends


def test_the_database_itself_keeps_names_apart(shop, other_shop):
    for each in (shop, other_shop):
        add(each, "Same")

    with pytest.raises(IntegrityError), db.atomic():
        SavedView.create(shop=shop, name="SAME", query="")


def test_a_name_is_looked_at_in_the_transaction_that_takes_it(shop):
    with pytest.raises(RuntimeError, match="transaction"):
        saved_views.add(shop, "Mine", "")


# What becomes of a view


def test_a_view_gets_another_name(client, shop):
    saved = add(shop)

    answer = act(client, saved, "rename", name="Ours")

    assert (answer.status_code, answer.headers["Location"]) == (303, f"/views?{ORDERS}")
    assert kept(shop) == [("Ours", ORDERS)]


def test_a_view_may_change_the_capitals_of_its_own_name(client, shop):
    act(client, add(shop), "rename", name="MINE")

    assert kept(shop) == [("MINE", ORDERS)]


def test_a_new_name_that_is_taken_is_explained_beside_that_views_field(client, shop):
    add(shop, "Taken")
    saved = add(shop)

    answer = act(client, saved, "rename", name="taken")

    (field,) = [one for one in ParsedPage(answer.text).all("input") if one.get("aria-invalid")]
    assert (answer.status_code, field["id"], field["value"]) == (422, f"name-{saved.id}", "taken")
    assert [name for name, _ in kept(shop)] == ["Taken", "Mine"]


def test_a_view_is_updated_to_what_is_shown(client, shop):
    saved = add(shop)

    act(client, saved, "update", "state=pending&sort=started_at")

    assert kept(shop) == [("Mine", "state=pending&sort=started_at")]


def test_a_deleted_view_is_gone_and_can_be_had_back(client, shop):
    saved = add(shop)

    act(client, saved, "delete")
    gone = kept(shop)
    asked = get_page(client, f"/views?{ORDERS}").text
    act(client, saved, "restore")

    assert gone == []
    assert "“Mine” has been deleted. Undo" in asked
    assert kept(shop) == [("Mine", ORDERS)]


def test_having_back_waits_until_the_name_is_free(client, shop):
    saved = add(shop)
    act(client, saved, "delete")
    add(shop, "mine", "state=pending")

    answer = act(client, saved, "restore")

    assert answer.status_code == 422
    assert "There is a view of this name already." in answer.text
    assert kept(shop) == [("mine", "state=pending")]


def test_a_deleted_view_goes_for_good_when_it_can_no_longer_be_had_back(client, shop):
    old, saved = add(shop, "Old"), add(shop)
    SavedView.update(deleted_at=utcnow() - UNDO - timedelta(seconds=1)).where(SavedView.id == old.id).execute()

    shown = get_page(client, "/views").text
    act(client, saved, "delete")

    assert "Old" not in shown
    assert [each.name for each in SavedView.select()] == ["Mine"]


def test_deleting_twice_and_having_back_twice_are_once(client, shop):
    saved = add(shop)
    for number in range(MAX_VIEWS - 1):
        add(shop, f"View {number}")

    for verb in ("delete", "restore"):
        form = fields(client, "/views", f"/views/{saved.id}/{verb}")
        answers = [client.post(f"/views/{saved.id}/{verb}", data=form) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [303, 303]

    assert len(kept(shop)) == MAX_VIEWS


def test_a_view_that_can_no_longer_be_shown_says_so_and_the_listing_stays_whole(client, shop):
    add(shop, "Broken", "type=GoneForGood")
    add(shop, "Misspelt", "stat=error")

    overview, views = get_page(client, "/tasks"), get_page(client, "/views")

    assert "Broken can no longer be shown" in overview.text
    assert "/tasks?type=GoneForGood" not in overview.links
    assert views.text.count("This view asks for something that the listing does not know any more") == 2


def test_who_did_it_is_written_down_without_the_name(client, shop):
    save(client, "Ada's orders")
    (saved,) = saved_views.of_shop(shop)
    act(client, saved, "rename", name="Bo's orders")
    act(client, saved, "update", "state=pending")
    act(client, saved, "delete")
    act(client, saved, "restore")

    rows = list(AuditEntry.select().order_by(AuditEntry.id))

    assert [row.action for row in rows] == ["view_save", "view_change", "view_change", "view_delete", "view_restore"]
    assert {str(row.details) for row in rows} == {str({"view_id": str(saved.id)})}


# Whose


@pytest.mark.parametrize("verb", ["rename", "update", "delete", "restore"])
def test_another_shops_view_is_none(client, shop, other_shop, verb):
    mine, theirs = add(shop), add(other_shop)
    form = fields(client, "/views", f"/views/{mine.id}/delete") | {"name": "Stolen"}

    answers = [client.post(f"/views/{number}/{verb}", data=form) for number in (theirs.id, "nonsense", "1")]

    assert [answer.status_code for answer in answers] == [404] * 3
    assert kept(other_shop) == [("Mine", ORDERS)]


def test_nothing_of_another_shop_is_shown_and_names_are_each_shops_own(client, shop, other_shop):
    add(other_shop, "Theirs")

    answer = save(client, "Theirs", "state=pending")

    assert answer.status_code == 303
    assert "Theirs" not in get_page(client, "/help/task-types").text
    assert kept(shop) == [("Theirs", "state=pending")]


@pytest.mark.parametrize("verb", ["", "/{id}/rename", "/{id}/update", "/{id}/delete", "/{id}/restore"])
def test_a_form_that_is_not_ours_changes_nothing(client, shop, verb):
    saved = add(shop)

    answer = client.post(f"/views{verb.format(id=saved.id)}", data={"name": "Stolen", "token": "x"})

    assert answer.status_code == 403
    assert kept(shop) == [("Mine", ORDERS)]


def test_bad_input_is_a_sentence(client, shop):
    form = fields(client, f"/views?{ORDERS}", f"/views?{ORDERS}")

    answers = [client.get("/views?state=x"), client.post("/views?limit=x", data=form)]

    assert [answer.status_code for answer in answers] == [400, 400]
    assert kept(shop) == []


def test_the_views_of_an_erased_shop_go_with_it(shop):
    assert "saved_view" in erasure.tables_with_shop_data()
