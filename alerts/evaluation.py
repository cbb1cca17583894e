"""Evaluation of the alert rules: open and close incidents, and put their mails into the outbox."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Any

from alerts import incidents, rule_states
from alerts.declare import NOT_EVALUATED, AppRule, CountShopifyOrders, Evaluation, EvaluationInput
from alerts.declared import app_rules, shop_rule
from alerts.evidence import evidence_json
from alerts.incident_mails import queue_first_mail, queue_operator_mail, queue_recovery_mail
from alerts.task_history import AlertTaskTypes
from database import db
from models import AlertRule, Incident, RuleState, Shop, utcnow
from taskqueue import heartbeats

EVALUATION_INTERVAL, RETRY_AFTER_FAILURE = timedelta(seconds=60), timedelta(hours=1)
MAX_RULES = 500  # rules in one run
HEARTBEAT_JOB = "watch"  # the scheduler's job that calls this
SCHEDULER_OUTAGE = timedelta(minutes=5)

log = logging.getLogger("alerts")


def evaluate_due_rules(
    task_types: AlertTaskTypes, count_shopify_orders: CountShopifyOrders, now: datetime | None = None
) -> int:
    """Evaluate the rules that are due, each independently. Returns their number."""
    if heartbeats.ages().get(HEARTBEAT_JOB, timedelta()) > SCHEDULER_OUTAGE:
        rule_states.restart_silence(utcnow())
    holding = app_rules_holding()
    for declared in app_rules():
        _evaluate_app_rule(declared, holding.get(declared.name), now or utcnow())
    stalled = min(holding.values(), default=None)
    rule_states.create_missing()
    due = rule_states.take_due(MAX_RULES, EVALUATION_INTERVAL)
    for shop_id, rule in due:
        _evaluate_and_record(shop_id, rule, task_types, count_shopify_orders, stalled, now or utcnow())
    return len(due)


def app_rules_holding() -> dict[str, datetime]:
    """The rules about the app itself whose condition holds, by name, and since when."""
    holding = {declared.name: declared.holds_since() for declared in app_rules()}
    return {name: since for name, since in holding.items() if since}


def evaluate_rule(given: EvaluationInput) -> Evaluation[Any]:
    """Evaluate one rule of a shop at an instant, without writing. Raises ValueError for invalid settings."""
    declared = shop_rule(given.row.rule)
    return declared.evaluate(given, declared.settings_of(given.shop), declared.read_evidence(given.row))


def record_evaluation(shop: Shop, alert_rule: AlertRule, evaluation: Evaluation[Any], now: datetime) -> None:
    """Store the evaluation in the caller's transaction, and open or close the incident if the state changed."""
    before, after = RuleState(alert_rule.state), evaluation.state
    changes: dict[str, Any] = {
        "state": after,
        "evidence": evidence_json(evaluation.evidence),
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


def _evaluate_app_rule(declared: AppRule[Any, Any], since: datetime | None, now: datetime) -> None:
    """The app's own incident is open while the rule's condition holds."""
    incident = incidents.open_by_rule(None, declared.name)
    with db.atomic():
        if since and incident is None and (new := incidents.start(None, declared.name, bad_since=since, opened_at=now)):
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
        evaluation = evaluate_rule(EvaluationInput(shop, alert_rule, task_types, count_shopify_orders, now, stalled))
        with db.atomic():
            record_evaluation(shop, alert_rule, evaluation, now)
    except Exception as error:
        log.exception("The rule %s of shop %s could not be evaluated.", rule, shop_id)
        rule_states.postpone(shop_id, rule, RETRY_AFTER_FAILURE, type(error).__name__)


def _open(shop: Shop, rule: str, evaluation: Evaluation[Any], now: datetime) -> None:
    bad_since = evaluation.bad_since or now
    at = max(evaluation.opened_at or now, bad_since)
    evidence = evidence_json(evaluation.evidence)
    incident = incidents.start(shop, rule, bad_since=bad_since, opened_at=min(at, now), evidence=evidence)
    if incident:
        queue_first_mail(shop, incident, now)


def _close(shop: Shop, incident: Incident, evaluation: Evaluation[Any], now: datetime) -> None:
    by = "off" if evaluation.state == RuleState.OFF else evaluation.closed_by
    at = max(evaluation.closed_at or now, incident.opened_at)
    if incidents.close(incident, at, by):
        incident.closed_at, incident.closed_by = at, by
        queue_recovery_mail(shop, incident, now)
