"""Alerts: how each rule of a shop stands, and what has been noticed by it."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Self
from uuid import UUID

from peewee import JOIN, CompositeKey, Expression, ForeignKeyField, JSONField, SmallIntegerField, TextField, UUIDField
from playhouse.postgres_ext import DateTimeTZField

from database import db
from models.shop import Shop
from models.table import Table, new_id, utcnow


class Rule(StrEnum):
    """What is watched."""

    SILENCE = "order_silence"
    ERRORS = "error_rate"
    RHYTHM = "order_rhythm"  # silence, by the shop's own week
    STALLED = "stalled"  # the app itself: no shop's rule, and the operator's to know


OF_A_SHOP = (Rule.SILENCE, Rule.RHYTHM, Rule.ERRORS)
SILENT = (Rule.SILENCE, Rule.RHYTHM)


class Standing(StrEnum):
    """How a rule stands."""

    OFF = "off"
    WAITING = "waiting"  # there was no order yet
    OK = "ok"
    PENDING = "pending"  # it holds, but not for long enough yet
    FIRING = "firing"
    RECOVERING = "recovering"  # it holds no more, but not for long enough yet
    UNKNOWN = "unknown"  # we ourselves have stopped


class Watch(Table):
    """One rule of one shop. `counts_from`: silence counts from here at the earliest; `failure`: why it was skipped."""

    shop = ForeignKeyField(Shop)
    rule = TextField()
    state = TextField(default=Standing.OFF)
    since = DateTimeTZField(default=utcnow)
    counts_from = DateTimeTZField(null=True)
    bad_since = DateTimeTZField(null=True)
    good_since = DateTimeTZField(null=True)
    next_check_at = DateTimeTZField(default=utcnow)
    evidence = JSONField(default=dict)
    failure = TextField(null=True)

    shop_id: int  # what peewee makes of `shop`

    class Meta:
        table_name = "alert_rule"
        primary_key = CompositeKey("shop", "rule")

    @classmethod
    def begin(cls) -> int:
        """A row for each rule of each shop that has none yet. Returns how many were missing."""
        return int(
            db.execute_sql(
                "INSERT INTO alert_rule (shop_id, rule) SELECT id, rule FROM shop CROSS JOIN unnest(%s::text[]) AS rule"
                " ON CONFLICT DO NOTHING",
                (list(map(str, OF_A_SHOP)),),
            ).rowcount
        )

    @classmethod
    def take(cls, most: int, again: timedelta) -> list[tuple[int, str]]:
        """Up to `most` rules (shop's id, name) whose turn has come, for this process alone; their next turn is set."""
        found = db.execute_sql(
            """UPDATE alert_rule SET next_check_at = now() + %(again)s FROM (
                   SELECT shop_id, rule FROM alert_rule WHERE next_check_at <= now()
                   ORDER BY next_check_at LIMIT %(most)s FOR UPDATE SKIP LOCKED) AS due
               WHERE alert_rule.shop_id = due.shop_id AND alert_rule.rule = due.rule
               RETURNING alert_rule.shop_id, alert_rule.rule""",
            {"again": again, "most": most},
        )
        return [(shop_id, rule) for shop_id, rule in found.fetchall()]

    @classmethod
    def of(cls, shop: Shop) -> dict[str, Self]:
        """The shop's rules, by name."""
        return {row.rule: row for row in cls.select().where(cls.shop == shop)}

    @classmethod
    def forgive(cls, now: datetime) -> None:
        """Nobody has looked for a while: what was silent meanwhile may have been us."""
        cls.update(counts_from=now).where(cls.rule.in_(SILENT), cls.state != Standing.FIRING).execute()

    @classmethod
    def postpone(cls, shop_id: int, rule: str, wait: timedelta, failure: str) -> None:
        """It cannot be judged now."""
        mine = (cls.shop == shop_id) & (cls.rule == rule)
        cls.update(next_check_at=utcnow() + wait, failure=failure).where(mine).execute()

    @classmethod
    def soon(cls, shop: Shop) -> None:
        """Look at the shop's rules at the next turn: its settings have changed."""
        cls.update(next_check_at=utcnow()).where(cls.shop == shop).execute()

    def move(self, **fields: Any) -> bool:
        """Change the row if its state is still what was read. False: another process was first."""
        mine = (Watch.shop == self.shop_id) & (Watch.rule == self.rule) & (Watch.state == self.state)
        return bool(Watch.update(**fields).where(mine).execute())


class Incident(Table):
    """Something that was noticed. There is one open for a shop and a rule at most: an index sees to it.

    Without a shop it is about the app itself.
    `bad_since`: when it began; `opened_at`: when the rule began to hold, which may be before anybody looked.
    `held_by`: the rule whose open incident explains this one, so that one mail tells both.
    """

    id = UUIDField(primary_key=True, default=new_id)
    shop = ForeignKeyField(Shop, null=True)
    rule = TextField()
    bad_since = DateTimeTZField()
    opened_at = DateTimeTZField()
    closed_at = DateTimeTZField(null=True)
    closed_by = TextField(null=True)
    evidence = JSONField(default=dict)
    cause = JSONField(null=True)
    held_by = TextField(null=True)
    acknowledged_at = DateTimeTZField(null=True)
    acknowledged_by = TextField(null=True)
    snoozed_until = DateTimeTZField(null=True)
    remind_at = DateTimeTZField(null=True)
    reminders = SmallIntegerField(default=0)
    created_at = DateTimeTZField(default=utcnow)

    shop_id: int | None  # what peewee makes of `shop`

    class Meta:
        table_name = "alert_incident"

    @classmethod
    def open_of(cls, shop: Shop) -> list[Self]:
        """The shop's open incidents, oldest first."""
        return list(cls.select().where(cls.shop == shop, cls.closed_at.is_null()).order_by(cls.id))

    @classmethod
    def find(cls, shop: Shop, incident_id: UUID) -> Self | None:
        return cls.get_or_none((cls.id == incident_id) & (cls.shop == shop))

    @classmethod
    def past(cls, shop: Shop, limit: int, before: UUID | None = None) -> list[Self]:
        """Up to `limit` closed incidents of the shop, newest first, those older than `before`."""
        mine = cls.select().where(cls.shop == shop, cls.closed_at.is_null(False))
        older = mine.where(cls.id < before) if before else mine
        return list(older.order_by(cls.id.desc()).limit(limit))

    @classmethod
    def of(cls, shop: Shop | None, rule: str) -> Self | None:
        """The open one of this rule, or None."""
        return cls.select().where(_of(shop), cls.rule == rule, cls.closed_at.is_null()).first()

    @classmethod
    def openings(cls, shop: Shop, rule: str, since: datetime) -> list[datetime]:
        """When this rule's incidents were opened, oldest first."""
        mine = cls.select(cls.opened_at).where(cls.shop == shop, cls.rule == rule, cls.opened_at > since)
        return [row.opened_at for row in mine.order_by(cls.opened_at)]

    @classmethod
    def times(cls, shop: Shop, since: datetime, now: datetime) -> list[tuple[datetime, datetime]]:
        """From when to when something was wrong, of all that has ended since then or has not."""
        mine = (cls.shop == shop) | cls.shop.is_null()
        recent = cls.closed_at.is_null() | (cls.closed_at > since)
        return [(row.bad_since, row.closed_at or now) for row in cls.select().where(mine, recent)]

    @classmethod
    def at(cls, shop: Shop, opened_at: datetime) -> Self | None:
        """The one that was opened at this instant, or None."""
        return cls.get_or_none((cls.shop == shop) & (cls.opened_at == opened_at))

    @classmethod
    def to_remind(cls, now: datetime) -> list[Self]:
        """Open ones, with their shops, which it is time to tell of again."""
        due = cls.closed_at.is_null() & (cls.remind_at <= now)
        return list(cls.select(cls, Shop).join(Shop, JOIN.LEFT_OUTER).where(due).order_by(cls.remind_at))

    @classmethod
    def start(cls, shop: Shop | None, rule: str, **fields: Any) -> Self | None:
        """A new open incident. None: there is one already."""
        row = cls(shop=shop, rule=rule, **fields)
        target = {"conflict_target": (cls.shop, cls.rule), "conflict_where": cls.closed_at.is_null()}
        return row if cls.insert(**row.__data__).on_conflict(action="ignore", **target).execute() else None

    def close(self, at: datetime, by: str) -> bool:
        """End it. False: it was closed meanwhile."""
        done = Incident.update(closed_at=at, closed_by=by).where(Incident.id == self.id, Incident.closed_at.is_null())
        return bool(done.execute())

    def change(self, **fields: Any) -> None:
        for name, value in fields.items():
            setattr(self, name, value)
        Incident.update(**fields).where(Incident.id == self.id).execute()

    @property
    def quiet(self) -> bool:
        """Whether somebody has said that they know."""
        return bool(self.acknowledged_at or (self.snoozed_until and self.snoozed_until > utcnow()))


def _of(shop: Shop | None) -> Expression:
    return Incident.shop.is_null() if shop is None else Incident.shop == shop
