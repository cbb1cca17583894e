"""Order rhythm as an alert rule: an anomaly, clearly fewer orders than the baseline of the shop's own week expects."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from alerts import backtest, incidents
from alerts.backtest import BacktestAlert, BacktestHistory
from alerts.declare import Evaluation, EvaluationInput, rule
from alerts.declared.silence import SilenceRule, counts_from, evaluation_of
from alerts.report import seconds_text
from alerts.rules import rhythm
from alerts.rules.rhythm import Baseline, RhythmEvidence, StoredBaseline
from alerts.rules.silence import SilenceFacts
from alerts.rules.window import Interval
from alerts.settings import Switch
from alerts.task_history import last_synced_order, synced_orders
from i18n.catalogue import t
from i18n.numbers import format_number

BASELINE_MAX_AGE = timedelta(days=1)  # then it is computed again
BASELINE_MAX_ORDERS = 100_000  # of the history that it is computed from


@dataclass(frozen=True)
class RhythmChoices:
    """The shop's settings. `smart`: whether the rule is on."""

    smart: Switch = False


@rule(
    "order_rhythm",
    position=2,
    evidence=RhythmEvidence,
    settings=RhythmChoices,
    covered_by=("error_rate", "order_silence"),
)
class OrderRhythm(SilenceRule[RhythmEvidence, RhythmChoices]):
    """More orders are missing than in any gap of the shop's baseline."""

    def is_on(self, settings: RhythmChoices) -> bool:
        return settings.smart

    def evaluate(
        self, given: EvaluationInput, settings: RhythmChoices, before: RhythmEvidence
    ) -> Evaluation[RhythmEvidence]:
        if not settings.smart or not given.shop.active:
            return Evaluation.off(given.now)
        is_open = given.is_open()
        baseline, stored = _baseline(given, before.rhythm, is_open=is_open)
        last = last_synced_order(given.shop, given.task_types, given.now)
        facts = SilenceFacts(last, counts_from(given, is_open=is_open), stalled_since=given.stalled_since)
        verdict = rhythm.evaluate(baseline, facts, given.now)
        missing = baseline.expected(verdict.since, given.now) if baseline and verdict.since else 0.0
        evidence = RhythmEvidence(
            verdict.since,
            verdict.fires_at,
            round(verdict.elapsed.total_seconds()),
            round(missing, 1),
            round(baseline.limit, 1) if baseline else None,
            stored,
        )
        return evaluation_of(verdict, evidence, given, last)

    def elapsed_text(self, evidence: RhythmEvidence) -> str:
        expected = format_number(evidence.expected, 1)
        return t("alerts.order_rhythm.mail.usual", length=seconds_text(evidence.elapsed), expected=expected)

    def backtest(self, settings: RhythmChoices, history: BacktestHistory) -> Sequence[BacktestAlert]:
        return backtest.anomaly_alerts(history.orders, history.zone, history.counts_from, history.now, (), history.span)


def _baseline(
    given: EvaluationInput, stored: StoredBaseline | None, *, is_open: bool
) -> tuple[Baseline | None, StoredBaseline]:
    """The shop's baseline and its stored form. It is renewed once a day, but not while its own alert is open."""
    shop, now = given.shop, given.now
    if stored and (is_open or now - stored.at < BASELINE_MAX_AGE):
        return stored.baseline(shop.zone), stored
    begin = now - rhythm.HISTORY - BASELINE_MAX_AGE
    known = [Interval(*each) for each in incidents.periods(shop, begin, now)]
    orders = synced_orders(shop, given.task_types, begin, now, BASELINE_MAX_ORDERS)
    found = Baseline.of(orders, shop.zone, now, known)
    return found, StoredBaseline.of(found, now)
