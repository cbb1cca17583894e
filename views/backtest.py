"""Backtest of alert settings: the alerts they would have opened in the shop's last 30 days, as SVG and list."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from actors.alerting import kinds
from alerts import backtest, facts
from alerts.backtest import Past
from alerts.error_rate import LONGEST
from alerts.rhythm import HISTORY
from alerts.settings import AlertSettings
from models import Shop
from models.incidents import Rule
from views.wording import share
from words import t
from words.times import duration, moment

MAX_ORDERS, MAX_TASKS = 60_000, 5_000  # read at most; of tasks, of each type and outcome
WIDTH, HEIGHT, MIN_WIDTH = 720, 24, 3
MAX_LISTED = 12


@dataclass(frozen=True)
class Alert:
    """An alert that would have been opened, with its position in the SVG."""

    rule: str
    past: Past
    x: float
    width: float
    shop: Shop

    @property
    def words(self) -> str:
        name = t(f"alerts.rule.{self.rule}")
        opened = moment(self.past.opened_at.astimezone(self.shop.zone))
        if self.past.closed_at is None:
            return t("backtest.still", rule=name, opened=opened)
        lasted = duration((self.past.closed_at - self.past.opened_at) / timedelta(milliseconds=1))
        return t("backtest.one", rule=name, opened=opened, lasted=lasted)


@dataclass(frozen=True)
class Backtest:
    """The result of a backtest from `since` to `now`. `warnings`: what to know before saving the settings."""

    alerts: Sequence[Alert]
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
    def named(self) -> Sequence[Alert]:
        """The newest alerts, for the list."""
        return self.alerts[::-1][:MAX_LISTED]

    @property
    def more(self) -> int:
        return len(self.alerts) - len(self.named)


def look_back(shop: Shop, chosen: AlertSettings, now: datetime) -> Backtest | None:
    """Run the backtest. None: no rule is switched on. Raises ValueError for invalid settings."""
    silence, errors = chosen.silence(shop), chosen.errors()
    if silence.period is None and not errors.on and not chosen.smart:
        return None
    begin = max(now - backtest.SPAN, min(shop.connected_at, now))
    orders = facts.orders(shop, kinds(), begin - HISTORY, now, MAX_ORDERS)
    finished, complete = facts.history(shop, kinds(), begin - LONGEST, now, MAX_TASKS)
    since = max(begin, complete) if errors.on else begin
    span = now - since
    found = {
        Rule.SILENCE: backtest.silence_alerts(silence, orders, shop.connected_at, now, span),
        Rule.ERRORS: backtest.error_alerts(errors, finished, now, span).alerts,
        Rule.RHYTHM: backtest.rhythm_alerts(orders, shop.zone, shop.connected_at, now, (), span)
        if chosen.smart
        else [],
    }
    alerts = [_positioned(shop, rule, past, since, now) for rule, several in found.items() for past in several]
    alerts.sort(key=lambda each: each.past.opened_at)
    return Backtest(alerts, _warnings(chosen, shop, finished, now), since, now)


def _positioned(shop: Shop, rule: str, past: Past, since: datetime, now: datetime) -> Alert:
    whole = max(now - since, timedelta(seconds=1))
    start, end = max(past.opened_at, since), past.closed_at or now
    x = WIDTH * ((start - since) / whole)
    return Alert(rule, past, round(x, 1), round(max(WIDTH * ((end - start) / whole), MIN_WIDTH), 1), shop)


def _warnings(chosen: AlertSettings, shop: Shop, finished: Sequence[facts.Finished], now: datetime) -> list[str]:
    found = []
    normal = backtest.normal_rate(finished)
    if normal is not None and backtest.too_near(chosen.errors(), normal):
        found.append(t("backtest.too_near", normal=share(normal), times=str(backtest.NEAR)))
    if lasts := backtest.hardly_fires(chosen.silence(shop), now):
        found.append(t("backtest.hardly", lasts=duration(lasts / timedelta(milliseconds=1))))
    return found
