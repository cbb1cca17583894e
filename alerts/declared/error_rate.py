"""Error rate as an alert rule: too much of what was synced last has failed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from alerts import backtest, incidents
from alerts.backtest import BacktestAlert, BacktestHistory
from alerts.declare import Evaluation, EvaluationInput, ShopRule, rule, shop_rule
from alerts.report import IncidentReport, shop_name, tasks_url
from alerts.rules import error_rate
from alerts.rules.error_rate import ErrorRateEvidence, ErrorRateMemory, ErrorRateSettings, Tally
from alerts.settings import Percent, Switch
from alerts.task_history import finished_tasks
from i18n.catalogue import t
from i18n.numbers import format_percent
from models import AlertRule, Incident, RuleState, Shop

MAX_TASKS = 2_000  # tasks of each type and state


@dataclass(frozen=True)
class ErrorRateChoices:
    """The shop's settings. `error_rate_threshold`: None or 0 is off.

    `guarded`: with minimum sample, delay and hysteresis.
    """

    error_rate_threshold: Percent = None
    guarded: Switch = True

    def for_rule(self) -> ErrorRateSettings:
        """As settings of the rule. Raises ValueError for an invalid threshold."""
        threshold = self.error_rate_threshold or 0
        if not 0 <= threshold <= 100:
            raise ValueError(f"The error rate threshold is {threshold} %.")
        return ErrorRateSettings(threshold or None, self.guarded)


@rule("error_rate", position=3, evidence=ErrorRateEvidence, settings=ErrorRateChoices)
class ErrorRate(ShopRule[ErrorRateEvidence, ErrorRateChoices]):
    """Too many of the latest syncs failed."""

    counts_tasks = True

    def is_on(self, settings: ErrorRateChoices) -> bool:
        return settings.for_rule().on

    def evaluate(
        self, given: EvaluationInput, settings: ErrorRateChoices, before: ErrorRateEvidence
    ) -> Evaluation[ErrorRateEvidence]:
        limits, now = settings.for_rule(), given.now
        if not given.shop.active or not limits.on:
            return Evaluation.off(now)
        tasks = finished_tasks(given.shop, given.task_types, now - error_rate.MAX_AGE, now, MAX_TASKS)
        found = error_rate.tallies(tasks, now, guarded=limits.guarded)
        verdict = error_rate.evaluate(limits, found, _memory(given.row, before), now)
        held_back = any(each.held_back(limits) for each in found)
        memory = verdict.memory
        return Evaluation(
            verdict.state,
            ErrorRateEvidence(limits.threshold, tuple(found), verdict.worst, held_back, memory.thin_since),
            bad_since=memory.bad_since,
            good_since=memory.good_since,
            opened_at=memory.opened_at,
            closed_at=now,
            closed_by="expired" if verdict.expired else "recovered",
        )

    def note(self, evidence: ErrorRateEvidence) -> str | None:
        """A note while the guard against false alerts holds an alert back: the merchant must see that."""
        if not evidence.held_back:
            return None
        everything = evidence.everything
        return t(
            "alerts.error_rate.held_back",
            errors=everything.errors,
            finished=everything.finished,
            things=error_rate.MIN_SAMPLE,
            enough=error_rate.MIN_ERRORS,
        )

    def report(self, shop: Shop, incident: Incident, evidence: ErrorRateEvidence) -> IncidentReport:
        everything = evidence.everything
        worst = evidence.worst or everything
        share = _share(everything if everything.errors else worst)
        paragraphs = [
            t(
                "alerts.error_rate.mail.says",
                share=share,
                threshold=evidence.threshold,
                errors=everything.errors,
                finished=everything.finished,
            ),
            *_worst_group(worst, everything),
            *self._covered(shop),
        ]
        title = t("alerts.error_rate.mail.subject", share=share, shop=shop_name(shop))
        return IncidentReport(title, paragraphs, tasks_url(problem="open"))

    def _covered(self, shop: Shop) -> list[str]:
        covered = next((each for each in incidents.open_of(shop) if each.suppressed_by == self.name), None)
        return [shop_rule(covered.rule).covered_text(shop, covered)] if covered else []

    def backtest(self, settings: ErrorRateChoices, history: BacktestHistory) -> Sequence[BacktestAlert]:
        return backtest.error_rate_alerts(settings.for_rule(), history.finished, history.now, history.span).alerts

    def warnings(self, settings: ErrorRateChoices, history: BacktestHistory) -> Sequence[str]:
        normal = backtest.normal_error_rate(history.finished)
        if normal is None or not backtest.threshold_near_normal(settings.for_rule(), normal):
            return ()
        times = str(backtest.NEAR_FACTOR)
        return (t("alerts.error_rate.near_normal", normal=format_percent(normal), times=times),)


def _memory(row: AlertRule, before: ErrorRateEvidence) -> ErrorRateMemory:
    is_open = row.state in (RuleState.FIRING, RuleState.RECOVERING)
    return ErrorRateMemory(row.bad_since, row.good_since, row.since if is_open else None, before.thin_since)


def _worst_group(worst: Tally, everything: Tally) -> list[str]:
    if worst.group == everything.group:
        return []
    group = t(f"mail.group.{worst.group}")
    return [t("alerts.error_rate.mail.group", group=group, errors=worst.errors, finished=worst.finished)]


def _share(tally: Tally) -> str:
    return format_percent(tally.errors / max(tally.finished, 1))
