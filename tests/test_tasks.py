"""What a task goes through: added, rung for, claimed, run, ended in one of its ways. On this process's own threads."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta

import psycopg
import pytest
from dramatiq.middleware import TimeLimitExceeded

from actors import NUMBERS, TYPES, broker
from actors.outcomes import A_DAY, Retry, Skip, Unusable, Wait
from actors.registry import TaskGroup
from actors.run import BUGS, FAILURES_IN_A_ROW, WAIT_AT_MOST, run
from actors.sweep import CRASHES, pick, reap, sweep
from actors.systems import engage_of
from clients import Call, Effect
from clients.transport import check, send
from config import config
from database import connected, db
from models import NOW, Attempt, Entity, Exchange, Lane, Lost, Outcome, Record, Shop, State, Task, new_id
from sandbox.engage import Fault
from sandbox.serve import serving

COUNT = "GET /api/v3/contacts/count"
MAIL = "POST /api/v3/mail"
numbers = itertools.count(900)


@pytest.fixture
def declare() -> Iterator[Callable]:
    """Declare a task type for one test, over what its function is to do."""
    declared = []

    def made(handler, **options):
        number = next(numbers)
        declared.append(
            TaskGroup("test", "Test tasks").task(number, f"Test{number}", f"Test {number}", **options)(handler)
        )
        return declared[-1]

    yield made
    for kind in declared:
        del TYPES[kind.name], NUMBERS[kind.number], broker.actors[kind.name]


@pytest.fixture
def counting(declare):
    """A task type that asks Engage how many contacts it has."""
    return declare(lambda task: engage_of(task).count(), engage=True)


@pytest.fixture
def mailing(declare):
    """A task type whose one call would be a second mail if it were made again."""

    def mail(task):
        call = Call("Engage", "POST", f"{config.engage_origin.format(tenant='demo')}/api/v3/mail", Effect.ONCE, b"{}")
        check(send(call, {"Content-Type": "application/json"}, Record(task)), call, "Engage refused the mail.")

    return declare(mail, engage=True)


def add(kind, shop, **fields):
    return kind.enqueue(shop, key=str(new_id()), **fields)


def go(task):
    run(NUMBERS[task.type], str(task.id))
    return Task.get_by_id(task.id)


def goes(kind, shop, **fields):
    """A new task, after its first run."""
    return go(add(kind, shop, **fields))


def again(task):
    """The task, after another run that is due at once."""
    Task.update(due_at=NOW).where(Task.id == task.id).execute()
    return go(task)


def claimed(task, **options):
    return Task.claim(task.id, **{"lease": config.lease, "worker": "w", "engage": False, "latest": False, **options})


def lose_worker(task):
    """As if the worker that has the task were gone for longer than its lease."""
    Task.update(leased_until=NOW - timedelta(seconds=1)).where(Task.id == task.id).execute()
    reap()
    return Task.get_by_id(task.id)


def attempts(task):
    return list(Attempt.select().where(Attempt.task == task.id).order_by(Attempt.number))


def wait_of(task):
    """How long after its latest attempt the task is tried again, in seconds."""
    return (task.due_at - attempts(task)[-1].ended_at).total_seconds()


def fresh(shop):
    return Shop.get_by_id(shop.id)


def nothing(task):
    """Does nothing, and so succeeds."""


# Adding and ringing


def test_a_rolled_back_transaction_leaves_no_row_and_no_message(shop, declare):
    kind = declare(nothing)

    with db.atomic() as transaction:
        add(kind, shop)
        transaction.rollback()

    assert Task.select().count() == 0
    assert broker.waiting("live") == 0


def test_the_bell_rings_after_the_commit_and_not_before(shop, declare):
    kind = declare(nothing)

    with db.atomic():
        add(kind, shop)
        before = broker.waiting("live")

    assert (before, broker.waiting("live")) == (0, 1)


def test_a_key_that_is_there_already_adds_nothing(shop, declare):
    kind = declare(nothing)

    first, second = kind.enqueue(shop, key="same"), kind.enqueue(shop, key="same")

    assert first
    assert second is None
    assert Task.select().count() == 1


def test_two_shops_may_use_the_same_key(shop, other_shop, declare):
    kind = declare(nothing)

    assert kind.enqueue(shop, key="same")
    assert kind.enqueue(other_shop, key="same")


def test_a_task_is_due_by_the_databases_clock(shop, declare):
    kind = declare(nothing)

    with db.atomic():
        task = add(kind, shop)
        same = (Task.due_at == NOW) & (Task.created_at == NOW) & (Task.published_at == NOW)
        found = Task.select().where((Task.id == task.id) & same).count()

    assert found == 1


# Claiming


def test_of_two_workers_that_race_exactly_one_has_the_task(shop, declare):
    kind = declare(nothing)
    rounds = [add(kind, shop) for _ in range(100)]
    barrier, won = threading.Barrier(2), []

    def race():
        with connected():
            for task in rounds:
                barrier.wait(10)
                if claimed(task):
                    won.append(task.id)
        db.close()

    racers = [threading.Thread(target=race) for _ in range(2)]
    for racer in racers:
        racer.start()
    for racer in racers:
        racer.join()

    assert sorted(won) == sorted(task.id for task in rounds)


def test_a_message_that_comes_twice_runs_its_task_once(shop, declare):
    runs = []
    task = add(declare(lambda task: runs.append(task.id)), shop)

    go(task)
    go(task)

    assert runs == [task.id]


def test_a_task_is_not_claimed_before_it_is_due(shop, declare):
    task = add(declare(nothing), shop)
    Task.update(due_at=NOW + timedelta(seconds=5)).execute()

    assert claimed(task) is None


def test_a_disconnected_shops_tasks_are_not_claimed(shop, declare):
    task = add(declare(nothing), shop)
    Shop.update(active=False).execute()

    assert claimed(task) is None


def test_every_claim_opens_an_attempt_of_its_own(shop, declare):
    def wait(task):
        raise Wait("Not yet.", timedelta())

    task = goes(declare(wait), shop)
    go(task)

    assert [(each.number, each.outcome, each.reason) for each in attempts(task)] == [
        (1, Outcome.WAITED, "Not yet."),
        (2, Outcome.WAITED, "Not yet."),
    ]


# The lease and the fence


def test_a_zombies_finish_raises_lost_and_writes_nothing(shop, declare):
    kind = declare(nothing)
    zombie = claimed(add(kind, shop))
    lose_worker(zombie)
    other = claimed(zombie)

    with pytest.raises(Lost):
        zombie.finish(State.SUCCESS, reason="from the dead")

    found = Task.get_by_id(zombie.id)
    assert (found.state, found.reason, found.fence) == (State.PENDING, "The worker was lost.", other.fence)


def test_a_claim_that_a_server_crash_took_writes_nothing_once_another_has_the_task(shop, declare):
    zombie = claimed(add(declare(nothing), shop))
    Attempt.delete().execute()  # what a crash takes back: the commit of a claim does not wait for the disk
    Task.update(fence=0, attempts=0, leased_until=None, started_at=None).execute()

    other = claimed(zombie)

    assert other.fence == zombie.fence
    assert Task.renew([zombie], config.lease) == 0
    with pytest.raises(Lost):
        zombie.finish(State.SUCCESS)


def test_a_task_that_is_woken_while_it_runs_does_not_wait(shop, declare):
    kind = declare(nothing)
    task = claimed(add(kind, shop, shopify_id=1))

    kind.wake(shop, [1])
    task.retry_in(timedelta(hours=1), Outcome.WAITED, "Not yet.")

    assert claimed(task)


def test_a_zombies_effects_are_rolled_back(shop, declare):
    child = declare(nothing)

    def slow(task):
        lose_worker(task)
        with task.effects():
            child.enqueue(shop, key="child")

    task = goes(declare(slow), shop)

    assert task.state == State.PENDING
    assert Task.select().where(Task.key == "child").count() == 0
    assert broker.waiting("live") == 1  # its own


def test_a_zombie_sends_nothing_more(shop, engage, mailing):
    zombie = claimed(add(mailing, shop))
    lose_worker(zombie)

    with pytest.raises(Lost):
        mailing.handler(zombie)

    assert len(engage.journal) == 0


def test_a_lease_that_is_renewed_is_not_taken_back(shop, declare):
    task = claimed(add(declare(nothing), shop))
    Task.update(leased_until=NOW - timedelta(seconds=1)).execute()
    Task.renew([task], config.lease)

    with pytest.raises(Lost):
        task.crashed()

    assert Task.get_by_id(task.id).crashes == 0


def test_only_the_holder_renews_a_lease(shop, declare):
    zombie = claimed(add(declare(nothing), shop))
    lose_worker(zombie)
    claimed(zombie)

    assert Task.renew([zombie], config.lease) == 0


def test_a_lost_worker_closes_the_attempt_and_the_task_is_due_again(shop, declare):
    task = lose_worker(claimed(add(declare(nothing), shop)))

    assert (task.state, task.leased_until, task.crashes) == (State.PENDING, None, 1)
    (attempt,) = attempts(task)
    assert (attempt.outcome, attempt.code, attempt.ended_at is None) == (Outcome.LOST, "worker lost", False)
    assert go(task).state == State.SUCCESS


def test_a_task_that_costs_three_workers_is_an_error(shop, declare):
    task = add(declare(nothing), shop)

    for _ in range(CRASHES):
        Task.update(due_at=NOW).execute()
        task = lose_worker(claimed(task))

    assert (task.state, task.code, task.reason) == (State.ERROR, "worker lost", "3 workers were lost at it.")


# How it may end


def test_a_function_that_returns_has_succeeded(shop, declare):
    task = goes(declare(nothing), shop)

    assert (task.state, task.reason, task.attempts) == (State.SUCCESS, None, 1)
    assert task.created_at <= task.started_at <= task.completed_at


def test_arguments_reach_the_function(shop, declare):
    seen = []

    goes(declare(lambda task, name: seen.append(name)), shop, args={"name": "Ödla"})

    assert seen == ["Ödla"]


def test_skipping_is_a_success_with_a_reason(shop, declare):
    def skip(task):
        raise Skip("Nothing to do.")

    task = goes(declare(skip), shop)

    assert (task.state, task.reason) == (State.SUCCESS, "Nothing to do.")


def test_waiting_counts_no_attempt(shop, declare):
    def wait(task):
        raise Wait("Not yet.", timedelta(seconds=30))

    task = goes(declare(wait), shop)

    assert (task.state, task.reason, task.attempts) == (State.PENDING, "Not yet.", 0)
    assert wait_of(task) == pytest.approx(30, abs=1)
    assert task.published_at is None


def test_waiting_for_the_same_thing_for_a_day_is_an_error(shop, declare):
    def wait(task):
        raise Wait("Not yet.", timedelta())

    task = goes(declare(wait), shop)
    Attempt.update(started_at=Attempt.started_at - WAIT_AT_MOST).execute()

    task = go(task)

    assert (task.state, task.code, task.reason) == (State.ERROR, "waited", "Not yet. Waited for a day.")


def test_a_task_that_was_held_up_for_days_may_still_wait(shop, declare):
    def wait(task):
        raise Wait("Its customer comes first.", timedelta())

    task = add(declare(wait), shop)
    Task.update(created_at=NOW - timedelta(days=3)).execute()

    assert go(task).state == State.PENDING


def test_what_cannot_be_understood_is_an_error_at_once(shop, declare):
    def choke(task):
        raise Unusable("The body is not JSON.")

    task = goes(declare(choke), shop)

    assert (task.state, task.code, task.reason) == (State.ERROR, "unusable", "The body is not JSON.")


def test_a_reason_may_carry_a_character_that_text_columns_refuse(shop, engage, counting):
    engage.script(COUNT, [(422, {"message": "a \0 byte"})])

    task = goes(counting, shop)

    assert task.state == State.ERROR
    assert "byte" in task.reason


def test_our_own_fault_is_tried_three_times(shop, declare):
    def fail(task):
        raise ZeroDivisionError

    task = goes(declare(fail), shop)
    for _ in range(BUGS - 1):
        assert task.state == State.PENDING
        task = again(task)

    assert (task.state, task.code, task.attempts) == (State.ERROR, "internal", BUGS)
    assert "ZeroDivisionError" in task.reason


def test_a_call_within_a_transaction_is_our_own_fault(shop, engage, declare):
    def hold(task):
        with db.atomic():
            engage_of(task).count()

    assert goes(declare(hold), shop).code == "internal"
    assert len(engage.journal) == 0


def test_the_time_limit_is_a_failed_attempt(shop, declare):
    def dawdle(task):
        raise TimeLimitExceeded

    task = goes(declare(dawdle), shop)

    assert (task.state, task.code, task.attempts) == (State.PENDING, "time limit", 1)


@pytest.mark.parametrize(
    ("answer", "state", "attempts", "outcome"),
    [
        ((422, {"message": "No."}), State.ERROR, 1, Outcome.FAILED),
        (400, State.ERROR, 1, Outcome.FAILED),
        (404, State.ERROR, 1, Outcome.FAILED),
        (409, State.ERROR, 1, Outcome.FAILED),
        ((302, "", {"location": "/"}), State.ERROR, 1, Outcome.FAILED),
        (429, State.PENDING, 0, Outcome.WAITED),
        (401, State.PENDING, 0, Outcome.WAITED),
        (403, State.PENDING, 0, Outcome.WAITED),
        (408, State.PENDING, 1, Outcome.FAILED),
        (500, State.PENDING, 1, Outcome.FAILED),
        (503, State.PENDING, 1, Outcome.FAILED),
        (Fault.RESET, State.PENDING, 1, Outcome.FAILED),
        (Fault.HALF, State.PENDING, 1, Outcome.FAILED),
        (Fault.HALF_HEADERS, State.PENDING, 1, Outcome.FAILED),
        (Fault.HTML, State.PENDING, 1, Outcome.FAILED),
    ],
    ids=str,
)
def test_each_answer_of_engage_has_its_consequence(answer, state, attempts, outcome, shop, engage, counting):
    engage.script(COUNT, [answer])

    task = goes(counting, shop)

    (attempt,) = task.attempt_set
    assert (task.state, task.attempts, attempt.outcome) == (state, attempts, outcome)
    assert task.reason == attempt.reason
    assert "Engage" in task.reason


def test_an_engage_that_is_not_there_is_tried_again(shop, declare, engage):
    def knock(task):
        call = Call("Engage", "POST", "http://127.0.0.1:1/", Effect.ONCE)
        send(call, {}, Record(task))

    task = goes(declare(knock), shop)

    assert (task.state, task.reason) == (State.PENDING, "Engage could not be reached.")


@pytest.mark.parametrize(("status", "attempts"), [(429, 0), (503, 1)])
def test_the_wait_that_engage_asks_for_is_kept(status, attempts, shop, engage, counting):
    engage.script(COUNT, [(status, "", {"Retry-After": "7"})])

    task = goes(counting, shop)

    assert wait_of(task) == pytest.approx(7, abs=0.5)
    assert task.attempts == attempts


def test_waits_grow_threefold_up_to_an_hour(shop):
    steps = [A_DAY.wait(failed) / config.backoff for failed in range(1, 6)]

    assert steps == [1, 3, 9, 27, 81]
    assert Retry(40, longest=timedelta(seconds=1)).wait(30) == timedelta(seconds=1)


def test_each_failure_waits_longer_with_jitter(shop, engage, counting):
    engage.script(COUNT, [503] * 4)
    task, waits = add(counting, shop), []

    for _ in range(4):
        waits.append(wait_of(task := again(task)) / config.backoff_seconds)

    for wait, longest in zip(waits, (1, 3, 9, 27), strict=True):
        assert longest / 2 - 0.5 <= wait <= longest + 0.5


def test_a_task_is_given_up_after_its_attempts(shop, engage, declare):
    kind = declare(lambda task: engage_of(task).count(), retry=Retry(attempts=3))
    engage.script(COUNT, [503] * 3)
    task = add(kind, shop)

    states = [again(task).state for _ in range(3)]

    assert states == [State.PENDING, State.PENDING, State.ERROR]
    assert "Given up after 3 attempts." in Task.get_by_id(task.id).reason


# A shop whose Engage does not work


@pytest.mark.parametrize("status", [401, 403])
def test_a_key_that_is_refused_pauses_the_shop(status, shop, engage, counting):
    engage.script(COUNT, [status])
    refused, other = goes(counting, shop), add(counting, shop)

    other = go(other)

    assert fresh(shop).pause_reason == refused.reason
    assert (other.state, other.fence) == (State.PENDING, 0)
    assert len(engage.journal) == 1


def test_a_paused_shop_leaves_the_others_alone(shop, other_shop, engage, counting):
    engage.script(COUNT, [401])
    goes(counting, shop)

    assert goes(counting, other_shop).state == State.SUCCESS


def test_a_paused_shops_work_towards_shopify_goes_on(shop, engage, counting, declare):
    engage.script(COUNT, [401])
    goes(counting, shop)

    assert goes(declare(nothing), shop).state == State.SUCCESS


def test_nothing_is_rung_for_while_the_shop_is_paused(shop, engage, counting):
    shop.pause("The key is refused.", timedelta(minutes=10))
    add(counting, shop)
    Task.update(published_at=None).execute()

    assert sweep() == 0


def test_one_probe_is_made_when_the_pause_is_over(shop, engage, counting):
    engage.script(COUNT, [401, 401])
    first = goes(counting, shop)
    second = add(counting, shop)
    Shop.update(paused_until=NOW).execute()

    probe, other = again(first), go(second)

    assert probe.fence == 2
    assert other.fence == 0
    assert len(engage.journal) == 2


def test_nobody_else_calls_while_the_probe_is_under_way(shop, engage, counting, declare):
    during = []

    def probe(task):
        during.append(go(other))
        engage_of(task).count()

    task, other = add(declare(probe, engage=True), shop), add(counting, shop)
    Shop.update(paused_until=NOW).execute()

    assert go(task).state == State.SUCCESS
    assert during[0].state == State.PENDING


def test_a_probe_that_succeeds_resumes_the_shop(shop, engage, counting):
    engage.script(COUNT, [401])
    task = goes(counting, shop)
    Shop.update(paused_until=NOW).execute()

    assert again(task).state == State.SUCCESS
    assert (fresh(shop).paused_until, fresh(shop).pause_reason) == (None, None)
    assert goes(counting, shop).state == State.SUCCESS


def test_a_refused_key_never_turns_its_tasks_into_errors(shop, engage, counting):
    engage.script(COUNT, [401, 401])
    task = goes(counting, shop)
    Attempt.update(started_at=Attempt.started_at - timedelta(days=30)).execute()
    Shop.update(paused_until=NOW).execute()

    assert again(task).state == State.PENDING


def test_a_new_key_resumes_the_shop(shop, engage, counting):
    engage.script(COUNT, [401])
    task = goes(counting, shop)

    Shop.connect(
        shop.domain, "token", engage.keys, email="", currency="SEK", timezone="UTC", engage_tenant="demo", store="S"
    )

    assert again(task).state == State.SUCCESS


def test_ten_failures_in_a_row_pause_the_shop(shop, engage, counting):
    engage.script(COUNT, [503] * FAILURES_IN_A_ROW)

    for _ in range(FAILURES_IN_A_ROW - 1):
        goes(counting, shop)
    nine = fresh(shop).paused_until
    goes(counting, shop)

    assert nine is None
    assert fresh(shop).paused_until > fresh(shop).created_at
    assert "503" in fresh(shop).pause_reason


@pytest.mark.parametrize("answer", [None, (422, {"message": "No."})], ids=["success", "a refusal of one task"])
def test_an_answer_breaks_the_row_of_failures(answer, shop, engage, counting):
    engage.script(COUNT, [503] * 3)
    for _ in range(3):
        goes(counting, shop)
    engage.script(COUNT, [answer] if answer else [])

    goes(counting, shop)

    assert fresh(shop).failures == 0


def test_calls_that_were_under_way_do_not_lengthen_the_pause(shop):
    known = [fresh(shop) for _ in range(30)]

    for each in known:
        each.count_failure("503", at_most=10, wait=timedelta(seconds=15), longest=timedelta(minutes=10))

    left = Shop.select((Shop.paused_until - NOW).alias("left")).scalar()
    assert timedelta(seconds=14) < left <= timedelta(seconds=15)


def test_each_probe_that_fails_doubles_the_pause(shop):
    lengths = []
    for _ in range(12):
        fresh(shop).count_failure("503", at_most=10, wait=timedelta(seconds=15), longest=timedelta(minutes=10))
        lengths.append(Shop.select((Shop.paused_until - NOW).alias("left")).scalar())

    assert lengths[:9] == [None] * 9
    assert [round(length.total_seconds()) for length in lengths[9:]] == [15, 30, 60]


def test_a_call_that_was_under_way_does_not_end_the_pause_for_a_refused_key(shop):
    under_way = fresh(shop)
    shop.pause("The key is refused.", timedelta(minutes=10))

    under_way.count_failure("503", at_most=10, wait=timedelta(seconds=15), longest=timedelta(minutes=10))

    assert fresh(shop).pause_reason == "The key is refused."
    assert fresh(shop).paused_until is not None


# What must not be sent twice


@pytest.mark.parametrize("fate", [Fault.RESET, Fault.HALF, Fault.HALF_HEADERS, 500, 503, 408], ids=str)
def test_a_mail_of_unknown_fate_is_an_error_and_never_sent_again(fate, shop, engage, mailing):
    engage.script(MAIL, [fate, 202])

    task = goes(mailing, shop)
    go(task)
    sweep()

    assert (task.state, task.code) == (State.ERROR, "outcome unknown")
    assert len(engage.journal) == 1


@pytest.mark.parametrize("status", [429, 401])
def test_a_mail_that_was_surely_not_sent_is_tried_again(status, shop, engage, mailing):
    engage.script(MAIL, [status, 202])
    task = goes(mailing, shop)
    Shop.update(paused_until=None).execute()

    assert again(task).state == State.SUCCESS
    assert len(engage.journal) == 2


def test_a_mail_whose_worker_was_lost_is_an_error(shop, engage, mailing):
    engage.script(MAIL, [202])
    task = claimed(add(mailing, shop))
    mailing.handler(task)

    task = lose_worker(task)

    assert (task.state, task.code) == (State.ERROR, "outcome unknown")
    assert "The worker was lost while sending." in task.reason


@pytest.mark.parametrize("error", [ZeroDivisionError, TimeLimitExceeded])
def test_a_mail_that_was_sent_before_something_else_failed_is_not_sent_again(error, shop, engage, mailing, declare):
    engage.script(MAIL, [202, 202])

    def mail_and_fail(task):
        mailing.handler(task)
        raise error

    task = goes(declare(mail_and_fail, engage=True), shop)

    assert (task.state, task.code) == (State.ERROR, "outcome unknown")


def test_a_repeatable_call_whose_worker_was_lost_is_made_again(shop, engage, declare):
    contact = engage.tenant("demo").contacts.create({"email": "ada@example.com"})
    kind = declare(lambda task: engage_of(task).update_contact(contact["id"], {"firstName": "Ada"}))
    task = claimed(add(kind, shop))
    kind.handler(task)

    assert go(lose_worker(task)).state == State.SUCCESS
    assert len(engage.journal) == 2


# Later successes


def test_a_later_success_solves_the_earlier_errors_of_its_entity(shop, declare):
    ends = iter([Unusable("No."), Unusable("No."), Skip("Nothing to do.")])

    def end(task):
        raise next(ends)

    kind = declare(end, entity=Entity.ORDER)
    first, second = (goes(kind, shop, shopify_id=1) for _ in range(2))

    solving = goes(kind, shop, shopify_id=1)

    assert [Task.get_by_id(task.id).closed_by for task in (first, second)] == [solving.id, solving.id]


@pytest.mark.parametrize("other", ["entity", "type", "shop", "an earlier one"])
def test_a_success_solves_nothing_else(other, shop, other_shop, declare):
    def end(task, broken=True):
        if broken:
            raise Unusable("No.")

    kind, another = (declare(end, entity=Entity.ORDER) for _ in range(2))
    earlier = add(kind, shop, shopify_id=1, args={"broken": False})
    failed = goes(kind, shop, shopify_id=1)
    works = {"args": {"broken": False}, "shopify_id": 1}
    match other:
        case "entity":
            goes(kind, shop, **{**works, "shopify_id": 2})
        case "type":
            goes(another, shop, **works)
        case "shop":
            goes(kind, other_shop, **works)
        case _:
            go(earlier)

    assert Task.get_by_id(failed.id).closed_by is None


# What is kept of each call


def test_the_exact_bytes_are_on_disk_before_the_call(shop, declare):
    """Looked at by the one who is called, over a connection of its own, before it answers."""
    seen = []

    async def app(scope, receive, send):
        if scope["type"] != "http":
            return
        body = (await receive())["body"]
        with psycopg.connect(config.database_url) as other:
            rows = "SELECT id, sent, status, unknown FROM exchange"
            seen.append((body, other.execute(rows).fetchall(), other.execute("SELECT outcome FROM attempt").fetchall()))
        await send({"type": "http.response.start", "status": 202, "headers": []})
        await send({"type": "http.response.body", "body": b"taken"})

    with serving(app) as url:
        kind = declare(
            lambda task: send(Call("Engage", "POST", url, Effect.REPEATABLE, b'{"a": 1.50}'), {}, Record(task))
        )
        goes(kind, shop)

    ((body, exchanges, opened),) = seen
    ((row_id, sealed, status, unknown),) = exchanges
    assert body == shop.vault.open(sealed, "exchange", "sent", row_id) == b'{"a": 1.50}'
    assert (status, unknown) == (None, True)
    assert opened == [(Outcome.OPEN,)]
    kept = Exchange.get()
    assert (kept.status, kept.unknown, kept.clear(shop, "received")) == (202, False, b"taken")


def test_each_attempt_keeps_its_own_calls(shop, engage, counting):
    engage.script(COUNT, [503, 200])
    again(goes(counting, shop))

    kept = Exchange.select().order_by(Exchange.id)

    assert [(row.attempt, row.status) for row in kept] == [(1, 503), (2, 200)]


# The sweep


def test_a_lost_message_is_rung_for_again(shop, declare):
    task = add(declare(nothing), shop)
    broker.flush_all()
    assert sweep() == 0  # it may be in a worker's hands
    Task.update(published_at=NOW - timedelta(seconds=6)).execute()

    assert sweep() == 1
    assert broker.waiting("live") == 1
    assert Task.get_by_id(task.id).published_at > task.published_at


def test_an_emptied_redis_is_noticed_at_once(shop, declare):
    kind = declare(nothing)
    sweep()
    add(kind, shop)
    broker.client.flushdb()
    add(kind, shop)  # so the queue is not empty, which would be a sign as well

    assert sweep() == 2


def test_what_is_queued_is_not_rung_for_twice(shop, declare):
    kind = declare(nothing)
    sweep()  # which knows from now on that this Redis was not emptied
    add(kind, shop)

    assert sweep() == 0
    assert broker.waiting("live") == 1


def test_bulk_work_waits_in_the_table_for_its_window(shop, declare):
    kind = declare(nothing)
    for _ in range(3):
        add(kind, shop, lane=Lane.BULK)
    queued = broker.waiting("bulk")

    assert (queued, sweep(), broker.waiting("bulk")) == (0, 3, 3)


def test_a_shop_with_much_work_leaves_room_for_the_others(shop, other_shop, declare):
    kind = declare(nothing)
    for _ in range(50):
        add(kind, shop, lane=Lane.BULK)
    late = add(kind, other_shop, lane=Lane.BULK)

    picked = pick(Lane.BULK, 10, again=timedelta(seconds=60))

    assert len(picked) == 6
    assert late.id in [task_id for task_id, _ in picked]


def test_a_type_of_a_newer_version_is_left_to_that_versions_sweep(shop, declare):
    kind = declare(nothing)
    newer, ours = add(kind, shop, lane=Lane.BULK), add(kind, shop, lane=Lane.BULK)
    Task.update(type=32000).where(Task.id == newer.id).execute()

    assert [task_id for task_id, _ in pick(Lane.BULK, 10, again=timedelta(seconds=60))] == [ours.id]


def test_a_second_sweep_rings_for_what_the_first_left_and_does_not_wait_for_it(shop, declare):
    kind = declare(nothing)
    for _ in range(20):
        add(kind, shop, lane=Lane.BULK)
    others = []

    def look():
        with connected():
            others.extend(pick(Lane.BULK, 10, again=timedelta(seconds=60)))
        db.close()

    second = threading.Thread(target=look)
    with db.atomic():
        mine = pick(Lane.BULK, 10, again=timedelta(seconds=60))
        second.start()
        second.join(5)
        waits = second.is_alive()
    second.join()

    assert not waits
    assert len(mine) == len(others) == 10
    assert not set(mine) & set(others)


def test_a_connection_left_in_the_middle_of_something_is_not_used_again(database):
    with connected():
        before = db.connection()
        before.pgconn.send_query(b"SELECT pg_sleep(10)")  # as when the time limit strikes within a query

    with connected():
        assert db.connection() is not before
        assert db.execute_sql("SELECT 1").fetchone() == (1,)
