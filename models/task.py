"""Tasks: what a transfer is, who has it, and how it ended."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from uuid import UUID

from peewee import BigIntegerField, ForeignKeyField, IntegerField, JSONField, SmallIntegerField, TextField, UUIDField
from playhouse.postgres_ext import DateTimeTZField

from database import EVERY, db
from models.shop import Shop
from models.statements import ADD, BACK_TO_EVERY, FRESH, RECEIVE, SOLVE_EARLIER, UNFLUSHED, claim
from models.table import NOW, Entity, Lane, Lost, Outcome, State, Table, new_id, utcnow
from models.tallies import TALLIES


class Task(Table):
    """One transfer, or one step of it. The row is the truth; the message in the broker only rings."""

    id = UUIDField(primary_key=True, default=new_id)
    shop = ForeignKeyField(Shop)
    type = SmallIntegerField()
    state = SmallIntegerField(default=State.PENDING)
    lane = SmallIntegerField(default=Lane.LIVE)
    entity = SmallIntegerField(default=Entity.NONE)
    key = TextField()
    args = JSONField(default=dict)
    shopify_id = BigIntegerField(null=True)
    engage_id = TextField(null=True)
    parent_id = UUIDField(null=True)
    trace = TextField(null=True)
    closed_by = UUIDField(null=True)
    reason = TextField(null=True)
    code = TextField(null=True)
    fence = IntegerField(default=0)
    attempts = IntegerField(default=0)
    crashes = IntegerField(default=0)
    due_at = DateTimeTZField(default=utcnow)
    published_at = DateTimeTZField(null=True)
    leased_until = DateTimeTZField(null=True)
    created_at = DateTimeTZField(default=utcnow)
    started_at = DateTimeTZField(null=True)
    completed_at = DateTimeTZField(null=True)
    duration_ms = IntegerField(null=True)

    shop_id: int  # what peewee makes of `shop`
    newer_id: UUID | None = None  # set by `claim`: a queued task that makes this one pointless
    note: str | None = None  # worth reading beside a Success: stands at its attempt
    finished = False
    ended: str | None = None  # how this attempt ended, in a word
    sent = False  # whether this attempt has called something that may have changed the other side

    @classmethod
    def add(cls, tasks: list[Task]) -> list[Task]:
        """Insert those whose key is new, in one statement, due now by the database's clock. Returns them."""
        return cls._added(tasks, ADD, cls._columns(tasks)) if tasks else []

    @classmethod
    def receive(cls, webhooks: list[tuple[Task, bytes]]) -> list[Task]:
        """As `add`, with each one's sealed body: still one statement, and so a transaction in one round trip."""
        tasks, bodies = [task for task, _ in webhooks], [body for _, body in webhooks]
        columns = [*cls._columns(tasks), [task.id for task in tasks], bodies]
        return cls._added(tasks, RECEIVE, columns) if tasks else []

    @staticmethod
    def _added(tasks: list[Task], sql: str, columns: list[list[Any]]) -> list[Task]:
        kept = {found for (found,) in db.execute_sql(sql, columns).fetchall()}
        return [task for task in tasks if task.id in kept]

    @staticmethod
    def _columns(tasks: list[Task]) -> list[list[Any]]:
        return [list(column) for column in zip(*(task._values() for task in tasks), strict=True)]

    def _values(self) -> tuple[Any, ...]:
        return (
            self.id,
            self.shop_id,
            self.type,
            self.lane,
            self.entity,
            self.key,
            json.dumps(self.args),
            self.shopify_id,
            self.engage_id,
            self.parent_id,
            self.trace,
            self.published_at is not None,
        )

    @classmethod
    def claim(cls, task_id: UUID, *, lease: timedelta, worker: str, engage: bool, latest: bool) -> Task | None:
        """Take a due Pending task for this worker and open an attempt, or return None if it is not to be had.

        `engage`: not while its shop is paused. `latest`: also look for a newer one that replaces it (`newer_id`).
        Raises IntegrityError while another task of the same entity runs. The connection is in its shop's scope then.
        """
        claimed = db.execute_sql(
            CLAIM, {"lease": lease, "id": task_id, "engage": engage, "worker": worker, "latest": latest}
        ).fetchone()
        return cls._claimed(claimed) if claimed else None

    @classmethod
    def _claimed(cls, row: tuple[Any, ...]) -> Task:
        columns = len(cls._meta.sorted_fields)
        task = cls.filled(row[:columns])
        task.newer_id, task.shop = row[columns], Shop.filled(row[columns + 1 : columns + 1 + SHOP_COLUMNS])
        db.moved(task.shop_id)
        return task

    @classmethod
    def renew(cls, tasks: list[Task], lease: timedelta) -> int:
        """Renew the leases that are still ours. Returns how many were."""
        mine = db.execute_sql(
            """UPDATE task SET leased_until = now() + %s
               FROM unnest(%s::uuid[], %s::integer[], %s::timestamptz[]) mine (id, fence, started_at)
               WHERE task.id = mine.id AND task.fence = mine.fence AND task.started_at = mine.started_at
                 AND leased_until IS NOT NULL""",
            (lease, [task.id for task in tasks], [task.fence for task in tasks], [task.started_at for task in tasks]),
        )
        count: int = mine.rowcount
        return count

    @contextmanager
    def effects(self, *, engage_id: str | None = None) -> Iterator[None]:
        """One transaction for what the task changes in our tables, its children, and its Success.

        Raises Lost, and writes nothing, when the task is no longer ours.
        """
        with db.atomic():
            yield
            self.finish(State.SUCCESS, engage_id=engage_id)

    def finish(
        self,
        state: State,
        *,
        reason: str | None = None,
        code: str | None = None,
        engage_id: str | None = None,
        closed_by: UUID | None = None,
    ) -> None:
        """Write the outcome, once. A Success with a reason was skipped for that reason. Raises Lost."""
        outcome = Outcome.SUCCESS if state is State.SUCCESS else Outcome.FAILED
        solves = state is State.SUCCESS and closed_by is None and self.entity != Entity.NONE
        seconds = self._end(
            """state = %(state)s, completed_at = clock_timestamp(), closed_by = %(closed_by)s,
               duration_ms = (extract(epoch FROM clock_timestamp() - started_at) * 1000)::integer,
               engage_id = coalesce(%(engage_id)s, engage_id), shopify_id = %(shopify_id)s""",
            outcome,
            reason,
            code,
            state=state,
            also=SOLVE_EARLIER if solves else "",
            engage_id=engage_id,
            closed_by=closed_by,
            shopify_id=self.shopify_id,
            shop_id=self.shop_id,
            type=self.type,
        )
        self.finished = True
        self._ended("error" if state is State.ERROR else "skipped" if reason else "success", seconds)

    def retry_in(self, wait: timedelta, outcome: Outcome, reason: str, code: str | None = None) -> None:
        """Give the task back until `wait` is over. An attempt that only waited is not counted. Raises Lost."""
        counted = "attempts - 1" if outcome is Outcome.WAITED else "attempts"
        # A task is due when it is claimed; one that became due later was woken meanwhile.
        due = "CASE WHEN due_at > started_at THEN due_at ELSE clock_timestamp() + %(wait)s END"
        seconds = self._end(
            f"due_at = {due}, attempts = {counted}, published_at = NULL",
            outcome,
            reason,
            code,
            wait=wait,
        )
        self._ended(outcome.name.lower(), seconds)

    def _ended(self, how: str, seconds: float) -> None:
        self.ended = how
        TALLIES.attempt(self.type, how, seconds)

    def _end(
        self, changes: str, outcome: Outcome, reason: str | None, code: str | None, also: str = "", **values: Any
    ) -> float:
        """Close the attempt. Returns how many seconds it took."""
        reason = reason and reason.replace("\0", "")  # the other side's words may hold it, a text column may not
        known = {"id": self.id, "fence": self.fence, "started_at": self.started_at}
        known |= {"outcome": outcome, "reason": reason, "note": reason or self.note, "code": code}
        ended = db.execute_sql(
            f"""WITH ended AS (
                    UPDATE task SET leased_until = NULL, reason = %(reason)s, code = %(code)s, {changes}
                    WHERE id = %(id)s AND fence = %(fence)s AND started_at = %(started_at)s
                      AND leased_until IS NOT NULL AND state = 0
                    RETURNING id
                ){also}
                UPDATE attempt SET ended_at = clock_timestamp(), outcome = %(outcome)s, reason = %(note)s,
                    code = %(code)s
                FROM ended WHERE task_id = ended.id AND number = %(fence)s
                RETURNING extract(epoch FROM ended_at - started_at)::float8, {BACK_TO_EVERY},
                    {"1" if self.sent else UNFLUSHED}""",  # noqa: S608
            {**known, **values},
        )
        took = ended.fetchone()
        if not took:
            raise Lost(str(self.id))
        db.moved(EVERY)
        return float(took[0])

    def crashed(self) -> None:
        """Count a worker that was lost at this task. Raises Lost when it has come back to life."""
        still_lost = (Task.id == self.id) & (Task.fence == self.fence) & (Task.leased_until < NOW)
        if not Task.update(crashes=Task.crashes + 1).where(still_lost).execute():
            raise Lost(str(self.id))

    @classmethod
    def give_way(cls, task_id: UUID, wait: timedelta, *, replaceable: bool) -> None:
        """Another task of its entity runs: come back a little later, or end here if a newer one is queued as well."""
        db.execute_sql(
            f"""UPDATE task SET due_at = now() + %(wait)s, published_at = NULL,
                   state = CASE WHEN newer.id IS NULL THEN 0 ELSE 1 END, closed_by = newer.id,
                   completed_at = CASE WHEN newer.id IS NOT NULL THEN now() END,
                   reason = CASE WHEN newer.id IS NOT NULL THEN 'Replaced by a newer one.' ELSE task.reason END
               FROM task mine LEFT JOIN LATERAL (
                   SELECT id FROM task WHERE %(replaceable)s AND shop_id = mine.shop_id AND type = mine.type
                       AND shopify_id = mine.shopify_id AND id > mine.id AND lane <= mine.lane
                       AND state = 0 AND leased_until IS NULL AND {FRESH.format("")}
                   ORDER BY id DESC LIMIT 1) newer ON true
               WHERE task.id = %(id)s AND mine.id = task.id AND task.state = 0 AND task.leased_until IS NULL""",  # noqa: S608
            {"id": task_id, "wait": wait, "replaceable": replaceable},
        )

    @classmethod
    def wake(cls, shop_id: int, number: int, shopify_ids: Iterable[int]) -> set[int]:
        """Let waiting tasks of one type try again now, and those that are just about to wait. Returns who waited."""
        about = list(shopify_ids)
        if not about:
            return set()
        woken = db.execute_sql(
            """UPDATE task SET due_at = clock_timestamp()
               WHERE shop_id = %s AND type = %s AND shopify_id = ANY(%s) AND state = 0
               RETURNING shopify_id, leased_until""",
            (shop_id, number, about),
        )
        return {shopify_id for shopify_id, leased_until in woken.fetchall() if leased_until is None}

    @classmethod
    def ring_again(cls) -> None:
        """What was rung for and has not begun is rung for by the next sweep: its messages are gone."""
        rung = (cls.state == State.PENDING) & cls.leased_until.is_null() & cls.published_at.is_null(False)
        cls.update(published_at=None).where(rung).execute()

    @property
    def subject(self) -> int:
        """The Shopify id of what the task is about. Raises ValueError when it is about nothing there."""
        if self.shopify_id is None:
            raise ValueError(f"Task {self.id} has no Shopify id.")
        return int(self.shopify_id)


def _columns(table: type[Table], alias: str) -> str:
    """Every column under a name of its own, since two tables share some."""
    return ", ".join(f"{alias}.{each.column_name} AS {alias}_{each.column_name}" for each in table._meta.sorted_fields)


SHOP_COLUMNS = len(Shop._meta.sorted_fields)
CLAIM = claim(_columns(Task, "task"), _columns(Shop, "shop"), Entity.SHOP)
