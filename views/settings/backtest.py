"""Backtest of alert settings: the alerts they would have opened in the shop's last 30 days, as SVG and list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from alerts import backtest, task_history
from alerts.backtest import BacktestAlert
from alerts.jobs import alert_task_types
from alerts.rules.error_rate import MAX_AGE
from alerts.rules.rhythm import HISTORY
from alerts.settings import AlertSettings
from i18n.catalogue import t
from i18n.formats import format_datetime, format_duration
from models import Rule, Shop
from views.web.formatting import format_optional_percent

MAX_ORDERS, MAX_TASKS = 60_000, 5_000  # read at most; of tasks, of each type and outcome
WIDTH, HEIGHT, MIN_WIDTH = 720, 24, 3
MAX_LISTED = 12


@dataclass(frozen=True)
class BacktestAlertRow:
    """An alert that would have been opened, with its position in the SVG."""

    rule: str
    alert: BacktestAlert
    x: float
    width: float
    shop: Shop

    @property
    def label(self) -> str:
        name = t(f"alerts.rule.{self.rule}")
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


def run_backtest(shop: Shop, chosen: AlertSettings, now: datetime) -> Backtest | None:
    """Run the backtest. None: no rule is switched on. Raises ValueError for invalid settings."""
    silence, errors = chosen.silence(shop), chosen.errors()
    if silence.period is None and not errors.on and not chosen.smart:
        return None
    begin = max(now - backtest.SPAN, min(shop.connected_at, now))
    orders = task_history.synced_orders(shop, alert_task_types(), begin - HISTORY, now, MAX_ORDERS)
    finished, complete = task_history.finished_history(shop, alert_task_types(), begin - MAX_AGE, now, MAX_TASKS)
    since = max(begin, complete) if errors.on else begin
    span = now - since
    found = {
        Rule.SILENCE: backtest.silence_alerts(silence, orders, shop.connected_at, now, span),
        Rule.ERRORS: backtest.error_rate_alerts(errors, finished, now, span).alerts,
        Rule.RHYTHM: backtest.anomaly_alerts(orders, shop.zone, shop.connected_at, now, (), span)
        if chosen.smart
        else [],
    }
    alerts = [_positioned(shop, rule, alert, since, now) for rule, several in found.items() for alert in several]
    alerts.sort(key=lambda each: each.alert.opened_at)
    return Backtest(alerts, _warnings(chosen, shop, finished, now), since, now)


def _positioned(shop: Shop, rule: str, alert: BacktestAlert, since: datetime, now: datetime) -> BacktestAlertRow:
    whole = max(now - since, timedelta(seconds=1))
    start, end = max(alert.opened_at, since), alert.closed_at or now
    x = WIDTH * ((start - since) / whole)
    return BacktestAlertRow(rule, alert, round(x, 1), round(max(WIDTH * ((end - start) / whole), MIN_WIDTH), 1), shop)


def _warnings(
    chosen: AlertSettings, shop: Shop, finished: Sequence[task_history.FinishedTask], now: datetime
) -> list[str]:
    found = []
    normal = backtest.normal_error_rate(finished)
    if normal is not None and backtest.threshold_near_normal(chosen.errors(), normal):
        found.append(t("backtest.too_near", normal=format_optional_percent(normal), times=str(backtest.NEAR_FACTOR)))
    if lasts := backtest.shortest_time_to_alert(chosen.silence(shop), now):
        found.append(t("backtest.hardly", lasts=format_duration(lasts / timedelta(milliseconds=1))))
    return found
