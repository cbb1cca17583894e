"""The alerts page: rules, open and past incidents, and mails; acknowledge and snooze incidents, send a test mail."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from alerts import telling
from alerts.letters import with_token
from config import config
from database import db
from models import utcnow
from models.audit import Action, Audit
from models.incidents import Incident
from models.mails import Fate, Mail
from models.members import Permission
from views import BadInput, Missing, parameters, render, view
from views.cases import Told, cases, standings
from views.forms import Conflict, action, click_of, who
from views.request_state import Request
from words import t

MAX_PAST, MAX_MAILS = 20, 20
SNOOZES = {"1": timedelta(hours=1), "4": timedelta(hours=4), "24": timedelta(days=1)}  # by hours


@view
def index(request: Request) -> Response:
    """`GET /alerts`: rules, open and past incidents, and the newest mails. `?before=ID` for older incidents."""
    shop, before = request.state.shop, _before(request)
    past = Incident.past(shop, MAX_PAST + 1, before)
    return render(
        request,
        "alerts/index.html",
        standings=standings(shop),
        open=cases(shop, Incident.open_of(shop)),
        past=cases(shop, past[:MAX_PAST]),
        older=f"/alerts?before={past[MAX_PAST - 1].id}#past" if len(past) > MAX_PAST else None,
        first=before is None,
        mails=[Told(mail) for mail in Mail.newest(shop, MAX_MAILS)],
        told=telling.addresses(shop),
        sends=bool(config.smtp_url),
        tested=request.query_params.get("tested") == "yes",
        snoozes=list(SNOOZES),
    )


def _before(request: Request) -> UUID | None:
    given = request.query_params.get("before", "")
    found = parameters.uuid(given)
    if given and found is None:
        raise BadInput(t("alerts.bad_before", given=repr(given[:40])))
    return found


@view
def mail(request: Request) -> Response:
    """`GET /alerts/mails/{id}`: the text of a mail. Its personal links work only if it was never sent."""
    shop, mail_id = request.state.shop, parameters.uuid(request.path_params["mail_id"])
    found = Mail.find(shop, mail_id) if mail_id else None
    if found is None or not found.text:
        raise Missing(t("alerts.no_mail"))
    text = with_token(found.text, shop, found.address) if found.state == Fate.KEPT else found.text
    return render(request, "alerts/mail.html", told=Told(found), text=text)


@action(needs=Permission.ALERTS)
def acknowledge(request: Request) -> Response:
    """`POST /alerts/{id}/acknowledge`: acknowledge an incident: no more reminders of it."""
    return _change(
        request,
        Action.ALERT_ACKNOWLEDGE,
        lambda incident: incident.change(acknowledged_at=utcnow(), acknowledged_by=who(request)),
    )


@action(needs=Permission.ALERTS)
def snooze(request: Request) -> Response:
    """`POST /alerts/{id}/snooze`: no reminders of an incident for some hours."""
    hours = request.state.form.get("hours", "")
    if hours not in SNOOZES:
        raise BadInput(t("alerts.bad_snooze", given=repr(hours[:40])))
    until = utcnow() + SNOOZES[hours]
    return _change(request, Action.ALERT_SNOOZE, lambda incident: incident.change(snoozed_until=until))


@action(needs=Permission.ALERTS)
def wake(request: Request) -> Response:
    """`POST /alerts/{id}/wake`: undo acknowledging or snoozing an incident."""
    cleared = dict.fromkeys(("acknowledged_at", "acknowledged_by", "snoozed_until"))
    return _change(request, Action.ALERT_WAKE, lambda incident: incident.change(**cleared))


def _change(request: Request, action_type: Action, change: Callable[[Incident], None]) -> Response:
    shop, incident_id = request.state.shop, parameters.uuid(request.path_params["incident_id"])
    incident = Incident.find(shop, incident_id) if incident_id else None
    if incident is None:
        raise Missing(t("alerts.missing"))
    if incident.closed_at:
        raise Conflict(t("alerts.over"))
    with db.atomic():
        details = {"incident_id": str(incident.id)}
        if Audit.note(shop, action_type, who(request), click=click_of(request), details=details):
            change(incident)
    return RedirectResponse(f"/alerts#incident-{incident.id}", 303)


@action(needs=Permission.ALERTS)
def test(request: Request) -> Response:
    """`POST /alerts/test`: send a test mail to every recipient."""
    shop = request.state.shop
    try:
        with db.atomic():
            if Audit.note(shop, Action.ALERT_TEST, who(request), click=click_of(request)):
                telling.put_test(shop)
    except telling.TooMany:
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
