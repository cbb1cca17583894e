"""Mail bodies of alerts: subject, text and HTML. They hold no personal data, only ids, counts and times."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from markupsafe import Markup

from alerts import incidents, recipients
from alerts.declared import shop_rule
from alerts.report import IncidentReport, local_time, shop_name
from clients.shopify.admin_url import page_url
from config import config
from i18n.catalogue import t
from i18n.formats import format_datetime, format_duration
from i18n.locale import LANGUAGES, use_language
from models import Incident, Mail, MailKind, Shop, utcnow

TOKEN_PLACEHOLDER = "THE-READERS-OWN"  # noqa: S105 - no secret
HTML_PAGE = Markup("<!doctype html><html><body>{}</body></html>")


@dataclass(frozen=True)
class MailLink:
    """A link of a mail, with its label."""

    label: str
    url: str


@dataclass(frozen=True)
class MailBody:
    """A mail body: a subject, paragraphs, links and a footer."""

    subject: str
    paragraphs: list[str]
    links: list[MailLink] = field(default_factory=list)
    footer: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        links = [f"{link.label}:\n{link.url}" for link in self.links]
        return "\n\n".join([*self.paragraphs, *links, "-- ", *self.footer]) + "\n"

    @property
    def html(self) -> str:
        """The mail as HTML, without images or styles, so that it follows the mail program's own."""
        paragraphs = [Markup("<p>{}</p>").format(each) for each in self.paragraphs]
        links = [Markup('<p><a href="{}">{}</a></p>').format(link.url, link.label) for link in self.links]
        footer = [Markup("<p><small>{}</small></p>").format(each) for each in self.footer]
        return str(HTML_PAGE.format(Markup("\n").join([*paragraphs, *links, *footer])))


def mail_body(mail: Mail, shop: Shop | None, incident: Incident | None) -> MailBody:
    """The mail's body, in the shop's language; those to the operator are in English."""
    if shop:
        return _shop_mail(mail, shop, incident)
    if incident is None:
        raise ValueError("A mail to the operator is about an incident.")
    with use_language("en"):
        return _app_mail(mail.kind, incident)


def mail_urls(mail: Mail, shop: Shop, incident: Incident | None) -> list[str]:
    """The URLs of a mail's links, with the placeholder of the recipient's token."""
    unsubscribe = unsubscribe_url(shop, mail.address)
    return [*(link.url for link in _shop_mail(mail, shop, incident).links), *([unsubscribe] if unsubscribe else [])]


def incident_report(shop: Shop, incident: Incident) -> IncidentReport:
    """What an incident's mails and its card on the page say, in the current language."""
    declared = shop_rule(incident.rule)
    return declared.report(shop, incident, declared.read_evidence(incident))


def unsubscribe_url(shop: Shop | None, address: str) -> str | None:
    """The unsubscribe link of an additional address; None for the shop's own, which cannot unsubscribe."""
    row = recipients.find(shop, address) if shop else None
    return f"{config.app_url}/alerts/unsubscribe/{TOKEN_PLACEHOLDER}" if row else None


def fill_token(text: str, shop: Shop, address: str) -> str:
    """The text of a mail with the recipient's own token filled in: the stored text does not have it."""
    row = recipients.find(shop, address) if TOKEN_PLACEHOLDER in text else None
    return text.replace(TOKEN_PLACEHOLDER, row.plain_token) if row else text


def _shop_mail(mail: Mail, shop: Shop, incident: Incident | None) -> MailBody:
    with use_language(_language(shop)):
        found = (
            INCIDENT_MAILS[MailKind(mail.kind)](shop, incident)
            if incident
            else SHOP_MAILS[MailKind(mail.kind)](shop, mail)
        )
        return replace(found, subject=" ".join(found.subject.split()), footer=_footer(shop, mail))


def _language(shop: Shop) -> str:
    language = str(shop.settings.get("language", ""))
    return language if language in LANGUAGES else "en"


def _footer(shop: Shop, mail: Mail) -> list[str]:
    unsubscribe = unsubscribe_url(shop, mail.address)
    why = t("mail.small.why", shop=shop_name(shop), address=mail.address)
    return [why, t("mail.small.leave", url=unsubscribe) if unsubscribe else t("mail.small.own")]


def _fire(shop: Shop, incident: Incident) -> MailBody:
    report = incident_report(shop, incident)
    tasks = MailLink(t("mail.link.tasks"), page_url(shop.domain, report.tasks_url.removeprefix(config.app_url)))
    return MailBody(report.title, report.paragraphs, [tasks, *_links(shop)])


def _remind(shop: Shop, incident: Incident) -> MailBody:
    first = _fire(shop, incident)
    text = t("mail.remind.says", since=local_time(shop, incident.opened_at))
    return replace(first, subject=t("mail.remind.subject", subject=first.subject), paragraphs=[text, *first.paragraphs])


def _resolve(shop: Shop, incident: Incident) -> MailBody:
    end = incident.closed_at or utcnow()
    times: dict[str, Any] = {"start": local_time(shop, incident.bad_since), "end": local_time(shop, end)}
    if incident.closed_by == "recovered":
        length = format_duration((end - incident.bad_since) / timedelta(milliseconds=1))
        text = t(f"alerts.{incident.rule}.mail.recovered", length=length, **times)
    else:
        text = t(f"mail.resolve.{incident.closed_by}", **times)
    return MailBody(t("mail.resolve.subject", subject=incident_report(shop, incident).title), [text], _links(shop))


def _unstable(shop: Shop, incident: Incident) -> MailBody:
    since = incident.opened_at - timedelta(days=1)
    count = len(incidents.opening_times(shop, incident.rule, since))
    text = t(f"alerts.{incident.rule}.mail.unstable", count=count, since=local_time(shop, since))
    return MailBody(t("mail.unstable.subject", shop=shop_name(shop)), [text], _links(shop))


def _test(shop: Shop, mail: Mail) -> MailBody:
    return MailBody(
        t("mail.test.subject", shop=shop_name(shop)), [t("mail.test.says", shop=shop_name(shop))], _links(shop)
    )


def _confirm(shop: Shop, mail: Mail) -> MailBody:
    link = MailLink(t("mail.link.confirm"), f"{config.app_url}/alerts/confirm/{TOKEN_PLACEHOLDER}")
    name = shop_name(shop)
    return MailBody(t("mail.confirm.subject", shop=name), [t("mail.confirm.says", shop=name)], [link])


def _app_mail(kind: str, incident: Incident) -> MailBody:
    """The mail to the operator about the app itself."""
    since = format_datetime(incident.bad_since)
    if kind == MailKind.RESOLVE:
        worked = t(f"alerts.{incident.rule}.mail.worked", since=since, end=format_datetime(incident.closed_at))
        return MailBody(t(f"alerts.{incident.rule}.mail.over"), [worked])
    paragraphs = [t(f"alerts.{incident.rule}.mail.says", since=since), t(f"alerts.{incident.rule}.mail.todo")]
    return MailBody(t(f"alerts.{incident.rule}.mail.subject"), paragraphs)


INCIDENT_MAILS: dict[MailKind, Callable[[Shop, Incident], MailBody]] = {
    MailKind.FIRE: _fire,
    MailKind.REMIND: _remind,
    MailKind.RESOLVE: _resolve,
    MailKind.UNSTABLE: _unstable,
}
SHOP_MAILS: dict[MailKind, Callable[[Shop, Mail], MailBody]] = {MailKind.TEST: _test, MailKind.CONFIRM: _confirm}


def _links(shop: Shop) -> list[MailLink]:
    return [
        MailLink(t("mail.link.alerts"), page_url(shop.domain, "/alerts")),
        MailLink(t("mail.link.settings"), page_url(shop.domain, "/settings")),
    ]
