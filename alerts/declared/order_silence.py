"""Order silence as an alert rule: no order has reached Engage for the shop's silence period."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from alerts import backtest
from alerts.backtest import BacktestAlert, BacktestHistory
from alerts.declare import Evaluation, EvaluationInput, rule
from alerts.declared.silence import SilenceRule, counts_from, evaluation_of
from alerts.report import seconds_text
from alerts.rules import silence
from alerts.rules.silence import OrderSilenceEvidence, SilenceFacts, SilenceSettings
from alerts.rules.window import DailyWindow
from alerts.settings import MAX_PERIOD_MINUTES, MIN_PERIOD_MINUTES, Hours, Period, Switch, time_of_day
from alerts.task_history import last_synced_order
from i18n.catalogue import t
from i18n.formats import format_duration
from models import Incident, Shop

SHOPIFY_ASK_INTERVAL = timedelta(minutes=10)  # between two calls to Shopify about a shop without a synced order


@dataclass(frozen=True)
class SilenceChoices:
    """The shop's settings. `silence_period`: in minutes, None is off. `window`: local times, None is always open."""

    silence_period: Period = None
    window: Hours = None
    count_only_window_time: Switch = True

    def for_rule(self, zone: ZoneInfo) -> SilenceSettings:
        """As settings of the rule. Raises ValueError for an invalid period or window."""
        period = self.silence_period
        if period is not None and not MIN_PERIOD_MINUTES <= period <= MAX_PERIOD_MINUTES:
            raise ValueError(f"The order silence period is {period} minutes.")
        length = timedelta(minutes=period) if period else None
        return SilenceSettings(length, self._daily_window(zone), self.count_only_window_time)

    def _daily_window(self, zone: ZoneInfo) -> DailyWindow:
        if self.window is None:
            return DailyWindow.always(zone)
        start, end = map(time_of_day, self.window)
        return DailyWindow(start, end, zone)


@rule("order_silence", position=1, evidence=OrderSilenceEvidence, settings=SilenceChoices, covered_by=("error_rate",))
class OrderSilence(SilenceRule[OrderSilenceEvidence, SilenceChoices]):
    """No order has reached Engage for the silence period."""

    def is_on(self, settings: SilenceChoices) -> bool:
        return settings.silence_period is not None

    def evaluate(
        self, given: EvaluationInput, settings: SilenceChoices, before: OrderSilenceEvidence
    ) -> Evaluation[OrderSilenceEvidence]:
        limits, is_open = settings.for_rule(given.shop.zone), given.is_open()
        start = counts_from(given, is_open=is_open)
        last = last_synced_order(given.shop, given.task_types, given.now)
        asked_at, has_orders = before.asked_at, is_open  # an incident without orders opens only if Shopify has some
        if last is None and not is_open and _worth_asking(given, limits, start, asked_at):
            asked_at, has_orders = given.now, bool(given.count_shopify_orders(given.shop, start, given.now))
        facts = SilenceFacts(last, start, has_orders, given.stalled_since, given.shop.active)
        verdict = silence.evaluate(limits, facts, given.now, is_open=is_open)
        evidence = OrderSilenceEvidence(
            verdict.since,
            verdict.fires_at,
            round(verdict.elapsed.total_seconds()),
            settings.silence_period,
            settings.window or None,
            first=last is None,
            asked_at=asked_at,
        )
        return evaluation_of(verdict, evidence, given, last)

    def reminder_window(self, shop: Shop) -> DailyWindow | None:
        return self.settings_of(shop).for_rule(shop.zone).window

    def since_text(self, shop: Shop, incident: Incident, evidence: OrderSilenceEvidence) -> str:
        return t("alerts.order_silence.mail.first") if evidence.first else super().since_text(shop, incident, evidence)

    def elapsed_text(self, evidence: OrderSilenceEvidence) -> str:
        length, period = seconds_text(evidence.elapsed), seconds_text(60 * (evidence.period or 0))
        if not evidence.window:
            return t("alerts.order_silence.mail.plain", length=length, period=period)
        start, end = evidence.window
        return t("alerts.order_silence.mail.counted", length=length, period=period, start=start, end=end)

    def backtest(self, settings: SilenceChoices, history: BacktestHistory) -> Sequence[BacktestAlert]:
        limits = settings.for_rule(history.zone)
        return backtest.silence_alerts(limits, history.orders, history.counts_from, history.now, history.span)

    def warnings(self, settings: SilenceChoices, history: BacktestHistory) -> Sequence[str]:
        lasts = backtest.shortest_time_to_alert(settings.for_rule(history.zone), history.now)
        if lasts is None:
            return ()
        return (t("alerts.order_silence.late", lasts=format_duration(lasts / timedelta(milliseconds=1))),)


def _worth_asking(given: EvaluationInput, limits: SilenceSettings, since: datetime, asked_at: datetime | None) -> bool:
    """Whether to ask Shopify if a shop has orders, of which none has been synced yet: once the silence is too long."""
    if limits.period is None or not given.shop.active or (asked_at and given.now - asked_at < SHOPIFY_ASK_INTERVAL):
        return False
    return silence.firing_time(limits, since) <= given.now
