"""The alerts page: rules, open and past incidents, and mails; acknowledge and snooze incidents, send a test mail."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from alerts import incident_mails, incidents, outbox
from alerts.mail import fill_token, mail_urls
from config import config
from database import db
from i18n.catalogue import t
from models import Action, Incident, Mail, MailState, Permission, Shop, utcnow
from views.alerts.incidents import MailRow, TextPart, incident_cards, rule_statuses, text_parts
from views.web import audit_log, query_params
from views.web.errors import BadInput, Conflict, PageNotFound
from views.web.forms import action, current_user, idempotency_key
from views.web.rendering import render
from views.web.request_state import Request
from views.web.view import view

MAX_PAST, MAX_MAILS = 20, 20
SNOOZES = {"1": timedelta(hours=1), "4": timedelta(hours=4), "24": timedelta(days=1)}  # by hours


@view
def index(request: Request) -> Response:
    """`GET /alerts`: rules, open and past incidents, and the newest mails. `?before=ID` for older incidents."""
    shop = request.state.shop
    before = query_params.parse_before("alerts", request.query_params)
    past = incidents.closed(shop, MAX_PAST + 1, before)
    return render(
        request,
        "alerts/index.html",
        rules=rule_statuses(shop),
        open=incident_cards(shop, incidents.open_of(shop)),
        past=incident_cards(shop, past[:MAX_PAST]),
        older_url=f"/alerts?before={past[MAX_PAST - 1].id}#past" if len(past) > MAX_PAST else None,
        is_first_page=before is None,
        mails=[MailRow(mail) for mail in outbox.newest(shop, MAX_MAILS)],
        recipients=incident_mails.recipients_of(shop),
        sends_mail=bool(config.smtp_url),
        tested=request.query_params.get("tested") == "yes",
        snoozes=list(SNOOZES),
    )


@view
def mail(request: Request) -> Response:
    """`GET /alerts/mails/{id}`: the text of a mail. Its personal links work only if it was never sent."""
    shop, mail_id = request.state.shop, query_params.parse_uuid(request.path_params["mail_id"])
    found = outbox.find_mail(shop, mail_id) if mail_id else None
    if found is None or not found.text:
        raise PageNotFound(t("alerts.no_mail"))
    return render(request, "alerts/mail.html", mail_row=MailRow(found), parts=_text_parts(shop, found, found.text))


def _text_parts(shop: Shop, found: Mail, text: str) -> list[TextPart]:
    parts = text_parts(text, mail_urls(found, shop, found.incident))
    if found.state != MailState.KEPT:
        return parts
    return [replace(part, text=fill_token(part.text, shop, found.address)) for part in parts]


@action(needs=Permission.ALERTS)
def acknowledge(request: Request) -> Response:
    """`POST /alerts/{id}/acknowledge`: acknowledge an incident: no more reminders of it."""
    return _change(
        request,
        Action.ALERT_ACKNOWLEDGE,
        lambda incident: incidents.update(incident, acknowledged_at=utcnow(), acknowledged_by=current_user(request)),
    )


@action(needs=Permission.ALERTS)
def snooze(request: Request) -> Response:
    """`POST /alerts/{id}/snooze`: no reminders of an incident for some hours."""
    hours = request.state.form.get("hours", "")
    if hours not in SNOOZES:
        raise BadInput(t("alerts.bad_snooze", given=repr(hours[:40])))
    until = utcnow() + SNOOZES[hours]
    return _change(request, Action.ALERT_SNOOZE, lambda incident: incidents.update(incident, snoozed_until=until))


@action(needs=Permission.ALERTS)
def wake(request: Request) -> Response:
    """`POST /alerts/{id}/wake`: undo acknowledging or snoozing an incident."""
    cleared = dict.fromkeys(("acknowledged_at", "acknowledged_by", "snoozed_until"))
    return _change(request, Action.ALERT_WAKE, lambda incident: incidents.update(incident, **cleared))


def _change(request: Request, action_type: Action, change: Callable[[Incident], None]) -> Response:
    shop, incident_id = request.state.shop, query_params.parse_uuid(request.path_params["incident_id"])
    incident = incidents.find(shop, incident_id) if incident_id else None
    if incident is None:
        raise PageNotFound(t("alerts.missing"))
    if incident.closed_at:
        raise Conflict(t("alerts.over"))
    with db.atomic():
        details = {"incident_id": str(incident.id)}
        if audit_log.record(
            shop, action_type, current_user(request), idempotency_key=idempotency_key(request), details=details
        ):
            change(incident)
    return RedirectResponse(f"/alerts#incident-{incident.id}", 303)


@action(needs=Permission.ALERTS)
def test(request: Request) -> Response:
    """`POST /alerts/test`: send a test mail to every recipient."""
    shop = request.state.shop
    try:
        with db.atomic():
            if audit_log.record(
                shop, Action.ALERT_TEST, current_user(request), idempotency_key=idempotency_key(request)
            ):
                incident_mails.queue_test_mail(shop)
    except incident_mails.TooManyMails:
        raise Conflict(t("alerts.too_many")) from None
    return RedirectResponse("/alerts?tested=yes#mails", 303)


routes = [
    Route("/alerts", index),
    Route("/alerts/test", test, methods=["POST"]),
    Route("/alerts/mails/{mail_id}", mail),
    Route("/alerts/{incident_id}/acknowledge", acknowledge, methods=["POST"]),
    Route("/alerts/{incident_id}/snooze", snooze, methods=["POST"]),
    Route("/alerts/{incident_id}/wake", wake, methods=["POST"]),
]
