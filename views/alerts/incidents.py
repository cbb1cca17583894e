"""Alert rules, incidents and mails as the alerts page shows them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from alerts import incidents, outbox, rule_states
from alerts.mail import MailBody, incident_mail_body
from alerts.rules import error_rate
from i18n.catalogue import t
from i18n.formats import format_datetime, format_duration
from models import SHOP_RULES, SILENCE_RULES, AlertRule, Incident, Mail, MailState, Rule, RuleState, Shop
from views.web import membership

RULE_STYLES = {
    RuleState.OK: "success",
    RuleState.FIRING: "error",
    RuleState.PENDING: "pending",
    RuleState.RECOVERING: "pending",
    RuleState.UNKNOWN: "pending",
}
MAIL_STYLES = {
    MailState.SENT: "success",
    MailState.KEPT: "success",
    MailState.BOUNCED: "error",
    MailState.GIVEN_UP: "error",
}


@dataclass(frozen=True)
class RuleStatus:
    """An alert rule with its state."""

    rule: str
    state: str
    sentence: str
    note: str | None = None

    @property
    def title(self) -> str:
        return t(f"alerts.rule.{self.rule}")

    @property
    def state_label(self) -> str:
        return t(f"alerts.standing.{self.state}")

    @property
    def style(self) -> str:
        return RULE_STYLES.get(RuleState(self.state), "cancelled")


def rule_statuses(shop: Shop) -> list[RuleStatus]:
    """The shop's alert rules with their states. A rule that has not been evaluated yet is shown as off."""
    rows = rule_states.of_shop(shop)
    return [_rule_state(shop, rule, rows.get(rule) or AlertRule(shop=shop, rule=rule)) for rule in SHOP_RULES]


def _rule_state(shop: Shop, rule: Rule, alert_rule: AlertRule) -> RuleStatus:
    if alert_rule.failure:
        return RuleStatus(rule, RuleState.UNKNOWN, t("alerts.failure", failure=alert_rule.failure))
    if alert_rule.state == RuleState.OK and rule in SILENCE_RULES and alert_rule.evidence.get("fires_at"):
        return RuleStatus(rule, alert_rule.state, _next_alert_text(shop, alert_rule))
    return RuleStatus(rule, alert_rule.state, t(f"alerts.{rule}.{alert_rule.state}"), _guard_note(alert_rule))


def _next_alert_text(shop: Shop, alert_rule: AlertRule) -> str:
    since, fires_at = (datetime.fromisoformat(alert_rule.evidence[name]) for name in ("since", "fires_at"))
    return t("alerts.calm", since=_local_time(shop, since), fires_at=_local_time(shop, fires_at), zone=shop.timezone)


def _guard_note(alert_rule: AlertRule) -> str | None:
    """A note when the guard against false alerts holds an alert back: that must never be invisible."""
    if not alert_rule.evidence.get("held_back"):
        return None
    everything: dict[str, Any] = alert_rule.evidence["tallies"][0]
    errors, finished = everything["errors"], everything["finished"]
    return t(
        "alerts.held_back", errors=errors, finished=finished, things=error_rate.MIN_SAMPLE, enough=error_rate.MIN_ERRORS
    )


@dataclass(frozen=True)
class MailRow:
    """A mail about an incident, as a row of the table of mails."""

    mail: Mail

    @property
    def kind_label(self) -> str:
        return t(f"alerts.kind.{self.mail.kind}")

    @property
    def state_label(self) -> str:
        return t(f"alerts.fate.{MailState(self.mail.state).name.lower()}")

    @property
    def style(self) -> str:
        return MAIL_STYLES.get(MailState(self.mail.state), "pending")

    @property
    def at(self) -> datetime:
        ended: datetime | None = self.mail.ended_at
        return ended or self.mail.due_at

    @property
    def url(self) -> str | None:
        """The page with its text, or None before it has one."""
        return f"/alerts/mails/{self.mail.id}" if self.mail.text else None


@dataclass(frozen=True)
class IncidentCard:
    """An incident on the page: title, times, diagnosis and mails."""

    shop: Shop
    incident: Incident
    mails: Sequence[MailRow]
    mail_body: MailBody

    @classmethod
    def of(cls, shop: Shop, incident: Incident, mails: Sequence[Mail]) -> IncidentCard:
        return cls(shop, incident, [MailRow(mail) for mail in mails], incident_mail_body(shop, incident))

    @property
    def title(self) -> str:
        return self.mail_body.subject if self.is_diagnosed else t(f"alerts.opened.{self.incident.rule}")

    @property
    def is_diagnosed(self) -> bool:
        """Whether the diagnosis is there: it is made for the first mail."""
        return self.incident.rule not in SILENCE_RULES or self.incident.diagnosis is not None

    @property
    def paragraphs(self) -> list[str]:
        if self.is_diagnosed:
            return self.mail_body.paragraphs
        return [self.mail_body.paragraphs[0], t("alerts.held" if self.incident.suppressed_by else "alerts.looking")]

    @property
    def tasks_url(self) -> str:
        return self.mail_body.links[0][1]

    @property
    def duration_text(self) -> str:
        end: datetime = self.incident.closed_at or self.incident.opened_at
        return format_duration((end - self.incident.bad_since) / timedelta(milliseconds=1))

    @property
    def period(self) -> str:
        """When it began and ended, in the shop's time zone."""
        start = _local_time(self.shop, self.incident.bad_since)
        if self.incident.closed_at is None:
            opened = _local_time(self.shop, self.incident.opened_at)
            return t("alerts.since", start=start, opened=opened, zone=self.shop.timezone)
        end = _local_time(self.shop, self.incident.closed_at)
        return t("alerts.from_to", start=start, end=end, zone=self.shop.timezone, length=self.duration_text)

    @property
    def closing_reason(self) -> str:
        return t(f"alerts.closed.{self.incident.closed_by}") if self.incident.closed_by else ""

    @property
    def acknowledgement(self) -> str | None:
        """Who acknowledged it, or until when it is snoozed; None for neither."""
        if self.incident.acknowledged_at:
            user = self.incident.acknowledged_by
            name = membership.names(self.shop).get(user, user) if user else t("alerts.somebody")
            return t("alerts.acknowledged", who=name, at=_local_time(self.shop, self.incident.acknowledged_at))
        if self.incident.muted:
            return t("alerts.snoozed", until=_local_time(self.shop, self.incident.snoozed_until))
        return None


def incident_cards(shop: Shop, rows: Sequence[Incident]) -> list[IncidentCard]:
    mails = outbox.by_incident(shop, rows)
    return [IncidentCard.of(shop, each, mails[each.id]) for each in rows]


def open_incident_titles(shop: Shop) -> list[str]:
    """The titles of open incidents, for the banner of the task list page."""
    return [IncidentCard.of(shop, each, ()).title for each in incidents.open_of(shop)]


def _local_time(shop: Shop, instant: datetime) -> str:
    return format_datetime(instant.astimezone(shop.zone))
