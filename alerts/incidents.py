"""Incidents: open, close, update and find them. At most one is open for a shop and a rule; an index ensures it."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from peewee import JOIN, Expression

from models import Incident, Shop


def open_of(shop: Shop) -> list[Incident]:
    """The shop's open incidents, oldest first."""
    return list(Incident.select().where(Incident.shop == shop, Incident.closed_at.is_null()).order_by(Incident.id))


def find(shop: Shop, incident_id: UUID) -> Incident | None:
    """Find an incident of the shop by its id."""
    return Incident.get_or_none((Incident.id == incident_id) & (Incident.shop == shop))


def closed(shop: Shop, limit: int, before: UUID | None = None) -> list[Incident]:
    """Up to `limit` closed incidents of the shop, newest first, those older than `before`."""
    found = Incident.select().where(Incident.shop == shop, Incident.closed_at.is_null(False))
    if before:
        found = found.where(Incident.id < before)
    return list(found.order_by(Incident.id.desc()).limit(limit))


def open_by_rule(shop: Shop | None, rule: str) -> Incident | None:
    """The open incident of a rule. Without a shop: of the app itself."""
    return Incident.select().where(_belongs_to(shop), Incident.rule == rule, Incident.closed_at.is_null()).first()


def opening_times(shop: Shop, rule: str, since: datetime) -> list[datetime]:
    """The times since an instant at which a rule's incidents were opened, oldest first."""
    found = Incident.select(Incident.opened_at).where(
        Incident.shop == shop, Incident.rule == rule, Incident.opened_at > since
    )
    return [row.opened_at for row in found.order_by(Incident.opened_at)]


def periods(shop: Shop, since: datetime, now: datetime) -> list[tuple[datetime, datetime]]:
    """From when to when something was wrong, for each incident that was open after `since`; the app's own included."""
    concerned = (Incident.shop == shop) | Incident.shop.is_null()
    recent = Incident.closed_at.is_null() | (Incident.closed_at > since)
    return [(row.bad_since, row.closed_at or now) for row in Incident.select().where(concerned, recent)]


def opened_at(shop: Shop, opened_at: datetime) -> Incident | None:
    """The incident that was opened at this instant, or None."""
    return Incident.get_or_none((Incident.shop == shop) & (Incident.opened_at == opened_at))


def due_reminders(now: datetime) -> list[Incident]:
    """Open incidents, with their shops, of which a reminder is due."""
    due = Incident.closed_at.is_null() & (Incident.remind_at <= now)
    return list(Incident.select(Incident, Shop).join(Shop, JOIN.LEFT_OUTER).where(due).order_by(Incident.remind_at))


def start(shop: Shop | None, rule: str, **fields: Any) -> Incident | None:
    """Open an incident. None: the rule has an open one already."""
    row = Incident(shop=shop, rule=rule, **fields)
    target = {"conflict_target": (Incident.shop, Incident.rule), "conflict_where": Incident.closed_at.is_null()}
    return row if Incident.insert(**row.__data__).on_conflict(action="ignore", **target).execute() else None


def close(incident: Incident, at: datetime, by: str) -> bool:
    """Close an incident. False: another process has closed it."""
    closing = Incident.update(closed_at=at, closed_by=by).where(
        Incident.id == incident.id, Incident.closed_at.is_null()
    )
    return bool(closing.execute())


def update(incident: Incident, **fields: Any) -> None:
    """Set fields of an incident, on the object and in its row."""
    for name, value in fields.items():
        setattr(incident, name, value)
    Incident.update(**fields).where(Incident.id == incident.id).execute()


def _belongs_to(shop: Shop | None) -> Expression:
    return Incident.shop.is_null() if shop is None else Incident.shop == shop
