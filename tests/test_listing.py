"""The listing's query: what the URL means, and paging that neither skips nor doubles a task."""

from __future__ import annotations

import os
import random
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode
from uuid import UUID

import psycopg
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from peewee import OperationalError
from starlette.datastructures import QueryParams

from actors.registry import TYPES
from database import db
from models import Order, State, Task
from models.selection import Selection, id_at
from totals import counts
from views import BadInput
from views.listing import STATES, TaskFilters, counted, spell
from views.paging import Place, Sort, page_of
from views.search import READINGS

NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)
SORTS = ["created_at", "-created_at", "started_at", "-started_at", "completed_at", "-completed_at"]


def add(shop, at=NOON, name="SyncOrder", state=State.SUCCESS, **fields):
    """A task in the database whose id is of its time, as `new_id` makes them."""
    task = Task(shop=shop, type=TYPES[name].number, state=state, created_at=at, due_at=at, **fields)
    task.id = UUID(int=int(at.timestamp() * 1000) << 80 | 7 << 76 | random.getrandbits(72))
    task.key = str(task.id)
    task.save(force_insert=True)
    return task


def read(query="", **options):
    return TaskFilters.read(QueryParams(query), **options)


def found(shop, query):
    return {task.id for task in read(query).page(shop).tasks}


# Paging


def rank(sort):
    """Where a task belongs in an order: dated ones first in both directions, ids breaking ties."""

    def key(task):
        at = getattr(task, sort.key) if sort.instant else NOON
        sign = -1 if sort.descending else 1
        return (at is None, sign * (at.timestamp() if at else 0), sign * task.id.int)

    return key


def forwards(selection, sort, limit):
    pages, page = [], page_of(selection, sort, limit)
    while page.tasks:
        pages.append([task.id for task in page.tasks])
        if page.after is None:
            break
        page = page_of(selection, sort, limit, page.after)
    return pages, page


def backwards(selection, sort, limit, page):
    pages = [[task.id for task in page.tasks]] if page.tasks else []
    while page.before is not None:
        page = page_of(selection, sort, limit, page.before, back=True)
        pages.insert(0, [task.id for task in page.tasks])
    return pages


dates = st.none() | st.integers(0, 4).map(lambda seconds: NOON + timedelta(seconds=seconds))


@pytest.mark.parametrize("text", SORTS)
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.tuples(dates, dates), max_size=14), limit=st.integers(1, 5))
def test_paging_both_ways_gives_every_task_once_and_in_order(shop, text, rows, limit):
    Task.delete().execute()
    for started_at, completed_at in rows:
        add(shop, started_at=started_at, completed_at=completed_at)
    sort = Sort.read(text)
    expected = [task.id for task in sorted(Task.select(), key=rank(sort))]

    there, last = forwards(Selection(shop.id), sort, limit)
    back = backwards(Selection(shop.id), sort, limit, last)

    assert [one for page in there for one in page] == expected
    assert [one for page in back for one in page] == expected


def test_the_last_full_page_has_no_next(shop):
    add(shop), add(shop)

    page = read("limit=2").page(shop)

    assert len(page.tasks) == 2
    assert page.after is None


def test_tasks_that_arrive_while_somebody_pages_shift_nothing(shop):
    old = [add(shop, NOON + timedelta(seconds=n)).id for n in range(4)]
    first = read("limit=2").page(shop)
    add(shop, NOON + timedelta(minutes=1))

    second = read(f"limit=2&after={first.after.mark(Sort.read('-created_at'))}").page(shop)

    assert [task.id for task in second.tasks] == [old[1], old[0]]


MARKS = {
    key: Place(None if key == "created_at" else NOON, UUID(int=1 << 126)).mark(Sort(key, True)) for key in Sort.KEYS
}


# Filters


def test_states_and_types_are_chosen_together(shop):
    wanted = add(shop, state=State.ERROR)
    add(shop, state=State.SUCCESS)
    add(shop, state=State.ERROR, name="SyncContact")

    assert found(shop, "state=error&state=pending&type=SyncOrder") == {wanted.id}


def test_another_shop_is_never_listed(shop, other_shop):
    add(other_shop)

    assert found(shop, "") == set()


def test_created_bounds_hold_what_they_name(shop):
    first, second, third = (add(shop, NOON + timedelta(seconds=n)) for n in range(3))

    assert found(shop, "created_from=2026-11-24T12:00:01Z") == {second.id, third.id}
    assert found(shop, "created_to=2026-11-24T12:00:01Z") == {first.id, second.id}


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-11-24T12:00", NOON),
        ("2026-11-24T12:00:00Z", NOON),
        ("2026-11-24T13:00:00%2B01:00", NOON),
        ("2026-11-24T13:00:00+01:00", NOON),  # whose plus arrives as a space
        ("2026-11-24", NOON.replace(hour=0)),
        ("", None),
    ],
)
def test_an_instant_is_utc_unless_it_says_otherwise(text, instant):
    assert read(f"created_from={text}").created_from == instant


@pytest.mark.parametrize(
    ("text", "last"),
    [
        ("2026-11-24", NOON.replace(hour=23, minute=59, second=59, microsecond=999_999)),
        ("2026-11-24T12:00", NOON.replace(microsecond=999_999)),
        ("2026-11-24T12:00:00.25", NOON.replace(microsecond=250_000)),
    ],
)
def test_created_to_reaches_to_the_end_of_what_it_names(text, last):
    assert read(f"created_to={text}").created_to == last


@given(st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31)))
def test_an_id_bound_lets_through_every_id_of_its_time(naive):
    at = naive.replace(tzinfo=UTC)
    ms = min(max(int(at.timestamp() * 1000), 0), 2**48 - 1)

    assert id_at(at, -1).int >> 80 <= ms <= id_at(at, +1).int >> 80


def test_the_address_says_what_was_read():
    query = (
        "state=error&type=SyncOrder&created_from=2026-11-24T12%3A00%3A00&created_to=2026-11-25T11%3A00%3A00.500000"
        "&q=1001&sort=started_at&limit=10"
    )

    assert read(query).url() == f"/tasks?{query}"


@given(st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)))
def test_an_address_carries_an_instant_to_the_microsecond(naive):
    at = naive.replace(tzinfo=UTC)

    assert read(f"created_from={spell(at)}").created_from == at


def test_the_plain_list_has_a_plain_address():
    assert read("sort=-created_at&limit=50&q=&created_from=").url() == "/tasks"


def test_a_changed_filter_begins_at_the_first_page():
    filters = read(f"after={MARKS['created_at']}&state=error")

    assert filters.url(states=()) == "/tasks"


def test_a_second_click_reverses_the_order():
    assert read("").sorted_by("started_at") == "/tasks?sort=-started_at"
    assert read("sort=-started_at").sorted_by("started_at") == "/tasks?sort=started_at"


def test_each_chip_drops_its_own_filter():
    chips = read("state=error&state=pending&type=SyncOrder").chips()

    assert [chip.url for chip in chips] == [
        "/tasks?state=pending&type=SyncOrder",
        "/tasks?state=error&type=SyncOrder",
        "/tasks?state=error&state=pending",
    ]


# Search


@pytest.mark.parametrize("q", ["6100000001001", "gid://shopify/Order/6100000001001", " 6100000001001 "])
def test_digits_and_gids_are_shopifys(shop, q):
    task = add(shop, shopify_id=6100000001001)
    add(shop, shopify_id=1001)

    assert found(shop, f"q={q}") == {task.id}
    assert read(f"q={q}").reading.words == "Shopify entity ID"


def test_a_task_is_found_by_its_id_and_by_its_beginning(shop):
    task = add(shop)
    add(shop, NOON + timedelta(days=200))

    for q in (str(task.id), str(task.id).upper(), task.id.hex, str(task.id)[:8], str(task.id)[:14]):
        assert found(shop, f"q={q}") == {task.id}


def test_an_engage_id_is_found_whether_it_is_a_uuid_or_not(shop):
    contact = add(shop, engage_id="5f0f3b7e-7d2b-4a2e-9a55-0b6c1d7e8f90")
    receipt = add(shop, engage_id="R-1001")

    assert found(shop, "q=5F0F3B7E-7D2B-4A2E-9A55-0B6C1D7E8F90") == {contact.id}
    assert found(shop, "q=R-1001") == {receipt.id}


@pytest.mark.parametrize(
    "q", ["9" * 19, "9" * 30, "0", "abc", "-", "0123-4567", "0123456x", "deadbeef", "gid://shopify/Order/x", "'"]
)
def test_what_has_no_other_shape_is_looked_for_as_engages(shop, q):
    task = add(shop, engage_id=q)
    add(shop)

    assert found(shop, f"q={q}") == {task.id}
    assert read(f"q={q}").reading.words == "Voyado Engage entity ID or order name"


def order(shop, name, shopify_id):
    Order.create(shop=shop, shopify_id=shopify_id, name=name, updated_at=NOON, seen=b"")
    return add(shop, shopify_id=shopify_id)


@pytest.mark.parametrize(("name", "q"), [("#1001", "#1001"), ("EN1001-B", "EN1001-B"), ("Ö 1001", "Ö 1001")])
def test_an_order_is_found_by_its_name(shop, other_shop, name, q):
    task = order(shop, name, 6100000001001)
    order(shop, "#1002", 6100000001002), order(other_shop, name, 6100000001003)

    assert found(shop, urlencode({"q": q})) == {task.id}


def test_a_name_that_two_orders_have_finds_both(shop):
    tasks = {order(shop, "#1001", number).id for number in (6100000001001, 6100000001002)}

    assert found(shop, "q=%231001") == tasks
    assert read("q=%231001").reading.words == "Order name"


def test_a_name_that_no_order_has_finds_nothing(shop):
    add(shop), add(shop, shopify_id=1001)

    assert found(shop, "q=%231001") == set()


@pytest.mark.parametrize(
    ("reading", "q", "words"),
    [
        ("order", "1001", "Order name"),
        ("engage", "1001", "Voyado Engage entity ID"),
        ("shopify", "1001", "Shopify entity ID"),
        ("", "1001", "Shopify entity ID"),
        ("engage", "0193F0AA-0000-7000-8000-000000000000", "Voyado Engage entity ID"),
        ("task", "0193f0aa-0000-7000-8000-000000000000", "Task ID"),
        ("", "0193f0aa-0000-7000-8000-000000000000", "Task ID or Voyado Engage entity ID"),
        ("task", "0193f0aa", "Task ID, its beginning"),
    ],
)
def test_a_reading_can_be_wished_for(shop, reading, q, words):
    filters = read(f"q={q}&reading={reading}")

    assert filters.reading.words == words
    assert read(filters.url().partition("?")[2]) == filters


def test_the_wished_reading_is_the_only_one(shop):
    uuid = "0193f0aa-0000-7000-8000-000000000000"
    by_order, by_shopify, by_engage = order(shop, "#1001", 9), add(shop, shopify_id=1001), add(shop, engage_id="1001")
    contact, task = add(shop, engage_id=uuid), add(shop)
    Task.update(id=UUID(uuid)).where(Task.id == task.id).execute()

    assert found(shop, "q=1001&reading=order") == {by_order.id}
    assert found(shop, "q=1001&reading=shopify") == {by_shopify.id}
    assert found(shop, "q=1001&reading=engage") == {by_engage.id}
    assert found(shop, f"q={uuid}&reading=engage") == {contact.id}
    assert found(shop, f"q={uuid}&reading=task") == {UUID(uuid)}


def test_a_search_is_combined_with_the_filters(shop):
    wanted = add(shop, shopify_id=1001, state=State.ERROR)
    add(shop, shopify_id=1001), add(shop, shopify_id=1001, state=State.ERROR, name="SyncContact"), add(shop)

    assert found(shop, "q=1001&state=error&type=SyncOrder") == {wanted.id}
    assert found(shop, "q=1001&created_to=2026-11-23") == set()


# Bad input


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
        (f"after={MARKS['started_at']}", "after"),
        (f"after={MARKS['created_at']}&before={MARKS['created_at']}", "before"),
    ],
)
def test_what_cannot_be_understood_is_refused_by_name(query, word):
    with pytest.raises(BadInput, match=word):
        read(query)


@given(st.text(max_size=60))
def test_no_made_up_mark_is_taken_for_a_place(text):
    with pytest.raises(BadInput):
        Place.read(text, Sort.read("-created_at"))


@given(st.none() | st.datetimes(datetime(1, 1, 1), datetime(9999, 12, 31)), st.uuids())
def test_a_mark_is_read_as_the_place_it_was_made_of(naive, task_id):
    place, sort = Place(naive and naive.replace(tzinfo=UTC), task_id), Sort.read("started_at")

    assert Place.read(place.mark(sort), sort) == place


each_parameter = pytest.mark.parametrize(
    "name", ["state", "type", "created_from", "created_to", "q", "reading", "sort"]
)
texts = st.text(max_size=60) | st.sampled_from(
    ["", " ", "\0", "error", "SyncOrder", "2026-11-24", "2026-11-24T12:00+02:00", "-started_at", "#1001", "task", "%"]
)


def meant(filters, name):
    """Whether a filter of this name is in force."""
    field = {"state": "states", "type": "types", "reading": "read_as"}.get(name, name)
    return getattr(filters, field) not in ((), "", None)


@each_parameter
@given(text=texts)
def test_whatever_is_given_is_in_force_or_refused(name, text):
    """Only what a form sends for an empty field stands for nothing."""
    try:
        filters = read(urlencode({name: text}))
    except BadInput:
        return
    assert meant(filters, name) or not text.strip()


@pytest.mark.parametrize("name", ["state", "type"])
@given(text=texts)
def test_a_state_or_a_type_is_one_of_those_there_are(name, text):
    known = STATES if name == "state" else TYPES
    if text in known:
        assert meant(read(urlencode({name: text})), name)
        return
    with pytest.raises(BadInput, match=name):
        read(urlencode({name: text}))


anything = st.lists(
    st.tuples(
        st.sampled_from(
            ["state", "type", "created_from", "created_to", "q", "reading", "sort", "after", "before", "limit"]
        )
        | st.text(max_size=9),
        texts | st.integers(-5, 300).map(str) | st.sampled_from([*MARKS.values(), *TYPES, *STATES, *READINGS]),
    ),
    max_size=5,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example(pairs=[("created_from", "0001-01-01"), ("created_to", "9999-12-31"), ("sort", "-completed_at")])
@example(pairs=[("created_to", "0001-01-01"), ("sort", "started_at"), ("state", "pending")])
@example(pairs=[("created_from", "9999-12-31T23:59:59"), ("sort", "completed_at"), ("type", "SyncOrder")])
@example(pairs=[("q", "%s %(shop)s %%"), ("reading", "engage")])
@given(pairs=anything)
def test_no_query_is_too_strange_to_answer(client, pairs):
    for path in ("/tasks", "/tasks.json"):
        answer = client.get(f"{path}?{urlencode(pairs)}")

        assert answer.status_code in (200, 400)


def test_a_script_hears_of_a_misspelt_name_and_a_page_does_not():
    with pytest.raises(BadInput, match="stat"):
        read("stat=error", strict=True)

    assert read("stat=error") == TaskFilters()


# Counting


def test_a_count_is_exact_by_state_and_type(shop):
    add(shop, state=State.ERROR), add(shop, state=State.ERROR, name="SyncContact"), add(shop)

    assert read("").count(shop, counts(shop.id)) == "3 tasks"
    assert read("state=error").count(shop, counts(shop.id)) == "2 tasks"
    assert read("state=error&type=SyncOrder").count(shop, counts(shop.id)) == "1 task"
    assert read("state=pending&type=SyncOrder").count(shop, counts(shop.id)) == "0 tasks"


def test_other_filters_are_counted_up_to_a_limit(shop):
    db.execute_sql(
        """INSERT INTO task (id, shop_id, type, state, key, shopify_id, created_at)
           SELECT (lpad(to_hex(1700000000000 + n), 12, '0') || '70008' || lpad(to_hex(n), 15, '0'))::uuid, %s,
               n %% 3, 1, n::text, n / 5, to_timestamp(1700000000) FROM generate_series(1, 10001) n""",
        (shop.id,),
    )

    assert read("created_from=2023-11-14").count(shop, counts(shop.id)) == "10,000+ tasks"
    assert read("created_from=2023-11-14&state=success").count(shop, counts(shop.id)) == "10,000+ tasks"
    assert read("created_from=2023-11-16&state=success").count(shop, counts(shop.id)) == "0 tasks"
    assert read("q=1234").count(shop, counts(shop.id)) == "5 tasks"


@pytest.fixture
def table_held(shop):
    """As if counting took for ever: nobody but this connection may read tasks."""
    with psycopg.connect(os.environ["DATABASE_URL"]) as connection:
        connection.execute("LOCK TABLE task IN ACCESS EXCLUSIVE MODE")
        yield


def test_a_count_that_takes_too_long_is_given_up(shop, table_held):
    assert counted(Selection(shop.id)) is None


def test_another_error_of_a_count_is_not_hidden(shop, table_held):
    with db.atomic():
        db.execute_sql("SET LOCAL lock_timeout = 1")
        with pytest.raises(OperationalError):
            counted(Selection(shop.id))
