"""Backtest of alert settings: the alerts they would have opened in the shop's last 30 days, as SVG and list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from alerts import backtest, task_history
from alerts.backtest import BacktestAlert, BacktestHistory
from alerts.declare import ShopRule
from alerts.declared import shop_rules
from alerts.jobs import alert_task_types
from i18n.catalogue import t
from i18n.formats import format_datetime, format_duration
from mappings import rules_from
from models import Shop

Chosen = list[tuple[ShopRule[Any, Any], Any]]  # the rules that are switched on, with their settings

MAX_ORDERS, MAX_TASKS = 60_000, 5_000  # read at most; of tasks, of each type and outcome
WIDTH, HEIGHT, MIN_WIDTH = 720, 24, 3
MAX_LISTED = 12


@dataclass(frozen=True)
class BacktestAlertRow:
    """An alert that would have been opened, with its position in the SVG."""

    rule: ShopRule[Any, Any]
    alert: BacktestAlert
    x: float
    width: float
    shop: Shop

    @property
    def label(self) -> str:
        name = self.rule.title
        opened = format_datetime(self.alert.opened_at.astimezone(self.shop.zone))
        if self.alert.closed_at is None:
            return t("backtest.still", rule=name, opened=opened)
        lasted = format_duration((self.alert.closed_at - self.alert.opened_at) / timedelta(milliseconds=1))
        return t("backtest.one", rule=name, opened=opened, lasted=lasted)


@dataclass(frozen=True)
class Backtest:
    """The result of a backtest from `since` to `now`. `warnings`: what to know before saving the settings."""

    alerts: Sequence[BacktestAlertRow]
    warnings: Sequence[str]
    since: datetime
    now: datetime

    width = WIDTH
    height = HEIGHT

    @property
    def sentence(self) -> str:
        days = max(1, round((self.now - self.since) / timedelta(days=1)))
        return t("backtest.count", count=len(self.alerts), days=t("backtest.days", count=days))

    @property
    def listed(self) -> Sequence[BacktestAlertRow]:
        """The newest alerts, for the list."""
        return self.alerts[::-1][:MAX_LISTED]

    @property
    def more(self) -> int:
        return len(self.alerts) - len(self.listed)


def run_backtest(shop: Shop, values: dict[str, Any], now: datetime) -> Backtest | None:
    """Run the backtest. None: no rule is switched on. Raises ValueError for invalid settings."""
    settings = [(rule, rules_from(rule.settings, values)) for rule in shop_rules()]
    chosen = [(rule, own) for rule, own in settings if rule.is_on(own)]
    if not chosen:
        return None
    history = _history(shop, chosen, now)
    rows = [_positioned(shop, rule, alert, history) for rule, own in chosen for alert in rule.backtest(own, history)]
    rows.sort(key=lambda each: each.alert.opened_at)
    warnings = [text for rule, own in chosen for text in rule.warnings(own, history)]
    return Backtest(rows, warnings, history.since, now)


def _history(shop: Shop, chosen: Chosen, now: datetime) -> BacktestHistory:
    """The shop's orders and tasks. It begins where the tasks are complete, if a rule counts them."""
    types, begin = alert_task_types(), max(now - backtest.SPAN, min(shop.connected_at, now))
    orders = task_history.synced_orders(shop, types, begin - backtest.ORDERS_BEFORE, now, MAX_ORDERS)
    finished, complete = task_history.finished_history(shop, types, begin - backtest.TASKS_BEFORE, now, MAX_TASKS)
    since = max(begin, complete) if any(rule.counts_tasks for rule, _ in chosen) else begin
    return BacktestHistory(shop.zone, shop.connected_at, orders, finished, since, now)


def _positioned(
    shop: Shop, rule: ShopRule[Any, Any], alert: BacktestAlert, history: BacktestHistory
) -> BacktestAlertRow:
    whole = max(history.span, timedelta(seconds=1))
    start, end = max(alert.opened_at, history.since), alert.closed_at or history.now
    x = WIDTH * ((start - history.since) / whole)
    return BacktestAlertRow(rule, alert, round(x, 1), round(max(WIDTH * ((end - start) / whole), MIN_WIDTH), 1), shop)
