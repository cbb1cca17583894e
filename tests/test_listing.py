"""The listing's query: what the URL means, and paging that neither skips nor doubles a task."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from peewee import SQL, OperationalError
from starlette.datastructures import QueryParams

from actors.registry import TYPES
from database import db
from models import State, Task
from totals import counts
from views import BadInput
from views.listing import TaskFilters, count_up_to, id_at, spell, tasks_of
from views.paging import Place, Sort, ordered, page_of

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
        at = getattr(task, sort.key) if sort.field else NOON
        sign = -1 if sort.descending else 1
        return (at is None, sign * (at.timestamp() if at else 0), sign * task.id.int)

    return key


def forwards(query, sort, limit):
    pages, page = [], page_of(query, sort, limit)
    while page.tasks:
        pages.append([task.id for task in page.tasks])
        if page.after is None:
            break
        page = page_of(query, sort, limit, page.after)
    return pages, page


def backwards(query, sort, limit, page):
    pages = [[task.id for task in page.tasks]] if page.tasks else []
    while page.before is not None:
        page = page_of(query, sort, limit, page.before, back=True)
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

    there, last = forwards(tasks_of(shop), sort, limit)
    back = backwards(tasks_of(shop), sort, limit, last)

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


@pytest.fixture
def busy(shop):
    """A shop with enough tasks for the planner to care, finished but for the last hundred."""
    db.execute_sql(
        """INSERT INTO task (id, shop_id, type, state, key, shopify_id, engage_id, created_at, started_at, completed_at)
           SELECT (lpad(to_hex(1700000000000 + n * 1000), 12, '0') || '70008' || lpad(to_hex(n), 15, '0'))::uuid, %s,
               %s + n %% 3, CASE WHEN n > 19900 THEN 0 WHEN n %% 40 = 0 THEN 2 ELSE 1 END, n::text, n / 5, n::text, at,
               CASE WHEN n <= 19950 THEN at END, CASE WHEN n <= 19900 THEN at END
           FROM generate_series(1, 20000) n, to_timestamp(1700000000 + n) at""",
        (shop.id, TYPES["SyncOrder"].number - 2),
    )
    db.execute_sql("ANALYZE task")
    return shop


def steps(plan):
    return {plan["Node Type"]}.union(*(steps(below) for below in plan.get("Plans", ())))


def plans_of(shop, query):
    filters = read(query)
    for part in ordered(filters.apply(tasks_of(shop)), filters.sort, filters.after):
        sql, values = part.limit(51).sql()
        yield db.execute_sql(f"EXPLAIN (FORMAT JSON) {sql}", values).fetchone()[0][0]["Plan"]


MARKS = {
    key: Place(None if key == "created_at" else NOON, UUID(int=1 << 126)).mark(Sort(key, True)) for key in Sort.KEYS
}


@pytest.mark.parametrize(
    "query",
    [
        "",
        "sort=created_at",
        "state=error",
        "type=SyncOrder",
        "sort=-started_at",
        "sort=completed_at",
        f"after={MARKS['created_at']}",
        f"sort=-started_at&after={MARKS['started_at']}",
        f"sort=completed_at&after={MARKS['completed_at']}",
    ],
)
def test_a_page_reads_an_index_in_its_order(busy, query):
    for plan in plans_of(busy, query):
        assert not steps(plan) & {"Seq Scan", "Sort", "Incremental Sort"}


@pytest.mark.parametrize("q", ["1234", "0193f0aa", "0193f0aa-0000-7000-8000-000000000000", "some-receipt"])
def test_a_search_reads_an_index(busy, q):
    (plan,) = plans_of(busy, f"q={q}")

    assert "Seq Scan" not in steps(plan)


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
    assert read(f"q={q}").reading.words == "Voyado Engage entity ID"


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


def test_other_filters_are_counted_up_to_a_limit(busy):
    assert read("created_from=2023-11-15").count(busy, counts(busy.id)) == "10,000+ tasks"
    assert read("q=1234").count(busy, counts(busy.id)) == "5 tasks"


def test_a_count_that_takes_too_long_is_given_up(shop):
    add(shop)

    assert count_up_to(Task.select().where(SQL("pg_sleep(5) IS NOT NULL")), 1) is None


def test_another_error_of_a_count_is_not_hidden(shop):
    add(shop)

    with pytest.raises(OperationalError):
        count_up_to(Task.select().where(SQL("pg_terminate_backend(pg_backend_pid())")), 1)
