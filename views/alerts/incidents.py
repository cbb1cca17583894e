"""Alert rules, incidents and mails as the alerts page shows them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from alerts import incidents, outbox, rule_states
from alerts.declare import ShopRule
from alerts.declared import RULES, shop_rule, shop_rules
from alerts.mail import incident_report
from alerts.report import IncidentReport
from i18n.catalogue import t
from i18n.formats import format_datetime, format_duration
from models import AlertRule, Incident, Mail, MailState, RuleState, Shop
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

    title: str
    state: str
    sentence: str
    note: str | None = None

    @property
    def state_label(self) -> str:
        return t(f"alerts.standing.{self.state}")

    @property
    def style(self) -> str:
        return RULE_STYLES.get(RuleState(self.state), "cancelled")


def rule_statuses(shop: Shop) -> list[RuleStatus]:
    """The shop's alert rules with their states. A rule that has not been evaluated yet is shown as off."""
    rows = rule_states.of_shop(shop)
    return [
        _rule_status(shop, each, rows.get(each.name) or AlertRule(shop=shop, rule=each.name)) for each in shop_rules()
    ]


def _rule_status(shop: Shop, declared: ShopRule[Any, Any], row: AlertRule) -> RuleStatus:
    if row.failure:
        return RuleStatus(declared.title, RuleState.UNKNOWN, t("alerts.failure", failure=row.failure))
    evidence = declared.read_evidence(row)
    return RuleStatus(declared.title, row.state, declared.sentence(shop, row.state, evidence), declared.note(evidence))


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
class TextPart:
    """A part of a mail's text: one of its links, or what stands between them."""

    text: str
    is_link: bool


def text_parts(text: str, urls: Sequence[str]) -> list[TextPart]:
    """The text of a mail, divided at the URLs of its links."""
    longest_first = sorted(urls, key=len, reverse=True)  # the page of alerts is the beginning of other URLs
    divided = re.split(f"({'|'.join(map(re.escape, longest_first))})", text)
    return [TextPart(part, is_link=bool(number % 2)) for number, part in enumerate(divided)]


@dataclass(frozen=True)
class IncidentCard:
    """An incident on the page: title, times, diagnosis and mails."""

    shop: Shop
    incident: Incident
    mails: Sequence[MailRow]
    report: IncidentReport

    @classmethod
    def of(cls, shop: Shop, incident: Incident, mails: Sequence[Mail]) -> IncidentCard:
        return cls(shop, incident, [MailRow(mail) for mail in mails], incident_report(shop, incident))

    @property
    def title(self) -> str:
        return self.report.title if self.is_diagnosed else shop_rule(self.incident.rule).opened_title

    @property
    def is_diagnosed(self) -> bool:
        """Whether the diagnosis is there: it is made for the first mail."""
        return not shop_rule(self.incident.rule).diagnosed or self.incident.diagnosis is not None

    @property
    def paragraphs(self) -> list[str]:
        if self.is_diagnosed:
            return self.report.paragraphs
        covering = self.incident.suppressed_by
        return [self.report.paragraphs[0], shop_rule(covering).covers_text if covering else t("alerts.looking")]

    @property
    def tasks_url(self) -> str:
        return self.report.tasks_url

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
    """Their cards, without those of rules that only another release declares."""
    mails = outbox.by_incident(shop, rows)
    return [IncidentCard.of(shop, each, mails[each.id]) for each in rows if each.rule in RULES]


def open_incident_titles(shop: Shop) -> list[str]:
    """The titles of open incidents, for the banner of the task list page."""
    return [IncidentCard.of(shop, each, ()).title for each in incidents.open_of(shop) if each.rule in RULES]


def _local_time(shop: Shop, instant: datetime) -> str:
    return format_datetime(instant.astimezone(shop.zone))
