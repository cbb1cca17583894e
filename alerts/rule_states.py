"""States of the alert rules, a row for each rule of each shop: take the due ones, store and postpone evaluations."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from alerts.declared import shop_rules
from database import db
from models import AlertRule, RuleState, Shop, utcnow


def create_missing() -> int:
    """Create the rows of rules that have none yet, of every shop. Returns their number."""
    return int(
        db.execute_sql(
            "INSERT INTO alert_rule (shop_id, rule) SELECT id, rule FROM shop CROSS JOIN unnest(%s::text[]) AS rule"
            " ON CONFLICT DO NOTHING",
            (_names(),),
        ).rowcount
    )


def take_due(limit: int, interval: timedelta) -> list[tuple[int, str]]:
    """Take up to `limit` due rules (shop's id, name) for this process alone; they are due again after `interval`."""
    found = db.execute_sql(
        """WITH due AS MATERIALIZED (
               SELECT shop_id, rule FROM alert_rule WHERE next_check_at <= now() AND rule = ANY(%(rules)s)
               ORDER BY next_check_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED)
           UPDATE alert_rule SET next_check_at = now() + %(interval)s FROM due
           WHERE alert_rule.shop_id = due.shop_id AND alert_rule.rule = due.rule
           RETURNING alert_rule.shop_id, alert_rule.rule""",
        {"interval": interval, "limit": limit, "rules": _names()},
    )
    return [(shop_id, rule) for shop_id, rule in found.fetchall()]


def of_shop(shop: Shop) -> dict[str, AlertRule]:
    """The rows of the shop's rules, by the rule's name."""
    return {row.rule: row for row in AlertRule.select().where(AlertRule.shop == shop)}


def restart_silence(now: datetime) -> None:
    """Count silence from now, after a time without evaluations: orders may not have been received in that time."""
    names = [each.name for each in shop_rules() if each.counts_silence]
    AlertRule.update(counts_from=now).where(AlertRule.rule.in_(names), AlertRule.state != RuleState.FIRING).execute()


def postpone(shop_id: int, rule: str, wait: timedelta, failure: str) -> None:
    """Evaluate a rule again after `wait`, and keep the failure that prevented it now."""
    chosen = (AlertRule.shop == shop_id) & (AlertRule.rule == rule)
    AlertRule.update(next_check_at=utcnow() + wait, failure=failure).where(chosen).execute()


def evaluate_soon(shop: Shop) -> None:
    """Evaluate the shop's rules with the next run of the scheduler's job: its settings have changed."""
    AlertRule.update(next_check_at=utcnow()).where(AlertRule.shop == shop).execute()


def store(rule: AlertRule, **fields: Any) -> bool:
    """Store an evaluation if the rule's state is still what was read. False: another process was first."""
    unchanged = (AlertRule.shop == rule.shop_id) & (AlertRule.rule == rule.rule) & (AlertRule.state == rule.state)
    return bool(AlertRule.update(**fields).where(unchanged).execute())


def _names() -> list[str]:
    """The names of the declared rules: rows of others, which another release has declared, are left alone."""
    return [each.name for each in shop_rules()]
