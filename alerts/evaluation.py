"""Evaluation of the alert rules: open and close incidents, and put their mails into the outbox."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any

from alerts import incidents, rule_states
from alerts.incident_mails import queue_first_mail, queue_operator_mail, queue_recovery_mail
from alerts.rules import error_rate, rhythm, silence
from alerts.rules.window import Interval
from alerts.settings import AlertSettings
from alerts.task_history import AlertTaskTypes, finished_tasks, last_synced_order, stalled_since, synced_orders
from database import db
from models import AlertRule, Incident, Rule, RuleState, Shop, utcnow
from taskqueue import heartbeats

EVALUATION_INTERVAL, RETRY_AFTER_FAILURE = timedelta(seconds=60), timedelta(hours=1)
SHOPIFY_ASK_INTERVAL = timedelta(minutes=10)  # between two questions to Shopify about a shop without orders
MAX_RULES = 500  # rules in one run
BASELINE_MAX_AGE = timedelta(days=1)  # then it is renewed
BASELINE_MAX_ORDERS = 100_000  # that it is based on
MAX_TASKS = 2_000  # tasks of each type and state
HEARTBEAT_JOB = "watch"  # the scheduler's job that calls this
SCHEDULER_OUTAGE = timedelta(minutes=5)
NOT_EVALUATED = (RuleState.OFF, RuleState.UNKNOWN)

log = logging.getLogger("alerts")

CountShopifyOrders = Callable[[Shop, datetime, datetime], int | None]


@dataclass(frozen=True)
class Evaluation:
    """The result of an evaluation: the rule's state, and what is stored with the rule and the incident."""

    state: RuleState
    evidence: dict[str, Any]
    bad_since: datetime | None = None
    good_since: datetime | None = None
    opened_at: datetime | None = None
    closed_at: datetime | None = None
    closed_by: str = "recovered"


def evaluate_due_rules(
    task_types: AlertTaskTypes, count_shopify_orders: CountShopifyOrders, now: datetime | None = None
) -> int:
    """Evaluate the rules that are due, each independently. Returns their number."""
    if heartbeats.ages().get(HEARTBEAT_JOB, timedelta()) > SCHEDULER_OUTAGE:
        rule_states.restart_silence(utcnow())
    stalled = stalled_since()
    _evaluate_stall(stalled, now or utcnow())
    rule_states.create_missing()
    due = rule_states.take_due(MAX_RULES, EVALUATION_INTERVAL)
    for shop_id, rule in due:
        _evaluate_and_record(shop_id, rule, task_types, count_shopify_orders, stalled, now or utcnow())
    return len(due)


def evaluate_rule(
    shop: Shop,
    alert_rule: AlertRule,
    task_types: AlertTaskTypes,
    count_shopify_orders: CountShopifyOrders,
    now: datetime,
    stalled: datetime | None = None,
) -> Evaluation:
    """Evaluate one rule at an instant, without writing. `stalled`: since when the app itself is stalled."""
    if alert_rule.rule == Rule.SILENCE:
        return _evaluate_silence(shop, alert_rule, task_types, count_shopify_orders, now, stalled)
    if alert_rule.rule == Rule.RHYTHM:
        return _evaluate_rhythm(shop, alert_rule, task_types, now, stalled)
    return _evaluate_error_rate(shop, alert_rule, task_types, now)


def record_evaluation(shop: Shop, alert_rule: AlertRule, evaluation: Evaluation, now: datetime) -> None:
    """Store the evaluation in the caller's transaction, and open or close the incident if the state changed."""
    before, after = RuleState(alert_rule.state), evaluation.state
    changes: dict[str, Any] = {
        "state": after,
        "evidence": evaluation.evidence,
        "failure": None,
        "bad_since": evaluation.bad_since,
        "good_since": evaluation.good_since,
    }
    if before != after:
        changes["since"] = now
    if before in NOT_EVALUATED and after in (RuleState.OK, RuleState.WAITING):
        changes["counts_from"] = now
    if not rule_states.store(alert_rule, **changes):
        return
    incident = incidents.open_by_rule(shop, alert_rule.rule)
    if after == RuleState.FIRING and incident is None:
        _open(shop, alert_rule.rule, evaluation, now)
    if incident and after in (RuleState.OK, RuleState.WAITING, RuleState.PENDING, RuleState.OFF):
        _close(shop, incident, evaluation, now)


def _evaluate_stall(since: datetime | None, now: datetime) -> None:
    """The app's own incident: open while due work is not claimed."""
    incident = incidents.open_by_rule(None, Rule.STALLED)
    with db.atomic():
        if since and incident is None and (new := incidents.start(None, Rule.STALLED, bad_since=since, opened_at=now)):
            queue_operator_mail(new, now)
        if since is None and incident and incidents.close(incident, now, "recovered"):
            incident.closed_at, incident.closed_by = now, "recovered"
            queue_recovery_mail(None, incident, now)


def _evaluate_and_record(
    shop_id: int,
    rule: str,
    task_types: AlertTaskTypes,
    count_shopify_orders: CountShopifyOrders,
    stalled: datetime | None,
    now: datetime,
) -> None:
    """A rule that fails, as with an invalid setting, is postponed by an hour, and does not stop others."""
    try:
        shop = Shop.get_by_id(shop_id)
        alert_rule = AlertRule.get(AlertRule.shop == shop, AlertRule.rule == rule)
        evaluation = evaluate_rule(shop, alert_rule, task_types, count_shopify_orders, now, stalled)
        with db.atomic():
            record_evaluation(shop, alert_rule, evaluation, now)
    except Exception as error:
        log.exception("The rule %s of shop %s could not be evaluated.", rule, shop_id)
        rule_states.postpone(shop_id, rule, RETRY_AFTER_FAILURE, type(error).__name__)


def _evaluate_silence(
    shop: Shop,
    alert_rule: AlertRule,
    task_types: AlertTaskTypes,
    count_shopify_orders: CountShopifyOrders,
    now: datetime,
    stalled: datetime | None,
) -> Evaluation:
    alert_settings, is_open = AlertSettings.of(shop), incidents.open_by_rule(shop, Rule.SILENCE) is not None
    settings = alert_settings.silence(shop)
    counts_from = _counts_from(shop, alert_rule, now, known=is_open or stalled is not None)
    last = last_synced_order(shop, task_types, now)
    asked_at = _instant(alert_rule.evidence.get("asked_at"))
    shopify_has_orders = last is None and is_open
    if last is None and not is_open and _worth_asking(shop, settings, counts_from, asked_at, now):
        asked_at, shopify_has_orders = now, bool(count_shopify_orders(shop, counts_from, now))
    facts = silence.SilenceFacts(last, counts_from, shopify_has_orders, stalled, shop.active)
    verdict = silence.evaluate(settings, facts, now, is_open=is_open)
    evidence = {
        "since": _iso(verdict.since),
        "fires_at": _iso(verdict.fires_at),
        "elapsed": round(verdict.elapsed.total_seconds()),
        "period": alert_settings.silence_period,
        "window": list(alert_settings.window) if alert_settings.window else None,
        "first": last is None,
        "asked_at": _iso(asked_at),
    }
    return _silence_evaluation(verdict, evidence, alert_rule, last, now)


def _silence_evaluation(
    verdict: silence.SilenceVerdict,
    evidence: dict[str, Any],
    alert_rule: AlertRule,
    last: datetime | None,
    now: datetime,
) -> Evaluation:
    """Silence recovers with the next order; if it ends without one, changed settings ended it."""
    recovered = bool(last and alert_rule.bad_since and last > alert_rule.bad_since)
    return Evaluation(
        verdict.state,
        evidence,
        bad_since=verdict.since,
        opened_at=verdict.fires_at,
        closed_at=last if recovered else now,
        closed_by="recovered" if recovered else "settings",
    )


def _evaluate_rhythm(
    shop: Shop, alert_rule: AlertRule, task_types: AlertTaskTypes, now: datetime, stalled: datetime | None
) -> Evaluation:
    if not AlertSettings.of(shop).smart or not shop.active:
        return Evaluation(RuleState.OFF, {}, closed_at=now, closed_by="settings")
    is_open = incidents.open_by_rule(shop, Rule.RHYTHM) is not None
    baseline, stored = _baseline(shop, alert_rule, task_types, now, is_open=is_open)
    last = last_synced_order(shop, task_types, now)
    counts_from = _counts_from(shop, alert_rule, now, known=is_open or stalled is not None)
    verdict = rhythm.evaluate(baseline, silence.SilenceFacts(last, counts_from, stalled_since=stalled), now)
    missing = baseline.expected(verdict.since, now) if baseline and verdict.since else 0.0
    evidence = {
        "since": _iso(verdict.since),
        "fires_at": _iso(verdict.fires_at),
        "elapsed": round(verdict.elapsed.total_seconds()),
        "expected": round(missing, 1),
        "limit": round(baseline.limit, 1) if baseline else None,
        "rhythm": stored,
    }
    return _silence_evaluation(verdict, evidence, alert_rule, last, now)


def _baseline(
    shop: Shop, alert_rule: AlertRule, task_types: AlertTaskTypes, now: datetime, *, is_open: bool
) -> tuple[rhythm.Baseline | None, dict[str, Any]]:
    """The shop's baseline and its stored form. It is renewed once a day, but not while its own alert is open."""
    stored: dict[str, Any] = alert_rule.evidence.get("rhythm") or {}
    if stored and (is_open or now - datetime.fromisoformat(stored["at"]) < BASELINE_MAX_AGE):
        rates = stored.get("rates")
        return (rhythm.Baseline(shop.zone, tuple(rates), stored["limit"]) if rates else None), stored
    begin = now - rhythm.HISTORY - BASELINE_MAX_AGE
    known = [Interval(*each) for each in incidents.periods(shop, begin, now)]
    found = rhythm.Baseline.of(synced_orders(shop, task_types, begin, now, BASELINE_MAX_ORDERS), shop.zone, now, known)
    rates = [round(rate, 6) for rate in found.rates] if found else None
    return found, {"at": _iso(now), "rates": rates, "limit": found.limit if found else None}


def _counts_from(shop: Shop, alert_rule: AlertRule, now: datetime, *, known: bool) -> datetime:
    """The start of the time that may count as silence: time in which the rule was not evaluated does not."""
    if alert_rule.state in NOT_EVALUATED and not known:
        return now
    return max(alert_rule.counts_from or shop.connected_at, shop.connected_at)


def _worth_asking(
    shop: Shop, settings: silence.SilenceSettings, since: datetime, asked_at: datetime | None, now: datetime
) -> bool:
    """Whether to ask Shopify for orders of a shop that has never sent one: once the silence is too long."""
    if settings.period is None or not shop.active or (asked_at and now - asked_at < SHOPIFY_ASK_INTERVAL):
        return False
    return silence.firing_time(settings, since) <= now


def _evaluate_error_rate(shop: Shop, alert_rule: AlertRule, task_types: AlertTaskTypes, now: datetime) -> Evaluation:
    settings = AlertSettings.of(shop).errors()
    if not shop.active or not settings.on:
        return Evaluation(RuleState.OFF, {}, closed_at=now, closed_by="settings")
    tasks = finished_tasks(shop, task_types, now - error_rate.MAX_AGE, now, MAX_TASKS)
    found = error_rate.tallies(tasks, now, guarded=settings.guarded)
    verdict = error_rate.evaluate(settings, found, _memory(alert_rule), now)
    evidence = {
        "threshold": settings.threshold,
        "tallies": [asdict(each) for each in found],
        "worst": asdict(verdict.worst) if verdict.worst else None,
        "held_back": any(each.held_back(settings) for each in found),
        "thin_since": _iso(verdict.memory.thin_since),
    }
    return Evaluation(
        verdict.state,
        evidence,
        bad_since=verdict.memory.bad_since,
        good_since=verdict.memory.good_since,
        opened_at=verdict.memory.opened_at,
        closed_at=now,
        closed_by="expired" if verdict.expired else "recovered",
    )


def _memory(alert_rule: AlertRule) -> error_rate.ErrorRateMemory:
    is_open = alert_rule.state in (RuleState.FIRING, RuleState.RECOVERING)
    return error_rate.ErrorRateMemory(
        alert_rule.bad_since,
        alert_rule.good_since,
        alert_rule.since if is_open else None,
        _instant(alert_rule.evidence.get("thin_since")),
    )


def _open(shop: Shop, rule: str, evaluation: Evaluation, now: datetime) -> None:
    bad_since = evaluation.bad_since or now
    at = max(evaluation.opened_at or now, bad_since)
    incident = incidents.start(shop, rule, bad_since=bad_since, opened_at=min(at, now), evidence=evaluation.evidence)
    if incident:
        queue_first_mail(shop, incident, now)


def _close(shop: Shop, incident: Incident, evaluation: Evaluation, now: datetime) -> None:
    by = "off" if evaluation.state == RuleState.OFF else evaluation.closed_by
    at = max(evaluation.closed_at or now, incident.opened_at)
    if incidents.close(incident, at, by):
        incident.closed_at, incident.closed_by = at, by
        queue_recovery_mail(shop, incident, now)


def _iso(instant: datetime | None) -> str | None:
    return instant.isoformat() if instant else None


def _instant(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
