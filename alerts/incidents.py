"""Alerts: how each rule of a shop stands, and what has been noticed by it."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from peewee import JOIN, Expression

from models import Incident, Shop


def _of(shop: Shop | None) -> Expression:
    return Incident.shop.is_null() if shop is None else Incident.shop == shop


def open_of(shop: Shop) -> list[Incident]:
    """The shop's open incidents, oldest first."""
    return list(Incident.select().where(Incident.shop == shop, Incident.closed_at.is_null()).order_by(Incident.id))


def find(shop: Shop, incident_id: UUID) -> Incident | None:
    return Incident.get_or_none((Incident.id == incident_id) & (Incident.shop == shop))


def closed(shop: Shop, limit: int, before: UUID | None = None) -> list[Incident]:
    """Up to `limit` closed incidents of the shop, newest first, those older than `before`."""
    mine = Incident.select().where(Incident.shop == shop, Incident.closed_at.is_null(False))
    older = mine.where(Incident.id < before) if before else mine
    return list(older.order_by(Incident.id.desc()).limit(limit))


def open_by_rule(shop: Shop | None, rule: str) -> Incident | None:
    """The open one of this rule, or None."""
    return Incident.select().where(_of(shop), Incident.rule == rule, Incident.closed_at.is_null()).first()


def opening_times(shop: Shop, rule: str, since: datetime) -> list[datetime]:
    """When this rule's incidents were opened, oldest first."""
    mine = Incident.select(Incident.opened_at).where(
        Incident.shop == shop, Incident.rule == rule, Incident.opened_at > since
    )
    return [row.opened_at for row in mine.order_by(Incident.opened_at)]


def periods(shop: Shop, since: datetime, now: datetime) -> list[tuple[datetime, datetime]]:
    """From when to when something was wrong, of all that has ended since then or has not."""
    mine = (Incident.shop == shop) | Incident.shop.is_null()
    recent = Incident.closed_at.is_null() | (Incident.closed_at > since)
    return [(row.bad_since, row.closed_at or now) for row in Incident.select().where(mine, recent)]


def opened_at(shop: Shop, opened_at: datetime) -> Incident | None:
    """The one that was opened at this instant, or None."""
    return Incident.get_or_none((Incident.shop == shop) & (Incident.opened_at == opened_at))


def due_reminders(now: datetime) -> list[Incident]:
    """Open ones, with their shops, which it is time to tell of again."""
    due = Incident.closed_at.is_null() & (Incident.remind_at <= now)
    return list(Incident.select(Incident, Shop).join(Shop, JOIN.LEFT_OUTER).where(due).order_by(Incident.remind_at))


def start(shop: Shop | None, rule: str, **fields: Any) -> Incident | None:
    """A new open incident. None: there is one already."""
    row = Incident(shop=shop, rule=rule, **fields)
    target = {"conflict_target": (Incident.shop, Incident.rule), "conflict_where": Incident.closed_at.is_null()}
    return row if Incident.insert(**row.__data__).on_conflict(action="ignore", **target).execute() else None


def close(incident: Incident, at: datetime, by: str) -> bool:
    """End it. False: it was closed meanwhile."""
    done = Incident.update(closed_at=at, closed_by=by).where(Incident.id == incident.id, Incident.closed_at.is_null())
    return bool(done.execute())


def update(incident: Incident, **fields: Any) -> None:
    for name, value in fields.items():
        setattr(incident, name, value)
    Incident.update(**fields).where(Incident.id == incident.id).execute()
