"""alerts.rule_states."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from database import db
from models import SHOP_RULES, SILENCE_RULES, AlertRule, RuleState, Shop, utcnow


def create_missing() -> int:
    """A row for each rule of each shop that has none yet. Returns how many were missing."""
    return int(
        db.execute_sql(
            "INSERT INTO alert_rule (shop_id, rule) SELECT id, rule FROM shop CROSS JOIN unnest(%s::text[]) AS rule"
            " ON CONFLICT DO NOTHING",
            (list(map(str, SHOP_RULES)),),
        ).rowcount
    )


def take_due(most: int, again: timedelta) -> list[tuple[int, str]]:
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


def of_shop(shop: Shop) -> dict[str, AlertRule]:
    """The shop's rules, by name."""
    return {row.rule: row for row in AlertRule.select().where(AlertRule.shop == shop)}


def restart_silence(now: datetime) -> None:
    """Nobody has looked for a while: what was silent meanwhile may have been us."""
    AlertRule.update(counts_from=now).where(
        AlertRule.rule.in_(SILENCE_RULES), AlertRule.state != RuleState.FIRING
    ).execute()


def postpone(shop_id: int, rule: str, wait: timedelta, failure: str) -> None:
    """It cannot be judged now."""
    mine = (AlertRule.shop == shop_id) & (AlertRule.rule == rule)
    AlertRule.update(next_check_at=utcnow() + wait, failure=failure).where(mine).execute()


def evaluate_soon(shop: Shop) -> None:
    """Look at the shop's rules at the next turn: its settings have changed."""
    AlertRule.update(next_check_at=utcnow()).where(AlertRule.shop == shop).execute()


def change(rule: AlertRule, **fields: Any) -> bool:
    """Change the row if its state is still what was read. False: another process was first."""
    mine = (AlertRule.shop == rule.shop_id) & (AlertRule.rule == rule.rule) & (AlertRule.state == rule.state)
    return bool(AlertRule.update(**fields).where(mine).execute())
