"""Mail bodies of alerts: subject, text and HTML. They hold no personal data, only ids, counts and times."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from markupsafe import Markup

from alerts import incidents, recipients
from alerts.diagnosis import DiagnosisResult
from config import config
from i18n.catalogue import t
from i18n.explanations import explain
from i18n.formats import format_datetime, format_duration
from i18n.locale import LANGUAGES, use_language
from i18n.numbers import format_number, format_percent
from models import SILENCE_RULES, Entity, Incident, Mail, MailKind, Rule, Shop, Task, utcnow
from taskqueue.types import sync_type

TOKEN_PLACEHOLDER = "THE-READERS-OWN"  # noqa: S105 - no secret
HTML_PAGE = Markup("<!doctype html><html><body>{}</body></html>")


@dataclass(frozen=True)
class MailBody:
    """A mail body: a subject, paragraphs, links with their labels, and a footer."""

    subject: str
    paragraphs: list[str]
    links: list[tuple[str, str]] = field(default_factory=list)
    footer: list[str] = field(default_factory=list)

    @property
    def text(self) -> str:
        links = [f"{label}:\n{url}" for label, url in self.links]
        return "\n\n".join([*self.paragraphs, *links, "-- ", *self.footer]) + "\n"

    @property
    def html(self) -> str:
        """The mail as HTML, without images or styles, so that it follows the mail program's own."""
        paragraphs = [Markup("<p>{}</p>").format(each) for each in self.paragraphs]
        links = [Markup('<p><a href="{}">{}</a></p>').format(url, label) for label, url in self.links]
        footer = [Markup("<p><small>{}</small></p>").format(each) for each in self.footer]
        return str(HTML_PAGE.format(Markup("\n").join([*paragraphs, *links, *footer])))


def mail_body(mail: Mail, shop: Shop | None, incident: Incident | None) -> MailBody:
    """The mail's body, in the shop's language; those to the operator are in English."""
    if shop is None:
        with use_language("en"):
            return _stalled(mail.kind, incident)
    with use_language(_language(shop)):
        found = (
            INCIDENT_MAILS[MailKind(mail.kind)](shop, incident)
            if incident
            else SHOP_MAILS[MailKind(mail.kind)](shop, mail)
        )
        return replace(found, subject=" ".join(found.subject.split()), footer=_footer(shop, mail))


def incident_mail_body(shop: Shop, incident: Incident) -> MailBody:
    """The body of an incident's first mail, in the current language."""
    return _silence(shop, incident) if incident.rule in SILENCE_RULES else _errors(shop, incident)


def unsubscribe_url(shop: Shop | None, address: str) -> str | None:
    """The unsubscribe link of an additional address; None for the shop's own, which cannot unsubscribe."""
    row = recipients.find(shop, address) if shop else None
    return f"{config.app_url}/alerts/unsubscribe/{TOKEN_PLACEHOLDER}" if row else None


def fill_token(text: str, shop: Shop, address: str) -> str:
    """The text of a mail with the recipient's own token filled in: the stored text does not have it."""
    row = recipients.find(shop, address) if TOKEN_PLACEHOLDER in text else None
    return text.replace(TOKEN_PLACEHOLDER, row.plain_token) if row else text


def _language(shop: Shop) -> str:
    language = str(shop.settings.get("language", ""))
    return language if language in LANGUAGES else "en"


def _footer(shop: Shop, mail: Mail) -> list[str]:
    unsubscribe = unsubscribe_url(shop, mail.address)
    why = t("mail.small.why", shop=_name(shop), address=mail.address)
    return [why, t("mail.small.leave", url=unsubscribe) if unsubscribe else t("mail.small.own")]


def _silence(shop: Shop, incident: Incident) -> MailBody:
    diagnosis = incident.diagnosis or {"cause": str(DiagnosisResult.UNKNOWN)}
    name, length = (
        diagnosis["cause"],
        format_duration((incident.opened_at - incident.bad_since) / timedelta(milliseconds=1)),
    )
    paragraphs = [_result_text(shop, name, diagnosis), *_examples(diagnosis)]
    if f"mail.cause.{name}.todo" in _with_todo():
        paragraphs.append(t(f"mail.cause.{name}.todo"))
    tasks = {"type": sync_type(Entity.ORDER).name, "created_from": _url_time(incident.bad_since - timedelta(minutes=5))}
    return MailBody(
        t(f"mail.cause.{name}.subject", shop=_name(shop), length=length),
        [_since(shop, incident), *paragraphs],
        [(t("mail.link.tasks"), f"{config.app_url}/tasks?{urlencode(tasks)}"), *_links()],
    )


def _with_todo() -> set[str]:
    return {f"mail.cause.{result}.todo" for result in DiagnosisResult if result is not DiagnosisResult.NO_ORDERS}


def _since(shop: Shop, incident: Incident) -> str:
    evidence = incident.evidence
    if evidence.get("first"):
        return t("mail.silence.first")
    since = t("mail.silence.since", since=_local_time(shop, incident.bad_since))
    if incident.rule == Rule.RHYTHM:
        expected = format_number(evidence["expected"], 1)
        return f"{since} {t('mail.silence.rhythm', length=_seconds(evidence['elapsed']), expected=expected)}"
    length, period = _seconds(evidence["elapsed"]), _seconds(60 * (evidence["period"] or 0))
    if evidence.get("window"):
        start, end = evidence["window"]
        return f"{since} {t('mail.silence.counted', length=length, period=period, start=start, end=end)}"
    return f"{since} {t('mail.silence.plain', length=length, period=period)}"


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
    since = _local_time(shop, datetime.fromisoformat(diagnosis["oldest"])) if diagnosis.get("oldest") else ""
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


def _errors(shop: Shop, incident: Incident) -> MailBody:
    everything, worst = incident.evidence["tallies"][0], incident.evidence["worst"]
    share = _share(everything if everything["errors"] else worst)
    threshold, errors, finished = incident.evidence["threshold"], everything["errors"], everything["finished"]
    paragraphs = [t("mail.errors.says", share=share, threshold=threshold, errors=errors, finished=finished)]
    if worst["group"] != everything["group"]:
        group = t(f"mail.group.{worst['group']}")
        paragraphs.append(t("mail.errors.group", group=group, errors=worst["errors"], finished=worst["finished"]))
    silent = next((each for each in incidents.open_of(shop) if each.suppressed_by == Rule.ERRORS), None)
    if silent:
        paragraphs.append(t("mail.errors.silent", since=_local_time(shop, silent.bad_since)))
    tasks = f"{config.app_url}/tasks?{urlencode({'problem': 'open'})}"
    subject = t("mail.errors.subject", share=share, shop=_name(shop))
    return MailBody(subject, paragraphs, [(t("mail.link.tasks"), tasks), *_links()])


def _remind(shop: Shop, incident: Incident) -> MailBody:
    first = incident_mail_body(shop, incident)
    text = t("mail.remind.says", since=_local_time(shop, incident.opened_at))
    return replace(first, subject=t("mail.remind.subject", subject=first.subject), paragraphs=[text, *first.paragraphs])


def _resolve(shop: Shop, incident: Incident) -> MailBody:
    end = incident.closed_at or utcnow()
    times: dict[str, Any] = {"start": _local_time(shop, incident.bad_since), "end": _local_time(shop, end)}
    if incident.closed_by == "recovered":
        length = format_duration((end - incident.bad_since) / timedelta(milliseconds=1))
        text = t(f"mail.resolve.recovered.{incident.rule}", length=length, **times)
    else:
        text = t(f"mail.resolve.{incident.closed_by}", **times)
    return MailBody(t("mail.resolve.subject", subject=incident_mail_body(shop, incident).subject), [text], _links())


def _unstable(shop: Shop, incident: Incident) -> MailBody:
    since = incident.opened_at - timedelta(days=1)
    count = len(incidents.opening_times(shop, incident.rule, since))
    text = t(f"mail.unstable.{incident.rule}", count=count, since=_local_time(shop, since))
    return MailBody(t("mail.unstable.subject", shop=_name(shop)), [text], _links())


def _test(shop: Shop, mail: Mail) -> MailBody:
    return MailBody(t("mail.test.subject", shop=_name(shop)), [t("mail.test.says", shop=_name(shop))], _links())


def _confirm(shop: Shop, mail: Mail) -> MailBody:
    link = (t("mail.link.confirm"), f"{config.app_url}/alerts/confirm/{TOKEN_PLACEHOLDER}")
    name = _name(shop)
    return MailBody(t("mail.confirm.subject", shop=name), [t("mail.confirm.says", shop=name)], [link])


def _stalled(kind: str, incident: Incident | None) -> MailBody:
    """The mail to the operator about the app itself."""
    since = format_datetime(incident.bad_since) if incident else ""
    if incident and kind == MailKind.RESOLVE:
        return MailBody(
            t("mail.stalled.over"), [t("mail.stalled.worked", since=since, end=format_datetime(incident.closed_at))]
        )
    return MailBody(t("mail.stalled.subject"), [t("mail.stalled.says", since=since), t("mail.stalled.todo")])


INCIDENT_MAILS: dict[MailKind, Callable[[Shop, Incident], MailBody]] = {
    MailKind.FIRE: incident_mail_body,
    MailKind.REMIND: _remind,
    MailKind.RESOLVE: _resolve,
    MailKind.UNSTABLE: _unstable,
}
SHOP_MAILS: dict[MailKind, Callable[[Shop, Mail], MailBody]] = {MailKind.TEST: _test, MailKind.CONFIRM: _confirm}


def _links() -> list[tuple[str, str]]:
    return [
        (t("mail.link.alerts"), f"{config.app_url}/alerts"),
        (t("mail.link.settings"), f"{config.app_url}/settings"),
    ]


def _name(shop: Shop) -> str:
    return shop.name or shop.domain


def _local_time(shop: Shop, instant: datetime) -> str:
    return t("mail.times", time=format_datetime(instant.astimezone(shop.zone)), zone=shop.timezone)


def _seconds(seconds: float) -> str:
    return format_duration(seconds * 1000)


def _share(tally: dict[str, Any]) -> str:
    return format_percent(tally["errors"] / max(tally["finished"], 1))


def _url_time(instant: datetime) -> str:
    return f"{instant:%Y-%m-%dT%H:%M:%S}"
