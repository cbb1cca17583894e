"""Base of the order silence rules (no orders for too long): diagnosis, report and recovery."""

from __future__ import annotations

from abc import abstractmethod
from datetime import datetime, timedelta
from typing import Any, TypeVar

from alerts.declare import NOT_EVALUATED, Evaluation, EvaluationInput, ShopRule
from alerts.diagnosis import DiagnosisResult
from alerts.report import IncidentReport, local_time, shop_name, tasks_url
from alerts.rules.silence import SilenceEvidence, SilenceVerdict
from alerts.settings import Settings
from i18n.catalogue import t
from i18n.explanations import explain
from i18n.formats import format_datetime, format_duration
from models import Entity, Incident, RuleState, Shop, Task
from taskqueue.types import sync_type

E = TypeVar("E", bound=SilenceEvidence)


class SilenceRule(ShopRule[E, Settings]):
    """A rule that fires when orders stop."""

    diagnosed = True
    counts_silence = True

    def sentence(self, shop: Shop, state: str, evidence: E) -> str:
        if state != RuleState.OK or evidence.since is None or evidence.fires_at is None:
            return super().sentence(shop, state, evidence)
        since, fires_at = (format_datetime(at.astimezone(shop.zone)) for at in (evidence.since, evidence.fires_at))
        return t("alerts.calm", since=since, fires_at=fires_at, zone=shop.timezone)

    def report(self, shop: Shop, incident: Incident, evidence: E) -> IncidentReport:
        diagnosis = incident.diagnosis or {"cause": str(DiagnosisResult.UNKNOWN)}
        name = diagnosis["cause"]
        length = format_duration((incident.opened_at - incident.bad_since) / timedelta(milliseconds=1))
        paragraphs = [self.since_text(shop, incident, evidence), _result_text(shop, name, diagnosis)]
        paragraphs += _examples(diagnosis)
        if name != DiagnosisResult.NO_ORDERS:  # the only one about which there is nothing to do
            paragraphs.append(t(f"mail.cause.{name}.todo"))
        created_from = f"{incident.bad_since - timedelta(minutes=5):%Y-%m-%dT%H:%M:%S}"
        title = t(f"mail.cause.{name}.subject", shop=shop_name(shop), length=length)
        return IncidentReport(
            title, paragraphs, tasks_url(type=sync_type(Entity.ORDER).name, created_from=created_from)
        )

    def since_text(self, shop: Shop, incident: Incident, evidence: E) -> str:
        """Since when there have been no orders, and how long that is."""
        since = t("mail.silence.since", since=local_time(shop, incident.bad_since))
        return f"{since} {self.elapsed_text(evidence)}"

    @abstractmethod
    def elapsed_text(self, evidence: E) -> str:
        """How long there have been no orders, and why that is too long."""


def evaluation_of(verdict: SilenceVerdict, evidence: E, given: EvaluationInput, last: datetime | None) -> Evaluation[E]:
    """Make the evaluation of a verdict. An order, `last`, ends silence; without one, changed settings ended it."""
    recovered = bool(last and given.row.bad_since and last > given.row.bad_since)
    return Evaluation(
        verdict.state,
        evidence,
        bad_since=verdict.since,
        opened_at=verdict.fires_at,
        closed_at=last if recovered else given.now,
        closed_by="recovered" if recovered else "settings",
    )


def counts_from(given: EvaluationInput, *, is_open: bool) -> datetime:
    """The start of the time that may count as silence: time in which the rule was not evaluated does not."""
    known = is_open or given.stalled_since is not None
    if given.row.state in NOT_EVALUATED and not known:
        return given.now
    connected_at: datetime = given.shop.connected_at
    return max(given.row.counts_from or connected_at, connected_at)


def _result_text(shop: Shop, name: str, diagnosis: dict[str, Any]) -> str:
    counts = {
        DiagnosisResult.NOT_RECEIVED: diagnosis.get("orders"),
        DiagnosisResult.IN_PROGRESS: diagnosis.get("orders"),
        DiagnosisResult.PENDING: diagnosis.get("waiting"),
        DiagnosisResult.FAILED: diagnosis.get("refused"),
        DiagnosisResult.SKIPPED: diagnosis.get("left_out"),
    }
    count = counts.get(DiagnosisResult(name))
    if count is None:
        return t(f"mail.cause.{name}.says")
    since = local_time(shop, datetime.fromisoformat(diagnosis["oldest"])) if diagnosis.get("oldest") else ""
    return t(f"mail.cause.{name}.says", count=count, since=since)


def _examples(diagnosis: dict[str, Any]) -> list[str]:
    """A paragraph for each group of tasks with the same outcome, explained as on the tasks' own pages."""
    paragraphs = []
    for each in diagnosis.get("examples", []):
        task = Task.get_or_none(Task.id == each["task_id"])
        explanation = explain(task.cause, task.error_code) if task else None
        if explanation:
            paragraphs.append(t("mail.example", count=each["count"], title=explanation.title))
    return paragraphs
